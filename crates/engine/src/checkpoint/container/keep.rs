//! Keeping a running container: the runtime's dump, the layer, the digests, the manifest, durable.
//!
//! What can be done while CRIU works is done then: versions, the host's facts and what the engine says of the container.
//! The layer is written while digests are made and files are synced.

use super::find::{Container, LayerSource};
use super::{lengths, podman};
use crate::backend::oci::command::{last_line, run};
use crate::checkpoint::archive::{CONFIG, DOCKER, Digests, IMAGES, LAYER, LOGS, PODMAN, Partial, SHM, follow};
use crate::checkpoint::layer::{self, Freeze, LayerLimits, LayerSummary};
use crate::checkpoint::runtime::DumpPlace;
use crate::checkpoint::{CheckpointError, criu, host, kept};
use crate::clock::Clock;
use crate::wait::readable;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{
    CheckpointClass, KeptLayer, KeptOptions, KeptSource, Kind, LayerForm, Manifest, Phase, SCHEMA, VERSION,
};
use isodyne_core::unit::HostInstant;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// More rounds than this gain nothing.
const MOST_ROUNDS: u32 = 100;

/// How often is looked whether CRIU has begun; nothing is timed by it.
const LOOK: Duration = Duration::from_millis(2);

/// How a container is to be kept.
pub struct KeepRequest<'a> {
    /// Where checkpoints are.
    pub output: &'a Path,
    /// The new one's name.
    pub name: &'a str,
    /// How.
    pub options: KeptOptions,
    /// Whether its own changes of its root are kept.
    pub layer: bool,
    /// How large a root may be that is kept whole.
    pub whole: LayerLimits,
    /// The most that the runtime may take for one call.
    pub patience: Duration,
    /// When the user asked, for the whole.
    pub asked: HostInstant,
    /// Whether the user wants it to end.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// A container that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Where.
    pub directory: PathBuf,
    /// What its manifest says.
    pub manifest: Manifest,
    /// From the request until it was durable, in nanoseconds.
    pub total_ns: u64,
    /// What is worth a remark.
    pub notes: Vec<String>,
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

    fn beside(&mut self, phase: &str, ns: u64) {
        self.all.push(Phase { phase: phase.to_owned(), ns, beside: true });
    }
}

/// What is found out while CRIU works.
struct Facts {
    tools: BTreeMap<String, String>,
    podman: Option<Result<serde_json::Value, CheckpointError>>,
    host: isodyne_core::checkpoint::KeptHost,
}

fn facts(container: &Container) -> Facts {
    let mut version = Command::new(&container.program);
    version.arg("--version");
    let mut tools = BTreeMap::new();
    if let Ok(finished) = run(version, Duration::from_secs(5))
        && let Some(version) = finished.stdout.lines().next().and_then(|line| line.rsplit(' ').next())
    {
        tools.insert("runc".to_owned(), version.to_owned());
    }
    let podman = (container.backend == BackendName::Podman).then(|| podman::inspect(&container.podman, &container.id));
    Facts { tools, podman, host: host::this() }
}

/// Waits until CRIU has begun to work, or until it will not: before, the runtime would be held up by what else is started.
fn wait_for_criu(work: &Path, done: impl AsFd) {
    while !work.join(criu::DUMP_LOG).exists() {
        if readable(Clock, &done, Clock.after(LOOK)).unwrap_or(true) {
            return;
        }
    }
}

