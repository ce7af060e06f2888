//! What CRIU is told where no caller can tell it: `/etc/criu/runc.conf`, which runc has CRIU read.
//!
//! Docker passes no option of CRIU's on to a start from a checkpoint, and CRIU refuses to bring established connections back
//! without one. From version 24 on, Docker takes an annotation that names a file of the container's own. With older ones only
//! the host's file is left. It is made for the time of the start and removed right after it; one that is there already is
//! the host's own, and is not touched.

use crate::checkpoint::CheckpointError;
use crate::clock::Clock;
use crate::ownership::{Owned, Owner, Resource};
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::unit::HostInstant;
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Where runc has CRIU look.
const FILE: &str = "/etc/criu/runc.conf";
/// The option.
const OPTION: &str = "tcp-established";
/// A file for CRIU with the option alone.
pub(crate) const CONNECTIONS: &str = "tcp-established\n";
/// What the first line of a file of ours begins with; the process that made it and when that began follow.
const MARK: &str = "# isodyne, for the time of one restore:";
/// The most that is read of such a file.
const LIMIT: u64 = 64 << 10;
/// From one look to the next while another isodyne has its own file there.
const LOOK: Duration = Duration::from_millis(10);

/// The one of this process, as long as anybody needs it.
static LIVE: Mutex<Weak<Setting>> = Mutex::new(Weak::new());

/// The setting is there as long as this is. `None`: it was there before.
#[must_use]
#[derive(Debug)]
pub(crate) struct ConnectionsAllowed {
    _setting: Option<Arc<Setting>>,
}

#[derive(Debug)]
struct Setting {
    _guard: Owned,
}

/// Has CRIU bring established connections back under every runc of this host that is told nothing else.
///
/// # Errors
/// [`CheckpointClass::OtherRuntime`] if the host has such a file of its own without the option,
/// [`CheckpointClass::Timeout`] if another isodyne needs longer than `deadline`, and the host's.
pub(crate) fn allow_connections(owner: &Owner, deadline: HostInstant) -> Result<ConnectionsAllowed, CheckpointError> {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(setting) = live.upgrade() {
        return Ok(ConnectionsAllowed { _setting: Some(setting) });
    }
    let made = make(Path::new(FILE), owner, deadline)?.map(|guard| Arc::new(Setting { _guard: guard }));
    *live = made.as_ref().map(Arc::downgrade).unwrap_or_default();
    Ok(ConnectionsAllowed { _setting: made })
}

/// Makes the file; nothing if it was there and says what it has to.
fn make(file: &Path, owner: &Owner, deadline: HostInstant) -> Result<Option<Owned>, CheckpointError> {
    let mark = mark_of(std::process::id());
    loop {
        // Owned before it is made; whoever removes it looks for the mark first.
        let made_directory = make_parent(file)?;
        let guard = owner.own(Resource::CriuSetting { file: file.to_owned(), mark: mark.clone(), made_directory });
        match File::create_new(file).and_then(|mut made| write!(made, "{mark}\n{CONNECTIONS}")) {
            Ok(()) => return Ok(Some(guard)),
            // There, or its directory was removed by whoever made that.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => guard.release(),
            Err(error) => return Err(CheckpointError::host("make", file, &error)),
        }
        let Some(text) = read(file)? else { continue };
        match text.lines().next().and_then(maker) {
            None if has_option(&text) => return Ok(None),
            None => {
                let message = format!("{} does not let CRIU bring connections back, and Docker cannot", file.display());
                return Err(CheckpointError::new(CheckpointClass::OtherRuntime, message)
                    .hint(format!("add a line `{OPTION}` to it")));
            }
            // Whoever made it has died; nobody else would remove it.
            Some(maker) if mark_of(maker) != text.lines().next().unwrap_or_default() => {
                remove(file, text.lines().next().unwrap_or_default(), false)
                    .map_err(|message| CheckpointError::new(CheckpointClass::Host, message))?;
            }
            Some(maker) if Clock.until(deadline).is_zero() => {
                let message = format!("process {maker} needs {} for a restore of its own, too long", file.display());
                return Err(CheckpointError::new(CheckpointClass::Timeout, message));
            }
            // A file that another process removes can only be looked for again. Where a restore is measured this lies in its
            // time, as everything else does that another lab does on this host meanwhile.
            Some(_) => std::thread::sleep(LOOK),
        }
    }
}

