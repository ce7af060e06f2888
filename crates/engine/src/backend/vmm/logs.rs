//! The log files of one machine.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How much of a log's end is read for a diagnosis.
const TAIL_BYTES: u64 = 64 << 10;

/// The log files of one machine.
#[derive(Clone, Debug)]
pub struct Logs {
    /// What the guest printed.
    pub console: PathBuf,
    /// What the monitor printed.
    pub monitor: PathBuf,
}

impl Logs {
    /// The files of a sandbox with this prefix; `monitor` names the monitor.
    pub fn under(prefix: &Path, monitor: &str) -> Self {
        let with = |kind: &str| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(format!(".{kind}.log"));
            PathBuf::from(name)
        };
        Self { console: with("console"), monitor: with(monitor) }
    }

    /// The files that say something, relative to the run directory.
    pub fn evidence(&self) -> Vec<String> {
        let named = |path: &PathBuf| {
            let parts: Vec<_> = path.components().rev().take(2).map(|part| part.as_os_str()).collect();
            parts.into_iter().rev().collect::<PathBuf>().to_string_lossy().into_owned()
        };
        let says_something = |path: &&PathBuf| path.metadata().is_ok_and(|status| status.len() > 0);
        [&self.console, &self.monitor].into_iter().filter(says_something).map(named).collect()
    }
}

/// The end of a log, as text; empty if there is none.
pub fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let begin = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_named_from_the_run_directory() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::under(&directory.path().join("logs/7-qemu"), "qemu");
        assert!(logs.evidence().is_empty());
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        std::fs::write(&logs.console, "x").unwrap();
        std::fs::write(&logs.monitor, "").unwrap();
        assert_eq!(logs.evidence(), ["logs/7-qemu.console.log"]);
        assert_eq!(tail(&logs.console), "x");
    }
}
