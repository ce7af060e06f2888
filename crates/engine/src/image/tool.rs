//! Running a tool that fetches or makes images: bounded output, a deadline, and a process group that is killed after it.

use crate::clock::Clock;
use crate::wait::readable;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

const OUTPUT_LIMIT: u64 = 4 << 20;

/// Why a tool has not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started or waited for.
    #[error("failed to run `{program}`")]
    Run {
        /// The tool.
        program: String,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("`{program}` did not end within {seconds} s and was killed")]
    Deadline {
        /// The tool.
        program: String,
        /// The deadline.
        seconds: u64,
    },
}

/// What a tool said.
pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// The first error line of the tool, for people.
    pub(super) fn complaint(&self) -> String {
        let lines = || self.stderr.lines().chain(self.stdout.lines());
        let line = lines().find(|line| line.starts_with("E:") || line.starts_with("Err:"));
        line.or_else(|| lines().last()).unwrap_or("it said nothing").chars().take(300).collect()
    }
}

/// Runs a tool that reads nothing.
pub(super) fn output_of(command: Command, deadline: Duration) -> Result<Output, ToolError> {
    output_with(command, Stdio::null(), deadline)
}

/// Runs a tool that reads what is given.
pub(super) fn output_with(mut command: Command, stdin: Stdio, deadline: Duration) -> Result<Output, ToolError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| ToolError::Run { program: program.clone(), source };
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").process_group(0);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| failed(errno.into()))?;
    let ended = readable(Clock, &pidfd, Clock.after(deadline)).unwrap_or(false);
    if !ended {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let status = child.wait().map_err(failed)?;
    if !ended {
        return Err(ToolError::Deadline { program, seconds: deadline.as_secs() });
    }
    let text = |thread: JoinHandle<Vec<u8>>| String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned();
    Ok(Output { success: status.success(), stdout: text(stdout), stderr: text(stderr) })
}

/// Reads a stream to its end in a thread; what is beyond the limit is read and forgotten.
fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut kept);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        kept
    })
}
