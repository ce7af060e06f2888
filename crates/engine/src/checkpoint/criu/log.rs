//! CRIU's log: how long it took as a whole, and what it complained of.

use crate::backend::oci::diagnose::tail;
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The log of a dump, in the work directory.
pub const DUMP_LOG: &str = "dump.log";
/// The log of a restore.
pub const RESTORE_LOG: &str = "restore.log";
/// The most of a log that is searched for errors, from its end.
const SEARCHED: u64 = 1 << 20;

/// The stamp in front of a line (`(00.123456)`), in nanoseconds.
fn stamp(line: &str) -> Option<u64> {
    let (seconds, micros) = line.strip_prefix('(')?.split_once(')')?.0.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let (seconds, micros): (u64, u64) = (seconds.trim().parse().ok()?, micros.parse().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(micros * 1_000)
}

/// How long CRIU worked, by the stamp of the last line that it wrote.
pub fn total_ns(log: &Path) -> Option<u64> {
    tail(log).lines().rev().find_map(stamp)
}

/// Whether a restore's log says that everything came back and runs.
pub fn is_restored(log: &Path) -> bool {
    tail(log).contains("Restore finished successfully")
}

/// CRIU's version, which it writes into the head of its log.
pub fn version(log: &Path) -> Option<String> {
    let mut head = Vec::new();
    File::open(log).ok()?.take(4096).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().find_map(|line| line.split_once(") Version: "))?.1;
    line.split_whitespace().next().map(|version| version.chars().take(40).collect())
}

/// The errors of a log, the earliest first.
fn errors(log: &Path) -> Vec<String> {
    use std::io::{Seek, SeekFrom};
    let Ok(mut file) = File::open(log) else { return Vec::new() };
    let length = file.metadata().map_or(0, |status| status.len());
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(SEARCHED))).is_ok() {
        // What could be read before an error is still worth a look.
        let _ = file.take(SEARCHED).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(complaint).map(short).collect()
}

/// What follows `Error (` in a line of the log. What a restored task complains of has its number between the stamp and
/// that (`(00.820031)      1: Error (…`, `(00.918) pie: 6: Error (…`).
fn complaint(line: &str) -> Option<&str> {
    let (before, rest) = line.strip_prefix('(')?.split_once(')')?.1.split_once("Error (")?;
    let is_task = |part: &str| part == "pie:" || part.strip_suffix(':').is_some_and(|id| id.parse::<u32>().is_ok());
    before.split_whitespace().all(is_task).then_some(rest)
}

/// `criu/files-reg.c:1790): Can't lookup …` without the place in CRIU's source.
fn short(error: &str) -> String {
    let message = error.split_once("): ").map_or(error, |(_, message)| message);
    message.chars().filter(|letter| !letter.is_control()).take(300).collect::<String>().trim().to_owned()
}

/// Complaints that stop nothing: CRIU goes on after them.
fn is_harmless(error: &str) -> bool {
    error.starts_with("rlimit: Can't setup RLIMIT_NOFILE")
}

/// Makes a class and a way out of what CRIU and the runtime said about a call that failed.
pub fn explain(log: &Path, said: &str) -> CheckpointError {
    let errors: Vec<String> = errors(log).into_iter().filter(|error| !is_harmless(error)).collect();
    let first = errors.first().cloned().unwrap_or_else(|| said.to_owned());
    let all = errors.join("\n") + "\n" + said;
    classify(&first, &all)
}

