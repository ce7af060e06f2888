//! What processes use: memory and CPU time, of one process, its threads, a tree of processes, a VMM's guest memory.
//!
//! A process can vanish between any two of these readings. What has vanished is not counted and is no error.

mod cpu_clock;
mod descend;
mod guest;
pub(crate) mod text;

pub(crate) use cpu_clock::CpuClock;
pub use descend::descendants;
pub use guest::{GuestMapping, GuestMemory, guest_memory};

use super::root::HostRoot;

/// What one process uses, and has used at most. What the host does not tell (to this user) is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// The process.
    pub pid: u32,
    /// The name that the kernel has of it (at most 15 bytes).
    pub name: String,
    /// The process that it is a child of.
    pub parent: u32,
    /// Its threads.
    pub threads: u32,
    /// The most memory that was ever resident, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Memory that is resident now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Its proportional share of resident memory, in bytes.
    pub pss_bytes: Option<u64>,
    /// Resident memory that no other process has mapped, in bytes.
    pub private_bytes: Option<u64>,
    /// CPU time in user mode, in nanoseconds, counted in ticks by the kernel.
    pub user_ns: u64,
    /// CPU time in the kernel, in nanoseconds, counted in ticks by the kernel.
    pub system_ns: u64,
    /// CPU time of all its threads, ended ones included, to the nanosecond.
    pub cpu_ns: Option<u64>,
}

/// What a thread has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadUsage {
    /// The thread.
    pub tid: u32,
    /// Its name (`CPU 0/KVM` in a QEMU that names its threads).
    pub name: String,
    /// Its CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time it was ready and waited for a processor, in nanoseconds.
    pub waited_ns: u64,
}

/// The sum over several processes. A sum is `None` if one of its parts is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// How many processes were counted.
    pub processes: u32,
    /// Sum of what is resident now; pages that several share count several times.
    pub rss_bytes: Option<u64>,
    /// Sum of the peaks of each: an upper bound of the peak of the sum.
    pub peak_rss_bound_bytes: Option<u64>,
    /// Sum of proportional shares: pages that several share count once.
    pub pss_bytes: Option<u64>,
    /// Sum of private memory.
    pub private_bytes: Option<u64>,
    /// Sum of CPU time of the processes that are still there.
    pub cpu_ns: Option<u64>,
}

/// What a process uses; `None` if there is none with this id (any more).
pub fn process(pid: u32) -> Option<ProcessUsage> {
    process_under(&HostRoot::default(), pid)
}

fn process_under(root: &HostRoot, pid: u32) -> Option<ProcessUsage> {
    let stat = root.read_at_most(format!("/proc/{pid}/stat"), 4096)?;
    let stat = text::Stat::parse(stat.as_bytes())?;
    let status = root.read_at_most(format!("/proc/{pid}/status"), 64 << 10).unwrap_or_default();
    let rollup = root.read_at_most(format!("/proc/{pid}/smaps_rollup"), 64 << 10).unwrap_or_default();
    let tick = super::tick_ns();
    let (pss_bytes, private_bytes) = text::shares(&rollup);
    Some(ProcessUsage {
        pid,
        parent: stat.parent,
        threads: stat.threads,
        peak_rss_bytes: text::kib(&status, "VmHWM"),
        rss_bytes: text::kib(&rollup, "Rss").or_else(|| text::kib(&status, "VmRSS")),
        pss_bytes,
        private_bytes,
        user_ns: stat.user_ticks.saturating_mul(tick),
        system_ns: stat.system_ticks.saturating_mul(tick),
        cpu_ns: if root.is_real() { CpuClock::of(pid).and_then(CpuClock::now_ns) } else { None },
        name: String::from_utf8_lossy(stat.name).into_owned(),
    })
}

/// The largest resident set of a process since it executed its program, in bytes; `None` if there is none with this id.
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    text::kib(&HostRoot::default().read_at_most(format!("/proc/{pid}/status"), 64 << 10)?, "VmHWM")
}

/// The threads of a process that are there now, with their CPU time.
pub fn threads(pid: u32) -> Vec<ThreadUsage> {
    threads_under(&HostRoot::default(), pid)
}

fn threads_under(root: &HostRoot, pid: u32) -> Vec<ThreadUsage> {
    let directory = format!("/proc/{pid}/task");
    let tids = root.names(&directory).into_iter().filter_map(|name| name.parse::<u32>().ok());
    tids.filter_map(|tid| {
        let (cpu_ns, waited_ns) = text::schedstat(&root.read_at_most(format!("{directory}/{tid}/schedstat"), 256)?)?;
        let name = root.read_at_most(format!("{directory}/{tid}/comm"), 256)?.trim_end().to_owned();
        Some(ThreadUsage { tid, name, cpu_ns, waited_ns })
    })
    .collect()
}

