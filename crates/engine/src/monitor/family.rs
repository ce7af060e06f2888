//! The processes of a subject: who belongs, what they use together, and what those used that are gone.

use super::member::{At, Gone, Member, Ticks};
use super::newcomers::Newcomer;
use super::pace::Pace;
use super::subject::Roots;
use crate::host::accounting::{descendants, text::Io};
use std::collections::BTreeSet;

/// Ids of processes that are gone and whose groups and sessions may live on, at most.
const MOST_PAST: usize = 4096;
/// Descriptors of one member.
const FILES_EACH: usize = 3;

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

/// For how long, at most, something that a process changed stood in its files before it was read, in nanoseconds. How late a
/// look was is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Its resident memory.
    pub memory_ns: u64,
    /// Its ticks, threads, input and output.
    pub counters_ns: u64,
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
    next: [usize; 2],
    /// Whether somebody ran whose counters, or whose memory, have not been read since.
    waiting: [bool; 2],
    /// Something was read since [`Family::together`] added up.
    changed: bool,
    pub lag: Lag,
    /// The round of shares that has been read as a whole, and when the next one began or may begin.
    pub shares_done: u64,
    pub shares_ns: u64,
    files_most: usize,
    page_bytes: u64,
    tick_ns: u64,
    highest: Together,
}

impl Family {
    /// Of these roots, with who is there already. At most `files_most` descriptors are held.
    pub fn new(roots: Roots, files_most: usize, at: At) -> Self {
        let mut family = Self {
            strangers: BTreeSet::new(),
            members: Vec::new(),
            past: Past::default(),
            former: Vec::new(),
            next: [0; 2],
            waiting: [false; 2],
            changed: true,
            lag: Lag::default(),
            shares_done: 0,
            shares_ns: 0,
            files_most,
            page_bytes: crate::host::page_bytes(),
            tick_ns: crate::host::tick_ns(),
            highest: Together::default(),
            roots,
        };
        match &family.roots {
            Roots::Absent => {}
            Roots::Processes(pids) => descendants(pids).into_iter().for_each(|pid| family.take_in(pid, false, at)),
            Roots::NewChildrenOf(pid) => {
                family.strangers = descendants(&[*pid]).into_iter().filter(|found| found != pid).collect();
            }
        }
        family
    }

    /// Takes a process in, unless it is in already or gone.
    pub fn take_in(&mut self, pid: u32, is_new: bool, at: At) {
        if self.members.iter().any(|member| member.pid == pid) {
            return;
        }
        let with_files = (self.members.len() + 1) * FILES_EACH <= self.files_most;
        if let Ok(member) = Member::open(pid, is_new, with_files, at, self.page_bytes) {
            self.former.retain(|former| *former != pid);
            self.members.push(member);
            self.changed = true;
        }
    }

