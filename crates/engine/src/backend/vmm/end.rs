//! Ending a machine: the guest is asked first, then the monitor, then nobody.

use super::diagnose::{agents_complaints, last_words, read_console};
use super::logs::{Logs, tail};
use crate::backend::Stopped;
use crate::channel::{AgentChannel, HELLO, ShutdownHow};
use crate::clock::Clock;
use crate::ownership::{ExitReport, OwnedProcess};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::SignalName;
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// When the channel has ended, the monitor's exit is a moment away.
const EXIT_AFTER_CHANNEL: Duration = Duration::from_millis(500);

/// How a machine came to its end.
#[derive(Debug)]
pub struct Ended {
    /// The monitor's exit; `None` if it could not even be killed.
    pub exit: Option<ExitReport>,
    /// Whether it had to be killed.
    pub killed: bool,
    /// Why the end was not a good one.
    pub complaint: Option<String>,
    /// Whether a kill is how it ends, so that its status says nothing.
    pub by_kill: bool,
}

/// Ends a monitor whose guest stands still: by its own request, then by a kill.
pub fn end_without_guest(process: &mut OwnedProcess, quit: impl FnOnce(), deadline: HostInstant) -> Ended {
    quit();
    let exit = process.wait(deadline);
    let killed = exit.is_none();
    Ended { exit: exit.or_else(|| process.kill()), killed, complaint: None, by_kill: false }
}

/// Ends a monitor whose guest stands still, and which knows no request that ends it without its guest: a kill is its end,
/// and not a sign that something went wrong.
pub fn end_by_kill(process: &mut OwnedProcess) -> Ended {
    Ended { exit: process.kill(), killed: false, complaint: None, by_kill: true }
}

/// Asks in order of kindness until the monitor ends; says how far it had to go. `quit` tells the monitor to end without
/// its guest, and nothing waits for its answer.
pub fn end(
    process: &mut OwnedProcess,
    agent: &mut AgentChannel,
    how: ShutdownHow,
    monitor: &str,
    quit: impl FnOnce(),
    clock: Clock,
    deadline: HostInstant,
) -> Ended {
    let ended = |exit, killed, complaint| Ended { exit, killed, complaint, by_kill: false };
    if let Some(exit) = process.wait(clock.now()) {
        let complaint = format!("{monitor} had ended before it was stopped ({})", exit.status);
        return ended(Some(exit), false, Some(complaint));
    }
    // Most of the time is the guest's, the rest is for the monitor.
    let guests_deadline = clock.after(clock.until(deadline).mul_f64(0.7));
    let complaint = match agent.shutdown(how, guests_deadline) {
        Ok(()) => match process.wait(guests_deadline) {
            Some(exit) => return ended(Some(exit), false, None),
            None => "the guest was told to end and did not".to_owned(),
        },
        Err(error) => {
            // A guest that ends as it is told may close the channel before it has said goodbye.
            if let Some(exit) = process.wait(clock.after(EXIT_AFTER_CHANNEL)) {
                return ended(Some(exit), false, None);
            }
            format!("the guest could not be told to end: {error}")
        }
    };
    quit();
    if let Some(exit) = process.wait(deadline.max(clock.after(EXIT_AFTER_CHANNEL))) {
        return ended(Some(exit), false, Some(format!("{complaint}; {monitor} was told to quit")));
    }
    ended(process.kill(), true, Some(format!("{complaint}; {monitor} did not quit and was killed")))
}

impl Ended {
    /// The report of the stop. A monitor that ended by itself with another status than success is complained of, with the
    /// last words of its log; so is a guest whose console shows that it died, which Firecracker's status does not tell.
    pub fn into_stopped(self, monitor: &str, process: &OwnedProcess, logs: &Logs) -> Stopped {
        let Self { exit, killed, complaint, by_kill } = self;
        let complaint = complaint.or_else(|| {
            let status = exit.map(|exit| exit.status).filter(|status| !status.success() && !by_kill)?;
            let words = last_words(&tail(&logs.monitor)).unwrap_or_default();
            Some(format!("{monitor} ended with {status}: {words}"))
        });
        let complaint = complaint.or_else(|| read_console(&tail(&logs.console)).map(|(_, words)| words));
        let survivors = match exit {
            Some(_) => Vec::new(),
            None => vec![format!("process {} ({})", process.pid(), process.program())],
        };
        Stopped {
            gone: exit.map(|exit| exit.at),
            signal: exit.map(|_| SignalName::Exit),
            killed,
            survivors,
            usage: exit.map(|exit| ("cpu_ns".to_owned(), (exit.user_ns + exit.system_ns) as f64)).into_iter().collect(),
            complaint,
        }
    }
}

/// Says more about a failure: the guest's own words on its console first, then how the monitor ended.
pub fn diagnose(monitor: &str, mut failure: Failure, exit: Option<ExitReport>, logs: &Logs) -> Failure {
    let console = tail(&logs.console);
    if let Some((class, words)) = read_console(&console) {
        failure = Failure::new(class, format!("{words} ({})", failure.message));
    } else if let Some(words) = agents_complaints(&console).filter(|_| is_about_hello(&failure)) {
        let message = format!("the guest's kernel lacks what its agent needs: {words} ({})", failure.message);
        failure = Failure::new(FailureClass::Launch, message);
    } else if let Some(exit) = exit {
        let words = last_words(&tail(&logs.monitor));
        let why = words.unwrap_or_else(|| "the guest reset or powered off by itself".to_owned());
        let message = format!("{monitor} ended ({}): {why} ({})", exit.status, failure.message);
        failure = Failure::new(FailureClass::Crash, message);
    } else if failure.class == FailureClass::Timeout && console.is_empty() && is_about_hello(&failure) {
        failure.message.push_str("; nothing came from the guest's console");
    }
    failure.evidence.extend(logs.evidence());
    failure
}

/// Whether the agent was never heard of.
fn is_about_hello(failure: &Failure) -> bool {
    failure.message.contains(HELLO)
}

/// How long a monitor's exit is waited for before its failure is told: when its channel has ended, it is a moment away.
pub fn patience_after(failure: &Failure) -> Duration {
    match failure.class {
        FailureClass::Protocol | FailureClass::Crash => EXIT_AFTER_CHANNEL,
        _ => Duration::ZERO,
    }
}
