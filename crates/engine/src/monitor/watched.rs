//! One subject under watch: its processes, its cgroup, and what was seen of them.

use super::family::{Family, Pace};
use super::group::Group;
use super::newcomers::Newcomer;
use super::reading::Reading;
use super::subject::{Roots, Subject};
use super::totals::Totals;
use crate::clock::Clock;
use crate::host::cgroup::{CgroupLayout, CgroupReading};

/// A subject under watch.
pub(super) struct Watched {
    pub name: String,
    family: Family,
    group: Option<Group>,
    /// Whether the cgroup is all there is: then its own counters are the subject's.
    only_group: bool,
    pub totals: Totals,
    rollup: String,
}

/// What this look is told.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    /// Its number, from 1.
    pub number: u64,
    pub pace: Pace,
    pub newcomers: &'a [Newcomer],
    /// Something began on the host since the last look.
    pub moved: bool,
    /// The trees are to be walked.
    pub walk: bool,
    /// Shares of memory are wanted.
    pub shares: bool,
    /// Looks before this one that were missed.
    pub missed: u64,
}

impl Watched {
    /// Begins with who is there. At most `files_most` descriptors are held.
    pub fn new(subject: Subject, layout: &CgroupLayout, files_most: usize) -> Self {
        let only_group = subject.roots == Roots::Absent;
        let mut group = subject.cgroup.map(|path| Group::new(layout.clone(), path));
        let mut family = Family::new(subject.roots, files_most);
        for pid in group.as_mut().and_then(|group| group.processes(true, true)).unwrap_or_default() {
            family.take_in(pid, false, 0);
        }
        Self { name: subject.name, family, group, only_group, totals: Totals::default(), rollup: String::new() }
    }

    /// Looks at it.
    pub fn look(&mut self, look: Look<'_>) -> Reading {
        let mut reading = Reading::of_nothing(Clock.now());
        reading.missed = look.missed;
        let cgroup = self.group.as_mut().map(Group::look).unwrap_or_default();
        if let Some(group) = &mut self.group {
            for pid in group.processes(look.moved, look.walk).unwrap_or_default() {
                self.family.take_in(pid, true, look.number);
            }
        }
        if look.walk {
            self.family.walk(look.number);
        }
        self.family.meet(look.newcomers, look.number);
        self.family.look(look.number, look.pace);
        if look.shares && !self.family.is_empty() {
            (reading.pss_bytes, reading.uss_bytes) = self.family.shares(&mut self.rollup);
        }
        self.fill(&mut reading, &cgroup);
        reading.end = Clock.now();
        reading
    }

    fn fill(&mut self, reading: &mut Reading, cgroup: &CgroupReading) {
        let together = self.family.together();
        let io = together.io;
        reading.processes = together.processes;
        reading.threads = together.threads;
        reading.unreadable = together.unreadable;
        reading.rss_bytes = together.rss_bytes;
        reading.syscall_read_bytes = io.map(|io| io.syscall_read);
        reading.syscall_written_bytes = io.map(|io| io.syscall_written);
        reading.cgroup_memory_bytes = cgroup.memory_bytes;
        reading.cgroup_peak_memory_bytes = cgroup.peak_memory_bytes;
        reading.cgroup_pressure = cgroup.pressure;
        // A cgroup counts everybody who was ever in it; looks do not. Where a tree counts too, part of it may be outside of
        // the cgroup: neither count is more than there was.
        let of_group = |value: Option<u64>| value.filter(|_| self.only_group);
        reading.cpu_ns =
            of_group(cgroup.cpu_ns).or_else(|| Some(together.cpu_ns.max(cgroup.cpu_ns.unwrap_or_default())));
        reading.user_ns = of_group(cgroup.user_ns).or(Some(together.user_ns));
        reading.system_ns = of_group(cgroup.system_ns).or(Some(together.system_ns));
        // A cgroup of v1 is not charged with what is written through the page cache; its processes are.
        reading.read_bytes = cgroup.read_bytes.max(io.map(|io| io.read));
        reading.written_bytes = cgroup.written_bytes.max(io.map(|io| io.written));
    }
}