/// The class and the way out, from words in CRIU's and the runtime's complaints.
fn classify(first: &str, all: &str) -> CheckpointError {
    let has = |part: &str| all.contains(part);
    let of = |class, hint: &str| {
        let error = CheckpointError::new(class, format!("CRIU refused: {first}"));
        if hint.is_empty() { error } else { error.hint(hint) }
    };
    if has("No space left on device") || has("no space left on device") {
        return of(CheckpointClass::Enospc, "free some space, or keep it somewhere else");
    }
    if has("Timeout reached. Try to interrupt") {
        let hint =
            "its processes did not stand still within CRIU's 10 s: one of them may wait for a busy disk; try again";
        return of(CheckpointClass::Timeout, hint);
    }
    if has("already exists") && has("container") || has("ID already in use") || has("already in use") && has("name") {
        return of(CheckpointClass::NameInUse, "choose another name");
    }
    if has("Pid") && has("is taken")
        || has("Can't fork for") && has("File exists")
        || has("pid") && has("is already in use")
    {
        return of(CheckpointClass::PidInUse, "a container with its own pid namespace cannot collide; end the process");
    }
    if has("Can't get rlimit") {
        let hint = "CRIU asks for the limits of processes of other users, which takes CAP_SYS_RESOURCE: run with it, or \
                    let every process inside be root's (nginx: `user root;`)";
        return of(CheckpointClass::Permission, hint);
    }
    if has("Can't get 1:16 opt") {
        let hint =
            "CRIU before 4.2 cannot dump a TCP socket on Linux 6.16 and newer: run scripts/criu.sh, or update it";
        return of(CheckpointClass::Refused, hint);
    }
    if has("Connected TCP socket") {
        return of(CheckpointClass::Refused, "it has established TCP connections: add `--tcp-established`");
    }
    if has("Some file locks are hold by dumping tasks") {
        return of(CheckpointClass::Refused, "it holds locks of files: add `--file-locks`");
    }
    if has("Can't lookup mount=") {
        return of(
            CheckpointClass::Refused,
            "it has a file of the host's open that is not mounted inside (its output goes into a file, perhaps): \
             start it with pipes or /dev/null as its standard streams",
        );
    }
    if has("tty") && has("external") || has("Found dangling tty") || has("tty: Found slave peer") {
        return of(CheckpointClass::Refused, "it was started on somebody's terminal: start it detached");
    }
    if has("No mapping for") && has("mountpoint") || has("doesn't have a proper root mount") {
        return of(CheckpointClass::Refused, "something is mounted inside that the runtime does not know of");
    }
    if has("criu") && has("executable file not found") {
        return of(
            CheckpointClass::OtherRuntime,
            "install CRIU where the runtime finds it: scripts/criu.sh, or the distribution's package `criu`",
        );
    }
    if has("Can't connect inet socket back: Network is unreachable") {
        let hint = "a connection inside needs an address that is not up when CRIU connects it again: keep it without the \
                    connection, or restore it into its own network";
        return of(CheckpointClass::Refused, hint);
    }
    if has("Can't bind inet socket") || has("Cannot assign requested address") {
        return of(
            CheckpointClass::Refused,
            "the addresses of its connections are not there: restore it into its own network",
        );
    }
    if has("build-id") || has("has bad size") || has("has bad mode") {
        return of(CheckpointClass::Mismatch, "a file that it has open is not the same any more");
    }
    if has("instruction capabilities") || has("CPU info") || has("fpu") && has("not supported") {
        return of(CheckpointClass::OtherHost, "the processor here lacks what the program was using");
    }
    if has("Operation not permitted") && !rustix::process::geteuid().is_root() {
        return of(CheckpointClass::Permission, "run as root");
    }
    of(CheckpointClass::Refused, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_of_the_last_line_is_the_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "(00.000022) Version: 4.1.1 (gitid 0)\n(01.528069) \tRPC\nno stamp\n").unwrap();
        assert_eq!(total_ns(file.path()), Some(1_528_069_000));
        assert_eq!(version(file.path()).as_deref(), Some("4.1.1"));
        assert_eq!(total_ns(Path::new("/none")), None);
        assert_eq!(stamp("(00.1) x"), None);
    }

    #[test]
    fn the_first_real_error_is_what_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "(00.28) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
                    (00.476638) Error (criu/files-reg.c:1790): Can't lookup mount=27 for fd=1 path=/tmp/ct/out\n\
                    (00.669845) Error (criu/cr-dump.c:2111): Dumping FAILED.\n";
        std::fs::write(file.path(), text).unwrap();
        let error = explain(file.path(), "criu failed");
        assert_eq!(error.class, CheckpointClass::Refused);
        assert!(error.message.contains("Can't lookup mount=27"), "{error}");
        assert!(error.hint.is_some_and(|hint| hint.contains("standard streams")));
        assert_eq!(explain(Path::new("/none"), "it did not end").message, "CRIU refused: it did not end");
    }

    #[test]
    fn what_a_restored_task_complains_of_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // CRIU 4.2.1: a file that was open had grown.
        let text = "(00.820026)      1: \tReceive fd for 2\n\
                    (00.820031)      1: Error (criu/files-reg.c:2175): File data/log has bad size 6401 (expect 2169)\n\
                    (00.820035)      1: Error (criu/files.c:1221): Unable to open fd=3 id=0xa\n\
                    (00.854317) Error (criu/cr-restore.c:2331): Restoring FAILED.\n";
        std::fs::write(file.path(), text).unwrap();
        let error = explain(file.path(), "criu failed: type NOTIFY errno 0");
        assert_eq!(error.class, CheckpointClass::Mismatch, "{error}");
        assert!(error.message.contains("data/log has bad size 6401"), "{error}");
        assert_eq!(complaint("(00.91) pie: 6: Error (pie/x.c:1): no"), Some("pie/x.c:1): no"));
        assert_eq!(complaint("(00.91) 1: wrote Error (x): y"), None);
    }

    #[test]
    fn classes_are_told_apart() {
        let class = |text: &str| classify(text, text).class;
        assert_eq!(class("Timeout reached. Try to interrupt: 0"), CheckpointClass::Timeout);
        assert_eq!(class("write: No space left on device"), CheckpointClass::Enospc);
        assert_eq!(class("exec: \"criu\": executable file not found in $PATH"), CheckpointClass::OtherRuntime);
        let unreachable = classify(
            "Can't connect inet socket back: Network is unreachable",
            "Can't connect inet socket back: Network is unreachable",
        );
        assert!(unreachable.hint.is_some_and(|hint| hint.contains("address")));
        assert_eq!(class("Pid 7 is taken by others"), CheckpointClass::PidInUse);
        assert_eq!(class("Can't fork for 1234: File exists"), CheckpointClass::PidInUse);
        assert_eq!(class("File bin/x has bad size 3 (expect 4)"), CheckpointClass::Mismatch);
    }
}
