//! Processes that began since the last look, found without looking through all of them.
//!
//! The kernel gives ids in order, and tells the newest of the reader's namespace in `/proc/loadavg`. If it has not moved, no
//! process and no thread was made; if it has, only the ids between are looked at.

use crate::host::accounting::CpuClock;
use crate::host::accounting::text::Stat;
use crate::host::contamination::text::tasks_and_newest;
use crate::host::live::{BUFFER_BYTES, LiveFile};
use crate::host::root::HostRoot;
use std::path::Path;

/// The first namespace of ids. In any other one the count of tasks is not that of the ids.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// With more new ids than this at once, the trees are walked instead.
const MOST_IDS: u32 = 4096;
/// Ids that were given and are not there yet, at most: a fork is seen in the counter before it is done.
const MOST_PENDING: usize = 512;
/// For how long such an id is looked for: the fork of a process with much memory takes long.
const PATIENCE_NS: u64 = 100_000_000;

/// A process that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newcomer {
    pub pid: u32,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
}

/// An id that was given and is not there.
#[derive(Clone, Copy)]
struct Pending {
    pid: u32,
    since_ns: u64,
    /// When it is looked for next: after ever longer times, since most are gone for good.
    next_ns: u64,
}

/// Watches for them.
pub(super) struct Newcomers {
    root: HostRoot,
    load: Option<LiveFile>,
    newest: Option<u32>,
    /// The count of tasks at the last look, if it is that of the ids: it is always the whole host's.
    tasks: u32,
    counts_tasks: bool,
    /// New ids whose tasks have not been seen in the count yet. Some never will: they ended before the next look.
    credit: u32,
    most_id: u32,
    /// Ids not there yet: many have ended already, some are not done yet.
    pending: Vec<Pending>,
    found: Vec<Newcomer>,
    unseen: u64,
}

/// What a look for newcomers says beside their list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Something began since the last look.
    pub began: bool,
    /// The list is not complete, or may not be: the trees have to be walked.
    pub incomplete: bool,
}

impl Newcomers {
    pub fn new(root: HostRoot) -> Self {
        let load = LiveFile::open(root.path("/proc/loadavg")).ok();
        let most_id = root.value("/proc/sys/kernel/pid_max").and_then(|value| value.parse().ok());
        let most_id = most_id.unwrap_or(32_768);
        let pending = Vec::with_capacity(MOST_PENDING);
        let namespace = std::fs::read_link(root.path("/proc/self/ns/pid"));
        let counts_tasks = namespace.map_or(true, |link| link == Path::new(FIRST_NAMESPACE));
        let found = Vec::with_capacity(64);
        let mut new =
            Self { root, load, newest: None, tasks: 0, counts_tasks, credit: 0, most_id, pending, found, unseen: 0 };
        if let Some((tasks, newest)) = new.read() {
            (new.tasks, new.newest) = (tasks, Some(newest));
        }
        new
    }

    /// Those of the last look, parents before their children as far as ids tell.
    pub fn found(&self) -> &[Newcomer] {
        &self.found
    }

    /// Does not look for them this time: nobody can have begun whose parent has not run. Whoever has all the same is found at
    /// the next look.
    pub fn pass(&mut self) {
        self.found.clear();
    }

    /// Ids that were given, on this host and to anybody, and never seen: their processes or threads were gone before.
    pub fn unseen(&self) -> u64 {
        self.unseen + self.pending.len() as u64
    }

    /// Looks for them.
    pub fn look(&mut self, now_ns: u64) -> Moved {
        self.found.clear();
        let Some(((tasks, newest), last)) = self.read().zip(self.newest) else {
            return Moved { began: true, incomplete: true };
        };
        let count =
            if newest >= last { newest - last } else { newest.saturating_add(self.most_id.saturating_sub(last)) };
        let mut incomplete = self.is_unexplained(tasks, count);
        let began = newest != last || incomplete || !self.pending.is_empty();
        self.newest = Some(newest);
        for index in (0..self.pending.len()).rev() {
            let Pending { pid, since_ns, next_ns } = self.pending[index];
            if now_ns < next_ns {
                continue;
            }
            let waited_ns = now_ns.saturating_sub(since_ns);
            if self.meet(pid) {
                self.pending.swap_remove(index);
            } else if waited_ns > PATIENCE_NS {
                self.unseen += 1;
                self.pending.swap_remove(index);
            } else {
                self.pending[index].next_ns = now_ns.saturating_add(waited_ns);
            }
        }
        let count =
            if newest >= last { newest - last } else { newest.saturating_add(self.most_id.saturating_sub(last)) };
        if count > MOST_IDS {
            self.unseen += u64::from(count);
            return Moved { began, incomplete: true };
        }
        let wrapped = newest < last;
        let before_the_end = if wrapped { self.most_id } else { newest };
        let after_the_end = if wrapped { newest } else { 0 };
        for pid in (last + 1..=before_the_end).chain(1..=after_the_end) {
            if !self.meet(pid) {
                if self.pending.len() < MOST_PENDING {
                    self.pending.push(Pending { pid, since_ns: now_ns, next_ns: now_ns });
                } else {
                    self.unseen += 1;
                    incomplete = true;
                }
            }
        }
        Moved { began, incomplete }
    }

