//! Keeping a sandbox that has an owner: the owner writes the state, and this program the archive around it.

use super::{KeptSandbox, SANDBOX, is_machine, state_of};
use crate::backend::snapshot::MappedRam;
use crate::checkpoint::archive::{IMAGES, Partial};
use crate::checkpoint::{CheckpointError, host};
use crate::clock::Clock;
use crate::live::{Description, KeptDone, LiveError, Reply, Request, ask};
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{
    CheckpointClass, Compressed, KeptOptions, KeptSource, Kind, Manifest, Phase, SCHEMA, VERSION,
};
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An owner that does nothing else says at once what it owns.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(10);
/// What the answer may take beside the work itself.
const BESIDE: Duration = Duration::from_secs(10);

/// What is to be kept, and how.
#[derive(Clone, Copy, Debug)]
pub struct KeepMachine<'a> {
    /// The directory of the owners' sockets.
    pub runtime: &'a Path,
    /// The sandbox.
    pub sandbox: &'a str,
    /// Where checkpoints are.
    pub output: &'a Path,
    /// The new one's name.
    pub name: &'a str,
    /// Whether the sandbox runs on; if not, it ends.
    pub leave_running: bool,
    /// Whether established TCP connections of a container are kept; a machine's are in its memory.
    pub tcp_established: bool,
    /// Whether locks of a container's files are kept.
    pub file_locks: bool,
    /// How the state is written, if each page of a machine's memory is to have a place of its own in it.
    pub mapped_ram: Option<MappedRam>,
    /// How big files are packed.
    pub compression: Option<Compressed>,
    /// The most that the backend may take.
    pub patience: Duration,
    /// When the user asked.
    pub asked: HostInstant,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptMachine {
    /// Where.
    pub directory: PathBuf,
    /// What its manifest says.
    pub manifest: Manifest,
    /// From the request until it was durable, in nanoseconds.
    pub total_ns: u64,
}

/// Keeps a sandbox. If something goes wrong, nothing of the checkpoint is left and the sandbox runs on. If it has ended
/// already, what is written is the only copy of its state: it stays, and the error says where.
///
/// # Errors
/// [`CheckpointError`]: `not_found` without a sandbox of this name, `name_in_use`, `refused` with the backend's words,
/// `timeout`, and the host's.
pub fn keep(request: &KeepMachine<'_>) -> Result<KeptMachine, CheckpointError> {
    let mut phases = Phases { mark: request.asked, all: Vec::new() };
    let description = match told(request, &Request::Describe, DESCRIBE_PATIENCE)? {
        Reply::Described(description) => description,
        other => return Err(other_answer(request.sandbox, &other)),
    };
    let backend = description.cell.backend;
    let mut partial = Partial::begin(request.output, request.name)?;
    let directory = state_of(partial.path(), backend);
    if is_machine(backend) {
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| CheckpointError::host("make", &directory, &error))?;
    }
    phases.end("find");
    let keep = Request::Keep {
        directory,
        template: request.mapped_ram.is_none() && can_be_template(&description),
        mapped_ram: request.mapped_ram,
        leave_running: request.leave_running,
        tcp_established: request.tcp_established,
        file_locks: request.file_locks,
        timeout_ms: u32::try_from(request.patience.as_millis()).unwrap_or(u32::MAX),
    };
    let done = match told(request, &keep, request.patience + BESIDE)? {
        Reply::Kept(done) => done,
        other => return Err(other_answer(request.sandbox, &other)),
    };
    phases.end("engine");
    if request.leave_running {
        return finish(request, &description, &done, &mut partial, phases);
    }
    partial.hold();
    finish(request, &description, &done, &mut partial, phases).map_err(|error| {
        let path = partial.path().display();
        let message = format!("{}; the sandbox has ended, and what is kept of it stays in {path}", error.message);
        CheckpointError { message, ..error }
    })
}

