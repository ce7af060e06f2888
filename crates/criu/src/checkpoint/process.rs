//! Processes and threads.

use super::ReadError;
use super::bits;
use super::file::{Descriptor, Files, shared_text};
use super::memory::{self, Memory};
use super::reader::Reader;
use crate::image::{self, Kind};
use crate::messages::task::{self, Core, Directories, Identities, TreeEntry};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// What a process was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It ran, or waited for something.
    Alive,
    /// It had ended, and its parent had not asked for it yet.
    Dead,
    /// It was stopped by a signal.
    Stopped,
    /// As dead, in newer versions.
    Zombie,
    /// A state that this program does not know.
    Unknown,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Its number, as it saw it itself.
    pub pid: u32,
    /// Its parent's number; 0 for the first.
    pub parent: u32,
    /// The number of its group.
    pub group: u32,
    /// The number of its session.
    pub session: u32,
    /// Its short name.
    pub name: Option<String>,
    /// What it was doing.
    pub state: Option<State>,
    /// How it ended, for one that has: its exit code, or 128 and the signal.
    pub exit_code: Option<u32>,
    /// The architecture that it ran on.
    pub architecture: Option<&'static str>,
    /// The program that it ran.
    #[serde(serialize_with = "shared_text")]
    pub program: Option<Arc<str>>,
    /// Its working directory.
    #[serde(serialize_with = "shared_text")]
    pub working_directory: Option<Arc<str>>,
    /// Its root directory.
    #[serde(serialize_with = "shared_text")]
    pub root_directory: Option<Arc<str>>,
    /// Permissions that new files do not get.
    pub mask: Option<u32>,
    /// As whom it ran.
    pub credentials: Option<Credentials>,
    /// Whether its system calls were filtered: `off`, `strict` or `filter`.
    pub seccomp: Option<&'static str>,
    /// How much it is preferred when memory runs out.
    pub oom_score_adjust: Option<i32>,
    /// Its threads, the first of which is the process itself. One that has ended has none.
    pub threads: Vec<Thread>,
    /// Its namespace of mounts, as CRIU numbers it.
    pub mount_namespace: Option<u32>,
    /// Its namespace of networks, as CRIU numbers it.
    pub network_namespace: Option<u32>,
    /// Its descriptors.
    pub descriptors: Vec<Descriptor>,
    /// Its memory. One that has ended has none.
    pub memory: Option<Memory>,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: Option<String>,
}

/// As whom a process ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The user whose rights it had.
    pub effective_uid: u32,
    /// The group whose rights it had.
    pub effective_gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Capabilities that it had, a bit each.
    pub effective_capabilities: u64,
    /// Whether it could not gain rights by running a program.
    pub no_new_privileges: bool,
}

/// The most processes that are read.
const PROCESSES_LIMIT: usize = 1 << 18;
/// The most threads of all processes together that are read.
const THREADS_LIMIT: usize = 1 << 20;

/// Reads the tree, and each process's images.
pub(super) fn read(
    reader: &mut Reader<'_>,
    files: &mut Files,
    descriptors_by_id: bool,
) -> Result<Vec<Process>, ReadError> {
    let tree: Vec<TreeEntry> = reader.essential("pstree.img", |bytes| image::messages(bytes, Kind::ProcessTree))?;
    let fail = |reason: String| ReadError { file: "pstree.img".to_owned(), reason };
    let mut seen = HashSet::new();
    for entry in &tree {
        // What comes later cannot be an ancestor of what comes before, so there are no circles.
        if entry.parent != 0 && !seen.contains(&entry.parent) {
            return Err(fail(format!("the parent {} of process {} does not come before it", entry.parent, entry.pid)));
        }
        if !seen.insert(entry.pid) {
            return Err(fail(format!("process {} is in it twice", entry.pid)));
        }
    }
    if tree.is_empty() {
        return Err(fail("there is no process in it".to_owned()));
    }
    let threads = tree.iter().fold(0_usize, |sum, entry| sum.saturating_add(entry.threads.0.len()));
    if tree.len() > PROCESSES_LIMIT || threads > THREADS_LIMIT {
        return Err(fail(format!(
            "it has {} processes with {threads} threads, which is more than is read",
            tree.len()
        )));
    }
    Ok(tree.into_iter().map(|entry| process(reader, files, descriptors_by_id, entry)).collect())
}

