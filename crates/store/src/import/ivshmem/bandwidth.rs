//! Bandwidth of the first protocol version.

use super::{cell, set, zero};
use crate::import::table::Table;
use crate::import::{ImportError, Parsed, ParsedSample, Rounds, SourceFile};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::Accuracy;

/// How far a figure may be from the one computed before its unit is taken for another.
const TOLERANCE: f64 = 0.01;

pub(super) fn read(file: &SourceFile, parsed: &mut Parsed, rounds: &mut Rounds) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [frame, size, duration] =
        [table.need("frame_type")?, table.need("test_size_bytes")?, table.need("duration_ns")?];
    let [rate, verified] = [table.need("bandwidth_mbps")?, table.need("data_verified")?];
    parsed.fact("protocol", "1");
    parsed.fact(
        "timed_region",
        "the clock starts after the data is in shared memory and stops at the guest's acknowledgement",
    );
    parsed.fact(
        "acknowledgement",
        "messages numbered 0xFFFF + iteration are acknowledged before the work, except the first of each size",
    );
    let (mut unverified, mut unit) = (0_u64, None);
    while let Some(row) = table.next_row()? {
        let cell = cell(parsed, file, "bandwidth", Some(row.text(frame)))?;
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        sample.round = rounds.next(cell);
        let (ns, bytes) = (row.number(duration)?.unwrap_or(0.0), row.number(size)?.unwrap_or(0.0));
        set(&mut sample, &row, size, "transferred_bytes", 1.0)?;
        if row.flag(verified)? == Some(false) {
            unverified += 1;
            let message = "the tool found other bytes than were sent (`data_verified` is 0)";
            sample.failure = Some(Failure::new(FailureClass::Integrity, message));
        } else if ns <= 0.0 {
            sample.failure = Some(zero("duration_ns"));
        }
        if ns > 0.0 {
            sample.set("total_ns", ns);
            let factor = row.number(rate)?.and_then(|rate| unit_of(rate, bytes * 1e9 / ns));
            if let (Some(factor), Some(rate)) = (factor.or(unit), row.number(rate)?) {
                unit = Some(factor);
                sample.set("throughput_bytes_per_s", rate * factor);
            }
        }
        parsed.add(&file.name, sample)?;
    }
    match unit {
        Some(factor) if factor > 1e6 => {
            parsed.fact("throughput_unit", "bandwidth_mbps is MiB/s");
            parsed.remark("bandwidth_mbps was read as 2^20 bytes per second: that is what size and duration give");
        }
        Some(_) => {
            parsed.fact("throughput_unit", "bandwidth_mbps is MB/s");
            parsed.remark("bandwidth_mbps was read as 10^6 bytes per second: that is what size and duration give");
        }
        None => parsed.remark("bandwidth_mbps was left out: size and duration give another value in every unit"),
    }
    if unverified > 0 {
        parsed.fact("unverified_count", unverified.to_string());
    }
    Ok(())
}

/// Bytes per second in one of the file's unit, if size and duration show which it is.
fn unit_of(rate: f64, bytes_per_s: f64) -> Option<f64> {
    [1_048_576.0, 1e6].into_iter().find(|unit| (rate * unit / bytes_per_s - 1.0).abs() < TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_what_size_and_duration_give() {
        assert_eq!(unit_of(100.0, 100.0 * 1_048_576.0), Some(1_048_576.0));
        assert_eq!(unit_of(100.0, 100.0 * 1.001e6), Some(1e6));
        assert_eq!(unit_of(800.0, 1e8), None);
        assert_eq!(unit_of(0.0, 0.0), None);
    }
}
