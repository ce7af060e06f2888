//! What a host can do, for people.

use super::grid::{Heading, grid};
use super::{Style, paragraph};
use crate::escape::plain;
use isodyne_core::calibration::{Calibration, Limit, LimitKind};
use isodyne_core::summary::host_line;
use isodyne_core::unit::display_metric;

/// What each limit bounds. Names that are not here are shown without.
const BOUNDS: &[(&str, &str)] = &[
    ("clock_step_ns", "every time: under 20 steps it is below resolution"),
    ("memcpy_l1_bytes_per_s", "one thread copying what the first cache holds"),
    ("memcpy_l2_bytes_per_s", "one thread copying what the second cache holds"),
    ("memcpy_l3_bytes_per_s", "one thread copying what the third cache holds"),
    ("memcpy_dram_bytes_per_s", "one thread moving more than the caches hold: upload, checkpoint, restore"),
    ("memcpy_4k_frame_bytes_per_s", "one thread copying a 4K frame that it has just read"),
    ("memcpy_4k_ring_bytes_per_s", "one thread copying 4K frames as they go through a ring"),
    ("memcpy_4k_frame_cold_bytes_per_s", "one thread copying a 4K frame that is in no cache"),
    ("sha256_bytes_per_s", "data that one thread of the lab has proved by its hash"),
    ("cache_line_round_trip_ns", "two sides answering each other through shared memory"),
    ("fsync_ns", "a write that is on the disk of the cache directory"),
    ("fsync_temporary_ns", "a write that is on the disk of the temporary directory"),
    ("loopback_round_trip_ns", "a request and its answer over TCP on one host"),
    ("unix_round_trip_ns", "a request and its answer over a unix socket"),
    ("pipe_round_trip_ns", "a request and its answer over pipes"),
    ("fork_exec_ns", "the start of anything that is a process"),
    ("fork_exec_exit_ns", "the whole life of anything that is a process"),
    ("stamp_ns", "one stamp"),
    ("lab_spawn_ns", "the lab's own way of starting, outside of the stamps"),
    ("contamination_reading_ns", "one reading of the host beside a sample, outside of its time"),
];

/// The table of `isodyne calibrate`: ceilings, floors, costs.
pub fn calibration_table(calibration: &Calibration, style: Style) -> String {
    let width = style.columns();
    let title = format!("Limits of {}", plain(&host_line(&calibration.fingerprint)));
    let mut lines: Vec<String> = paragraph("", &title, width).iter().map(|line| style.strong(line)).collect();
    let kinds = [
        (LimitKind::Ceiling, "ceiling", "Ceilings: no rate of this kind is higher."),
        (LimitKind::Floor, "floor", "Floors: no time of this kind is shorter."),
        (LimitKind::Cost, "cost", "Costs: what the lab itself takes; they bound nothing."),
    ];
    for (kind, name, words) in kinds {
        let rows: Vec<Vec<String>> = calibration.limits.iter().filter(|limit| limit.kind == kind).map(row).collect();
        if rows.is_empty() {
            continue;
        }
        let mut headings = vec![Heading::left(name)];
        headings.extend(["typical", "best", "trials"].map(Heading::right));
        headings.push(Heading::left(if kind == LimitKind::Cost { "of" } else { "bounds" }));
        lines.push(String::new());
        lines.extend(paragraph("  ", words, width));
        let mut found = grid(&headings, &rows, width).into_iter();
        lines.extend(found.next().map(|heading| style.quiet(&heading)));
        lines.extend(found);
    }
    if !calibration.skipped.is_empty() {
        lines.push(String::new());
    }
    for skipped in &calibration.skipped {
        let text = format!("{} not measured: {}", plain(&skipped.name), plain(&skipped.reason));
        lines.extend(paragraph("  ", &text, width).iter().map(|line| style.warning(line)));
    }
    lines.push(String::new());
    let note = "Typical is the median of the trials, best the fastest of them. How each was measured is in --json.";
    lines.extend(paragraph("  ", note, width).iter().map(|line| style.quiet(line)));
    lines.push(String::new());
    lines.join("\n")
}

fn row(limit: &Limit) -> Vec<String> {
    let bounds = BOUNDS.iter().find(|(name, _)| *name == limit.name).map(|(_, words)| (*words).to_owned());
    let signal = || limit.name.strip_prefix("signal_").map(|_| "from the event to its stamp".to_owned());
    vec![
        plain(&limit.name),
        display_metric(&limit.name, limit.typical),
        display_metric(&limit.name, limit.best),
        limit.n.to_string(),
        bounds.or_else(signal).unwrap_or_default(),
    ]
}
