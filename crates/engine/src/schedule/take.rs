//! Taking one sample: a fresh place, the host's state around it, the workload, and the clean-up.

use super::{Work, observe};
use crate::backend::{Place, class_of};
use crate::host::contamination::{Before, OwnUsage};
use crate::lab::Lab;
use crate::ownership::{Resource, leak, name_prefix};
use crate::workload::Attempt;
use isodyne_core::cell::BackendName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::{Contamination, Sample};
use isodyne_core::unit::HostInstant;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

/// Which sample it is.
pub(super) struct Ticket {
    pub round: u32,
    pub warmup: bool,
    pub sequence: u64,
    /// When the session began.
    pub begun: HostInstant,
    /// The run's seed.
    pub seed: u64,
    /// How often a second the sandbox is looked at by the monitor.
    pub monitor_hz: Option<u32>,
}

/// How much longer than its host the agent waits before it gives up by itself.
const AGENT_PATIENCE_S: u32 = 30;

pub(super) fn take(lab: &Lab, work: &Work, ticket: &Ticket) -> Sample {
    let started_at = jiff::Timestamp::now().to_string();
    let started = lab.clock.now();
    let (attempt, contamination, logs) = match work.launcher.script(ticket.seed ^ (ticket.sequence << 20)) {
        Some(attempt) => (attempt, Contamination::default(), Vec::new()),
        None => measure(lab, work, ticket),
    };
    Sample {
        cell: work.cell.id.clone(),
        sequence: ticket.sequence,
        round: ticket.round,
        warmup: ticket.warmup,
        started_at,
        started_ns: started.ns_since(ticket.begun),
        session: lab.session,
        provenance: work.launcher.provenance(),
        accuracy: work.launcher.accuracy(),
        failure: attempt.failure,
        ledger: attempt.ledger,
        metrics: attempt.metrics,
        contamination,
        proofs: attempt.proofs,
        logs,
    }
}

fn measure(lab: &Lab, work: &Work, ticket: &Ticket) -> (Attempt, Contamination, Vec<String>) {
    let name = format!("{}-{}", name_prefix(&lab.run_id), ticket.sequence);
    let timeout_s = u32::try_from(work.options.timeout().as_secs()).unwrap_or(u32::MAX - AGENT_PATIENCE_S);
    let place = Place {
        directory: lab.scratch.join(ticket.sequence.to_string()),
        log_prefix: lab.logs.join(format!("{}-{}", ticket.sequence, work.cell.backend)),
        agent_patience_s: timeout_s + AGENT_PATIENCE_S,
        name,
    };
    let directory = lab.owner.own(Resource::Directory(place.directory.clone()));
    if let Err(error) = DirBuilder::new().mode(0o700).create(&place.directory) {
        let message = format!("cannot make {}: {error}", place.directory.display());
        let failure = Some(Failure::new(class_of(&error), message));
        return (Attempt { failure, ..Attempt::default() }, Contamination::default(), Vec::new());
    }
    let before = Before::take(&lab.host);
    let take = || work.options.take(work.launcher.as_ref(), &place, lab);
    let mut attempt = match ticket.monitor_hz {
        Some(rate_hz) => observe::observed(lab, &place, rate_hz, take),
        None => take(),
    };
    let cpu_ns = attempt.metrics.get("cpu_ns").map(|value| *value as u64);
    let mut contamination = before.after(&OwnUsage { sandbox_cpu_ns: cpu_ns });
    contamination.page_cache = Some(if ticket.round == 0 { "unknown" } else { "warm" }.to_owned());
    if let (Err(survivor), None) = (directory.remove(), &attempt.failure) {
        attempt.failure = Some(Failure::new(FailureClass::Leak, survivor));
    }
    leak::reap_orphans();
    let logs = logs_of(work.cell.backend, &place);
    if let Some(failure) = &mut attempt.failure {
        failure.evidence.clone_from(&logs);
    }
    let last = work.cell.benchmark.last_milestone(&attempt.ledger);
    debug_assert!(attempt.failure.is_some() || last.is_none_or(|last| attempt.ledger.at_ns(last).is_some()));
    (attempt, contamination, logs)
}

/// The sample's log files relative to the run directory; empty ones are removed.
fn logs_of(backend: BackendName, place: &Place) -> Vec<String> {
    let kinds = ["agent", "app", "console", "latency", "metrics", "monitor", backend.as_str()];
    let mut logs = Vec::new();
    // A sandbox that came back writes its own.
    let mut restored = place.log_prefix.clone().into_os_string();
    restored.push("-restored");
    let restored = Place { log_prefix: restored.into(), ..place.clone() };
    for log in [place, &restored].into_iter().flat_map(|place| kinds.map(|kind| place.log(kind))) {
        match std::fs::metadata(&log) {
            Ok(metadata) if metadata.len() == 0 => drop(std::fs::remove_file(&log)),
            Ok(_) => logs.extend(log.file_name().map(|name| format!("logs/{}", name.to_string_lossy()))),
            Err(_) => {}
        }
    }
    logs
}
