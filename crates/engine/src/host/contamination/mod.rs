//! The host around one sample: what it lost to others while the sandbox was measured.
//!
//! Two readings of a few counters, one before t0 and one after the sandbox is gone. The files are opened once and read
//! in place, so that a reading costs some ten microseconds; see `docs/measuring.md` for what each value means, its
//! resolution and its cost.

mod meter;
pub(crate) mod text;

pub use meter::Meter;

use super::HostFacts;
use isodyne_core::sample::Contamination;
use meter::Reading;
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;

/// What worked for the sample on this host beside the lab's own threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnUsage {
    /// CPU time of everything that belongs to the sandbox (VMM or runtime, and what is in its cgroup), in nanoseconds;
    /// `None` if that is not known, and then nobody knows the rest either.
    pub sandbox_cpu_ns: Option<u64>,
}

/// The host before a sample.
#[derive(Debug)]
pub struct Before {
    meter: Arc<Meter>,
    reading: Reading,
    thread: ThreadId,
}

impl Before {
    /// Reads the host's counters. The first call of a process opens them, the others only read.
    pub fn take(facts: &HostFacts) -> Self {
        static METER: OnceLock<Arc<Meter>> = OnceLock::new();
        Self::read(METER.get_or_init(|| Arc::new(Meter::open(facts))))
    }

    /// As [`Before::take`], with a meter of one's own.
    pub fn read(meter: &Arc<Meter>) -> Self {
        Self { meter: Arc::clone(meter), reading: meter.read(), thread: std::thread::current().id() }
    }

    /// Reads the counters again and says what has changed. To be called by the thread that took the first reading:
    /// context switches are counted per thread, and of another thread they are not told.
    pub fn after(self, own: &OwnUsage) -> Contamination {
        let (before, after) = (self.reading, self.meter.read());
        let same_thread = std::thread::current().id() == self.thread;
        // A counter that went back (a processor was taken offline) tells nothing.
        let growth = |before: Option<u64>, after: Option<u64>| after?.checked_sub(before?);
        let others = || {
            let busy = growth(before.busy_ns, after.busy_ns)?;
            let own = growth(before.lab_cpu_ns, after.lab_cpu_ns)?.checked_add(own.sandbox_cpu_ns?)?;
            // The host counts in ticks and the lab in nanoseconds: a little less than nothing is nothing. Much less means
            // that the host's ticks were lost, and then nobody knows.
            (own.saturating_sub(busy) <= self.meter.slack_ns() + own / 10).then(|| busy.saturating_sub(own))
        };
        let pressure = after.pressure.since(before.pressure);
        Contamination {
            steal_ns: growth(before.steal_ns, after.steal_ns),
            pressure_cpu_ns: pressure.cpu_ns,
            pressure_memory_ns: pressure.memory_ns,
            pressure_io_ns: pressure.io_ns,
            involuntary_switches_count: growth(before.involuntary_switches, after.involuntary_switches)
                .filter(|_| same_thread),
            other_cpu_ns: others(),
            throttled_count: growth(before.throttled, after.throttled),
            load_1min: before.load_1min,
            page_cache: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cgroup::CgroupLayout;
    use crate::host::root::HostRoot;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn growth_is_told_and_what_is_missing_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(root, "proc/stat", "cpu  100 0 50 1000 10 0 5 7 0 0\ncpu0 1 2 3\n");
        write(root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n");
        write(root, "proc/loadavg", "0.42 0.36 0.30 1/100 4242\n");
        write(root, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
        let meter = Arc::new(Meter::open_under(&HostRoot::under(root), &CgroupLayout::default(), false));
        let before = Before::read(&meter);
        write(root, "proc/stat", "cpu  400 0 50 1100 10 0 5 9 0 0\ncpu0 1 2 3\n");
        write(root, "proc/pressure/cpu", "some avg10=1.00 avg60=0.00 avg300=0.00 total=1500\n");
        write(root, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "5\n");
        let found = before.after(&OwnUsage { sandbox_cpu_ns: Some(1_000_000_000) });
        let tick = crate::host::tick_ns();
        assert_eq!(found.steal_ns, Some(2 * tick));
        assert_eq!(found.pressure_cpu_ns, Some(500_000));
        assert_eq!(found.pressure_io_ns, None);
        assert_eq!(found.throttled_count, Some(2));
        assert_eq!(found.load_1min, Some(0.42));
        // 300 ticks, less one second of the sandbox, less what this test has used itself.
        let others = found.other_cpu_ns.unwrap();
        assert!(others <= 300 * tick - 1_000_000_000, "{others}");
        assert!(others > 300 * tick - 2_000_000_000, "{others}");
        assert_eq!(Before::read(&meter).after(&OwnUsage::default()).other_cpu_ns, None);
    }

    #[test]
    fn a_counter_that_goes_back_is_not_told() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "proc/stat", "cpu  100 0 50 1000 10 0 5 7 0 0\n");
        let root = HostRoot::under(directory.path());
        let meter = Arc::new(Meter::open_under(&root, &CgroupLayout::default(), false));
        let before = Before::read(&meter);
        write(directory.path(), "proc/stat", "cpu  50 0 50 1000 10 0 5 6 0 0\n");
        let found = before.after(&OwnUsage { sandbox_cpu_ns: Some(0) });
        assert_eq!((found.steal_ns, found.other_cpu_ns), (None, None));
    }

    #[test]
    fn load_from_elsewhere_is_seen_and_the_labs_own_is_not() {
        let facts = HostFacts::gather();
        let before = Before::take(&facts);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(300) {
            std::hint::black_box(());
        }
        let found = before.after(&OwnUsage { sandbox_cpu_ns: Some(0) });
        // A host that counts in ticks may have lost too many of them; one that counts in nanoseconds tells.
        let is_exact = facts.cgroups.v1.contains_key("cpuacct") && !facts.in_container;
        assert!(found.other_cpu_ns.is_some() || !is_exact, "{found:?}");
        // Others may work on this machine at the same time, but only on the processors that are left.
        let room = 2 * begin.elapsed().as_nanos() as u64 * u64::from(facts.fingerprint.cpu_count);
        assert!(found.other_cpu_ns.is_none_or(|others| others < room), "{found:?}");
        assert!(found.load_1min.is_some() && found.involuntary_switches_count.is_some(), "{found:?}");

        let before = Before::take(&facts);
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(300) {
            std::thread::park_timeout(Duration::from_millis(300).saturating_sub(begin.elapsed()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let found = before.after(&OwnUsage { sandbox_cpu_ns: Some(0) });
        assert!(found.other_cpu_ns.map_or(!is_exact, |others| others > 50_000_000), "{found:?}");
    }

    #[test]
    fn another_thread_does_not_tell_the_switches_of_this_one() {
        let before = Before::take(&HostFacts::gather());
        let found = std::thread::spawn(move || before.after(&OwnUsage::default())).join().unwrap();
        assert_eq!(found.involuntary_switches_count, None);
    }

    #[test]
    fn a_reading_is_cheap() {
        let meter = Arc::new(Meter::open(&HostFacts::gather()));
        let mut costs: Vec<Duration> = (0..101)
            .map(|_| {
                let begin = Instant::now();
                std::hint::black_box(Before::read(&meter));
                begin.elapsed()
            })
            .collect();
        costs.sort();
        // The goal is 100 µs; unoptimised code on a busy machine gets more room.
        assert!(costs[50] < Duration::from_millis(1), "median {:?}", costs[50]);
    }
}
