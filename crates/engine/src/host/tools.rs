//! Programs of the host: where they are, what they say of their version, and their digest.

use isodyne_core::probe::Tool;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where programs for administrators are that a user's PATH often leaves out.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
const VERSION_OUTPUT_LIMIT: usize = 64 << 10;
const VERSION_LINE_LIMIT: usize = 200;

/// Looks for a program in PATH and in the directories for administrators. A name with a slash is taken as a path.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    find_in(name, std::env::var_os("PATH").as_deref())
}

fn find_in(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    let listed = path.map(std::env::split_paths).into_iter().flatten();
    listed
        // A relative entry would make the answer depend on the working directory.
        .filter(|directory| directory.is_absolute())
        .chain(MORE_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
}

/// What makes a file the same file as before: path, size, change times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    path: PathBuf,
    version_args: Vec<String>,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

static KNOWN: LazyLock<Mutex<HashMap<Identity, Tool>>> = LazyLock::new(Mutex::default);

/// Finds a program and asks it for its version (the first line it prints within five seconds), with the digest of its
/// file. Asked again for the same unchanged file, it answers from memory.
pub fn inspect_tool(name: &str, version_args: &[&str]) -> Option<Tool> {
    let path = find_tool(name)?;
    let status = path.metadata().ok()?;
    let identity = Identity {
        path: path.clone(),
        version_args: version_args.iter().map(|argument| (*argument).to_owned()).collect(),
        size: status.size(),
        modified: (status.mtime(), status.mtime_nsec()),
        changed: (status.ctime(), status.ctime_nsec()),
    };
    if let Some(tool) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&identity) {
        return Some(tool.clone());
    }
    let tool = Tool {
        name: Path::new(name).file_name().unwrap_or(OsStr::new(name)).to_string_lossy().into_owned(),
        version: version_of(&path, version_args),
        sha256: sha256_of(&path),
        path: path.to_string_lossy().into_owned(),
    };
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(identity, tool.clone());
    Some(tool)
}

/// SHA-256 of a file in hexadecimal; `None` if it cannot be read.
pub fn sha256_of(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The first line that the program prints about its version, on either stream.
fn version_of(path: &Path, version_args: &[&str]) -> Option<String> {
    let (stdout, stderr) = output_of(path, version_args)?;
    first_line(&stdout).or_else(|| first_line(&stderr))
}

fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|character| !character.is_control()).take(VERSION_LINE_LIMIT).collect())
}

/// Runs a program for its output, bounded in time and length, in a process group of its own that is killed afterwards.
fn output_of(path: &Path, arguments: &[&str]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut child = Command::new(path)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .ok()?;
    let group = Pid::from_child(&child);
    let output = read_streams(&mut child);
    // The program may have left children that hold the pipes; the group goes before its leader is reaped, so that the
    // number cannot belong to anybody else yet.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = child.wait();
    output
}

fn read_streams(child: &mut Child) -> Option<(Vec<u8>, Vec<u8>)> {
    let deadline = Instant::now() + VERSION_DEADLINE;
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok()?;
    let (mut stdout, mut stderr) = (child.stdout.take()?, child.stderr.take()?);
    let mut texts = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    while open[0] || open[1] {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let watched = [stdout.as_fd(), stderr.as_fd(), pidfd.as_fd()];
        let mut fds: Vec<PollFd<'_>> = watched
            .iter()
            .zip([open[0], open[1], true])
            .map(|(fd, wanted)| PollFd::from_borrowed_fd(*fd, if wanted { PollFlags::IN } else { PollFlags::empty() }))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for stream in 0..2 {
            if !open[stream] || !ready[stream] {
                continue;
            }
            let mut buffer = [0_u8; 4096];
            let read = if stream == 0 { stdout.read(&mut buffer) } else { stderr.read(&mut buffer) };
            match read {
                Ok(0) | Err(_) => open[stream] = false,
                Ok(length) => texts[stream].extend_from_slice(&buffer[..length]),
            }
        }
        // Enough to know the first line: a program that goes on and on is not listened to.
        if texts.iter().any(|text| text.len() > VERSION_OUTPUT_LIMIT) {
            break;
        }
        // The program has ended and its pipes are empty: a child of it that keeps them open is not waited for.
        if ready[2] && !ready[0] && !ready[1] {
            break;
        }
    }
    let [stdout, stderr] = texts;
    Some((stdout, stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn programs_are_found_in_the_path_and_beyond_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = script(directory.path(), "isodyne-test-tool", "echo 1.2");
        std::fs::write(directory.path().join("no-program"), "").unwrap();
        let search = directory.path().as_os_str();
        assert_eq!(find_in("isodyne-test-tool", Some(search)), Some(path.clone()));
        assert_eq!(find_in("no-program", Some(search)), None);
        assert_eq!(find_in("", Some(search)), None);
        assert_eq!(find_in(path.to_str().unwrap(), None), Some(path));
        assert!(find_in("sh", Some(OsStr::new("/usr/bin:/bin"))).is_some());
    }

    #[test]
    fn a_tool_is_inspected_with_version_and_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = script(directory.path(), "tool", "printf '\\n  tool \\033[1mversion 7\\nmore\\n' >&2");
        let tool = inspect_tool(path.to_str().unwrap(), &["--version"]).unwrap();
        assert_eq!(tool.name, "tool");
        assert_eq!(tool.version.as_deref(), Some("tool [1mversion 7"));
        assert_eq!(tool.sha256.as_ref().unwrap().len(), 64);
        // A changed file is asked again.
        script(directory.path(), "tool", "echo tool version 8; exit 3");
        let again = inspect_tool(path.to_str().unwrap(), &["--version"]).unwrap();
        assert_eq!(again.version.as_deref(), Some("tool version 8"));
        assert_ne!(tool.sha256, again.sha256);
    }

    #[test]
    fn a_tool_that_floods_or_leaves_children_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let flood = script(directory.path(), "flood", "echo flood 1; exec yes");
        let begin = Instant::now();
        assert_eq!(version_of(&flood, &[]).as_deref(), Some("flood 1"));
        let child = script(directory.path(), "child", "echo child 1; sleep 60 & exit 0");
        assert_eq!(version_of(&child, &[]).as_deref(), Some("child 1"));
        assert!(begin.elapsed() < VERSION_DEADLINE * 2);
    }
}
