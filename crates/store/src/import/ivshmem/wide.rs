//! Latency and bandwidth of the second protocol version: one column a phase, in several units each.

use super::{cell, set, zero};
use crate::import::table::Table;
use crate::import::{ImportError, Parsed, ParsedSample, Rounds, SourceFile, text};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::Accuracy;

pub(super) fn read(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let success = table.need("success")?;
    let total = table.need("total_ns")?;
    let frame = table.find("frame_type");
    // Times are there in ns and again in µs or ms: once is enough.
    let metrics: Vec<(usize, String, f64)> = table
        .header()
        .iter()
        .enumerate()
        .filter_map(|(column, name)| {
            let (metric, factor) = if name.ends_with("_ns") {
                (name.clone(), 1.0)
            } else if let Some(base) = name.strip_suffix("_mbps") {
                (format!("{base}_bytes_per_s"), 1e6)
            } else if name.ends_with("_bytes") {
                (name.clone(), 1.0)
            } else {
                return None;
            };
            Some((column, crate::import::units::plain(&metric)?, factor))
        })
        .collect();
    let is_bandwidth = metrics.iter().any(|(_, _, factor)| *factor > 1.0);
    let test = if is_bandwidth { "bandwidth" } else { "latency" };
    parsed.fact("protocol", "2");
    parsed.fact("guest_clock", "guest_* columns are differences of the guest's own clock");
    if metrics.iter().any(|(_, name, _)| name == "notification_est_ns") {
        parsed.fact("estimated", "notification_est_ns is computed by the tool, not measured");
    }
    if is_bandwidth {
        parsed.remark("columns in mbps were read as 10^6 bytes per second");
    }
    let mut zeros = 0_u64;
    while let Some(row) = table.next_row()? {
        let cell = cell(parsed, file, test, frame.map(|column| row.text(column)))?;
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        sample.round = rounds.next(cell);
        for (column, metric, factor) in &metrics {
            set(&mut sample, &row, *column, metric, *factor)?;
            zeros += u64::from(row.number(*column)? == Some(0.0));
        }
        if row.flag(success)? == Some(false) {
            // The only thing that this tool checks is the digest.
            let message = "the tool says that it failed (`success` is 0): a wrong digest or no answer";
            sample.failure = Some(Failure::new(FailureClass::Integrity, message));
        } else if row.number(total)?.unwrap_or(0.0) <= 0.0 {
            sample.failure = Some(zero("total_ns"));
        }
        parsed.add(&file.name, sample)?;
    }
    if zeros > 0 {
        parsed
            .remark(format!("{}: {zeros} values are 0, which no time is; they are absent here", text::base_name(file)));
    }
    Ok(())
}