fn make_parent(file: &Path) -> Result<bool, CheckpointError> {
    let parent = file.parent().unwrap_or(file);
    match DirBuilder::new().create(parent) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(CheckpointError::host("make", parent, &error)),
    }
}

/// The first line of the file that a process makes: its number, and when it began, since numbers come again.
fn mark_of(pid: u32) -> String {
    format!("{MARK} {pid} {}", crate::ownership::start_ticks(pid).unwrap_or(0))
}

/// Who made a file with this first line, if it is one of ours.
fn maker(first: &str) -> Option<u32> {
    first.strip_prefix(MARK)?.split_ascii_whitespace().next()?.parse().ok()
}

fn has_option(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| line.split_ascii_whitespace().next() == Some(OPTION))
}

fn read(file: &Path) -> Result<Option<String>, CheckpointError> {
    let mut text = Vec::new();
    match File::open(file).and_then(|file| file.take(LIMIT).read_to_end(&mut text)) {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CheckpointError::host("read", file, &error)),
    }
}

/// Removes a file whose first line is this one, and its directory if that was made with it and nothing else is in it. Being
/// gone, or another one by now, is success.
pub(crate) fn remove(file: &Path, mark: &str, made_directory: bool) -> Result<(), String> {
    let stays = |path: &PathBuf, error: &dyn std::fmt::Display| format!("{} stays: {error}", path.display());
    let text = read(file).map_err(|error| stays(&file.to_owned(), &error))?;
    if text.as_deref().and_then(|text| text.lines().next()) == Some(mark) {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(stays(&file.to_owned(), &error)),
            _ => {}
        }
    }
    if made_directory && let Some(parent) = file.parent() {
        match std::fs::remove_dir(parent) {
            // Somebody has put something else there meanwhile.
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                return Err(stays(&parent.to_owned(), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> HostInstant {
        Clock.after(Duration::from_millis(50))
    }

    #[test]
    fn the_setting_is_there_as_long_as_it_is_needed_and_then_not_even_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("criu/runc.conf");
        let owner = Owner::new(Clock, "t");
        let guard = make(&file, &owner, soon()).unwrap().unwrap();
        assert!(has_option(&std::fs::read_to_string(&file).unwrap()));
        let waited = make(&file, &owner, soon()).unwrap_err();
        assert_eq!(waited.class, CheckpointClass::Timeout, "its owner lives");
        guard.remove().unwrap();
        assert!(!file.parent().unwrap().exists());
    }

    #[test]
    fn a_file_of_the_hosts_own_is_never_touched() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("runc.conf");
        let owner = Owner::new(Clock, "t");
        for (text, taken) in [("log-level=3\n", false), ("# tcp-established\n", false), ("  tcp-established\n", true)] {
            std::fs::write(&file, text).unwrap();
            match make(&file, &owner, soon()) {
                Ok(made) => assert!(taken && made.is_none(), "{text}"),
                Err(error) => assert!(!taken && error.class == CheckpointClass::OtherRuntime, "{text}: {error}"),
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn what_a_dead_isodyne_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("runc.conf");
        // This process, but as if it had begun at another time.
        std::fs::write(&file, format!("{MARK} {} 1\n{CONNECTIONS}", std::process::id())).unwrap();
        let guard = make(&file, &Owner::new(Clock, "t"), soon()).unwrap().unwrap();
        guard.remove().unwrap();
        assert!(!file.exists() && directory.path().exists());
    }
}
