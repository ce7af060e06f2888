//! What a monitor and its guest have used.

use crate::host::accounting::{self, GuestMapping};

/// Processor time and memory of the monitor and of its guest, by metric name; what is not known is absent.
/// `guest_cpu_ns` is the time of the threads that run virtual processors.
pub fn usage(pid: u32, guest_cpu_ns: Option<u64>, memory_bytes: u64) -> Vec<(String, f64)> {
    let process = accounting::process(pid).unwrap_or_default();
    let memory = accounting::guest_memory(pid, GuestMapping::Size(memory_bytes));
    let beside = |all: Option<u64>, guest: Option<u64>| all.zip(guest).and_then(|(all, guest)| all.checked_sub(guest));
    let values = [
        ("guest_cpu_ns", guest_cpu_ns),
        ("vmm_cpu_ns", beside(process.cpu_ns, guest_cpu_ns)),
        ("peak_memory_bytes", process.peak_rss_bytes),
        ("rss_bytes", process.rss_bytes),
        ("pss_bytes", process.pss_bytes),
        ("private_bytes", process.private_bytes),
        ("shared_bytes", beside(process.rss_bytes, process.private_bytes)),
        ("guest_memory_bytes", memory.map(|memory| memory.rss_bytes)),
        ("guest_memory_pss_bytes", memory.map(|memory| memory.pss_bytes)),
        ("vmm_overhead_bytes", beside(process.pss_bytes, memory.map(|memory| memory.pss_bytes))),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value? as f64))).collect()
}

/// Processor time of the threads whose names begin like this; `None` if there is none.
pub fn threads_named(pid: u32, beginning: &str) -> Option<u64> {
    let threads = accounting::threads(pid);
    let times: Vec<u64> =
        threads.iter().filter(|thread| thread.name.starts_with(beginning)).map(|thread| thread.cpu_ns).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}
