//! Waiting until the application is ready.

use super::App;
use super::probe::{Probe, Seen};
use crate::exec::Stop;
use crate::link::Link;
use crate::sys::file;
use crate::sys::poll::{CLOSING, HUNG_UP, Moment, READABLE, interest, no_interest, wait};
use crate::sys::process::Signals;
use alloc::vec::Vec;
use isodyne_proto::{AwaitOutcome, AwaitReply, AwaitRequest, Condition, MAX_EVIDENCE};

/// The shortest period: a busy look would take the processor from the application.
const PERIOD_LEAST_US: u64 = 50;

/// Waits until the condition is met, the application has ended or the time is up.
pub(crate) fn await_ready(
    app: &mut Option<App>,
    request: &AwaitRequest,
    signals: &Signals,
    link: &Link,
    patience_ms: u64,
) -> Result<AwaitReply, Stop> {
    let began = Moment::now();
    let timeout_ms = if request.timeout_ms == 0 { patience_ms } else { u64::from(request.timeout_ms) };
    let mut wait = Wait {
        reply: AwaitReply {
            id: request.id,
            outcome: AwaitOutcome::NoApplication,
            attempts: 0,
            status: 0,
            body_bytes: 0,
            text: Vec::new(),
            elapsed_ns: 0,
        },
        condition: &request.condition,
        period_us: u64::from(request.period_us).max(PERIOD_LEAST_US),
        probe: None,
        next_look: began,
    };
    if let Some(app) = app {
        wait.reply.outcome = wait.run(app, signals, link, Moment::after_ms(timeout_ms))?;
    }
    wait.reply.text.truncate(MAX_EVIDENCE);
    wait.reply.elapsed_ns = Moment::now().ns_since(began);
    Ok(wait.reply)
}

struct Wait<'a> {
    reply: AwaitReply,
    condition: &'a Condition,
    period_us: u64,
    /// The look that is under way.
    probe: Option<Probe>,
    next_look: Moment,
}

impl Wait<'_> {
    fn run(&mut self, app: &mut App, signals: &Signals, link: &Link, until: Moment) -> Result<AwaitOutcome, Stop> {
        loop {
            if self.look(app) {
                return Ok(AwaitOutcome::Met);
            }
            if let Some(outcome) = app.outcome() {
                return Ok(AwaitOutcome::Ended(outcome));
            }
            if until.has_passed() {
                return Ok(AwaitOutcome::TimedOut);
            }
            let [stdout, stderr] = app.interests();
            let probe = self.probe.as_ref().map_or_else(no_interest, Probe::interest);
            let mut interests =
                [interest(signals.fd(), READABLE), interest(link.input(), CLOSING), stdout, stderr, probe];
            // A line announces itself, and so does the end of a probe; the rest is looked at again after a period.
            let wake = match (self.condition, &self.probe) {
                (Condition::Line(_), _) | (_, Some(_)) => until,
                _ => self.next_look.min(until),
            };
            let _ = wait(&mut interests, wake);
            let [signal, channel, stdout, stderr, probe] = interests.map(|interest| interest.revents);
            app.take([stdout, stderr]);
            if signal != 0 && app.take_signals(signals) {
                return Err(Stop::Terminated);
            }
            if channel & HUNG_UP != 0 {
                return Err(Stop::Closed);
            }
            if probe != 0 && self.advance() {
                return Ok(AwaitOutcome::Met);
            }
        }
    }

    /// Looks, or begins to, if it is time; true if the condition is met.
    fn look(&mut self, app: &App) -> bool {
        if let Condition::Line(wanted) = self.condition {
            self.reply.attempts = 1;
            let line = app.stdout.line_with(wanted).or_else(|| app.stderr.line_with(wanted));
            if let Some(line) = line {
                self.reply.text = line.to_vec();
                return true;
            }
            return false;
        }
        if self.probe.is_some() || !self.next_look.has_passed() {
            return false;
        }
        self.next_look = Moment::after_us(self.period_us);
        self.reply.attempts = self.reply.attempts.saturating_add(1);
        match self.condition {
            Condition::File(path) => file::exists_in(&app.root, path),
            Condition::Tcp(port) => {
                self.probe = Probe::tcp(*port);
                self.probe.is_some() && self.advance()
            }
            Condition::Http { port, path, .. } => {
                self.probe = Probe::http(*port, path);
                self.probe.is_some() && self.advance()
            }
            Condition::Line(_) => false,
        }
    }

    /// Goes on with the probe; true if what it saw meets the condition.
    fn advance(&mut self) -> bool {
        let Some(probe) = &mut self.probe else { return false };
        let seen = probe.advance();
        let met = match seen {
            Seen::Nothing => return false,
            Seen::Failed => false,
            Seen::Accepted => true,
            Seen::Answer { status, body_bytes, text } => {
                self.reply.status = status;
                self.reply.body_bytes = body_bytes;
                self.reply.text = text;
                matches!(self.condition, Condition::Http { status: wanted, .. } if *wanted == status)
            }
        };
        self.probe = None;
        met
    }
}
