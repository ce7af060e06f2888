//! Consoles, logs and artifacts of a part, below directories of its own in the merged run.

use super::MergeError;
use super::parts::is_real_directory;
use crate::error::StoreError;
use crate::file::open_regular;
use crate::{ARTIFACTS_DIRECTORY, LOGS_DIRECTORY};
use rustix::fs::OFlags;
use std::path::Path;

/// No part has more files.
const MOST_FILES: u64 = 5_000_000;
/// No directory lies deeper.
const MOST_DEPTH: u32 = 16;

/// Where a file of a part is in the merged run: `logs/3-runc.log` becomes `logs/part2/3-runc.log`. A path that is inside
/// of the part stays inside of the run.
pub(super) fn moved(file: &str, label: &str) -> String {
    match file.split_once('/') {
        Some((directory @ (LOGS_DIRECTORY | ARTIFACTS_DIRECTORY), rest)) => format!("{directory}/{label}/{rest}"),
        _ => format!("{ARTIFACTS_DIRECTORY}/{label}/{file}"),
    }
}

/// Copies everything below `logs` and `artifacts`. Links, pipes and devices are not followed; a note counts them.
pub(super) fn copy_files(part: &Path, run: &Path, label: &str, notes: &mut Vec<String>) -> Result<(), MergeError> {
    let mut left = MOST_FILES;
    let mut refused = 0;
    for directory in [LOGS_DIRECTORY, ARTIFACTS_DIRECTORY] {
        let from = part.join(directory);
        if is_real_directory(&from) {
            copy_directory(&from, &run.join(directory).join(label), 0, &mut left, &mut refused)?;
        } else if from.symlink_metadata().is_ok() {
            refused += 1;
        }
    }
    if refused > 0 {
        notes.push(format!("{refused} entries of `{}` are no regular files and were not copied", part.display()));
    }
    Ok(())
}

fn copy_directory(from: &Path, to: &Path, depth: u32, left: &mut u64, refused: &mut u64) -> Result<(), MergeError> {
    let read = |error| StoreError::io("read", from, error);
    let mut made = false;
    for entry in std::fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if kind.is_dir() && depth < MOST_DEPTH {
            copy_directory(&source, &target, depth + 1, left, refused)?;
        } else if kind.is_file() && *left > 0 {
            *left -= 1;
            if !made {
                std::fs::create_dir_all(to).map_err(|error| StoreError::io("create directory", to, error))?;
                made = true;
            }
            copy_file(&source, &target)?;
        } else {
            *refused += 1;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = open_regular(from, OFlags::RDONLY)?;
    let mut target = open_regular(to, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
    std::io::copy(&mut source, &mut target).map_err(|error| StoreError::io("copy", to, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_inside() {
        assert_eq!(moved("logs/3-runc.log", "part2"), "logs/part2/3-runc.log");
        assert_eq!(moved("artifacts/a/b", "part2"), "artifacts/part2/a/b");
        assert_eq!(moved("other.txt", "part2"), "artifacts/part2/other.txt");
    }
}