/// Adds up what the given processes use. Descendants are not looked for: see [`descendants`].
pub fn total(pids: &[u32]) -> TreeUsage {
    sum(pids.iter().filter_map(|pid| process(*pid)))
}

fn sum(usages: impl Iterator<Item = ProcessUsage>) -> TreeUsage {
    let zero = Some(0_u64);
    let mut total = TreeUsage {
        processes: 0,
        rss_bytes: zero,
        peak_rss_bound_bytes: zero,
        pss_bytes: zero,
        private_bytes: zero,
        cpu_ns: zero,
    };
    for usage in usages {
        let add = |sum: &mut Option<u64>, part: Option<u64>| *sum = sum.zip(part).map(|(sum, part)| sum + part);
        total.processes += 1;
        add(&mut total.rss_bytes, usage.rss_bytes);
        add(&mut total.peak_rss_bound_bytes, usage.peak_rss_bytes);
        add(&mut total.pss_bytes, usage.pss_bytes);
        add(&mut total.private_bytes, usage.private_bytes);
        add(&mut total.cpu_ns, usage.cpu_ns);
    }
    // The sum over nothing is not zero use: nothing was seen.
    if total.processes == 0 { TreeUsage::default() } else { total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::{Command, Stdio};

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join("proc").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn stat(pid: u32, parent: u32) -> String {
        format!("{pid} (a (b) c) S {parent} {pid} {pid} 0 -1 4194304 95 0 0 0 7 3 0 0 20 0 4 0 100 0 0 0\n")
    }

    #[test]
    fn a_captured_process_is_read() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "42/stat", &stat(42, 1));
        write(directory.path(), "42/status", "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n");
        let rollup = "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 1000 kB\nPss: 500 kB\nPss_Dirty: 9 kB\n\
            Private_Clean: 100 kB\nPrivate_Dirty: 200 kB\n";
        write(directory.path(), "42/smaps_rollup", rollup);
        write(directory.path(), "42/task/42/schedstat", "1500 300 7\n");
        write(directory.path(), "42/task/42/comm", "CPU 0/KVM\n");
        write(directory.path(), "42/task/43/comm", "gone\n");
        let root = HostRoot::under(directory.path());
        let usage = process_under(&root, 42).unwrap();
        assert_eq!((usage.name.as_str(), usage.parent, usage.threads), ("a (b) c", 1, 4));
        assert_eq!(usage.peak_rss_bytes, Some(2 << 20));
        assert_eq!((usage.rss_bytes, usage.pss_bytes), (Some(1000 << 10), Some(500 << 10)));
        assert_eq!(usage.private_bytes, Some(300 << 10));
        assert_eq!((usage.user_ns, usage.system_ns), (7 * crate::host::tick_ns(), 3 * crate::host::tick_ns()));
        let thread = ThreadUsage { tid: 42, name: "CPU 0/KVM".into(), cpu_ns: 1500, waited_ns: 300 };
        assert_eq!(threads_under(&root, 42), [thread]);
        assert_eq!(process_under(&root, 43), None);
    }

    #[test]
    fn a_sum_with_an_unknown_part_is_unknown() {
        let known = ProcessUsage { pss_bytes: Some(1), rss_bytes: Some(2), ..ProcessUsage::default() };
        let partly = ProcessUsage { rss_bytes: Some(3), ..ProcessUsage::default() };
        let total = sum([known, partly].into_iter());
        assert_eq!((total.processes, total.rss_bytes, total.pss_bytes), (2, Some(5), None));
        assert_eq!(sum(std::iter::empty()).rss_bytes, None);
    }

    #[test]
    fn a_real_tree_is_counted_until_it_has_vanished() {
        let mut child = Command::new("sh").args(["-c", "cat; exit 0"]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let usage = process(pid).unwrap();
        assert_eq!(usage.parent, std::process::id());
        assert!(descendants(&[std::process::id()]).contains(&pid));
        assert!(total(&[pid]).processes == 1);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(process(pid), None);
        assert_eq!(total(&[pid]), TreeUsage::default());
        assert!(threads(pid).is_empty());
    }

    #[test]
    fn ones_own_threads_have_worked() {
        assert!(threads(std::process::id()).iter().map(|thread| thread.cpu_ns).sum::<u64>() > 0);
    }
}