/// One call of the runtime.
fn dump(argv: &[String], work: &Path, patience: Duration) -> Result<u64, CheckpointError> {
    let (program, arguments) = argv.split_first().map_or(("", &[] as &[String]), |(first, rest)| (first, rest));
    let mut command = Command::new(program);
    command.args(arguments);
    // CRIU is linked with GnuTLS for servers of pages, which are not used here; it makes itself ready at each of CRIU's two
    // starts unless told not to.
    command.env("GNUTLS_NO_IMPLICIT_INIT", "1");
    let begin = Clock.now();
    let finished = run(command, patience).map_err(|error| {
        CheckpointError::new(CheckpointClass::OtherRuntime, format!("`{program}` does not start: {error}"))
    })?;
    if finished.status.is_none() {
        let message = format!("the runtime did not end within {patience:?} and was killed");
        return Err(CheckpointError::new(CheckpointClass::Timeout, message)
            .hint("look whether the container still runs; give it more time with `--timeout`"));
    }
    if !finished.is_success() {
        let said = last_line(&finished.stderr).unwrap_or_else(|| finished.complaint());
        return Err(criu::explain(&work.join(criu::DUMP_LOG), &said));
    }
    Ok(Clock.now().ns_since(begin))
}

/// Keeps a container.
///
/// # Errors
/// [`CheckpointError`] of every class. Then nothing of the checkpoint is left and the container runs on. If the runtime has
/// ended it already, what is written is the only copy of its state: it stays, and the error says where.
pub fn keep(container: &Container, request: &KeepRequest<'_>) -> Result<Kept, CheckpointError> {
    if request.options.rounds > MOST_ROUNDS {
        let message = format!("{} rounds before the freeze are more than {MOST_ROUNDS}", request.options.rounds);
        return Err(CheckpointError::new(CheckpointClass::Refused, message));
    }
    if request.options.rounds > 0 {
        if container.backend == BackendName::Docker {
            let message = "Docker starts no container from images in rounds";
            return Err(CheckpointError::new(CheckpointClass::OtherRuntime, message).hint("leave `--pre-dump` out"));
        }
        criu::incremental().map_err(|reason| CheckpointError::new(CheckpointClass::Refused, reason))?;
    }
    if !request.options.leave_running {
        refuse_what_would_be_lost(container, request)?;
    }
    let mut phases = Phases { mark: request.asked, all: Vec::new() };
    let mut partial = Partial::begin(request.output, request.name)?;
    kept::make_directories(partial.path(), request.options.rounds)?;
    phases.end("find");
    let since = SystemTime::now();
    let images = partial.path().join(IMAGES);
    let (done, dumping) = std::io::pipe().map_err(|error| CheckpointError::host("follow", &images, &error))?;
    let (facts, runtime_ns, digests) = std::thread::scope(|scope| {
        let facts = scope.spawn(|| {
            wait_for_criu(&partial.path().join(LOGS), &done);
            facts(container)
        });
        // What is packed afterwards has another digest then.
        let plain = request.options.compression.is_none();
        let follower = plain.then(|| scope.spawn(|| follow(&images, &done)));
        let runtime_ns = engine(container, request, partial.path());
        drop(dumping);
        let badly = |_| CheckpointError::new(CheckpointClass::Host, "a thread ended badly");
        let digests = follower.map(|follower| follower.join().map_err(badly)).transpose()?.unwrap_or_default();
        Ok::<_, CheckpointError>((facts.join().map_err(badly)?, runtime_ns?, digests))
    })?;
    let digests = digests.into_iter().map(|(name, digest)| (format!("{IMAGES}/{name}"), digest)).collect();
    phases.end("engine");
    let dumped = Dumped { facts, runtime_ns, digests, since };
    if request.options.leave_running {
        return finish(container, request, &mut partial, phases, dumped);
    }
    partial.hold();
    finish(container, request, &mut partial, phases, dumped).map_err(|error| {
        let path = partial.path().display();
        let message = format!("{}; the container has ended, and what is kept of it stays in {path}", error.message);
        let hint = format!("`isodyne inspect {path}` shows it, and `runc restore --image-path {path}/images` takes it");
        CheckpointError { message, ..error }.hint(hint)
    })
}

/// Refuses what would end the container and then not keep it whole.
fn refuse_what_would_be_lost(container: &Container, request: &KeepRequest<'_>) -> Result<(), CheckpointError> {
    if !request.layer {
        return Ok(());
    }
    if container.auto_remove {
        let message = "the container was started with `--rm`: its engine removes its layer as soon as it ends";
        return Err(CheckpointError::new(CheckpointClass::Refused, message)
            .hint("let it run on with `--leave-running`, or leave the layer out with `--no-layer`"));
    }
    match &container.layer {
        LayerSource::Whole(root) => layer::fits(root, &request.whole),
        _ => Ok(()),
    }
}

