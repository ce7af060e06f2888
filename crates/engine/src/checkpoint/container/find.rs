//! Finding a running container by its name or the beginning of its id, at runc, podman and Docker.

use super::state::{self, State};
use super::{docker, mounts, podman};
use crate::checkpoint::CheckpointError;
use crate::checkpoint::runtime::RuntimeProgram;
use crate::host::find_tool;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{CheckpointClass, KeptMount};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where is looked.
#[derive(Clone, Debug, Default)]
pub struct Where {
    /// One runtime or engine only.
    pub backend: Option<BackendName>,
    /// Where runc keeps its state, if not where it does by itself.
    pub root: Option<PathBuf>,
    /// How podman is called (`podman --root …`), if not by its name alone.
    pub podman: Vec<String>,
}

/// What a container's own changes of its root are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerSource {
    /// The upper directory of its overlay.
    Changes(PathBuf),
    /// The whole root, a plain directory.
    Whole(PathBuf),
    /// There are none, for this reason.
    None(String),
}

/// A running container.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Who runs it.
    pub backend: BackendName,
    /// Its id at the runtime.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The image it was made from.
    pub image: Option<String>,
    /// Its first process, on the host.
    pub pid: u32,
    /// The runtime's program.
    pub program: String,
    /// Where the runtime keeps its state.
    pub root: PathBuf,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// The root file system, as the host sees it.
    pub rootfs: PathBuf,
    /// The bundle's `config.json`.
    pub config: Value,
    /// What is mounted inside.
    pub mounts: Vec<KeptMount>,
    /// Its own changes of its root.
    pub layer: LayerSource,
    /// A `/dev/shm` that its engine keeps outside, so that CRIU does not.
    pub shm: Option<PathBuf>,
    /// Whether its engine removes it, with its layer, as soon as it has ended (`--rm`).
    pub auto_remove: bool,
    /// How podman is called.
    pub podman: Vec<String>,
    /// What Docker says of it.
    pub docker: Option<Value>,
}

impl Container {
    /// The runtime's calls for it.
    pub fn runtime(&self) -> RuntimeProgram {
        RuntimeProgram::of(&self.program, &self.root)
    }

    /// From what the runtime knows. What an engine knows on top is added by it.
    pub(super) fn of(backend: BackendName, program: &str, root: &Path, state: State) -> Result<Self, CheckpointError> {
        if state.rootless {
            let message = format!("the container `{}` belongs to an ordinary user", state.id);
            return Err(CheckpointError::new(CheckpointClass::Permission, message)
                .hint("CRIU keeps containers that root has started"));
        }
        let config = mounts::absolute(state::json(&state.bundle.join("config.json"))?, &state.bundle);
        let layer = match mounts::upper_of(state.pid) {
            _ if state.readonly => LayerSource::None("its root is read-only".to_owned()),
            Some(upper) if upper.is_dir() => LayerSource::Changes(upper),
            _ => LayerSource::Whole(state.rootfs.clone()),
        };
        Ok(Self {
            backend,
            name: state.id.clone(),
            image: None,
            pid: state.pid,
            program: program.to_owned(),
            root: root.to_owned(),
            mounts: mounts::of_config(&config, &state.id),
            bundle: state.bundle,
            rootfs: state.rootfs,
            layer,
            shm: None,
            // Podman says so in the bundle.
            auto_remove: config["annotations"]["io.podman.annotations.autoremove"] == "TRUE",
            config,
            podman: Vec::new(),
            docker: None,
            id: state.id,
        })
    }
}

/// The default places of runc's state.
pub(super) fn default_root() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/run/runc");
    }
    std::env::var_os("XDG_RUNTIME_DIR")
        .map_or_else(|| PathBuf::from("/run/runc"), |path| PathBuf::from(path).join("runc"))
}

