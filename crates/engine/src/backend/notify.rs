//! By-signals from files: what a runtime writes into its state directory, seen as it happens.
//!
//! A [`FileNotify`] is a [`Source`] for the watcher. Its rules say which change of which file means which milestone. A
//! change that cannot be told apart from a later one is not claimed.

use super::Stamp;
use crate::wait::Changes;
use crate::watch::{Readiness, Source};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most of a file that is examined.
const EXAMINE_LIMIT: u64 = 256 << 10;

/// A change of a file in a watched directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A directory was made.
    DirectoryMade,
    /// A file was renamed to the name: its content is complete.
    Renamed,
    /// The last writer closed the file.
    Written,
    /// The file was removed.
    Removed,
}

impl Change {
    fn flags(self) -> WatchFlags {
        match self {
            Self::DirectoryMade => WatchFlags::CREATE,
            Self::Renamed => WatchFlags::MOVED_TO,
            Self::Written => WatchFlags::CLOSE_WRITE,
            Self::Removed => WatchFlags::DELETE,
        }
    }

    fn is_in(self, events: ReadFlags) -> bool {
        match self {
            Self::DirectoryMade => events.contains(ReadFlags::CREATE) && events.contains(ReadFlags::ISDIR),
            Self::Renamed => events.contains(ReadFlags::MOVED_TO),
            Self::Written => events.contains(ReadFlags::CLOSE_WRITE),
            Self::Removed => events.contains(ReadFlags::DELETE),
        }
    }
}

/// Finds another directory to watch, from the path of the file that changed.
pub type Follow = Arc<dyn Fn(&Path) -> Option<(PathBuf, Vec<Rule>)> + Send + Sync>;

/// What a change means.
#[derive(Clone)]
pub enum Meaning {
    /// It is the milestone.
    Milestone(MilestoneName),
    /// The file's content says which milestone it is, if any. Not claimed if the file has changed again since.
    Content(fn(&[u8]) -> Option<MilestoneName>),
    /// Watch the directory that was made.
    Enter(Vec<Rule>),
    /// Watch a directory that this change makes known.
    Follow(Follow),
}

/// A rule of a watched directory.
#[derive(Clone)]
pub struct Rule {
    /// The file; `None` for any.
    pub name: Option<OsString>,
    /// What happens to it.
    pub change: Change,
    /// What that means.
    pub meaning: Meaning,
}

impl Rule {
    /// A rule for one file.
    pub fn of(name: impl Into<OsString>, change: Change, meaning: Meaning) -> Self {
        Self { name: Some(name.into()), change, meaning }
    }
}

/// Milestones from changes of files.
pub struct FileNotify {
    changes: Changes,
    watched: HashMap<i32, (PathBuf, Vec<Rule>)>,
    claimed: Vec<MilestoneName>,
}

/// One notification, copied out of the buffer.
struct Notification {
    directory: i32,
    events: ReadFlags,
    name: OsString,
}

impl FileNotify {
    /// Watches a directory.
    ///
    /// # Errors
    /// If the host gives no inotify instance, or the directory cannot be watched.
    pub fn new(directory: &Path, rules: Vec<Rule>) -> io::Result<Self> {
        let mut notify = Self { changes: Changes::new()?, watched: HashMap::new(), claimed: Vec::new() };
        notify.watch(directory, rules)?;
        Ok(notify)
    }

    /// Watches one more directory.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn watch(&mut self, directory: &Path, rules: Vec<Rule>) -> io::Result<()> {
        let mut flags = WatchFlags::ONLYDIR;
        for rule in &rules {
            flags |= rule.change.flags();
        }
        let watch = inotify::add_watch(&self.changes, directory, flags)?;
        self.watched.insert(watch, (directory.to_owned(), rules));
        Ok(())
    }

    /// The notifications that are there now.
    fn pending(&self) -> io::Result<Vec<Notification>> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.changes, &mut buffer);
        let mut found = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => found.push(Notification {
                    directory: event.wd(),
                    events: event.events(),
                    name: event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned())
                        .unwrap_or_default(),
                }),
                Err(rustix::io::Errno::AGAIN) => return Ok(found),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn apply(&mut self, notification: &Notification, at: HostInstant, is_last: bool, found: &mut Vec<Stamp>) {
        let Some((directory, rules)) = self.watched.get(&notification.directory) else { return };
        let path = directory.join(&notification.name);
        let matching: Vec<Meaning> = rules
            .iter()
            .filter(|rule| rule.change.is_in(notification.events))
            .filter(|rule| rule.name.as_ref().is_none_or(|name| *name == notification.name))
            .map(|rule| rule.meaning.clone())
            .collect();
        for meaning in matching {
            match meaning {
                Meaning::Milestone(name) => self.claim(name, at, found),
                Meaning::Content(read) if is_last => {
                    if let Some(name) = examine(&path, read) {
                        self.claim(name, at, found);
                    }
                }
                Meaning::Content(_) => {}
                // A directory that is gone again has nothing to tell.
                Meaning::Enter(rules) => drop(self.watch(&path, rules)),
                Meaning::Follow(follow) => {
                    if let Some((directory, rules)) = follow(&path) {
                        drop(self.watch(&directory, rules));
                    }
                }
            }
        }
    }

    fn claim(&mut self, name: MilestoneName, at: HostInstant, found: &mut Vec<Stamp>) {
        if !self.claimed.contains(&name) {
            self.claimed.push(name);
            found.push(Stamp { name, at, asked: None, signal: SignalName::Notify });
        }
    }
}

