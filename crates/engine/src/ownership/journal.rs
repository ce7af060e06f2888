//! The journal: what is owned right now, on disk, for the guardian and the sweep.
//!
//! Lines are appended with plain `write`, which wakes nobody: the guardian reads the file only once the lab has died,
//! so that keeping the journal does not disturb what is measured.

use super::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const FILE_NAME: &str = "owned.jsonl";
/// The file in the scratch directory that the guardian holds locked as long as it lives.
pub(super) const GUARDIAN_LOCK: &str = "guardian.lock";

/// What tells the guardian that the scratch directory is there.
const READY: &[u8] = b"!";

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Own { id: u64, resource: Resource },
    Release { id: u64 },
}

pub(super) struct Journal {
    file: Mutex<File>,
    /// `None` once it has been dismissed.
    guardian: Mutex<Option<Guardian>>,
}

struct Guardian {
    process: Child,
    /// Held open: its end tells the guardian that the lab is gone.
    lifeline: Option<ChildStdin>,
}

impl Journal {
    /// Starts the guardian, then makes `scratch` with the journal in it.
    pub(super) fn open(scratch: &Path, mut guardian: Command) -> io::Result<Self> {
        guardian.arg(scratch).stdin(Stdio::piped()).stdout(Stdio::null());
        // A session of its own, so that neither a terminal's Ctrl-C nor a kill of the lab's group reaches it.
        // SAFETY: setsid is async-signal-safe and touches no memory.
        unsafe {
            guardian.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
        }
        let mut child = guardian.spawn()?;
        let mut lifeline = child.stdin.take();
        let begun = begin(scratch, lifeline.as_mut());
        if begun.is_err() {
            drop(lifeline.take());
            let _ = child.wait();
        }
        Ok(Self { file: Mutex::new(begun?), guardian: Mutex::new(Some(Guardian { process: child, lifeline })) })
    }

    pub(super) fn own(&self, id: u64, resource: &Resource) {
        self.write(&Line::Own { id, resource: resource.clone() });
    }

    pub(super) fn release(&self, id: u64) {
        self.write(&Line::Release { id });
    }

    /// Ends the guardian: what it would clean up has been, or it does so now.
    pub(super) fn dismiss(&self) {
        let guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut guardian) = guardian {
            drop(guardian.lifeline.take());
            let _ = guardian.process.wait();
        }
    }

    fn write(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        // A full disk must not stop the clean-up of what already exists; the sweep by name still finds the rest.
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

/// Makes the scratch directory and the journal in it, and tells the guardian that there is something to guard. The
/// guardian lives before the directory does: at no moment does the directory have nobody who would remove it.
fn begin(scratch: &Path, lifeline: Option<&mut ChildStdin>) -> io::Result<File> {
    make_scratch(scratch)?;
    // Made here and not by the guardian, who may come to it when the directory is being removed already.
    File::create(scratch.join(GUARDIAN_LOCK))?;
    lifeline.map_or(Ok(()), |lifeline| lifeline.write_all(READY))?;
    File::options().create(true).append(true).open(path_in(scratch))
}

/// Makes a private directory. Fails if it exists: nobody else's directory is ever used.
pub(crate) fn make_scratch(scratch: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(scratch)
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.dismiss();
    }
}

/// What the journal in `scratch` says is still owned, in the order in which it was taken.
pub(super) fn still_owned(scratch: &Path) -> io::Result<Vec<Resource>> {
    let text = std::fs::read_to_string(path_in(scratch))?;
    let mut owned = BTreeMap::new();
    // A line cut by a full disk is skipped: the sweep by name finds its resource.
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Own { id, resource } => drop(owned.insert(id, resource)),
            Line::Release { id } => drop(owned.remove(&id)),
        }
    }
    Ok(owned.into_values().collect())
}

fn path_in(scratch: &Path) -> PathBuf {
    scratch.join(FILE_NAME)
}
