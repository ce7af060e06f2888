//! Bringing a kept container back: everything is looked at before anything starts, and what failed leaves nothing.

use super::find::Where;
use super::mounts::{self, Mended};
use super::verify::{self, Verified};
use super::{bundles, docker, loopback, podman, runc, state};
use crate::checkpoint::archive::{self, Archive, CONFIG, DOCKER, IMAGES, LAYER, PODMAN, SHM};
use crate::checkpoint::criu::{self, CriuState};
use crate::checkpoint::layer::{self, Whiteouts};
use crate::checkpoint::{CheckpointError, host, kept, pack};
use crate::clock::Clock;
use crate::ownership::Owner;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{CheckpointClass, Kind, LayerForm, Phase};
use isodyne_core::unit::HostInstant;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a container is to come back.
pub struct RestoreRequest<'a> {
    /// The checkpoint: DIR/NAME.
    pub from: &'a Path,
    /// The container's name, if not the one it had.
    pub new_name: Option<&'a str>,
    /// Whether what was mounted from outside and is gone is made again.
    pub fix_mounts: bool,
    /// What is left out of that, by its place inside.
    pub skip_mounts: &'a [String],
    /// Whether what came back is held to the images.
    pub verify: bool,
    /// Where runc keeps its state, and how podman is called.
    pub place: &'a Where,
    /// The bundle's directory, for runc.
    pub bundle: Option<&'a Path>,
    /// A program that runs [`super::loopback::bring_up`] when it is called with `loopback`: runc calls it in the middle of
    /// a restore. Without it, a network of the container's own comes back with its loopback interface down.
    pub program: Option<&'a Path>,
    /// The most that the runtime may take.
    pub patience: Duration,
    /// When the user asked, for the whole.
    pub asked: HostInstant,
    /// Whether the user wants it to end.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// A container that is back.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// Who runs it.
    pub backend: BackendName,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its first process, on the host.
    pub pid: u32,
    /// Where its bundle is, for runc.
    pub bundle: Option<PathBuf>,
    /// How long what took, in order.
    pub timing: Vec<Phase>,
    /// From the request until it ran, in nanoseconds.
    pub total_ns: u64,
    /// What the engine says of its own phases, by metric name.
    pub engine: BTreeMap<String, f64>,
    /// What was held to the images, if that was asked for.
    pub verified: Option<Verified>,
    /// What is worth a remark.
    pub notes: Vec<String>,
}

/// What all engines need.
struct Work<'a> {
    archive: &'a Archive,
    request: &'a RestoreRequest<'a>,
    name: String,
    /// The images as CRIU wrote them.
    images: PathBuf,
    /// A directory for what only the restore needs.
    scratch: PathBuf,
    mended: Mended,
}

/// What an engine has brought back.
struct Back {
    id: String,
    pid: u32,
    bundle: Option<PathBuf>,
    engine: BTreeMap<String, f64>,
    notes: Vec<String>,
}

/// A private directory, removed when dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in the temporary directory, under a name of its own.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    /// Beside the checkpoint, so that images can be linked and large ones do not fill a small temporary directory.
    fn make(beside: &Path) -> Result<Self, CheckpointError> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!(".isodyne-restore-{:08x}", fastrand::u32(..));
        let make = |directory: &Path| {
            let path = directory.join(&name);
            std::fs::DirBuilder::new().mode(0o700).create(&path).map(|()| Self(path))
        };
        let parent = beside.parent().unwrap_or(beside);
        make(parent)
            .or_else(|_| make(&std::env::temp_dir()))
            .map_err(|error| CheckpointError::host("make a directory in", parent, &error))
    }
}