    /// Whether there are more tasks than new ids explain: a restored process can have an id of its own choice, which does
    /// not move the newest one. An id is given a moment before its task is counted.
    fn is_unexplained(&mut self, tasks: u32, given: u32) -> bool {
        let more = tasks.saturating_sub(self.tasks);
        self.tasks = tasks;
        self.credit = self.credit.saturating_add(given);
        let explained = more <= self.credit;
        self.credit = self.credit.saturating_sub(more);
        self.counts_tasks && !explained
    }

    /// The trees have been walked: what was not explained before is forgotten.
    pub fn walked(&mut self) {
        self.credit = 0;
    }

    fn read(&self) -> Option<(u32, u32)> {
        let mut buffer = [0; 256];
        tasks_and_newest(self.load.as_ref()?.text(&mut buffer)?)
    }

    /// Notes the process with this id; false if there is none (yet).
    fn meet(&mut self, pid: u32) -> bool {
        if self.root.is_real() {
            // Two calls of a fifth of a microsecond before a file is opened, which takes ten of them: most ids on a busy host
            // are gone already, or are those of threads.
            // Called by itself: of a task that is just ending the group is 0, which the type of rustix cannot be.
            let Ok(task) = libc::pid_t::try_from(pid) else { return false };
            // SAFETY: it takes a number and gives one.
            if unsafe { libc::getpgid(task) } < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
            {
                return false;
            }
            if CpuClock::of(pid).is_none() {
                return true;
            }
        }
        let mut buffer = [0; BUFFER_BYTES];
        let Ok(file) = LiveFile::open(self.root.path(format!("/proc/{pid}/stat"))) else { return false };
        let Ok(text) = file.bytes(&mut buffer) else { return true };
        if let Some(stat) = Stat::parse(text).filter(|stat| !stat.is_thread) {
            self.found.push(Newcomer { pid, parent: stat.parent, group: stat.group, session: stat.session });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(root: &Path, tasks: u32, newest: u32) {
        std::fs::create_dir_all(root.join("proc/sys/kernel")).unwrap();
        std::fs::write(root.join("proc/sys/kernel/pid_max"), "400\n").unwrap();
        std::fs::write(root.join("proc/loadavg"), format!("0.00 0.00 0.00 1/{tasks} {newest}\n")).unwrap();
    }

    fn process(root: &Path, pid: u32, parent: u32, signal: i32) {
        let directory = root.join(format!("proc/{pid}"));
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "{pid} (a) S {parent} {pid} 9 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {signal} 0 0\n"
        );
        std::fs::write(directory.join("stat"), text).unwrap();
    }

    fn pids(newcomers: &Newcomers) -> Vec<u32> {
        newcomers.found().iter().map(|newcomer| newcomer.pid).collect()
    }

    #[test]
    fn only_ids_since_the_last_look_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        load(root, 10, 100);
        process(root, 100, 1, 17);
        let mut newcomers = Newcomers::new(HostRoot::under(root));
        assert_eq!(newcomers.look(0), Moved { began: false, incomplete: false });
        // A process, a thread, and a fork that is not done yet.
        process(root, 101, 100, 17);
        process(root, 102, 100, -1);
        load(root, 13, 103);
        assert_eq!(newcomers.look(1), Moved { began: true, incomplete: false });
        assert_eq!(newcomers.found(), [Newcomer { pid: 101, parent: 100, group: 101, session: 9 }]);
        process(root, 103, 101, 0);
        assert!(newcomers.look(2).began);
        assert_eq!(pids(&newcomers), [103]);
        assert_eq!(newcomers.look(3), Moved { began: false, incomplete: false });
    }

    #[test]
    fn ids_begin_again_and_those_that_never_come_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        load(root, 10, 399);
        let mut newcomers = Newcomers::new(HostRoot::under(root));
        process(root, 400, 1, 17);
        process(root, 2, 400, 17);
        load(root, 12, 2);
        newcomers.look(0);
        assert_eq!(pids(&newcomers), [400, 2]);
        assert!(newcomers.look(PATIENCE_NS / 2).began, "1 is still waited for");
        newcomers.look(PATIENCE_NS + 1);
        assert_eq!(newcomers.unseen(), 1);
        assert_eq!(newcomers.look(PATIENCE_NS + 2), Moved { began: false, incomplete: false });
    }

    #[test]
    fn a_task_with_an_id_of_its_own_choice_makes_the_trees_be_walked() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        load(root, 10, 100);
        let mut newcomers = Newcomers::new(HostRoot::under(root));
        load(root, 11, 100);
        assert_eq!(newcomers.look(0), Moved { began: true, incomplete: true });
        // An id comes before its task is counted.
        load(root, 11, 101);
        assert!(!newcomers.look(1).incomplete);
        load(root, 12, 101);
        assert!(!newcomers.look(2).incomplete);
        load(root, 13, 101);
        assert!(newcomers.look(3).incomplete);
        std::fs::remove_file(root.join("proc/loadavg")).unwrap();
        let mut blind = Newcomers::new(HostRoot::under(root));
        assert!(blind.look(0).incomplete);
    }

    #[test]
    fn a_real_child_is_found() {
        let mut newcomers = Newcomers::new(HostRoot::default());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        newcomers.look(crate::clock::Clock.now().0);
        let found = newcomers.found().iter().find(|newcomer| newcomer.pid == child.id()).copied();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.map(|newcomer| newcomer.parent), Some(std::process::id()));
    }
}
