//! One subject under watch: its processes, its cgroup, and what was seen of them.

use super::family::Family;
use super::group::Group;
use super::member::At;
use super::newcomers::Newcomer;
use super::pace::Pace;
use super::reading::Reading;
use super::subject::{Roots, Subject};
use super::totals::Totals;
use crate::clock::Clock;
use crate::host::cgroup::{CgroupLayout, CgroupReading};
use isodyne_core::unit::HostInstant;

/// A subject under watch.
pub(super) struct Watched {
    pub name: String,
    pub family: Family,
    group: Option<Group>,
    /// Whether the cgroup is all there is: then its own counters are the subject's.
    only_group: bool,
    pub totals: Totals,
    rollup: String,
    begin: HostInstant,
}

/// What this look is told.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub at: At,
    pub pace: &'a Pace,
    pub newcomers: &'a [Newcomer],
    /// Something began on the host since the last look.
    pub moved: bool,
    /// The trees are to be walked.
    pub walk: bool,
    /// Pressure is wanted.
    pub pressure: bool,
    /// Looks before this one that were missed.
    pub missed: u64,
}

impl Watched {
    /// Begins with who is there. At most `files_most` descriptors are held.
    pub fn new(subject: Subject, layout: &CgroupLayout, files_most: usize, at: At) -> Self {
        let only_group = subject.roots == Roots::Absent;
        let mut group = subject.cgroup.map(|path| Group::new(layout.clone(), path));
        let mut family = Family::new(subject.roots, files_most, at);
        for pid in group.as_mut().and_then(|group| group.processes(true, true)).unwrap_or_default() {
            family.take_in(pid, false, at);
        }
        Self {
            name: subject.name,
            family,
            group,
            only_group,
            totals: Totals::default(),
            rollup: String::new(),
            begin: HostInstant(at.ns),
        }
    }

    /// Begins a look at it with the CPU clocks of its processes; whether anybody can have begun since the last one.
    pub fn begin(&mut self, at: At, pace: &Pace) -> bool {
        self.begin = Clock.now();
        let has_run = self.family.clocks(at, pace);
        has_run || self.group.is_some() || self.family.has_outside_root()
    }

    /// Looks at it.
    pub fn look(&mut self, look: Look<'_>) -> Reading {
        let mut reading = Reading::of_nothing(self.begin);
        reading.missed = look.missed;
        let cgroup = self.group.as_mut().map(|group| group.look(look.pressure)).unwrap_or_default();
        if let Some(group) = &mut self.group {
            for pid in group.processes(look.moved, look.walk).unwrap_or_default() {
                self.family.take_in(pid, true, look.at);
            }
        }
        if look.walk {
            self.family.walk(look.at);
        }
        self.family.meet(look.newcomers, look.at);
        self.family.look(look.at, look.pace);
        self.fill(&mut reading, &cgroup);
        reading.end = Clock.now();
        reading
    }

    /// Goes on to read shares of memory, as [`Family::shares`] does.
    pub fn shares(&mut self, at: At, kept_ns: u64, is_over: &mut dyn FnMut() -> bool, reading: &mut Reading) {
        if self.family.is_empty() {
            return;
        }
        if let Some((pss, uss)) = self.family.shares(at, kept_ns, &mut self.rollup, is_over) {
            (reading.pss_bytes, reading.uss_bytes) = (pss, uss);
        }
        reading.end = Clock.now();
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