/// Brings a container back.
///
/// # Errors
/// [`CheckpointError`] of every class. Nothing that was made is left then.
pub fn restore(request: &RestoreRequest<'_>) -> Result<Restored, CheckpointError> {
    let archive = archive::open(request.from)?;
    let backend = check(&archive, request)?;
    archive.verify()?;
    let mut notes = host::check(&archive.manifest.host, &host::this())?;
    let checked = Clock.now();
    let mut timing = vec![phase("check", request.asked, checked)];
    let scratch = Scratch::make(&archive.directory)?;
    let images = unpacked(&archive, &scratch.0)?;
    let stand_ins = stand_ins(&archive, backend, request)?;
    let name = request.new_name.unwrap_or(&archive.manifest.source.name).to_owned();
    if backend == BackendName::Runc {
        runc::free_place(&name, request.place.root.as_deref(), request.bundle)?;
    }
    // What somebody else's container uses is not ours to remove.
    let mended = mounts::mend(&archive.manifest.mounts, request.fix_mounts, request.skip_mounts, &stand_ins)?;
    notes.extend(mended.notes.iter().cloned());
    let prepared = Clock.now();
    timing.push(phase("prepare", checked, prepared));
    let work = Work { archive: &archive, request, name, images, scratch: scratch.0.clone(), mended };
    let result = work.check_interrupt().and_then(|()| match backend {
        BackendName::Podman => work.by_podman(),
        BackendName::Docker => work.by_docker(),
        _ => work.by_runc(),
    });
    let back = result.inspect_err(|_| work.mended.undo())?;
    let runs = Clock.now();
    notes.extend(back.notes.iter().cloned());
    timing.push(phase("engine", prepared, runs));
    let verified = if request.verify {
        // What is not what it should be does not stay.
        Some(verify::verify(&work.images, back.pid).inspect_err(|_| work.remove(backend, &back))?)
    } else {
        None
    };
    Ok(Restored {
        backend,
        name: work.name,
        id: back.id,
        pid: back.pid,
        bundle: back.bundle,
        timing,
        total_ns: runs.ns_since(request.asked),
        engine: back.engine,
        verified,
        notes,
    })
}

fn phase(name: &str, from: HostInstant, to: HostInstant) -> Phase {
    Phase { phase: name.to_owned(), ns: to.ns_since(from), beside: false }
}

/// Whether it can come back at all, and to whom.
fn check(archive: &Archive, request: &RestoreRequest<'_>) -> Result<BackendName, CheckpointError> {
    let manifest = &archive.manifest;
    let other = |message: String| CheckpointError::new(CheckpointClass::OtherRuntime, message);
    if manifest.kind != Kind::Container {
        return Err(other("it holds a machine, and not a container".to_owned()));
    }
    let backend = manifest.source.backend.unwrap_or(BackendName::Runc);
    if !matches!(backend, BackendName::Runc | BackendName::Podman | BackendName::Docker) {
        return Err(other(format!("it was made of a container of `{backend}`, which cannot be brought back here")));
    }
    if let Some(wanted) = request.place.backend.filter(|wanted| *wanted != backend) {
        return Err(other(format!("it was made of a container of {backend}, and {wanted} cannot take it"))
            .hint(format!("leave `--runtime` out: it comes back into {backend}")));
    }
    if let CriuState::Unusable { reason, hint, .. } = criu::probe() {
        return Err(other(reason.clone()).hint(hint.clone()));
    }
    Ok(backend)
}

/// The images as CRIU wrote them: in the checkpoint, or unpacked with their rounds.
fn unpacked(archive: &Archive, scratch: &Path) -> Result<PathBuf, CheckpointError> {
    let files = &archive.manifest.files;
    if files.iter().all(|file| file.unpacked_bytes.is_none()) {
        return Ok(archive.directory.join(IMAGES));
    }
    let bytes = files.iter().filter_map(|file| file.unpacked_bytes).fold(0, u64::saturating_add);
    pack::room_for(scratch, bytes)?;
    for directory in std::iter::once(IMAGES).chain(archive.manifest.parents.iter().map(String::as_str)) {
        let packed: BTreeMap<String, u64> = files
            .iter()
            .filter_map(|file| {
                let (parent, name) = file.path.rsplit_once('/')?;
                Some((name.to_owned(), file.unpacked_bytes.filter(|_| parent == directory)?))
            })
            .collect();
        kept::unpack_images(&archive.directory.join(directory), &packed, &scratch.join(directory))?;
    }
    Ok(scratch.join(IMAGES))
}