fn process(reader: &mut Reader<'_>, files: &Files, descriptors_by_id: bool, entry: TreeEntry) -> Process {
    let pid = entry.pid;
    let core_name = format!("core-{pid}.img");
    let core: Option<Core> = reader.message(&core_name, Kind::Core);
    if core.is_none() && !reader.names.contains(&core_name) {
        reader.note(&core_name, "it is not there");
    }
    let own = core.as_ref().and_then(|core| core.task.0.as_ref());
    let first = core.as_ref().and_then(|core| core.thread.0.as_ref());
    let state = own.map(|task| state(task.state));
    let ended = matches!(state, Some(State::Dead | State::Zombie));
    let mut process = Process {
        pid,
        parent: entry.parent,
        group: entry.group,
        session: entry.session,
        name: own.map(|task| task.name.clone()),
        state,
        exit_code: own.filter(|_| ended).map(|task| exit_code(task.exit_code)),
        architecture: core.as_ref().and_then(|core| bits::machine(core.machine)),
        program: None,
        working_directory: None,
        root_directory: None,
        mask: None,
        credentials: first.and_then(|thread| thread.credentials.0.as_ref()).map(credentials),
        seccomp: first.and_then(|thread| thread.seccomp_mode).map(|mode| match mode {
            0 => "off",
            1 => "strict",
            2 => "filter",
            _ => "unknown",
        }),
        oom_score_adjust: own.and_then(|task| task.oom_score_adjust),
        threads: Vec::new(),
        mount_namespace: None,
        network_namespace: None,
        descriptors: Vec::new(),
        memory: None,
    };
    // Of a process that has ended CRIU writes nothing else, and the number of its thread is left to chance.
    if ended {
        return process;
    }
    process.threads = threads(reader, &process, &entry.threads.0);
    if process.credentials.is_none() {
        let older: Option<task::Credentials> = reader.message(&format!("creds-{pid}.img"), Kind::Credentials);
        process.credentials = older.as_ref().map(credentials);
    }
    let beside: Option<Identities> = reader.message(&format!("ids-{pid}.img"), Kind::Identities);
    let identities = beside.or_else(|| core.and_then(|core| core.ids.0));
    process.mount_namespace = identities.as_ref().and_then(|ids| ids.mount_namespace);
    process.network_namespace = identities.as_ref().and_then(|ids| ids.network_namespace);
    let table = match (&identities, descriptors_by_id) {
        (Some(identities), true) => identities.files,
        _ => pid,
    };
    process.descriptors = files.descriptors(reader, &format!("fdinfo-{table}.img")).unwrap_or_default();
    let directories: Option<Directories> = reader.message(&format!("fs-{pid}.img"), Kind::Directories);
    if let Some(directories) = directories {
        process.working_directory = files.path(directories.working);
        process.root_directory = files.path(directories.root);
        process.mask = directories.mask;
    }
    if let Some((memory, program)) = memory::read(reader, files, pid) {
        process.memory = Some(memory);
        process.program = files.path(program);
    }
    process
}

fn threads(reader: &mut Reader<'_>, process: &Process, ids: &[u32]) -> Vec<Thread> {
    let name = |reader: &mut Reader<'_>, id: u32| {
        if id == process.pid {
            return process.name.clone();
        }
        let file = format!("core-{id}.img");
        let core: Option<Core> = reader.message(&file, Kind::Core);
        if core.is_none() {
            reader.note(&file, "the thread's image is not there or cannot be read");
        }
        core?.thread.0?.name
    };
    ids.iter().map(|&id| Thread { id, name: name(reader, id) }).collect()
}

/// `enum __compel_task_state` of CRIU.
fn state(state: u32) -> State {
    match state {
        1 => State::Alive,
        2 => State::Dead,
        3 => State::Stopped,
        6 => State::Zombie,
        _ => State::Unknown,
    }
}

/// What `wait` would have said, as a shell shows it.
fn exit_code(status: u32) -> u32 {
    match status & 0x7f {
        0 => status >> 8 & 0xff,
        signal => 128 + signal,
    }
}

fn credentials(entry: &task::Credentials) -> Credentials {
    let words = &entry.effective_capabilities.0;
    let word = |at: usize| u64::from(words.get(at).copied().unwrap_or(0));
    Credentials {
        uid: entry.uid,
        gid: entry.gid,
        effective_uid: entry.effective_uid,
        effective_gid: entry.effective_gid,
        groups: entry.groups.0.clone(),
        effective_capabilities: word(0) | word(1) << 32,
        no_new_privileges: entry.no_new_privileges.unwrap_or(0) != 0,
    }
}
