//! The CSV of docker-cr's resource monitor: the same columns and units, with what they say.
//!
//! There `cpu_percent` was `ps`'s mean over each process's whole life, of processes found by a name. Here it is the CPU time
//! of the subject between two looks, 100 for one processor. `memory_mb` is resident memory in 2^20 bytes, as there.

use isodyne_core::unit::HostInstant;
use isodyne_engine::monitor::Reading;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The first line.
pub const HEADER: &str = "timestamp,cpu_percent,memory_mb,processes\n";

/// Remembers the look before: CPU time is a difference.
#[derive(Default)]
pub struct Writer {
    last: BTreeMap<String, (HostInstant, u64)>,
}

impl Writer {
    /// Adds a line; the first look at a subject has none, and neither has one that saw no process, or of which CPU
    /// time or memory is not known.
    pub fn row(&mut self, text: &mut String, name: &str, at: jiff::Timestamp, begun: HostInstant, reading: &Reading) {
        let Some(cpu_ns) = reading.cpu_ns else { return };
        let before = self.last.insert(name.to_owned(), (reading.begin, cpu_ns));
        let (Some((since, cpu_before_ns)), Some(rss_bytes)) = (before, reading.rss_bytes) else { return };
        if reading.processes == 0 {
            return;
        }
        let apart_ns = reading.begin.ns_since(since).max(1);
        let cpu_percent = cpu_ns.saturating_sub(cpu_before_ns) as f64 / apart_ns as f64 * 100.0;
        let memory_mib = rss_bytes as f64 / f64::from(1 << 20);
        let unix_ms = i128::from(at.as_millisecond()) + i128::from(reading.begin.ns_since(begun) / 1_000_000);
        let (seconds, thousandths) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{seconds}.{thousandths:03},{cpu_percent:.1},{memory_mib:.3},{}", reading.processes);
    }
}