/// What is known when the runtime has done its part.
struct Dumped {
    facts: Facts,
    runtime_ns: u64,
    digests: Digests,
    /// Right before it.
    since: SystemTime,
}

/// The layer, the packing, the digests and the manifest.
fn finish(
    container: &Container,
    request: &KeepRequest<'_>,
    partial: &mut Partial,
    mut phases: Phases,
    dumped: Dumped,
) -> Result<Kept, CheckpointError> {
    let Dumped { facts, runtime_ns, digests, since } = dumped;
    // Of what has ended there is no other copy: it is kept to the end.
    let go_on = || match request.options.leave_running && (request.interrupted)() {
        true => Err(CheckpointError::new(CheckpointClass::Interrupted, "nothing was kept, and the container runs on")),
        false => Ok(()),
    };
    partial.begin_writing();
    go_on()?;
    let images = partial.path().join(IMAGES);
    let freeze = Freeze { at: since, lengths: &|| lengths::at_freeze(&images) };
    let freeze = request.options.leave_running.then_some(&freeze);
    describe(container, &facts, partial.path())?;
    let (layer, summary) = write_layer(container, request, partial.path(), freeze)?;
    phases.end("layer");
    let mut unpacked = BTreeMap::new();
    if let Some(packing) = request.options.compression {
        let directories = std::iter::once(IMAGES.to_owned()).chain((1..=request.options.rounds).map(kept::round));
        for directory in directories {
            let packed = kept::pack_images(&partial.path().join(&directory), packing)?;
            unpacked.extend(packed.into_iter().map(|(name, bytes)| (format!("{directory}/{name}"), bytes)));
        }
        phases.end("pack");
    }
    go_on()?;
    let files = partial.seal(&unpacked, &digests)?;
    phases.end("digest and sync");
    let work = partial.path().join(LOGS);
    let mut engine: BTreeMap<String, f64> = criu::statistics(&work).into_iter().collect();
    engine.insert("runtime_ns".to_owned(), runtime_ns as f64);
    engine.extend(criu::total_ns(&work.join(criu::DUMP_LOG)).map(|ns| ("criu_total_ns".to_owned(), ns as f64)));
    if let Some(ns) = engine.get("criu_total_ns") {
        phases.beside("CRIU", *ns as u64);
    }
    let mut notes = Vec::new();
    if summary.changed_since > 0 {
        let files = match summary.changed_since {
            1 => "1 file of the root was".to_owned(),
            more => format!("{more} files of the root were"),
        };
        let cut = if summary.cut > 0 { " (what was appended to open ones is left out)" } else { "" };
        notes.push(format!("{files} changed after the freeze, because it runs on: newer than the memory{cut}"));
    }
    if container.backend == BackendName::Runc && container.config["process"]["terminal"] == true {
        let note =
            "it has a terminal of its own: `runc restore --console-socket` brings it back, `isodyne restore` does not";
        notes.push(note.to_owned());
    }
    if !request.options.leave_running && (request.interrupted)() {
        notes.push("the container had ended when you interrupted: its state was kept all the same".to_owned());
    }
    let mut tools = facts.tools;
    tools.extend(criu::version(&work.join(criu::DUMP_LOG)).map(|version| ("criu".to_owned(), version)));
    tools.insert("isodyne".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        kind: Kind::Container,
        name: request.name.to_owned(),
        created: jiff::Timestamp::now().to_string(),
        boot_id: host::boot_id(),
        source: source(container, tools),
        host: facts.host,
        options: request.options.clone(),
        mounts: container.mounts.clone(),
        layer,
        files,
        parents: (1..=request.options.rounds).map(kept::round).collect(),
        timing: phases.all,
        engine,
    };
    let directory = partial.finish(&manifest)?;
    Ok(Kept { directory, manifest, total_ns: Clock.now().ns_since(request.asked), notes })
}

