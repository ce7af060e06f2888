//! The part of `boot` that a user's own application takes: start it, wait until it is ready, end it.

use super::life::Life;
use crate::application::Application;
use crate::backend::Place;
use crate::channel::{AwaitOutcome, AwaitReply, EndReply, StartOutcome};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::MilestoneName;
use isodyne_core::ready::Ready;
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// How much longer the lab waits for an answer than the agent waits for what it is asked about.
const ANSWER: Duration = Duration::from_secs(2);
/// How long an application that has failed may take to end.
const FAILED_STOP: Duration = Duration::from_millis(500);
/// What a message shows of the application's own words.
const SHOWN_CHARS: usize = 300;

/// How far an application has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether it was started, so that it is to be ended.
    started: bool,
}

/// Starts the application and waits until it is ready. The agent has said hello.
pub(super) fn start(
    life: &mut Life<'_>,
    app: &Application,
    deadline: HostInstant,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let clock = life.lab.clock;
    let root = life.sandbox.app_root();
    let started = life.sandbox.agent().start_app(&app.start_request(&root), deadline)?;
    if let Some(failure) = not_started(app, started.reply.outcome) {
        return Err(failure);
    }
    progress.started = true;
    life.answered(MilestoneName::AppStarted, started.asked, started.at);
    let request = app.await_request(clock.until(deadline));
    let patience = clock.after(clock.until(deadline) + ANSWER);
    let waited = life.sandbox.agent().await_app(&request, patience)?;
    life.attempt.proofs = prove(app, &waited.reply)?;
    life.attempt.proofs.extend(Some(root.how().to_owned()).filter(|how| !how.is_empty()));
    life.answered(MilestoneName::Ready, waited.asked, waited.at);
    let metrics = &mut life.attempt.metrics;
    metrics.insert("ready_ns".to_owned(), waited.at.ns_since(waited.asked) as f64);
    if app.ready.is_polled() {
        metrics.insert("ready_resolution_ns".to_owned(), app.period.as_nanos() as f64);
    }
    Ok(())
}

/// Ends the application, if it was started; keeps what it wrote as the sample's `app` log.
pub(super) fn end(life: &mut Life<'_>, place: &Place, app: &Application, progress: &Progress) {
    if !progress.started {
        return;
    }
    let Life { lab, sandbox, attempt, .. } = life;
    let patience = if attempt.failure.is_some() { FAILED_STOP } else { app.stop_timeout };
    let timeout_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    // The agent gives an application that is killed some seconds to be gone.
    let deadline = lab.clock.after(patience + ANSWER + Duration::from_secs(5));
    // A channel that is broken already is what the sandbox's stop shows.
    let Ok(ended) = sandbox.agent().end_app(app.stop_signal.0, timeout_ms, deadline) else { return };
    let reply = &ended.reply;
    // A full disk is shown by the run's own writes; the log is evidence, and the sample is good without it.
    let _ = std::fs::write(place.log("app"), log(app, reply));
    match &mut attempt.failure {
        Some(failure) => failure.message.push_str(&last_words(reply)),
        None => {
            let how = reply.outcome.map_or_else(|| "not there any more".to_owned(), |outcome| outcome.to_string());
            let killed = if reply.killed { ", killed since it did not end in time" } else { "" };
            attempt.proofs.push(format!("at {} the application {how}{killed}", app.stop_signal.1));
            let metrics = &mut attempt.metrics;
            if !reply.killed {
                metrics.insert("app_stop_ns".to_owned(), ended.at.ns_since(ended.asked) as f64);
            }
            metrics.insert("app_cpu_ns".to_owned(), (reply.user_us + reply.system_us) as f64 * 1e3);
            if reply.peak_rss_bytes > 0 {
                metrics.insert("app_peak_rss_bytes".to_owned(), reply.peak_rss_bytes as f64);
            }
        }
    }
}

