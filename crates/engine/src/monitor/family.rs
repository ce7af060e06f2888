//! The processes of a subject: who belongs, what they use together, and what those used that are gone.

use super::member::{Gone, Member, Ticks};
use super::newcomers::Newcomer;
use super::subject::Roots;
use crate::host::accounting::{descendants, text::Io};
use std::collections::BTreeSet;

/// Ids of processes that are gone and whose groups and sessions may live on, at most.
const MOST_PAST: usize = 4096;
/// So few members are all looked at every time.
const FEW: usize = 16;
/// A member that has not run for so many looks is looked at less often, until it has.
const QUIET_LOOKS: u64 = 10;
/// Descriptors of one member.
const FILES_EACH: usize = 3;

/// How much is read at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Of one in so many members that have not run for a while, the CPU clock.
    pub quiet_every: u64,
    /// Of at most so many members the counters.
    pub counters: usize,
    /// Of at most so many members that ran, the memory.
    pub memory: usize,
    /// After so many looks the memory of a member that has not run.
    pub memory_after: u64,
    /// After so many looks the counters of a member that has not run.
    pub counters_after: u64,
}

impl Pace {
    /// Everything at once.
    pub const ALL: Self =
        Self { quiet_every: 1, counters: usize::MAX, memory: usize::MAX, memory_after: 0, counters_after: 0 };
}

/// What the members use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Together {
    pub processes: u32,
    pub threads: u32,
    pub unreadable: u32,
    pub cpu_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    pub rss_bytes: Option<u64>,
    pub io: Option<Io>,
}

/// What those used that are gone, beyond what they had used before.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// All that are gone, as far as it was seen.
    seen: Used,
    /// Those alone whom no member has waited for, with the children that they had waited for.
    unwaited: Used,
    unwaited_io: Io,
    io_unknown: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu_ns: u64,
    user_ticks: u64,
    system_ticks: u64,
}

impl Used {
    fn add(&mut self, other: Self) {
        self.cpu_ns += other.cpu_ns;
        self.user_ticks += other.user_ticks;
        self.system_ticks += other.system_ticks;
    }
}

/// The processes of a subject.
pub(super) struct Family {
    roots: Roots,
    /// Children of the root that were there before, with their descendants: no members.
    strangers: BTreeSet<u32>,
    pub members: Vec<Member>,
    past: Past,
    /// Who was a member: groups and sessions that it led still count.
    former: Vec<u32>,
    /// Where the next look goes on with counters, and with memory.
    next_counters: usize,
    next_memory: usize,
    files_most: usize,
    page_bytes: u64,
    tick_ns: u64,
    highest: Together,
}

impl Family {
    /// Of these roots, with who is there already. At most `files_most` descriptors are held.
    pub fn new(roots: Roots, files_most: usize) -> Self {
        let mut family = Self {
            strangers: BTreeSet::new(),
            members: Vec::new(),
            past: Past::default(),
            former: Vec::new(),
            next_counters: 0,
            next_memory: 0,
            files_most,
            page_bytes: crate::host::page_bytes(),
            tick_ns: crate::host::tick_ns(),
            highest: Together::default(),
            roots,
        };
        match &family.roots {
            Roots::Absent => {}
            Roots::Processes(pids) => descendants(pids).into_iter().for_each(|pid| family.take_in(pid, false, 0)),
            Roots::NewChildrenOf(pid) => {
                family.strangers = descendants(&[*pid]).into_iter().filter(|found| found != pid).collect();
            }
        }
        family
    }

    /// Takes a process in, unless it is in already or gone.
    pub fn take_in(&mut self, pid: u32, is_new: bool, look: u64) {
        if self.members.iter().any(|member| member.pid == pid) {
            return;
        }
        let with_files = (self.members.len() + 1) * FILES_EACH <= self.files_most;
        if let Ok(member) = Member::open(pid, is_new, with_files, look, self.page_bytes) {
            self.former.retain(|former| *former != pid);
            self.members.push(member);
        }
    }