fn source(container: &Container, tools: BTreeMap<String, String>) -> KeptSource {
    let text = |path: &Path| Some(path.to_string_lossy().into_owned());
    KeptSource {
        backend: Some(container.backend),
        id: container.id.clone(),
        name: container.name.clone(),
        image: container.image.clone(),
        pid: Some(container.pid),
        runtime: Some(container.program.clone()),
        runtime_root: text(&container.root),
        bundle: text(&container.bundle),
        rootfs: text(&container.rootfs),
        tools,
    }
}

/// The rounds and the dump; how long the last call took.
fn engine(container: &Container, request: &KeepRequest<'_>, directory: &Path) -> Result<u64, CheckpointError> {
    let runtime = container.runtime();
    let work = directory.join(LOGS);
    for number in 1..=request.options.rounds {
        let parent = (number > 1).then(|| format!("../{}", kept::round(number - 1)));
        let images = directory.join(kept::round(number));
        let place = DumpPlace { images: &images, work: &work, parent: parent.as_deref() };
        dump(&runtime.pre_dump(&container.id, place, &request.options), &work, request.patience)?;
    }
    let parent = (request.options.rounds > 0).then(|| format!("../{}", kept::round(request.options.rounds)));
    let images = directory.join(IMAGES);
    let place = DumpPlace { images: &images, work: &work, parent: parent.as_deref() };
    dump(&runtime.dump(&container.id, place, &request.options), &work, request.patience)
}

/// Writes what the runtime and the engine say of the container.
fn describe(container: &Container, facts: &Facts, directory: &Path) -> Result<(), CheckpointError> {
    let write = |name: &str, value: &serde_json::Value| {
        let path = directory.join(name);
        let text = serde_json::to_vec(value).map_err(std::io::Error::other);
        text.and_then(|text| std::fs::write(&path, text)).map_err(|error| CheckpointError::host("write", &path, &error))
    };
    write(CONFIG, &container.config)?;
    if let Some(inspected) = &facts.podman {
        write(PODMAN, inspected.as_ref().map_err(Clone::clone)?)?;
    }
    container.docker.as_ref().map_or(Ok(()), |inspected| write(DOCKER, inspected))
}

/// Writes the layer, and the shared memory that an engine keeps outside of the container.
fn write_layer(
    container: &Container,
    request: &KeepRequest<'_>,
    directory: &Path,
    freeze: Option<&Freeze<'_>>,
) -> Result<(KeptLayer, LayerSummary), CheckpointError> {
    let to = |name: &str, source: &Path, form: LayerForm, limits: &LayerLimits| {
        let path = directory.join(name);
        let file = File::create_new(&path).map_err(|error| CheckpointError::host("make", &path, &error))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let summary = layer::write(source, form, limits, freeze, &mut out)?;
        out.into_inner().map_err(|error| CheckpointError::host("write", &path, error.error()))?;
        Ok::<_, CheckpointError>(summary)
    };
    let shm_is_used = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if let Some(shm) = container.shm.as_deref().filter(|shm| shm_is_used(shm)) {
        to(SHM, shm, LayerForm::Whole, &LayerLimits::default())?;
    }
    let none = |why: &str| (KeptLayer { why: why.to_owned(), ..KeptLayer::default() }, LayerSummary::default());
    if !request.layer {
        return Ok(none("left out as asked: the restored container uses the root as it is then"));
    }
    let (form, path, why, limits) = match &container.layer {
        LayerSource::None(why) => return Ok(none(why)),
        LayerSource::Changes(upper) => {
            (LayerForm::Changes, upper, "what differs from the image", LayerLimits::default())
        }
        LayerSource::Whole(root) => (LayerForm::Whole, root, "the root is a plain directory: all of it", request.whole),
    };
    let summary = to(LAYER, path, form, &limits)?;
    let kept = KeptLayer { form, why: why.to_owned(), entries: summary.entries };
    Ok((kept, summary))
}
