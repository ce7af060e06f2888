//! How fast a write is on the disk: the least that a database or a checkpoint can take that claims to be safe.

use super::trials::{Trials, Window};
use super::{Found, skip};
use crate::clock::Clock;
use crate::host::root::HostRoot;
use crate::host::storage;
use crate::lab::Lab;
use isodyne_core::calibration::LimitKind;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const BLOCK: [u8; 4096] = [0x5a; 4096];
/// Blocks are written one behind another, as a log is, and over again from the beginning.
const BLOCKS: u64 = 256;

/// Writing and waiting for the disk, in the cache directory and in the temporary directory.
pub(super) fn fsync(lab: &Lab, window: Window) -> Found {
    let [first, second] = window.split();
    let temporary = std::env::temp_dir();
    vec![
        one(lab.clock, first, "fsync_ns", &lab.cache, "the cache directory"),
        one(lab.clock, second, "fsync_temporary_ns", &temporary, "the temporary directory (TMPDIR)"),
    ]
}

fn one(
    clock: Clock,
    window: Window,
    name: &str,
    directory: &Path,
    words: &str,
) -> Result<isodyne_core::calibration::Limit, isodyne_core::calibration::SkippedLimit> {
    let file = match nameless(directory) {
        Ok(file) => file,
        Err(error) => return skip(name, format!("no file can be written in {words}: {error}")),
    };
    let mut number = 0;
    let trials = window.trials(5, 20_000, || {
        let begin = clock.now();
        file.write_all_at(&BLOCK, (number % BLOCKS) * BLOCK.len() as u64)?;
        file.sync_data()?;
        number += 1;
        Ok::<_, io::Error>(clock.now().ns_since(begin) as f64)
    });
    let kind = storage::describe(&HostRoot::default(), directory).unwrap_or_else(|| "of unknown kind".to_owned());
    let method = format!(
        "a write of 4 KiB and fdatasync, one after another, over a file of {} KiB in {words}: {kind}",
        (BLOCKS * BLOCK.len() as u64) >> 10
    );
    Trials::limit(trials, name, LimitKind::Floor, method)
}

/// A file that no name leads to: whatever ends this program removes it. Its blocks are there before it is used.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".calibrate-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    for number in 0..BLOCKS {
        file.write_all_at(&BLOCK, number * BLOCK.len() as u64)?;
    }
    file.sync_all()?;
    Ok(file)
}
