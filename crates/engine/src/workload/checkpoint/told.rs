//! What a sample tells: values with units in their names, each after what it claims was shown.

use super::outside::Seen;
use super::storage::Census;
use super::{CheckpointOptions, Life, Touched};
use crate::backend::snapshot::{Compression, Taken};
use crate::workload::Attempt;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use isodyne_subject::PAGE_BYTES;
use isodyne_subject::spec::Spec;

/// How long it took to keep the state: as a whole, and what the engine says of its part.
pub(super) fn kept(taken: &Taken, sync_asked: HostInstant, durable: HostInstant, life: &mut Life<'_>) {
    let dump_ns = taken.written.ns_since(taken.asked);
    life.metric("dump_ns", dump_ns);
    life.metric("sync_ns", durable.ns_since(sync_asked));
    life.metric("durable_ns", durable.ns_since(taken.asked));
    if let Some(paused) = taken.paused {
        // One that stays frozen is so until its state is written.
        let until = taken.resumed.unwrap_or(taken.written);
        life.metric("freeze_engine_ns", until.ns_since(paused));
    }
    life.attempt.metrics.extend(taken.engine.iter().cloned());
    let engine = |name: &str| taken.engine.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    if let Some(total_ns) = engine("criu_total_ns").filter(|total| *total <= dump_ns as f64) {
        // The layer and the packing are the lab's own work, and so part of it.
        life.attempt.metrics.insert("overhead_ns".to_owned(), dump_ns as f64 - total_ns);
    }
}

/// What a client outside saw of it, until the sandbox ran again: the one that was kept, or the one that came back.
pub(super) fn outside(
    name: &str,
    seen: &Seen,
    taken: &Taken,
    back: HostInstant,
    must_survive: bool,
    life: &mut Life<'_>,
) -> Result<(), Failure> {
    if let (true, Some(broken)) = (must_survive, &seen.broken) {
        return Err(super::proof::mismatch(format!("a TCP connection from outside did not survive: {broken}")));
    }
    if let Some(wrong) = &seen.wrong {
        return Err(super::proof::mismatch(format!("a client outside: {wrong}")));
    }
    let (all, after) = (seen.count(), seen.count_after(back));
    let whom = if name == "http" { "the application" } else { "the subject" };
    let proofs = &mut life.attempt.proofs;
    match (&seen.broken, seen.longest_gap_ns(taken.asked, back)) {
        (None, Some(gap_ns)) => {
            proofs.push(format!(
                "one TCP connection from outside to {whom} carried {all} right answers, {after} of them after the gap"
            ));
            let what = if back == taken.written { "freeze" } else { "outage" };
            life.metric(&format!("{what}_{name}_ns"), gap_ns);
        }
        (Some(broken), _) => proofs.push(format!(
            "the TCP connection from outside to {whom} DID NOT survive: {broken}, after {all} right answers"
        )),
        (None, None) if must_survive => {
            return Err(super::proof::mismatch("no answer came any more to a TCP connection from outside"));
        }
        (None, None) => {
            proofs.push(format!("no answer came to the TCP connection from outside to {whom} after {all} of them"));
        }
    }
    life.metric(&format!("{name}_answers_before_count"), seen.count_before(taken.asked) as u64);
    life.metric(&format!("{name}_answers_after_count"), after as u64);
    Ok(())
}

/// How long it took to come back, what was still to come after the first answer, and from when on it pays.
pub(super) fn restored(restore_ns: u64, touched: Option<&Touched>, life: &mut Life<'_>) {
    life.metric("restore_ns", restore_ns);
    if let Some(touched) = touched {
        life.metric("touch_ns", touched.all_ns);
        for (step, until_ns) in touched.until_ns.iter().enumerate() {
            life.metric(&format!("touch_{}_percent_ns", (step + 1) * 10), *until_ns);
        }
        life.metric("touch_minor_faults_count", touched.minor_faults);
        life.metric("touch_major_faults_count", touched.major_faults);
    }
    let of = |name: &str| life.attempt.metrics.get(name).copied();
    if let (Some(cold_ns), Some(durable_ns)) = (of("cold_ready_ns"), of("durable_ns")) {
        // Restores after which keeping the state once has paid; none if a cold start to the same state is not slower.
        let saved = cold_ns - restore_ns as f64;
        if saved > 0.0 {
            life.attempt.metrics.insert("break_even_count".to_owned(), (durable_ns / saved).ceil());
        }
        life.attempt.metrics.insert("cold_per_restore_ratio".to_owned(), cold_ns / restore_ns.max(1) as f64);
    }
}

/// What the kept state takes.
pub(super) fn census(census: &Census, options: &CheckpointOptions, spec: &Spec, attempt: &mut Attempt) {
    let metrics = &mut attempt.metrics;
    let mut tell = |name: &str, value: u64| metrics.insert(name.to_owned(), value as f64);
    tell("image_bytes", census.apparent_bytes);
    tell("image_allocated_bytes", census.allocated_bytes);
    tell("resident_bytes", spec.pages * PAGE_BYTES as u64);
    if options.snapshot.compression == Compression::None && census.is_whole {
        tell("image_zero_bytes", census.zero_bytes);
        tell("image_duplicate_bytes", census.duplicate_bytes);
    }
    if let Some(durable_ns) = metrics.get("durable_ns").copied().filter(|time| *time > 0.0) {
        let speed = census.allocated_bytes as f64 * 1e9 / durable_ns;
        metrics.insert("durable_bytes_per_s".to_owned(), speed);
    }
}
