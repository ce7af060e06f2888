//! Short calls of a runtime's own program (`delete`, `start`, `ps`): bounded in time and in output.
//!
//! These are not sandboxes: they end by themselves or are killed at the deadline. Clean-up from another process uses
//! them too, so they need no lab.

use crate::clock::Clock;
use crate::wait::{left, readable};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The most that is kept of each stream: what engines say of a container holds its whole environment, several times.
const OUTPUT_LIMIT: usize = 8 << 20;
/// The most that is read of a stream before the others and the deadline are looked at.
const AT_ONCE: usize = 1 << 20;

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
/// Children of it that keep the pipes open are not waited for.
pub(crate) fn run(mut command: Command, patience: Duration) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut stdout = Stream::new(child.stdout.take().map(OwnedFd::from));
    let mut stderr = Stream::new(child.stderr.take().map(OwnedFd::from));
    let ended = collect(&child, [&mut stdout, &mut stderr], patience).unwrap_or(false);
    if !ended {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait().ok().filter(|_| ended);
    Ok(Finished { status, stdout: stdout.text(), stderr: stderr.text() })
}

/// Reads both streams until the process has ended; `false` once the deadline has passed.
fn collect(child: &Child, mut streams: [&mut Stream; 2], patience: Duration) -> io::Result<bool> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Clock.after(patience);
    loop {
        let open = streams.iter().filter_map(|stream| stream.pipe.as_ref());
        let mut all: Vec<PollFd<'_>> =
            std::iter::once(pidfd.as_fd()).chain(open.map(|pipe| pipe.as_fd())).map(waiting).collect();
        match poll(&mut all, Some(&left(Clock, deadline))) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = !all[0].revents().is_empty();
        drop(all);
        streams.iter_mut().for_each(|stream| stream.read());
        if ended {
            return Ok(true);
        }
        if Clock.until(deadline).is_zero() {
            return Ok(false);
        }
    }
}

fn waiting(descriptor: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(descriptor, PollFlags::IN)
}

/// What a call prints.
struct Stream {
    /// Until it has ended.
    pipe: Option<File>,
    kept: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        let pipe = pipe.filter(|pipe| rustix::io::ioctl_fionbio(pipe, true).is_ok());
        Self { pipe: pipe.map(File::from), kept: Vec::new() }
    }

    /// Reads what is there now, without waiting for more. What is too much is lost.
    fn read(&mut self) {
        let (mut block, mut left) = ([0; 16 << 10], AT_ONCE);
        while let (Some(pipe), true) = (&mut self.pipe, left > 0) {
            match pipe.read(&mut block) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let room = OUTPUT_LIMIT.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(&block[..length.min(room)]);
                    left = left.saturating_sub(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
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
    fn more_than_a_pipe_holds_is_read_and_what_never_ends_is_cut() {
        let finished = shell("head -c 300000 /dev/zero | tr '\\0' x; echo end >&2", 20_000);
        assert_eq!((finished.stdout.len(), finished.stderr.as_str()), (300_000, "end\n"));
        let endless = shell("exec cat /dev/zero", 300);
        assert!(endless.status.is_none() && endless.stdout.len() <= OUTPUT_LIMIT);
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