fn examine(path: &Path, read: fn(&[u8]) -> Option<MilestoneName>) -> Option<MilestoneName> {
    let mut content = Vec::new();
    std::fs::File::open(path).ok()?.take(EXAMINE_LIMIT).read_to_end(&mut content).ok()?;
    read(&content)
}

impl Source for FileNotify {
    fn fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    fn ready(&mut self, at: HostInstant) -> io::Result<Readiness> {
        let notifications = self.pending()?;
        let mut found = Vec::new();
        for (index, notification) in notifications.iter().enumerate() {
            let later = &notifications[index + 1..];
            let is_last =
                !later.iter().any(|other| other.directory == notification.directory && other.name == notification.name);
            self.apply(notification, at, is_last, &mut found);
        }
        Ok(Readiness::Open(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use MilestoneName as M;

    fn ready(notify: &mut FileNotify) -> Vec<MilestoneName> {
        match notify.ready(Clock.now()).unwrap() {
            Readiness::Open(stamps) => stamps.into_iter().map(|stamp| stamp.name).collect(),
            Readiness::Closed => panic!("closed"),
        }
    }

    #[test]
    fn changes_in_a_directory_that_appears_are_seen_once() {
        let root = tempfile::tempdir().unwrap();
        let inside = vec![
            Rule::of("state", Change::Renamed, Meaning::Milestone(M::Created)),
            Rule::of("fifo", Change::Written, Meaning::Milestone(M::Started)),
            Rule::of("fifo", Change::Removed, Meaning::Milestone(M::Started)),
        ];
        let enter = Rule::of("c1", Change::DirectoryMade, Meaning::Enter(inside));
        let mut notify = FileNotify::new(root.path(), vec![enter]).unwrap();
        let container = root.path().join("c1");
        std::fs::create_dir(root.path().join("other")).unwrap();
        std::fs::create_dir(&container).unwrap();
        assert_eq!(ready(&mut notify), []);
        std::fs::write(container.join("state.tmp"), "x").unwrap();
        assert_eq!(ready(&mut notify), []);
        std::fs::rename(container.join("state.tmp"), container.join("state")).unwrap();
        assert_eq!(ready(&mut notify), [M::Created]);
        std::fs::write(container.join("fifo"), "0").unwrap();
        std::fs::remove_file(container.join("fifo")).unwrap();
        assert_eq!(ready(&mut notify), [M::Started]);
    }

    #[test]
    fn content_that_changed_again_is_not_claimed() {
        let root = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| match content {
            b"created" => Some(M::Created),
            b"running" => Some(M::Started),
            _ => None,
        };
        let mut notify =
            FileNotify::new(root.path(), vec![Rule::of("c.state", Change::Written, Meaning::Content(read))]).unwrap();
        let file = root.path().join("c.state");
        std::fs::write(&file, "created").unwrap();
        assert_eq!(ready(&mut notify), [M::Created]);
        std::fs::write(&file, "other").unwrap();
        // Two writes before anyone looked: only the last can be told.
        std::fs::write(&file, "running").unwrap();
        assert_eq!(ready(&mut notify), [M::Started]);
    }

    #[test]
    fn a_change_can_lead_to_another_directory() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = two.path().to_owned();
        let follow: Follow = Arc::new(move |path| {
            let rules = vec![Rule::of("fifo", Change::Written, Meaning::Milestone(M::Started))];
            (std::fs::read_to_string(path).ok()? == "id").then(|| (target.clone(), rules))
        });
        let rules = vec![
            Rule::of("pid", Change::Renamed, Meaning::Milestone(M::Created)),
            Rule::of("pid", Change::Renamed, Meaning::Follow(follow)),
        ];
        let mut notify = FileNotify::new(one.path(), rules).unwrap();
        std::fs::write(one.path().join(".pid"), "id").unwrap();
        std::fs::rename(one.path().join(".pid"), one.path().join("pid")).unwrap();
        assert_eq!(ready(&mut notify), [M::Created]);
        std::fs::write(two.path().join("fifo"), "0").unwrap();
        assert_eq!(ready(&mut notify), [M::Started]);
    }
}
