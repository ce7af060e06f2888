//! What came of the monitoring of one subject: totals and peaks, also as metrics.

use super::reading::Reading;
use crate::host::pressure::PressureReading;

/// Totals and peaks over all looks, those included that no series keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many looks there were.
    pub looks: u64,
    /// How many were missed.
    pub missed: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// The same in user mode.
    pub user_ns: Option<u64>,
    /// The same in the kernel.
    pub system_ns: Option<u64>,
    /// Read from storage, in bytes.
    pub read_bytes: Option<u64>,
    /// Written towards storage, in bytes.
    pub written_bytes: Option<u64>,
    /// Read by system calls, in bytes.
    pub syscall_read_bytes: Option<u64>,
    /// Written by system calls, in bytes.
    pub syscall_written_bytes: Option<u64>,
    /// The most resident memory of any look, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// The largest proportional share of any look that asked, in bytes.
    pub peak_pss_bytes: Option<u64>,
    /// The most memory of its own of any look that asked, in bytes.
    pub peak_uss_bytes: Option<u64>,
    /// The most memory charged to the cgroup in any look, in bytes, page cache included. The kernel's own peak, which misses
    /// nothing and began with the cgroup, is a column of the series.
    pub peak_cgroup_bytes: Option<u64>,
    /// The most processes of any look.
    pub peak_processes: u32,
    /// The most threads of any look.
    pub peak_threads: u32,
    /// The most processes of any look that could not be looked into.
    pub unreadable: u32,
    /// Pressure on the host.
    pub pressure: PressureReading,
    /// Pressure on the cgroup; v2 only.
    pub cgroup_pressure: PressureReading,
    /// The widest look, in nanoseconds.
    pub widest_ns: u64,
}

impl Totals {
    pub(super) fn add(&mut self, reading: &Reading) {
        self.looks += 1;
        self.missed += reading.missed;
        let last = |known: &mut Option<u64>, new: Option<u64>| *known = new.or(*known);
        last(&mut self.cpu_ns, reading.cpu_ns);
        last(&mut self.user_ns, reading.user_ns);
        last(&mut self.system_ns, reading.system_ns);
        last(&mut self.read_bytes, reading.read_bytes);
        last(&mut self.written_bytes, reading.written_bytes);
        last(&mut self.syscall_read_bytes, reading.syscall_read_bytes);
        last(&mut self.syscall_written_bytes, reading.syscall_written_bytes);
        self.peak_rss_bytes = self.peak_rss_bytes.max(reading.rss_bytes);
        self.peak_pss_bytes = self.peak_pss_bytes.max(reading.pss_bytes);
        self.peak_uss_bytes = self.peak_uss_bytes.max(reading.uss_bytes);
        self.peak_cgroup_bytes = self.peak_cgroup_bytes.max(reading.cgroup_memory_bytes);
        self.peak_processes = self.peak_processes.max(reading.processes);
        self.peak_threads = self.peak_threads.max(reading.threads);
        self.unreadable = self.unreadable.max(reading.unreadable);
        for (known, new) in
            [(&mut self.pressure, reading.pressure), (&mut self.cgroup_pressure, reading.cgroup_pressure)]
        {
            last(&mut known.cpu_ns, new.cpu_ns);
            last(&mut known.memory_ns, new.memory_ns);
            last(&mut known.io_ns, new.io_ns);
        }
        self.widest_ns = self.widest_ns.max(reading.end.ns_since(reading.begin));
    }

    /// The metrics, their names behind `<subject>_`. What is not known has none, and a subject of which no look saw anything
    /// has none at all: it used something, and nobody knows what.
    pub fn metrics(&self, subject: &str) -> Vec<(String, f64)> {
        if self.peak_processes == 0 && self.peak_cgroup_bytes.is_none() {
            return Vec::new();
        }
        let values = [
            ("cpu_ns", self.cpu_ns),
            ("user_ns", self.user_ns),
            ("system_ns", self.system_ns),
            ("read_bytes", self.read_bytes),
            ("written_bytes", self.written_bytes),
            ("syscall_read_bytes", self.syscall_read_bytes),
            ("syscall_written_bytes", self.syscall_written_bytes),
            ("peak_rss_bytes", self.peak_rss_bytes),
            ("peak_pss_bytes", self.peak_pss_bytes),
            ("peak_uss_bytes", self.peak_uss_bytes),
            ("peak_cgroup_bytes", self.peak_cgroup_bytes),
            ("peak_processes_count", Some(self.peak_processes.into())),
            ("peak_threads_count", Some(self.peak_threads.into())),
        ];
        let named = values.into_iter().filter_map(|(name, value)| Some((format!("{subject}_{name}"), value? as f64)));
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::reading::tests::reading;

    #[test]
    fn totals_are_the_last_that_is_known_and_peaks_the_most() {
        let mut totals = Totals::default();
        let looks = [(Some(5), Some(100), 2), (Some(9), Some(300), 3), (None, Some(200), 1)];
        for (number, (cpu_ns, rss_bytes, processes)) in looks.into_iter().enumerate() {
            totals.add(&Reading { cpu_ns, rss_bytes, processes, missed: 1, ..reading(number as u64) });
        }
        assert_eq!((totals.looks, totals.missed, totals.cpu_ns), (3, 3, Some(9)));
        assert_eq!((totals.peak_rss_bytes, totals.peak_pss_bytes, totals.peak_processes), (Some(300), None, 3));
        let metrics = totals.metrics("criu");
        assert!(metrics.contains(&("criu_peak_rss_bytes".to_owned(), 300.0)));
        assert!(Totals { cpu_ns: Some(0), ..Totals::default() }.metrics("criu").is_empty());
        assert!(!metrics.iter().any(|(name, _)| name.contains("_pss_") || name.contains("_read_")));
    }
}
