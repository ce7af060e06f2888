//! One process that is monitored: its open files, and what they told at last.
//!
//! The CPU clock is read at every look and needs no file. A process that has not run since the look before has changed
//! nothing of its own, so that its files are read only if it has, and from time to time because others can change its memory.

use crate::host::accounting::CpuClock;
use crate::host::accounting::text::{Io, Stat, resident_pages, shares};
use crate::host::live::{BUFFER_BYTES, LiveFile};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;

/// A process's share of memory is told in fewer bytes than this.
const ROLLUP_LIMIT: u64 = 16 << 10;

/// CPU time in ticks: its own, and that of children it has waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    pub user: u64,
    pub system: u64,
    pub reaped_user: u64,
    pub reaped_system: u64,
}

/// A process that is monitored.
#[derive(Debug)]
pub(super) struct Member {
    pub pid: u32,
    pub parent: u32,
    clock: CpuClock,
    stat: Option<LiveFile>,
    statm: Option<LiveFile>,
    io: Option<LiveFile>,
    /// What it had used before it was monitored: nothing if it began since.
    pub base_cpu_ns: u64,
    pub base_ticks: Ticks,
    pub base_io: Io,
    pub cpu_ns: u64,
    pub ticks: Ticks,
    pub threads: u32,
    pub ended: bool,
    /// `None` if it may not be looked at.
    pub io_now: Option<Io>,
    pub rss_bytes: Option<u64>,
    pub pss_bytes: Option<u64>,
    pub uss_bytes: Option<u64>,
    /// Since when its counters have changed, or may have, after they were read; the time of a look.
    pub due_ns: Option<u64>,
    /// Since when it has run after its memory was read.
    pub moved_ns: Option<u64>,
    /// The look in which it was last seen to have run.
    pub ran_at: u64,
    /// When counters were read last.
    pub read_ns: u64,
    /// When memory was read last.
    pub memory_ns: u64,
    /// When its share of memory was read last, its CPU time and its resident memory then.
    pub shares_of: Option<(u64, u64, Option<u64>)>,
    /// The round in which its share was read, or taken to be as before.
    pub shares_round: u64,
}

/// A look: its number, and when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub look: u64,
    pub ns: u64,
}

/// The process is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl Member {
    /// Opens the files of a process and reads all of them. `is_new` says that it began under the monitor's eyes. With
    /// `with_files` false, too many are open already: then its CPU time is all that is known of it.
    pub fn open(pid: u32, is_new: bool, with_files: bool, at: At, page_bytes: u64) -> Result<Self, Gone> {
        let clock = CpuClock::of(pid).ok_or(Gone)?;
        let cpu_ns = clock.now_ns().ok_or(Gone)?;
        let open = |name: &str| {
            if with_files { LiveFile::open(format!("/proc/{pid}/{name}")).ok() } else { None }
        };
        let mut member = Self {
            pid,
            parent: 0,
            clock,
            stat: open("stat"),
            statm: open("statm"),
            io: open("io"),
            base_cpu_ns: if is_new { 0 } else { cpu_ns },
            base_ticks: Ticks::default(),
            base_io: Io::default(),
            cpu_ns,
            ticks: Ticks::default(),
            threads: 1,
            ended: false,
            io_now: None,
            rss_bytes: None,
            pss_bytes: None,
            uss_bytes: None,
            due_ns: None,
            moved_ns: None,
            ran_at: at.look,
            read_ns: at.ns,
            memory_ns: at.ns,
            shares_of: None,
            shares_round: 0,
        };
        member.read_counters(at)?;
        member.read_memory(at, page_bytes)?;
        if !is_new {
            (member.base_ticks, member.base_io) = (member.ticks, member.io_now.unwrap_or_default());
        }
        Ok(member)
    }

    /// Reads its CPU clock; true if it has run since the last time.
    pub fn read_clock(&mut self, at: At) -> Result<bool, Gone> {
        let now = self.clock.now_ns().ok_or(Gone)?;
        if now < self.cpu_ns {
            // Somebody else has its id.
            return Err(Gone);
        }
        let has_run = now != self.cpu_ns;
        if has_run {
            self.cpu_ns = now;
            self.due_ns.get_or_insert(at.ns);
            self.moved_ns.get_or_insert(at.ns);
            self.ran_at = at.look;
        }
        Ok(has_run)
    }

    /// Reads its counters.
    pub fn read_counters(&mut self, at: At) -> Result<(), Gone> {
        (self.read_ns, self.due_ns) = (at.ns, None);
        let mut buffer = [0_u8; BUFFER_BYTES];
        if let Some(file) = &self.stat
            && let Some(stat) = Stat::parse(bytes(file, &mut buffer)?)
        {
            self.parent = stat.parent;
            self.threads = if stat.has_ended() { 0 } else { stat.threads };
            self.ended = stat.has_ended();
            self.ticks = Ticks {
                user: stat.user_ticks,
                system: stat.system_ticks,
                reaped_user: stat.reaped_user_ticks,
                reaped_system: stat.reaped_system_ticks,
            };
        }
        if let Some(file) = &self.io {
            // What could be read once and now cannot (a program that changed its user) is the last that is known.
            self.io_now = Io::parse(bytes(file, &mut buffer)?).or(self.io_now);
        }
        Ok(())
    }

    /// Reads its resident memory.
    pub fn read_memory(&mut self, at: At, page_bytes: u64) -> Result<(), Gone> {
        (self.memory_ns, self.moved_ns) = (at.ns, None);
        let mut buffer = [0_u8; 256];
        if let Some(file) = &self.statm {
            self.rss_bytes = resident_pages(bytes(file, &mut buffer)?).and_then(|pages| pages.checked_mul(page_bytes));
        }
        Ok(())
    }

    /// Reads its share of memory. The kernel walks its page tables for that, some microseconds for each MiB.
    pub fn read_shares(&mut self, at_ns: u64, buffer: &mut String) {
        self.shares_of = Some((at_ns, self.cpu_ns, self.rss_bytes));
        buffer.clear();
        let file = File::open(format!("/proc/{}/smaps_rollup", self.pid));
        let read = file.and_then(|file| file.take(ROLLUP_LIMIT).read_to_string(buffer));
        // One that has ended has no memory; of one that may not be looked at nothing is known.
        let shares = if self.ended { (Some(0), Some(0)) } else { shares(buffer) };
        (self.pss_bytes, self.uss_bytes) = if read.is_ok() || self.ended { shares } else { (None, None) };
    }

    /// Whether its share of memory is taken to be what it was: it was read since `since_ns`, and the process has not run, nor
    /// has its resident memory changed.
    pub fn keeps_shares(&self, since_ns: u64) -> bool {
        let same =
            |(at_ns, cpu_ns, rss_bytes)| at_ns >= since_ns && (cpu_ns, rss_bytes) == (self.cpu_ns, self.rss_bytes);
        self.shares_of.is_some_and(same)
    }

    /// Whether something of it cannot be read.
    pub fn is_unreadable(&self) -> bool {
        self.stat.is_none() || self.statm.is_none() || self.io_now.is_none()
    }
}

