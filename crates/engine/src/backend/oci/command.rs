//! Short calls of a runtime's own program (`delete`, `start`, `ps`): bounded in time and in output.
//!
//! These are not sandboxes: they end by themselves or are killed at the deadline. Clean-up from another process uses
//! them too, so they need no lab.

use crate::clock::Clock;
use crate::wait::readable;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The most that is kept of each stream.
const OUTPUT_LIMIT: u64 = 256 << 10;

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// `None` if it was killed at the deadline, or if somebody else reaped it.
    pub(crate) status: Option<ExitStatus>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Finished {
    /// Whether it ended with exit code 0.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Why it did not succeed: the end of what it printed, or that it did not end.
    pub(crate) fn complaint(&self) -> String {
        match (self.status, last_line(&self.stderr).or_else(|| last_line(&self.stdout))) {
            (None, _) => "it did not end in time".to_owned(),
            (Some(_), Some(line)) => line,
            (Some(status), None) => status.to_string(),
        }
    }
}

/// The last line that says something, without the decoration of loggers, bounded.
pub(crate) fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    // `time="…" level=error msg="…"`: the message is what matters.
    let message = line.split_once(" msg=\"").and_then(|(_, rest)| rest.strip_suffix('"')).unwrap_or(line);
    let message = message.replace("\\\"", "\"");
    let short: String = message.chars().filter(|letter| !letter.is_control()).take(300).collect();
    Some(short)
}

/// Runs a command to its end with nothing on its standard input.
///
/// Its output is read after it has ended, so it must fit into a pipe (64 KiB): a call that prints more hangs and is
/// killed at the deadline. Children of it that keep the pipes open are not waited for.
pub(crate) fn run(mut command: Command, patience: Duration) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let ended = wait(&child, patience).unwrap_or(false);
    if !ended {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait().ok().filter(|_| ended);
    let stdout = child.stdout.take().map(what_is_there).unwrap_or_default();
    let stderr = child.stderr.take().map(what_is_there).unwrap_or_default();
    Ok(Finished { status, stdout, stderr })
}

/// Runs a command to its end without any streams: what it leaves running holds none of ours. `None` if it was killed at
/// the deadline.
pub(crate) fn run_without_streams(mut command: Command, patience: Duration) -> io::Result<Option<ExitStatus>> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    let ended = wait(&child, patience).unwrap_or(false);
    if !ended {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    Ok(child.wait().ok().filter(|_| ended))
}

fn wait(child: &Child, patience: Duration) -> io::Result<bool> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    Ok(readable(Clock, &pidfd, Clock.after(patience))?)
}

/// What a pipe holds now, without waiting for more.
fn what_is_there(mut pipe: impl Read + AsFd) -> String {
    let mut text = Vec::new();
    if rustix::io::ioctl_fionbio(&pipe, true).is_ok() {
        // It ends with the pipe or with "would block"; both leave in `text` what was there.
        let _ = pipe.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str, patience_ms: u64) -> Finished {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, Duration::from_millis(patience_ms)).expect("a shell")
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let finished = shell("echo out; echo err >&2; exit 3", 5000);
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.status.and_then(|status| status.code()), Some(3));
        assert_eq!(finished.complaint(), "err");
    }

    #[test]
    fn what_hangs_is_killed_and_what_stays_behind_is_not_waited_for() {
        let begin = Instant::now();
        assert_eq!(shell("echo first; sleep 60", 50).complaint(), "it did not end in time");
        assert!(shell("sleep 60 & echo done", 5000).is_success());
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_loggers_decoration_is_left_out() {
        let line = "time=\"2026-01-01T00:00:00Z\" level=error msg=\"exec: \\\"/x\\\": not found\"";
        assert_eq!(last_line(&format!("{line}\n\n")).as_deref(), Some("exec: \"/x\": not found"));
    }
}