/// Where empty files and directories stand that are mounted in place of what is left out: beside the bundle, where there is
/// one. They live as long as the container.
fn stand_ins(
    archive: &Archive,
    backend: BackendName,
    request: &RestoreRequest<'_>,
) -> Result<PathBuf, CheckpointError> {
    let name = request.new_name.unwrap_or(&archive.manifest.source.name);
    let safe = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    if !safe {
        return Err(CheckpointError::new(CheckpointClass::NameInUse, format!("`{name}` is no name of a container")));
    }
    Ok(match request.bundle {
        Some(bundle) => bundles::stand_ins(bundle),
        None if backend == BackendName::Runc => bundles::stand_ins(&bundles::default_bundles().join(name)),
        None => bundles::default_bundles().with_file_name("stand-ins").join(name),
    })
}

impl Work<'_> {
    fn check_interrupt(&self) -> Result<(), CheckpointError> {
        if (self.request.interrupted)() {
            return Err(CheckpointError::new(CheckpointClass::Interrupted, "interrupted: nothing was brought back"));
        }
        Ok(())
    }

    /// Ends and removes what has come back.
    fn remove(&self, backend: BackendName, back: &Back) {
        match backend {
            BackendName::Podman => podman::remove(&self.podman(), &back.id),
            BackendName::Docker => {
                if let Ok(socket) = docker::daemon() {
                    docker::remove(&socket, &back.id);
                }
            }
            _ => {
                if let Some(bundle) = &back.bundle {
                    runc::remove(self.archive, self.request.place.root.as_deref(), bundle, &back.id);
                }
            }
        }
        self.mended.undo();
    }

    fn podman(&self) -> Vec<String> {
        let place = &self.request.place.podman;
        if place.is_empty() { vec!["podman".to_owned()] } else { place.clone() }
    }

    fn json(&self, name: &str) -> Result<Value, CheckpointError> {
        state::json(&self.archive.directory.join(name))
    }

    /// The container's configuration with what stands in for mounts.
    fn config(&self) -> Result<Value, CheckpointError> {
        let mut config = self.json(CONFIG)?;
        self.mended.replace_in(&mut config);
        Ok(config)
    }

    fn flags(&self) -> Vec<&'static str> {
        let options = &self.archive.manifest.options;
        let given = [("--tcp-established", options.tcp_established), ("--file-locks", options.file_locks)];
        given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }

    fn by_runc(&self) -> Result<Back, CheckpointError> {
        let (archive, request) = (self.archive, self.request);
        if self.json(CONFIG)?["process"]["terminal"] == true {
            let message = "it has a terminal of its own, which somebody has to hold as long as it runs";
            return Err(CheckpointError::new(CheckpointClass::Refused, message).hint(format!(
                "`runc restore --console-socket SOCKET --image-path {}` gives it to whoever listens there",
                self.images.display()
            )));
        }
        let mut bundle = runc::begin(archive, &self.name, request.place.root.as_deref(), request.bundle)?;
        let config = bundle.fill(archive, &self.name, self.config()?)?;
        if let Some(program) = request.program {
            bundle.configure(&loopback::with_hook(config.clone(), program))?;
        }
        let pid = bundle.restore(archive, &self.images, &self.name, request.patience)?;
        bundle.configure(&config)?;
        if let Err(error) = self.check_interrupt() {
            bundle.delete(&self.name);
            return Err(error);
        }
        let work = bundle.path.join(archive::LOGS);
        let mut engine: BTreeMap<String, f64> = criu::statistics(&work).into_iter().collect();
        engine.extend(criu::total_ns(&work.join(criu::RESTORE_LOG)).map(|ns| ("criu_total_ns".to_owned(), ns as f64)));
        bundle.kept = true;
        Ok(Back { id: self.name.clone(), pid, bundle: Some(bundle.path.clone()), engine, notes: Vec::new() })
    }

    /// Puts the layer into the upper directory of a container that is not mounted, or into its plain root.
    fn put_layer(&self, upper: Option<&str>) -> Result<(), CheckpointError> {
        let form = self.archive.manifest.layer.form;
        if form == LayerForm::None {
            return Ok(());
        }
        let tar = self.archive.directory.join(LAYER);
        match (form, upper) {
            (LayerForm::Changes, Some(upper)) => layer::apply(&tar, Path::new(upper), form, Whiteouts::Overlay),
            _ => Err(CheckpointError::new(
                CheckpointClass::OtherRuntime,
                "the engine's storage here keeps no layers as an overlay, and the checkpoint has one",
            )
            .hint("use the storage driver `overlay` (podman) or `overlay2` (Docker)")),
        }
    }

    /// Copies the images to where an engine looks for them.
    fn copy_images(&self, target: &Path) -> Result<(), CheckpointError> {
        let copy = |from: &Path, to: &Path| {
            std::fs::create_dir_all(to).map_err(|error| CheckpointError::host("make", to, &error))?;
            kept::link_all(from, to)
        };
        // Each round names the one before it as its neighbour.
        for parent in &self.archive.manifest.parents {
            copy(&self.images.with_file_name(parent), &target.with_file_name(parent))?;
        }
        copy(&self.images, target)
    }

    fn by_podman(&self) -> Result<Back, CheckpointError> {
        let call = self.podman();
        if podman::knows(&call, &self.name)? {
            let message = format!("podman has a container `{}` already", self.name);
            return Err(
                CheckpointError::new(CheckpointClass::NameInUse, message).hint("give another one with `--new-name`")
            );
        }
        let mut arguments = podman::create_arguments(&self.json(PODMAN)?, &self.name)?;
        if let Some(place) = podman::replace_mounts(&mut arguments, &self.mended.replaced) {
            let message = format!("the mount at {place} is none of the command that made the container in podman");
            return Err(CheckpointError::new(CheckpointClass::OtherRuntime, message)
                .hint("use `--auto-fix-mounts` instead of `--skip-mount`"));
        }
        let mut created = podman::create(&call, &arguments)?;
        let id = created["Id"].as_str().unwrap_or_default().to_owned();
        let restored = self.fill_podman(&call, &mut created).and_then(|stats| {
            self.check_interrupt()?;
            let inspected = podman::inspect(&call, &id)?;
            let pid = inspected["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
            if inspected["State"]["Running"] != true || pid == 0 {
                let message = "podman says that it brought the container back, and it does not run";
                return Err(CheckpointError::new(CheckpointClass::Mismatch, message));
            }
            Ok((stats, pid))
        });
        match restored {
            Ok((stats, pid)) => Ok(Back { id, pid, bundle: None, engine: stats, notes: Vec::new() }),
            Err(error) => {
                podman::remove(&call, &id);
                Err(error)
            }
        }
    }

    fn fill_podman(&self, call: &[String], created: &mut Value) -> Result<BTreeMap<String, f64>, CheckpointError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, data) = (text(&created["Id"]), &created["GraphDriver"]["Data"]);
        let upper = data["UpperDir"].as_str();
        self.put_layer(upper)?;
        let userdata = PathBuf::from(text(&created["StaticDir"]));
        self.copy_images(&userdata.join("checkpoint"))?;
        let shm = self.archive.directory.join(SHM);
        if self.archive.has(SHM) {
            // Where podman's own import puts it, and its restore looks for it.
            let target = userdata.join("devshm-checkpoint.tar");
            std::fs::copy(&shm, &target).map_err(|error| CheckpointError::host("copy to", &target, &error))?;
        }
        let merged = upper.map(|upper| Path::new(upper).with_file_name("merged"));
        let source = &self.archive.manifest.source;
        let mut config = self.config()?;
        if let Some(program) = self.request.program {
            config = loopback::with_hook(config, program);
        }
        let mut config = config.to_string().replace(&source.id, &id);
        if let (Some(merged), Some(original)) = (merged, &source.rootfs) {
            config = config.replace(original.as_str(), &merged.to_string_lossy());
        }
        let path = userdata.join(CONFIG);
        std::fs::write(&path, config).map_err(|error| CheckpointError::host("write", &path, &error))?;
        let said = podman::restore(call, &id, &self.flags())?;
        let statistics = &said["container_statistics"][0];
        let us = |value: &Value| value.as_f64().map(|us| us * 1e3);
        let criu = &statistics["criu_statistics"];
        let named = [
            ("runtime_ns", us(&statistics["runtime_restore_duration"])),
            ("criu_forking_ns", us(&criu["forking_time"])),
            ("criu_restore_ns", us(&criu["restore_time"])),
            ("criu_pages_restored_count", criu["pages_restored"].as_f64()),
        ];
        Ok(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    fn by_docker(&self) -> Result<Back, CheckpointError> {
        let socket = docker::daemon()?;
        let inspected = self.json(DOCKER)?;
        if docker::inspect(&socket, &self.name)?.is_some() {
            let message = format!("Docker has a container `{}` already", self.name);
            return Err(
                CheckpointError::new(CheckpointClass::NameInUse, message).hint("give another one with `--new-name`")
            );
        }
        let data = docker::data_root(&socket)?;
        let mut body = docker::body(&inspected, &self.mended.replaced);
        let mut connections = self.archive.manifest.options.tcp_established;
        if connections && docker::takes_annotations(&socket)? {
            docker::annotate(&mut body, &self.scratch)?;
            connections = false;
        }
        let id = docker::create(&socket, &self.name, &body)?;
        let started = self.start_docker(&socket, &data, &id, connections);
        if started.is_err() {
            docker::remove(&socket, &id);
        }
        started.map(|(pid, notes)| Back { id, pid, bundle: None, engine: BTreeMap::new(), notes })
    }

    fn start_docker(
        &self,
        socket: &Path,
        data: &Path,
        id: &str,
        connections: bool,
    ) -> Result<(u32, Vec<String>), CheckpointError> {
        const NAME: &str = "isodyne";
        let gone = || CheckpointError::new(CheckpointClass::Mismatch, "Docker's new container is gone");
        let created = docker::inspect(socket, id)?.ok_or_else(gone)?;
        self.put_layer(created["GraphDriver"]["Data"]["UpperDir"].as_str())?;
        let directory = data.join("containers").join(id).join("checkpoints").join(NAME);
        self.copy_images(&directory)?;
        self.check_interrupt()?;
        // Ctrl-C waits for the start's end, and nobody watches over a restore that is killed: the next one finds what is left
        // of the setting, and replaces it.
        let owner = Owner::new(Clock, &self.name);
        let start = docker::Start { socket, name: &self.name, id, checkpoint: &directory, connections };
        let started = start.run(&owner);
        // The container does not need them any more.
        let _ = std::fs::remove_dir_all(&directory);
        let notes = started?.remove().err().into_iter().collect();
        self.check_interrupt()?;
        let inspected = docker::inspect(socket, id)?.ok_or_else(gone)?;
        let pid = inspected["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        if inspected["State"]["Running"] != true || pid == 0 {
            let message = "Docker says that it brought the container back, and it does not run";
            return Err(CheckpointError::new(CheckpointClass::Mismatch, message));
        }
        Ok((pid, notes))
    }
}
