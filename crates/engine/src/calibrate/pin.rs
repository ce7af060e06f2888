//! Threads that stay on one processor, made for a measurement and gone with it.

use crate::host::root::HostRoot;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::BTreeSet;

/// The processors that this program may run on, in order.
pub(crate) fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Pins the calling thread, which must be one that ends with its measurement.
///
/// # Errors
/// In words, if the host refuses.
pub(crate) fn stay_on(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|errno| format!("a thread cannot be pinned to processor {cpu}: {errno}"))
}

/// Does something in a thread of its own that stays on a processor.
///
/// # Errors
/// If the thread cannot be made or pinned, and as what is done.
pub(super) fn on<T: Send>(cpu: usize, work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("calibrate".to_owned()).spawn_scoped(scope, move || {
            stay_on(cpu)?;
            work()
        });
        let joined = thread.map_err(|error| format!("no thread: {error}"))?.join();
        joined.unwrap_or_else(|_| Err("the measuring thread panicked".to_owned()))
    })
}

/// Two processors, and what they share in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub cpus: (usize, usize),
    pub words: String,
}

/// The pairs that are worth a trial: the first processor with another thread of its core, and with another core. Both
/// where there are both, the other core first.
///
/// # Errors
/// If this program has only one processor.
pub(crate) fn pairs(root: &HostRoot, allowed: &[usize]) -> Result<Vec<Pair>, String> {
    let [first, others @ ..] = allowed else { return Err("the host does not tell its processors".to_owned()) };
    if others.is_empty() {
        return Err("this program may use one processor only".to_owned());
    }
    let siblings: BTreeSet<usize> = root
        .value(format!("/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list"))
        .map(|list| members(&list))
        .unwrap_or_default();
    let core = others.iter().find(|cpu| !siblings.contains(cpu));
    let thread = others.iter().find(|cpu| siblings.contains(cpu));
    let pair = |cpu: &usize, what: &str| Pair { cpus: (*first, *cpu), words: format!("{first} and {cpu} ({what})") };
    let of_core = core.map(|cpu| pair(cpu, if siblings.is_empty() { "cores unknown" } else { "two cores" }));
    Ok(of_core.into_iter().chain(thread.map(|cpu| pair(cpu, "two threads of one core"))).collect())
}

/// The numbers of a list such as `0-3,8`.
fn members(list: &str) -> BTreeSet<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?.min(CpuSet::MAX_CPU))
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_of_other_cores_first() {
        let directory = tempfile::tempdir().unwrap();
        let topology = directory.path().join("sys/devices/system/cpu/cpu0/topology");
        std::fs::create_dir_all(&topology).unwrap();
        std::fs::write(topology.join("thread_siblings_list"), "0-1\n").unwrap();
        let root = HostRoot::under(directory.path());
        let found: Vec<(usize, usize)> = pairs(&root, &[0, 1, 2, 3]).unwrap().iter().map(|pair| pair.cpus).collect();
        assert_eq!(found, [(0, 2), (0, 1)]);
        assert_eq!(pairs(&root, &[0, 1]).unwrap()[0].words, "0 and 1 (two threads of one core)");
        assert!(pairs(&root, &[0]).unwrap_err().contains("one processor"));
        assert!(pairs(&root, &[]).is_err());
        assert_eq!(members("0-2,5"), BTreeSet::from([0, 1, 2, 5]));
        assert!(members("0-99999999999,x").len() <= CpuSet::MAX_CPU + 1);
    }

    #[test]
    fn the_caller_keeps_its_affinity() {
        let before = allowed();
        on(before[0], || Ok(())).unwrap();
        assert_eq!(allowed(), before);
        assert_eq!(on(before[0], || Ok(allowed())).unwrap(), [before[0]]);
    }
}
