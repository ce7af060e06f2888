//! From a runtime's exit and its log to the class of a failure.

use super::command::last_line;
use crate::backend::Place;
use crate::host::cgroup::CgroupUsage;
use isodyne_core::failure::{Failure, FailureClass};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// The most of a log that is read.
const TAIL: u64 = 8 << 10;

/// What a backend saw of a sandbox that failed.
#[derive(Clone, Debug)]
pub(crate) struct Evidence<'a> {
    /// The program in whose name it speaks (`runc`).
    pub(crate) runtime: &'a str,
    /// How the runtime's process ended; `None` while it runs.
    pub(crate) exit: Option<ExitStatus>,
    /// Whether the container's program is known to have been started.
    pub(crate) started: bool,
    /// What the cgroup has counted.
    pub(crate) group: CgroupUsage,
    /// The memory limit.
    pub(crate) memory_bytes: Option<u64>,
    /// The log file.
    pub(crate) log: &'a Path,
}

/// Makes a failure as precise as the evidence allows.
pub(crate) fn explain(failure: Failure, evidence: &Evidence<'_>) -> Failure {
    let tail = tail(evidence.log);
    let mut failure = classify(failure, evidence, last_line(&tail));
    if !tail.trim().is_empty() {
        let file = name_in_run(evidence.log);
        if !failure.evidence.contains(&file) {
            failure.evidence.push(file);
        }
    }
    failure
}

fn classify(failure: Failure, evidence: &Evidence<'_>, line: Option<String>) -> Failure {
    let with = |class, message: String| Failure { class, message, ..failure.clone() };
    let runtime = evidence.runtime;
    if evidence.group.oom_kills.is_some_and(|count| count > 0) {
        let limit = evidence.memory_bytes.map_or(String::new(), |bytes| format!(" of {bytes} bytes"));
        return with(
            FailureClass::OomCgroup,
            format!("the container's memory limit{limit} was hit; {}", failure.message),
        );
    }
    let Some(exit) = evidence.exit else { return failure };
    if !matches!(failure.class, FailureClass::Crash | FailureClass::Protocol | FailureClass::Launch) {
        return failure;
    }
    let said = line.map_or_else(String::new, |line| format!(": {line}"));
    // A runtime ends with the container's code, and with 128 + the signal that killed the container.
    let killed = exit.code() == Some(128 + 9) || exit.signal() == Some(9);
    if let (true, Some(limit)) = (killed && evidence.started, evidence.memory_bytes) {
        // The runtime removed the cgroup with its counters; with a limit set, nobody else kills what is inside.
        return with(
            FailureClass::OomCgroup,
            format!("the container was killed (SIGKILL) under its memory limit of {limit} bytes{said}"),
        );
    }
    if is_missing_program(&said) {
        return with(FailureClass::Exec, format!("the image does not have the command{said}"));
    }
    if !evidence.started && !exit.success() {
        return with(FailureClass::Launch, format!("{runtime} did not start the container ({exit}){said}"));
    }
    with(FailureClass::Crash, format!("{runtime} ended with {exit}{said}; {}", failure.message))
}

/// Whether a runtime complains that the program to run is not in the image.
pub(crate) fn is_missing_program(text: &str) -> bool {
    let missing = ["no such file or directory", "executable file", "not found"];
    let of_exec = ["exec", "starting container process", "finding executable", "failed to load"];
    let lower = text.to_lowercase();
    lower.contains("isodyne-agent")
        && missing.iter().any(|part| lower.contains(part))
        && of_exec.iter().any(|part| lower.contains(part))
        || lower.contains("executable file") && lower.contains("not found")
}

/// The end of a log file, bounded.
pub(crate) fn tail(path: &Path) -> String {
    let Ok(mut file) = std::fs::File::open(path) else { return String::new() };
    let length = file.metadata().map_or(0, |status| status.len());
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).is_ok() {
        // What could be read before an error is still a tail.
        let _ = file.take(TAIL).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The log file of a sandbox for one program.
pub(crate) fn log_path(place: &Place, program: &str) -> PathBuf {
    let mut path = place.log_prefix.clone().into_os_string();
    path.push(format!(".{program}.log"));
    path.into()
}

/// The name of a log file relative to the run directory (`logs/3-runc.runc.log`).
pub(crate) fn name_in_run(log: &Path) -> String {
    let part = |path: Option<&std::ffi::OsStr>| path.map(|name| name.to_string_lossy().into_owned());
    let file = part(log.file_name()).unwrap_or_default();
    part(log.parent().and_then(Path::file_name)).map_or(file.clone(), |directory| format!("{directory}/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(exit: Option<i32>, started: bool) -> Evidence<'static> {
        Evidence {
            runtime: "runc",
            // The wait status has the exit code in its second byte.
            exit: exit.map(|code| ExitStatus::from_raw(code << 8)),
            started,
            group: CgroupUsage::default(),
            memory_bytes: None,
            log: Path::new("/none"),
        }
    }

    fn class(evidence: &Evidence<'_>, line: &str) -> (FailureClass, String) {
        let failure = classify(Failure::new(FailureClass::Crash, "end of stream"), evidence, Some(line.to_owned()));
        (failure.class, failure.message)
    }

    #[test]
    fn a_missing_command_is_an_exec_failure() {
        for line in [
            r#"runc run failed: unable to start container process: exec: "/isodyne-agent": stat /isodyne-agent: no such file or directory"#,
            "executable file `/isodyne-agent` not found: No such file or directory",
            "running container: starting container: starting root container: starting sandbox: creating process: \
             failed to load /isodyne-agent: no such file or directory",
        ] {
            let (class, message) = class(&evidence(Some(1), false), line);
            assert_eq!(class, FailureClass::Exec, "{line}");
            assert!(message.starts_with("the image does not have the command: "), "{message}");
        }
    }

    #[test]
    fn a_refusal_a_crash_and_a_memory_limit_are_told_apart() {
        assert_eq!(class(&evidence(Some(1), false), "permission denied").0, FailureClass::Launch);
        assert_eq!(class(&evidence(Some(139), true), "").0, FailureClass::Crash);
        let limited = Evidence { memory_bytes: Some(1 << 20), ..evidence(Some(137), true) };
        assert_eq!(class(&limited, "").0, FailureClass::OomCgroup);
        let counted = CgroupUsage { oom_kills: Some(1), ..CgroupUsage::default() };
        assert_eq!(class(&Evidence { group: counted, ..evidence(None, true) }, "").0, FailureClass::OomCgroup);
    }

    #[test]
    fn a_sandbox_that_still_runs_keeps_its_failure() {
        let failure = Failure::new(FailureClass::Timeout, "no hello");
        assert_eq!(explain(failure.clone(), &evidence(None, true)), failure);
        assert_eq!(name_in_run(Path::new("/runs/x/logs/3-runc.runc.log")), "logs/3-runc.runc.log");
    }
}
