//! The descendants of processes.

use super::text::Stat;
use crate::host::root::HostRoot;
use std::collections::{BTreeMap, BTreeSet};

/// The given processes and all their descendants, sorted. A child whose parent has ended belongs to somebody else and
/// is not found this way; a cgroup finds it. The kernel's lists of children are read where it keeps them, otherwise every
/// process of the host is asked for its parent.
pub fn descendants(pids: &[u32]) -> Vec<u32> {
    descendants_under(&HostRoot::default(), pids)
}

fn descendants_under(root: &HostRoot, pids: &[u32]) -> Vec<u32> {
    if root.path("/proc/thread-self/children").exists() {
        return walk(root, pids, |pid| listed_children(root, pid));
    }
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in root.names("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok()) {
        let stat = root.read_at_most(format!("/proc/{pid}/stat"), 4096);
        if let Some(stat) = stat.as_deref().and_then(|text| Stat::parse(text.as_bytes())) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    walk(root, pids, |pid| children.get(&pid).cloned().unwrap_or_default())
}

fn walk(root: &HostRoot, pids: &[u32], children: impl Fn(u32) -> Vec<u32>) -> Vec<u32> {
    let mut found: BTreeSet<u32> = BTreeSet::new();
    let mut left: Vec<u32> = pids.to_vec();
    while let Some(pid) = left.pop() {
        if found.insert(pid) {
            left.extend(children(pid));
        }
    }
    found.into_iter().filter(|pid| root.path(format!("/proc/{pid}")).exists()).collect()
}

/// The children that the kernel lists for the threads of a process.
fn listed_children(root: &HostRoot, pid: u32) -> Vec<u32> {
    let directory = format!("/proc/{pid}/task");
    let lists = root.names(&directory).into_iter().filter_map(|tid| root.read(format!("{directory}/{tid}/children")));
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join("proc").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn descendants_are_found_through_parents() {
        let directory = tempfile::tempdir().unwrap();
        for (pid, parent) in [(10, 1), (11, 10), (12, 11), (13, 1), (14, 12)] {
            let stat = format!("{pid} (a (b) c) S {parent} {pid} {pid} 0 -1 0 95 0 0 0 7 3 0 0 20 0 4 0 100 0 0 0\n");
            write(directory.path(), &format!("{pid}/stat"), &stat);
        }
        let root = HostRoot::under(directory.path());
        assert_eq!(descendants_under(&root, &[10]), [10, 11, 12, 14]);
        assert_eq!(descendants_under(&root, &[13, 99]), [13]);
    }

    #[test]
    fn descendants_are_found_through_lists_of_every_thread() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "thread-self/children", "");
        write(directory.path(), "10/task/10/children", "11 \n");
        write(directory.path(), "10/task/20/children", "12 13 ");
        write(directory.path(), "11/task/11/children", "10 x 99999999999 ");
        write(directory.path(), "12/task/12/children", "");
        let root = HostRoot::under(directory.path());
        // 13 has ended since it was listed.
        assert_eq!(descendants_under(&root, &[10]), [10, 11, 12]);
    }
}