    /// Takes in those newcomers that belong here.
    pub fn meet(&mut self, newcomers: &[Newcomer], look: u64) {
        if matches!(self.roots, Roots::Absent) {
            return;
        }
        // Again while somebody was taken in: ids that began anew come before those of their parents.
        let mut before = usize::MAX;
        while before != self.members.len() {
            before = self.members.len();
            for newcomer in newcomers {
                if self.belongs(newcomer) {
                    self.take_in(newcomer.pid, true, look);
                }
            }
        }
    }

    fn belongs(&self, newcomer: &Newcomer) -> bool {
        let is_member = |pid: u32| self.members.iter().any(|member| member.pid == pid);
        let led = |leader: u32| leader != newcomer.pid && (is_member(leader) || self.former.contains(&leader));
        // Whoever lost its parent before it was seen is known by its group or session.
        is_member(newcomer.parent)
            || matches!(self.roots, Roots::NewChildrenOf(root) if root == newcomer.parent)
            || led(newcomer.group)
            || led(newcomer.session)
    }

    /// Walks the trees, for whom [`Family::meet`] has not heard of.
    pub fn walk(&mut self, look: u64) {
        let found = match self.roots {
            Roots::Absent => return,
            Roots::Processes(_) => descendants(&self.members.iter().map(|member| member.pid).collect::<Vec<u32>>()),
            Roots::NewChildrenOf(root) => {
                self.strangers =
                    descendants(&self.strangers.iter().copied().collect::<Vec<u32>>()).into_iter().collect();
                descendants(&[root]).into_iter().filter(|pid| *pid != root && !self.strangers.contains(pid)).collect()
            }
        };
        found.into_iter().for_each(|pid| self.take_in(pid, true, look));
    }

    /// Whether somebody of the beginning or since is still there.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Reads what has changed.
    pub fn look(&mut self, look: u64, pace: Pace) {
        let quiet_every = if self.members.len() > FEW { pace.quiet_every } else { 1 };
        let mut index = 0;
        while let Some(member) = self.members.get_mut(index) {
            let is_quiet = look.saturating_sub(member.ran_at) > QUIET_LOOKS;
            if is_quiet && !(look + index as u64).is_multiple_of(quiet_every) {
                index += 1;
                continue;
            }
            match member.read_clock(look) {
                Ok(_) => index += 1,
                Err(Gone) => self.part(index),
            }
        }
        self.read_some(look, pace.counters, true, pace.counters_after);
        self.read_some(look, pace.memory, false, pace.memory_after);
    }

    /// Reads counters or memory of some of the members that need it, going on where the last look ended.
    fn read_some(&mut self, look: u64, most: usize, counters: bool, after: u64) {
        let mut left = most;
        let from = if counters { self.next_counters } else { self.next_memory };
        let mut index = if from < self.members.len() { from } else { 0 };
        let mut visits = self.members.len();
        while visits > 0 && left > 0 {
            visits -= 1;
            let Some(member) = self.members.get_mut(index) else {
                index = 0;
                continue;
            };
            let (ran, at) = if counters { (member.due, member.read_at) } else { (member.moved, member.memory_at) };
            let mut gone = false;
            if ran || look.saturating_sub(at) >= after {
                left -= 1;
                let read =
                    if counters { member.read_counters(look) } else { member.read_memory(look, self.page_bytes) };
                gone = read.is_err();
            }
            if gone {
                self.part(index);
            } else {
                index += 1;
            }
            if index >= self.members.len() {
                index = 0;
            }
        }
        *if counters { &mut self.next_counters } else { &mut self.next_memory } = index;
    }

    /// Reads everybody's share of memory: proportional, and of its own.
    pub fn shares(&mut self, buffer: &mut String) -> (Option<u64>, Option<u64>) {
        let (mut pss, mut uss) = (Some(0_u64), Some(0_u64));
        for member in &mut self.members {
            member.read_shares(buffer);
            pss = pss.zip(member.pss_bytes).and_then(|(sum, part)| sum.checked_add(part));
            uss = uss.zip(member.uss_bytes).and_then(|(sum, part)| sum.checked_add(part));
        }
        (pss, uss)
    }

