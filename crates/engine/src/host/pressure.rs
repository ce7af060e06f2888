//! Pressure (PSI): for how long somebody waited for processors, memory or storage, of the host or of one cgroup.

use super::live::{BUFFER_BYTES, LiveFile};
use super::root::HostRoot;
use std::path::Path;

/// The open counters of pressure.
#[derive(Debug)]
pub(crate) struct Pressure {
    cpu: Option<LiveFile>,
    memory: Option<LiveFile>,
    io: Option<LiveFile>,
}

/// One reading: for how long at least one task waited, in nanoseconds since the counters began (microseconds is what the
/// kernel counts in).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PressureReading {
    /// For a processor.
    pub cpu_ns: Option<u64>,
    /// For memory.
    pub memory_ns: Option<u64>,
    /// For storage.
    pub io_ns: Option<u64>,
}

impl Pressure {
    /// Of the whole host.
    pub fn of_host(root: &HostRoot) -> Self {
        let open = |name: &str| LiveFile::open(root.path(format!("/proc/pressure/{name}"))).ok();
        Self { cpu: open("cpu"), memory: open("memory"), io: open("io") }
    }

    /// Of a cgroup of v2; v1 has none.
    pub fn of_cgroup(directory: &Path) -> Self {
        let open = |name: &str| LiveFile::open(directory.join(format!("{name}.pressure"))).ok();
        Self { cpu: open("cpu"), memory: open("memory"), io: open("io") }
    }

    /// Reads them.
    pub fn read(&self) -> PressureReading {
        let mut buffer = [0_u8; BUFFER_BYTES];
        let mut read = |file: &Option<LiveFile>| file.as_ref()?.text(&mut buffer).and_then(some_us)?.checked_mul(1000);
        PressureReading { cpu_ns: read(&self.cpu), memory_ns: read(&self.memory), io_ns: read(&self.io) }
    }
}

impl PressureReading {
    /// What has come since an earlier reading; of a counter that went back, nothing is known.
    pub fn since(self, earlier: Self) -> Self {
        let growth = |now: Option<u64>, before: Option<u64>| now?.checked_sub(before?);
        Self {
            cpu_ns: growth(self.cpu_ns, earlier.cpu_ns),
            memory_ns: growth(self.memory_ns, earlier.memory_ns),
            io_ns: growth(self.io_ns, earlier.io_ns),
        }
    }
}

/// The total of the line `some`, in microseconds.
pub(crate) fn some_us(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.rsplit_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_some_is_read() {
        let text =
            "some avg10=2.43 avg60=1.36 avg300=0.66 total=23943248\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(some_us(text), Some(23_943_248));
        assert_eq!(some_us("full total=3\n"), None);
        assert_eq!(some_us("some avg10=0 total=-1\n"), None);
    }

    #[test]
    fn a_cgroup_tells_what_has_come() {
        let directory = tempfile::tempdir().unwrap();
        let write = |total: u64| {
            let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
            std::fs::write(directory.path().join("memory.pressure"), text).unwrap();
        };
        write(10);
        let pressure = Pressure::of_cgroup(directory.path());
        let before = pressure.read();
        assert_eq!((before.memory_ns, before.cpu_ns), (Some(10_000), None));
        write(25);
        assert_eq!(pressure.read().since(before).memory_ns, Some(15_000));
        assert_eq!(before.since(pressure.read()).memory_ns, None);
    }
}