/// The packing, the digests and the manifest.
fn finish(
    request: &KeepMachine<'_>,
    description: &Description,
    done: &KeptDone,
    partial: &mut Partial,
    mut phases: Phases,
) -> Result<KeptMachine, CheckpointError> {
    let directory = state_of(partial.path(), description.cell.backend);
    let unpacked = match request.compression {
        Some(packing) => pack_all(&directory, packing)?,
        None => BTreeMap::new(),
    };
    let kept =
        KeptSandbox { name: description.name.clone(), cell: description.cell.clone(), hello_again: done.hello_again };
    let path = partial.path().join(SANDBOX);
    let text = serde_json::to_vec_pretty(&kept).map_err(std::io::Error::other);
    text.and_then(|text| std::fs::write(&path, text)).map_err(|error| CheckpointError::host("write", &path, &error))?;
    let files = partial.seal(&unpacked, &BTreeMap::new())?;
    phases.end("seal");
    let mut manifest = manifest(request, description, done);
    manifest.files = files;
    manifest.timing = phases.all;
    let directory = partial.finish(&manifest)?;
    Ok(KeptMachine { directory, manifest, total_ns: Clock.now().ns_since(request.asked) })
}

/// Phases as they pass.
struct Phases {
    mark: HostInstant,
    all: Vec<Phase>,
}

impl Phases {
    fn end(&mut self, phase: &str) {
        let now = Clock.now();
        self.all.push(Phase { phase: phase.to_owned(), ns: now.ns_since(self.mark), beside: false });
        self.mark = now;
    }
}

/// Asks the owner.
fn told(request: &KeepMachine<'_>, what: &Request, patience: Duration) -> Result<Reply, CheckpointError> {
    let name = request.sandbox;
    ask(request.runtime, name, what, Clock, Clock.after(patience)).map_err(|error| {
        let class = match &error {
            LiveError::Unknown(_) | LiveError::Name(_) => CheckpointClass::NotFound,
            LiveError::Deadline => CheckpointClass::Timeout,
            LiveError::OtherUser(_) => CheckpointClass::Permission,
            _ => CheckpointClass::Host,
        };
        let failed = CheckpointError::new(class, format!("the owner of `{name}`: {error}"));
        match class {
            CheckpointClass::Timeout => {
                failed.hint("it is starting, or busy: `isodyne sandbox list` shows its backend once it listens")
            }
            _ => failed,
        }
    })
}

fn other_answer(name: &str, reply: &Reply) -> CheckpointError {
    let Reply::Failed(Failure { class, message, .. }) = reply else {
        let message = format!("the owner of `{name}` gave the answer to another question");
        return CheckpointError::new(CheckpointClass::Host, message);
    };
    let class = match class {
        FailureClass::Timeout => CheckpointClass::Timeout,
        FailureClass::Enospc => CheckpointClass::Enospc,
        FailureClass::Integrity => CheckpointClass::Altered,
        _ => CheckpointClass::Refused,
    };
    CheckpointError::new(class, format!("`{name}` was not kept: {message}"))
}

/// Whether its memory is a file of its own: kept as such, many can share it when they come back.
fn can_be_template(description: &Description) -> bool {
    let cell = &description.cell;
    let has_file = matches!(cell.factors.get("memory_file"), Some(FactorValue::Flag(true)));
    cell.backend == BackendName::Qemu && has_file && description.restored_from.is_none()
}

/// Packs what is worth it; gives the lengths before, by the packed files' paths in the archive.
fn pack_all(directory: &Path, packing: Compressed) -> Result<BTreeMap<String, u64>, CheckpointError> {
    let packed = crate::checkpoint::kept::pack_images(directory, packing)?;
    Ok(packed.into_iter().map(|(name, bytes)| (format!("{IMAGES}/{name}"), bytes)).collect())
}

fn manifest(request: &KeepMachine<'_>, description: &Description, done: &KeptDone) -> Manifest {
    let backend = description.cell.backend;
    let mut engine = done.engine.clone();
    engine.extend(done.frozen_ns.map(|frozen| ("frozen_ns".to_owned(), frozen as f64)));
    engine.insert("engine_written_ns".to_owned(), done.written_ns as f64);
    Manifest {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        kind: if is_machine(backend) { Kind::Machine } else { Kind::Container },
        name: request.name.to_owned(),
        created: jiff::Timestamp::now().to_string(),
        boot_id: host::boot_id(),
        source: KeptSource {
            backend: Some(backend),
            id: description.name.clone(),
            name: description.name.clone(),
            tools: description.tools.clone(),
            ..KeptSource::default()
        },
        host: host::this(),
        options: KeptOptions {
            leave_running: request.leave_running,
            tcp_established: request.tcp_established,
            file_locks: request.file_locks,
            rounds: 0,
            compression: request.compression,
        },
        mounts: Vec::new(),
        layer: isodyne_core::checkpoint::KeptLayer::default(),
        files: Vec::new(),
        parents: Vec::new(),
        timing: Vec::new(),
        engine,
    }
}