    /// A member is gone: what it used is kept.
    fn part(&mut self, index: usize) {
        let member = self.members.swap_remove(index);
        self.past.seen.add(own(&member));
        // If its parent was a member, that one has waited for it and counts it from now on; otherwise nobody does. Who had
        // a parent that is gone may have been left to somebody else meanwhile: then a little too little is counted, never
        // too much.
        let waited =
            self.members.iter().any(|other| other.pid == member.parent) || self.former.contains(&member.parent);
        if !waited {
            self.past.unwaited.add(with_children(&member, self.tick_ns));
            match member.io_now {
                Some(now) => add_io(&mut self.past.unwaited_io, since(now, member.base_io)),
                None => self.past.io_unknown = true,
            }
        }
        // Those that it leaves behind get another parent, which their texts tell.
        for child in self.members.iter_mut().filter(|other| other.parent == member.pid) {
            child.due = true;
        }
        if self.former.len() >= MOST_PAST {
            self.former.remove(0);
        }
        self.former.push(member.pid);
    }

    /// What all use and have used together. CPU time and bytes never go back.
    pub fn together(&mut self) -> Together {
        let mut now = Together { rss_bytes: Some(0), ..Together::default() };
        // Two ways to count, both never more than the truth: what was seen of each; and what members and those whom they
        // waited for used, by the kernel's count, which has also those that came and went between two looks.
        let (mut seen, mut counted) = (self.past.seen, self.past.unwaited);
        let mut io = (!self.past.io_unknown).then_some(self.past.unwaited_io);
        for member in &self.members {
            seen.add(own(member));
            counted.add(with_children(member, self.tick_ns));
            now.threads += member.threads;
            now.processes += u32::from(!member.ended);
            now.unreadable += u32::from(member.is_unreadable());
            now.rss_bytes = now.rss_bytes.zip(member.rss_bytes).map(|(sum, part)| sum.saturating_add(part));
            io = io.zip(member.io_now).map(|(mut sum, part)| {
                add_io(&mut sum, since(part, member.base_io));
                sum
            });
        }
        now.cpu_ns = seen.cpu_ns.max(counted.cpu_ns).max(self.highest.cpu_ns);
        now.user_ns = (seen.user_ticks.max(counted.user_ticks) * self.tick_ns).max(self.highest.user_ns);
        now.system_ns = (seen.system_ticks.max(counted.system_ticks) * self.tick_ns).max(self.highest.system_ns);
        now.io = match (io, self.highest.io) {
            (Some(now), Some(highest)) => Some(most_io(now, highest)),
            (now, highest) => now.or(highest),
        };
        self.highest = now;
        now
    }
}

/// What a member itself has used.
fn own(member: &Member) -> Used {
    Used {
        cpu_ns: member.cpu_ns.saturating_sub(member.base_cpu_ns),
        user_ticks: member.ticks.user.saturating_sub(member.base_ticks.user),
        system_ticks: member.ticks.system.saturating_sub(member.base_ticks.system),
    }
}

/// What a member has used, and children that it has waited for.
fn with_children(member: &Member, tick_ns: u64) -> Used {
    let Ticks { reaped_user, reaped_system, .. } = member.ticks;
    let user_ticks = reaped_user.saturating_sub(member.base_ticks.reaped_user);
    let system_ticks = reaped_system.saturating_sub(member.base_ticks.reaped_system);
    let mut used = own(member);
    used.add(Used { cpu_ns: (user_ticks + system_ticks).saturating_mul(tick_ns), user_ticks, system_ticks });
    used
}

fn since(now: Io, base: Io) -> Io {
    Io {
        syscall_read: now.syscall_read.saturating_sub(base.syscall_read),
        syscall_written: now.syscall_written.saturating_sub(base.syscall_written),
        read: now.read.saturating_sub(base.read),
        written: now.written.saturating_sub(base.written),
    }
}

fn add_io(sum: &mut Io, part: Io) {
    sum.syscall_read = sum.syscall_read.saturating_add(part.syscall_read);
    sum.syscall_written = sum.syscall_written.saturating_add(part.syscall_written);
    sum.read = sum.read.saturating_add(part.read);
    sum.written = sum.written.saturating_add(part.written);
}

fn most_io(one: Io, other: Io) -> Io {
    Io {
        syscall_read: one.syscall_read.max(other.syscall_read),
        syscall_written: one.syscall_written.max(other.syscall_written),
        read: one.read.max(other.read),
        written: one.written.max(other.written),
    }
}
