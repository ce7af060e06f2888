//! CRIU's log and statistics of a dump that somebody else has it make, and whose files go with the container.

use super::DUMP_LOG;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// CRIU's statistics of a dump.
const STATISTICS: &str = "stats-dump";
/// The most that is copied of a log: CRIU writes a few lines for each file and process.
const LIMIT: u64 = 64 << 20;

/// Files that lie where CRIU is going to write, and that stay readable when the engine removes them: CRIU empties and
/// writes a file that is there, and makes no new one.
pub(crate) struct Witness {
    files: Vec<(&'static str, File)>,
}

impl Witness {
    /// Puts empty files into the directory that the engine names to CRIU for its work. What cannot be put tells nothing.
    pub(crate) fn put(work: &Path) -> Self {
        let open = |name: &'static str| {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(work.join(name));
            Some((name, file.ok()?))
        };
        Self { files: [DUMP_LOG, STATISTICS].into_iter().filter_map(open).collect() }
    }

    /// Copies what CRIU has written into another directory.
    pub(crate) fn tell(self, logs: &Path) -> io::Result<()> {
        for (name, mut file) in self.files {
            file.rewind()?;
            let mut bytes = Vec::new();
            file.take(LIMIT).read_to_end(&mut bytes)?;
            if !bytes.is_empty() {
                File::create(logs.join(name))?.write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_and_removed_is_told() {
        let (work, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let witness = Witness::put(work.path());
        // As CRIU opens it.
        let mut log =
            OpenOptions::new().write(true).truncate(true).create(true).open(work.path().join(DUMP_LOG)).unwrap();
        log.write_all(b"(00.000001) done\n").unwrap();
        std::fs::remove_file(work.path().join(DUMP_LOG)).unwrap();
        witness.tell(logs.path()).unwrap();
        assert_eq!(std::fs::read(logs.path().join(DUMP_LOG)).unwrap(), b"(00.000001) done\n");
        assert!(!logs.path().join(STATISTICS).exists(), "nothing was written to it");
    }

    #[test]
    fn where_nothing_can_be_put_nothing_is_told() {
        let logs = tempfile::tempdir().unwrap();
        Witness::put(&logs.path().join("none")).tell(logs.path()).unwrap();
        assert_eq!(std::fs::read_dir(logs.path()).unwrap().count(), 0);
    }
}
