//! One look at a subject, and the columns that it is written in.

use crate::host::pressure::PressureReading;
use isodyne_core::unit::HostInstant;

/// What one look at a subject saw. What the host does not tell, or what this look did not ask for, is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When the look began.
    pub begin: HostInstant,
    /// When it ended: everything below was so at some moment between the two.
    pub end: HostInstant,
    /// Looks that should have been since the one before and were not.
    pub missed: u64,
    /// Processes that were there and had not ended.
    pub processes: u32,
    /// Their threads.
    pub threads: u32,
    /// Processes among them that could not be looked into: not permitted, or too many files open.
    pub unreadable: u32,
    /// CPU time since the monitoring began, in nanoseconds. Never more than there was; see `docs/monitoring.md` for what is
    /// missed of processes that ended between two looks.
    pub cpu_ns: Option<u64>,
    /// The same in user mode, counted in ticks for processes.
    pub user_ns: Option<u64>,
    /// The same in the kernel, counted in ticks for processes.
    pub system_ns: Option<u64>,
    /// Resident memory, in bytes: pages that several processes share count several times.
    pub rss_bytes: Option<u64>,
    /// Proportional share of resident memory, in bytes: pages that several share count once. Only in the looks that ask.
    pub pss_bytes: Option<u64>,
    /// Resident memory that nobody shares, in bytes. Only in the looks that ask.
    pub uss_bytes: Option<u64>,
    /// Read from storage since the monitoring began, in bytes.
    pub read_bytes: Option<u64>,
    /// Written towards storage since the monitoring began, in bytes: pages that were made dirty, or written directly.
    pub written_bytes: Option<u64>,
    /// Read by system calls since the monitoring began, in bytes, wherever it came from.
    pub syscall_read_bytes: Option<u64>,
    /// Written by system calls since the monitoring began, in bytes, wherever it went.
    pub syscall_written_bytes: Option<u64>,
    /// Memory charged to the cgroup, page cache included, in bytes.
    pub cgroup_memory_bytes: Option<u64>,
    /// The most that was ever charged to it, by the kernel's count since the cgroup was made, in bytes.
    pub cgroup_peak_memory_bytes: Option<u64>,
    /// Pressure on the cgroup since the monitoring began; v2 only.
    pub cgroup_pressure: PressureReading,
    /// Pressure on the host since the monitoring began.
    pub pressure: PressureReading,
    /// CPU time of the monitor itself since it began, in nanoseconds, all subjects together.
    pub monitor_cpu_ns: u64,
}

impl Reading {
    /// A reading of nothing at a time.
    pub(super) fn of_nothing(at: HostInstant) -> Self {
        Self {
            begin: at,
            end: at,
            missed: 0,
            processes: 0,
            threads: 0,
            unreadable: 0,
            cpu_ns: None,
            user_ns: None,
            system_ns: None,
            rss_bytes: None,
            pss_bytes: None,
            uss_bytes: None,
            read_bytes: None,
            written_bytes: None,
            syscall_read_bytes: None,
            syscall_written_bytes: None,
            cgroup_memory_bytes: None,
            cgroup_peak_memory_bytes: None,
            cgroup_pressure: PressureReading::default(),
            pressure: PressureReading::default(),
            monitor_cpu_ns: 0,
        }
    }
}

/// A column: its name, its value, and what it is in words.
pub struct Column {
    /// The name, with the unit at its end.
    pub name: &'static str,
    /// The value in a reading.
    pub value: fn(&Reading) -> Option<u64>,
    /// What it says.
    pub doc: &'static str,
}

const fn column(name: &'static str, value: fn(&Reading) -> Option<u64>, doc: &'static str) -> Column {
    Column { name, value, doc }
}

/// The columns behind `subject` and `time_ns`, in the order of files.
pub const COLUMNS: &[Column] = &[
    column("width_ns", |r| Some(r.end.ns_since(r.begin)), "How long the look took: the resolution of its values"),
    column("missed", |r| Some(r.missed), "Looks that were due before this one and were missed"),
    column("processes", |r| Some(r.processes.into()), "Processes"),
    column("threads", |r| Some(r.threads.into()), "Threads of these"),
    column("unreadable", |r| Some(r.unreadable.into()), "Processes that could not be looked into"),
    column("cpu_ns", |r| r.cpu_ns, "CPU time since the beginning"),
    column("user_ns", |r| r.user_ns, "CPU time in user mode since the beginning, in ticks for processes"),
    column("system_ns", |r| r.system_ns, "CPU time in the kernel since the beginning, in ticks for processes"),
    column("rss_bytes", |r| r.rss_bytes, "Resident memory; what several share counts several times"),
    column("pss_bytes", |r| r.pss_bytes, "Resident memory; what several share counts once; only in some looks"),
    column("uss_bytes", |r| r.uss_bytes, "Resident memory that nobody shares; only in some looks"),
    column("read_bytes", |r| r.read_bytes, "Read from storage since the beginning"),
    column("written_bytes", |r| r.written_bytes, "Written towards storage since the beginning"),
    column("syscall_read_bytes", |r| r.syscall_read_bytes, "Read by system calls since the beginning"),
    column("syscall_written_bytes", |r| r.syscall_written_bytes, "Written by system calls since the beginning"),
    column("cgroup_memory_bytes", |r| r.cgroup_memory_bytes, "Memory charged to the cgroup, page cache included"),
    column("cgroup_peak_memory_bytes", |r| r.cgroup_peak_memory_bytes, "The most since the cgroup was made"),
    column("cgroup_pressure_cpu_ns", |r| r.cgroup_pressure.cpu_ns, "Somebody in the cgroup waited for a processor"),
    column("cgroup_pressure_memory_ns", |r| r.cgroup_pressure.memory_ns, "Somebody in the cgroup waited for memory"),
    column("cgroup_pressure_io_ns", |r| r.cgroup_pressure.io_ns, "Somebody in the cgroup waited for storage"),
    column("pressure_cpu_ns", |r| r.pressure.cpu_ns, "Somebody on the host waited for a processor"),
    column("pressure_memory_ns", |r| r.pressure.memory_ns, "Somebody on the host waited for memory"),
    column("pressure_io_ns", |r| r.pressure.io_ns, "Somebody on the host waited for storage"),
    column("monitor_cpu_ns", |r| Some(r.monitor_cpu_ns), "CPU time of the monitor itself, all subjects together"),
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A reading at a time, of nothing.
    pub fn reading(at_ns: u64) -> Reading {
        Reading::of_nothing(HostInstant(at_ns))
    }

    #[test]
    fn columns_have_names_of_their_own() {
        let names: BTreeSet<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
        assert!(COLUMNS.iter().all(|column| !column.doc.is_empty() && !column.doc.ends_with('.')));
    }
}