/// The text of a file of a process; nothing of what may not be read.
fn bytes<'a>(file: &LiveFile, buffer: &'a mut [u8]) -> Result<&'a [u8], Gone> {
    match file.bytes(buffer) {
        Ok(text) => Ok(text),
        Err(Errno::SRCH | Errno::NOENT) => Err(Gone),
        Err(_) => Ok(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn at(look: u64) -> At {
        At { look, ns: look * 1000 }
    }

    #[test]
    fn a_process_is_read_until_it_is_gone() {
        let page = crate::host::page_bytes();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut member = Member::open(child.id(), true, true, at(1), page).unwrap();
        assert_eq!((member.parent, member.threads, member.base_cpu_ns), (std::process::id(), 1, 0));
        assert!(member.rss_bytes.unwrap() > 0 && !member.is_unreadable());
        member.read_shares(5, &mut String::new());
        assert!(member.uss_bytes.unwrap() <= member.pss_bytes.unwrap());
        assert!(member.keeps_shares(5) && !member.keeps_shares(6));
        drop(child.stdin.take());
        // Ended and not yet reaped it is still there, without memory; then it is not.
        let pidfd =
            rustix::process::pidfd_open(rustix::process::Pid::from_child(&child), rustix::process::PidfdFlags::empty())
                .unwrap();
        let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        assert_eq!(member.read_clock(at(2)), Ok(true));
        assert_eq!((member.due_ns, member.keeps_shares(5)), (Some(2000), false));
        member.read_counters(at(2)).unwrap();
        assert!(member.ended && member.threads == 0);
        child.wait().unwrap();
        assert_eq!(member.read_clock(at(3)), Err(Gone));
        assert_eq!(member.read_memory(at(3), page), Err(Gone));
        assert_eq!(Member::open(child.id(), true, true, at(4), page).unwrap_err(), Gone);
    }

    #[test]
    fn without_files_the_cpu_time_is_known_still() {
        let mut own = Member::open(std::process::id(), false, false, at(1), 4096).unwrap();
        assert_eq!((own.rss_bytes, own.io_now, own.is_unreadable()), (None, None, true));
        while own.cpu_ns == own.base_cpu_ns {
            own.read_clock(at(2)).unwrap();
        }
    }
}
