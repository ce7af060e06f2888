//! The cgroup of a subject: waited for until it is there, and its counters since the beginning.

use crate::host::cgroup::{CgroupLayout, CgroupReading, Counters};
use crate::host::pressure::PressureReading;

/// The cgroup of a subject.
pub(super) struct Group {
    layout: CgroupLayout,
    path: String,
    counters: Option<Counters>,
    /// What it had counted when the monitoring began, or nothing if it was made since.
    base: CgroupReading,
    /// Of groups of this name that are gone.
    earlier: CgroupReading,
    last: CgroupReading,
    /// The threads in it when its processes were listed last.
    listed_tasks: Option<u64>,
}

impl Group {
    /// Of the cgroup with this path, which need not be there yet.
    pub fn new(layout: CgroupLayout, path: String) -> Self {
        let (base, earlier, last) = Default::default();
        let mut group = Self { layout, path, counters: None, base, earlier, last, listed_tasks: None };
        if group.open() {
            group.base = group.counters.as_ref().map(|counters| counters.read(true)).unwrap_or_default();
            group.last = group.base;
        }
        group
    }

    fn open(&mut self) -> bool {
        self.counters = Counters::open(&self.layout, &self.path);
        self.counters.is_some()
    }

    /// Reads it: memory as it is now, the rest since the beginning; pressure only if it is asked for.
    pub fn look(&mut self, pressure: bool) -> CgroupReading {
        if self.counters.is_none() && self.open() {
            (self.base, self.last) = Default::default();
        }
        let now = self.counters.as_ref().map(|counters| counters.read(pressure)).unwrap_or_default();
        if now == CgroupReading::default() {
            // It is gone, or not there yet. What it has counted stays.
            if self.counters.take().is_some() {
                self.earlier = self.since_beginning(self.last);
                (self.base, self.last) = Default::default();
            }
        } else {
            let pressure = if pressure { now.pressure } else { self.last.pressure };
            self.last = CgroupReading { pressure, ..now };
        }
        let mut now =
            CgroupReading { memory_bytes: now.memory_bytes, tasks: now.tasks, ..self.since_beginning(self.last) };
        if !pressure {
            now.pressure = PressureReading::default();
        }
        CgroupReading { peak_memory_bytes: self.last.peak_memory_bytes.max(self.earlier.peak_memory_bytes), ..now }
    }

    fn since_beginning(&self, now: CgroupReading) -> CgroupReading {
        let (base, earlier) = (&self.base, &self.earlier);
        let grown = |now: Option<u64>, base: Option<u64>, earlier: Option<u64>| match now {
            Some(now) => Some(now.saturating_sub(base.unwrap_or(0)).saturating_add(earlier.unwrap_or(0))),
            None => earlier,
        };
        CgroupReading {
            memory_bytes: now.memory_bytes,
            peak_memory_bytes: now.peak_memory_bytes.max(earlier.peak_memory_bytes),
            cpu_ns: grown(now.cpu_ns, base.cpu_ns, earlier.cpu_ns),
            user_ns: grown(now.user_ns, base.user_ns, earlier.user_ns),
            system_ns: grown(now.system_ns, base.system_ns, earlier.system_ns),
            read_bytes: grown(now.read_bytes, base.read_bytes, earlier.read_bytes),
            written_bytes: grown(now.written_bytes, base.written_bytes, earlier.written_bytes),
            tasks: now.tasks,
            pressure: PressureReading {
                cpu_ns: grown(now.pressure.cpu_ns, base.pressure.cpu_ns, earlier.pressure.cpu_ns),
                memory_ns: grown(now.pressure.memory_ns, base.pressure.memory_ns, earlier.pressure.memory_ns),
                io_ns: grown(now.pressure.io_ns, base.pressure.io_ns, earlier.pressure.io_ns),
            },
        }
    }

    /// Its processes, if they may have changed since they were listed last: something began on the host (`moved`), another
    /// number of threads is in it, or it is time.
    pub fn processes(&mut self, moved: bool, is_time: bool) -> Option<Vec<u32>> {
        let counters = self.counters.as_ref()?;
        let tasks = self.last.tasks;
        if !(moved || is_time || tasks != self.listed_tasks) {
            return None;
        }
        self.listed_tasks = tasks;
        Some(counters.processes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cgroup::{CgroupKind, Hierarchy};
    use std::path::Path;

    fn layout(mount: &Path) -> CgroupLayout {
        let v2 = Some(Hierarchy { mount: mount.to_owned(), own: mount.to_owned() });
        CgroupLayout { kind: CgroupKind::V2, v2, ..CgroupLayout::default() }
    }

    fn write(directory: &Path, cpu_usec: u64, memory: u64, peak: u64) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("cpu.stat"), format!("usage_usec {cpu_usec}\n")).unwrap();
        std::fs::write(directory.join("memory.current"), format!("{memory}\n")).unwrap();
        std::fs::write(directory.join("memory.peak"), format!("{peak}\n")).unwrap();
    }

    #[test]
    fn a_group_that_was_there_counts_from_the_beginning_and_a_new_one_from_zero() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a");
        write(&directory, 1000, 5, 9);
        let mut group = Group::new(layout(root.path()), "/a".into());
        write(&directory, 1500, 6, 9);
        let reading = group.look(true);
        assert_eq!((reading.cpu_ns, reading.memory_bytes), (Some(500_000), Some(6)));
        let mut later = Group::new(layout(root.path()), "/b".into());
        assert!(later.processes(true, true).is_none());
        assert_eq!(later.look(true), CgroupReading::default());
        write(&root.path().join("b"), 30, 4, 4);
        assert_eq!(later.look(true).cpu_ns, Some(30_000));
    }

    #[test]
    fn what_a_group_has_counted_outlives_it() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a");
        write(&directory, 100, 5, 50);
        let mut group = Group::new(layout(root.path()), "/a".into());
        write(&directory, 300, 5, 50);
        group.look(true);
        // The kernel's files of a removed group cannot be read any more; these here are emptied for that.
        for name in ["cpu.stat", "memory.current", "memory.peak"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
        std::fs::rename(&directory, root.path().join("gone")).unwrap();
        let gone = group.look(true);
        assert_eq!((gone.cpu_ns, gone.memory_bytes, gone.peak_memory_bytes), (Some(200_000), None, Some(50)));
        write(&directory, 7, 1, 2);
        let again = group.look(true);
        assert_eq!((again.cpu_ns, again.peak_memory_bytes), (Some(207_000), Some(50)));
    }
}
