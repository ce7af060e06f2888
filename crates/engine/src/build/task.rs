//! One command of a build: owned like everything else, so that Ctrl-C and a kill of the lab end it; bounded in time.

use crate::lab::Lab;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How much of the end of a log is looked at for a last line.
const TAIL: u64 = 16 << 10;

/// One command.
pub(super) struct Task<'a> {
    pub(super) argv: &'a [String],
    pub(super) directory: Option<&'a Path>,
    /// Both output streams are added to this file.
    pub(super) log: &'a Path,
    pub(super) patience: Duration,
}

impl Task<'_> {
    /// Runs it to its end; what it leaves running is killed.
    pub(super) fn run(&self, lab: &Lab) -> Result<(), String> {
        let open = || OpenOptions::new().create(true).append(true).open(self.log);
        let log = open().and_then(|log| Ok((log.try_clone()?, log)));
        let (stdout, stderr) = log.map_err(|error| format!("has no log: {}: {error}", self.log.display()))?;
        let mut command = Command::new(self.argv.first().map_or("", String::as_str));
        command.args(self.argv.get(1..).unwrap_or_default());
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        isolate(&mut command);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let mut process = lab.owner.spawn(command).map_err(|error| crate::backend::chain(&error))?;
        let exit = process.wait(lab.clock.after(self.patience));
        if exit.is_none() {
            process.kill();
        }
        let left = process.end_group();
        match exit {
            None => Err(format!("did not end within {} s", self.patience.as_secs())),
            Some(exit) if !exit.status.success() => {
                let how = match exit.status.signal() {
                    Some(signal) => format!("was killed by signal {signal}"),
                    None => format!("ended with {}", exit.status),
                };
                Err(last_line(self.log).map_or_else(|| how.clone(), |line| format!("{how}: {line}")))
            }
            Some(_) => left,
        }
    }
}

/// A repository is named by the plan only, also when the lab was started from a hook of another one; nobody is asked for
/// a password.
pub(super) fn isolate(command: &mut Command) {
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        command.env_remove(variable);
    }
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
}

/// The last line of a log that says something, bounded.
pub(super) fn last_line(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    crate::backend::oci::command::last_line(&String::from_utf8_lossy(&bytes))
}