    /// Takes in those newcomers that belong here.
    pub fn meet(&mut self, newcomers: &[Newcomer], at: At) {
        if matches!(self.roots, Roots::Absent) {
            return;
        }
        // Again while somebody was taken in: ids that began anew come before those of their parents.
        let mut before = usize::MAX;
        while before != self.members.len() {
            before = self.members.len();
            for newcomer in newcomers {
                if self.belongs(newcomer) {
                    self.take_in(newcomer.pid, true, at);
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
    pub fn walk(&mut self, at: At) {
        let found = match self.roots {
            Roots::Absent => return,
            Roots::Processes(_) => descendants(&self.members.iter().map(|member| member.pid).collect::<Vec<u32>>()),
            Roots::NewChildrenOf(root) => {
                self.strangers =
                    descendants(&self.strangers.iter().copied().collect::<Vec<u32>>()).into_iter().collect();
                descendants(&[root]).into_iter().filter(|pid| *pid != root && !self.strangers.contains(pid)).collect()
            }
        };
        found.into_iter().for_each(|pid| self.take_in(pid, true, at));
    }

    /// Whether somebody of the beginning or since is still there.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether somebody can belong to it whose begin no member's CPU clock tells.
    pub fn has_outside_root(&self) -> bool {
        matches!(self.roots, Roots::NewChildrenOf(_))
    }

    /// Reads CPU clocks; whether somebody has run.
    pub fn clocks(&mut self, at: At, pace: &Pace) -> bool {
        let is_large = pace.is_large(self.members.len());
        let (mut index, mut has_run) = (0, false);
        while let Some(member) = self.members.get_mut(index) {
            if is_large && !pace.is_turn(at.look.saturating_sub(member.ran_at), at.look + index as u64) {
                index += 1;
                continue;
            }
            match member.read_clock(at) {
                Ok(ran) => {
                    has_run |= ran;
                    index += 1;
                }
                Err(Gone) => {
                    has_run = true;
                    self.part(index);
                }
            }
        }
        self.changed |= has_run;
        has_run
    }

    /// Reads what has changed, and from time to time what others may have.
    pub fn look(&mut self, at: At, pace: &Pace) {
        self.read_some(at, Files::Counters, pace);
        self.read_some(at, Files::Memory, pace);
    }

    /// Reads counters or memory of some of the members that need it, going on where the last look ended.
    fn read_some(&mut self, at: At, files: Files, pace: &Pace) {
        let is_due = |member: &Member| match files {
            Files::Counters => member.due_ns.is_some(),
            Files::Memory => member.moved_ns.is_some(),
        };
        let waiting = files.of(&mut self.waiting);
        let due =
            if self.changed || *waiting { self.members.iter().filter(|member| is_due(member)).count() } else { 0 };
        let (most, after_ns) = match files {
            Files::Counters => (pace.counters, pace.counters_after_ns),
            Files::Memory => (pace.memory, pace.memory_after_ns),
        };
        let mut left = pace.at_once(at.look, due, most);
        *waiting = due > left;
        // Those that have not run: a share of them, that all have had their turn in time.
        let mut left_of_old = if pace.is_round(at.look) { self.members.len() / pace.old_in + 1 } else { 0 };
        let from = *files.of(&mut self.next);
        let mut index = if from < self.members.len() { from } else { 0 };
        let mut visits = if left == 0 && left_of_old == 0 { 0 } else { self.members.len() };
        while visits > 0 && (left > 0 || left_of_old > 0) {
            visits -= 1;
            let Some(member) = self.members.get_mut(index) else {
                index = 0;
                continue;
            };
            let (since_ns, read_ns) = match files {
                Files::Counters => (member.due_ns, member.read_ns),
                Files::Memory => (member.moved_ns, member.memory_ns),
            };
            let is_old = since_ns.is_none() && at.ns.saturating_sub(read_ns) >= after_ns;
            let mut gone = false;
            if (since_ns.is_some() && left > 0) || (is_old && left_of_old > 0) {
                left -= usize::from(since_ns.is_some());
                left_of_old -= usize::from(is_old);
                self.changed = true;
                let lag_ns = since_ns.map_or(0, |since_ns| at.ns.saturating_sub(since_ns));
                gone = match files {
                    Files::Counters => {
                        self.lag.counters_ns = self.lag.counters_ns.max(lag_ns);
                        member.read_counters(at).is_err()
                    }
                    Files::Memory => {
                        self.lag.memory_ns = self.lag.memory_ns.max(lag_ns);
                        member.read_memory(at, self.page_bytes).is_err()
                    }
                };
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
        *files.of(&mut self.next) = index;
    }

    /// Goes on with the round of shares of memory, proportional and of its own: reads members that have had no turn until
    /// `is_over` says so. The sums, once everybody had a turn.
    pub fn shares(
        &mut self,
        at: At,
        kept_ns: u64,
        buffer: &mut String,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Option<(Option<u64>, Option<u64>)> {
        let round = self.shares_done + 1;
        let kept_since_ns = if kept_ns == 0 { u64::MAX } else { at.ns.saturating_sub(kept_ns) };
        for member in self.members.iter_mut().filter(|member| member.shares_round != round) {
            if !member.keeps_shares(kept_since_ns) {
                if is_over() {
                    return None;
                }
                member.read_shares(at.ns, buffer);
            }
            member.shares_round = round;
        }
        (self.shares_done, self.shares_ns) = (round, at.ns);
        let (mut pss, mut uss) = (Some(0_u64), Some(0_u64));
        for member in &self.members {
            pss = pss.zip(member.pss_bytes).and_then(|(sum, part)| sum.checked_add(part));
            uss = uss.zip(member.uss_bytes).and_then(|(sum, part)| sum.checked_add(part));
        }
        Some((pss, uss))
    }

    /// A member is gone: what it used is kept.
    fn part(&mut self, index: usize) {
        let member = self.members.swap_remove(index);
        self.changed = true;
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
            child.due_ns.get_or_insert(child.read_ns);
        }
        if self.former.len() >= MOST_PAST {
            self.former.remove(0);
        }
        self.former.push(member.pid);
    }

    /// What all use and have used together. CPU time and bytes never go back.
    pub fn together(&mut self) -> Together {
        if !std::mem::take(&mut self.changed) {
            return self.highest;
        }
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

/// What is read of a member beside its CPU clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    Counters,
    Memory,
}

impl Files {
    fn of<T>(self, pair: &mut [T; 2]) -> &mut T {
        match (self, pair) {
            (Self::Counters, [counters, _]) => counters,
            (Self::Memory, [_, memory]) => memory,
        }
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