/// Whether an engine made this container, by the mark in its configuration.
fn engine_of(state: &Path, id: &str) -> Option<BackendName> {
    let bundle = state::json(&state.join(id).join("state.json")).ok()?;
    let labels = bundle["config"]["labels"].as_array()?;
    let is_podman = labels.iter().filter_map(Value::as_str).any(|label| label == "io.container.manager=libpod");
    is_podman.then_some(BackendName::Podman)
}

/// What one engine has under this name.
pub(super) enum Match {
    /// It runs.
    Running(Box<Container>),
    /// It is there and does not run.
    Stopped,
}

fn of_runc(name: &str, place: &Where) -> Vec<Result<Match, CheckpointError>> {
    let root = place.root.clone().unwrap_or_else(default_root);
    let all = state::ids(&root);
    let exact: Vec<&String> = all.iter().filter(|id| *id == name).collect();
    let found = if exact.is_empty() { all.iter().filter(|id| id.starts_with(name)).collect() } else { exact };
    let program = find_tool("runc").map_or_else(|| "runc".to_owned(), |path| path.to_string_lossy().into_owned());
    found
        .into_iter()
        // Podman's are podman's, unless runc is asked for.
        .filter(|id| place.backend == Some(BackendName::Runc) || engine_of(&root, id).is_none())
        .map(|id| match state::read(&root, id) {
            Ok(state) => {
                Container::of(BackendName::Runc, &program, &root, state).map(|found| Match::Running(found.into()))
            }
            Err(error) if error.class == CheckpointClass::NotFound => Ok(Match::Stopped),
            Err(error) => Err(error),
        })
        .collect()
}

/// Finds a running container.
///
/// # Errors
/// Classes `not_found`, `ambiguous`, `permission`, `other_runtime`, each with the way out.
pub fn find(name: &str, place: &Where) -> Result<Container, CheckpointError> {
    if name.is_empty() || name.contains('/') || name.len() > 255 {
        return Err(CheckpointError::new(CheckpointClass::NotFound, format!("`{name}` is no name of a container")));
    }
    let wanted = |backend| place.backend.is_none_or(|only| only == backend);
    let mut found = Vec::new();
    if wanted(BackendName::Runc) {
        found.extend(of_runc(name, place));
    }
    if wanted(BackendName::Podman) && place.root.is_none() {
        found.extend(podman::find(name, place));
    }
    if wanted(BackendName::Docker) && place.root.is_none() {
        found.extend(docker::find(name));
    }
    let (mut running, mut stopped) = (Vec::new(), 0);
    for one in found {
        match one? {
            Match::Running(container) => running.push(*container),
            Match::Stopped => stopped += 1,
        }
    }
    match running.len() {
        1 => Ok(running.swap_remove(0)),
        0 if stopped > 0 => {
            let message = format!("the container `{name}` does not run");
            Err(CheckpointError::new(CheckpointClass::NotFound, message)
                .hint("only a running container has a state to keep: start it first"))
        }
        0 => {
            let looked = match place.backend {
                Some(backend) => backend.to_string(),
                None => "runc, podman and Docker".to_owned(),
            };
            let message = format!("there is no running container `{name}` at {looked}");
            if !rustix::process::geteuid().is_root() {
                return Err(CheckpointError::new(CheckpointClass::NotFound, message)
                    .hint("run as root: nobody else sees containers that root has started, and CRIU keeps no others"));
            }
            Err(CheckpointError::new(CheckpointClass::NotFound, message).hint(
                "look with `runc list`, `podman ps` or `docker ps`; another state directory of runc is named by `--root`, \
                 another store of podman by `--podman`, another daemon of Docker by DOCKER_HOST",
            ))
        }
        _ => {
            let list: Vec<String> =
                running.iter().map(|one| format!("{} {} ({})", one.backend, one.name, short(&one.id))).collect();
            let message = format!("`{name}` could be any of these: {}", list.join(", "));
            Err(CheckpointError::new(CheckpointClass::Ambiguous, message)
                .hint("give more of the id, or say whose it is with `--runtime`"))
        }
    }
}

/// As engines show an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