fn not_started(app: &Application, outcome: StartOutcome) -> Option<Failure> {
    let program = app.argv.first().map(|program| program.escape_debug().to_string()).unwrap_or_default();
    let failure = |class, message| Some(Failure::new(class, message));
    match outcome {
        StartOutcome::Started(_) => None,
        StartOutcome::NotFound => {
            let place = match app.working_directory.as_str() {
                "/" => String::new(),
                directory => format!(", or no directory `{}` to start it in", directory.escape_debug()),
            };
            failure(
                FailureClass::Exec,
                format!(
                    "the application cannot start: the image has no program `{program}` (or no loader for it){place}"
                ),
            )
        }
        StartOutcome::Mount(_) => failure(FailureClass::Launch, format!("the application cannot start: {outcome}")),
        StartOutcome::NotPermitted | StartOutcome::Error(_) => {
            failure(FailureClass::Exec, format!("the application cannot start: `{program}`: {outcome}"))
        }
    }
}

/// Whether the wait ended as it should; in words what was seen.
fn prove(app: &Application, reply: &AwaitReply) -> Result<Vec<String>, Failure> {
    let ready = &app.ready;
    let looks = if reply.attempts == 1 { "1 look".to_owned() } else { format!("{} looks", reply.attempts) };
    match reply.outcome {
        AwaitOutcome::Met => {}
        AwaitOutcome::Ended(outcome) => {
            let message = format!("the application {outcome} before it was ready ({ready})");
            return Err(Failure::new(FailureClass::Exec, message));
        }
        AwaitOutcome::NoApplication => {
            return Err(Failure::new(FailureClass::Protocol, "the agent has forgotten the application"));
        }
        AwaitOutcome::TimedOut => {
            let last = match reply.status {
                0 => String::new(),
                status => format!("; its last answer had the status {status} and {} bytes", reply.body_bytes),
            };
            let class = match reply.status {
                400..=499 => FailureClass::Http4xx,
                500..=599 => FailureClass::Http5xx,
                _ => FailureClass::Timeout,
            };
            let message = format!("the application was not ready in time ({ready}), after {looks}{last}");
            return Err(Failure::new(class, message));
        }
    }
    Ok(match ready {
        // The agent compares too, but it is inside of what is measured.
        Ready::Http { status, .. } if reply.status != *status => {
            let message = format!("the agent calls it ready, and the status was {}, not {status}", reply.status);
            return Err(Failure::new(FailureClass::Integrity, message));
        }
        Ready::Http { status, .. } => {
            vec![format!("HTTP status {status}"), format!("body of {} bytes", reply.body_bytes)]
        }
        Ready::Tcp { port } => vec![format!("port {port} took a connection")],
        Ready::Line(text) => {
            let line = String::from_utf8_lossy(&reply.text);
            if !line.contains(text.as_str()) {
                let message = format!("the agent calls it ready, and its line is `{}`", line.escape_debug());
                return Err(Failure::new(FailureClass::Integrity, message));
            }
            vec![format!("it wrote `{}`", text.escape_debug())]
        }
        Ready::File(path) => vec![format!("`{}` is there", path.escape_debug())],
    })
}

/// The evidence: how it ended, and what it wrote.
fn log(app: &Application, reply: &EndReply) -> Vec<u8> {
    let how = reply.outcome.map_or_else(|| "was not there".to_owned(), |outcome| outcome.to_string());
    let killed = if reply.killed { ", and had to be killed" } else { "" };
    let mut text = format!("# at {} the application {how}{killed}\n# standard error\n", app.stop_signal.1).into_bytes();
    text.extend_from_slice(&reply.stderr);
    text.extend_from_slice(b"\n# standard output\n");
    text.extend_from_slice(&reply.stdout);
    text
}

/// The last line that it wrote, of its errors first.
fn last_words(reply: &EndReply) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    };
    let Some(line) = last(&reply.stderr).or_else(|| last(&reply.stdout)) else {
        return "; it wrote nothing".to_owned();
    };
    let short: String = line.chars().take(SHOWN_CHARS).collect();
    format!("; it says: {}", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Outcome;

    fn reply(stderr: &str, stdout: &str) -> EndReply {
        EndReply {
            id: 1,
            outcome: Some(Outcome::Exited(1)),
            killed: false,
            stdout: stdout.into(),
            stderr: stderr.into(),
            user_us: 0,
            system_us: 0,
            peak_rss_bytes: 0,
        }
    }

    #[test]
    fn the_last_line_of_its_errors_is_shown() {
        assert_eq!(last_words(&reply("a\nb \x1b[1m\n\n", "c")), "; it says: b \\u{1b}[1m");
        assert_eq!(last_words(&reply("\n", "c\n")), "; it says: c");
        assert_eq!(last_words(&reply("", "")), "; it wrote nothing");
    }
}
