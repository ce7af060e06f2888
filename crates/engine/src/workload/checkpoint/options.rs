//! What a plan can set.

use super::native;
use super::page_cache::State;
use crate::application::Application;
use crate::backend::PrepareError;
use crate::backend::snapshot::{Compression, Engine, MappedRam, MemoryBackend, SnapshotKind, SnapshotOptions};
use crate::lab::Lab;
use crate::network::AGENT_PORT;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_subject::PAGE_BYTES;
use isodyne_subject::content::Shares;
use isodyne_subject::spec::Spec;
use std::time::Duration;

/// What a plan can set.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The deadline of each step.
    pub timeout: Duration,
    /// What the subject holds; its nonce is drawn for each sample.
    pub spec: Spec,
    /// How the state is kept.
    pub snapshot: SnapshotOptions,
    /// Who brings the memory.
    pub memory: MemoryBackend,
    /// What the page cache holds before the restore.
    pub(super) page_cache: State,
    /// Whether the state is kept on tmpfs.
    pub tmpfs: bool,
    /// Restores at once.
    pub clones: u64,
    /// What is touched of the restored memory, in percent.
    pub touch_percent: u64,
    /// Whether a client outside goes on asking.
    pub outside: bool,
    /// Whether established connections must come back: a container's do, a machine's card may get another address.
    pub connections_come_back: bool,
    /// The subject's directory inside.
    pub directory: String,
    /// A user's own application, whose state is kept together with the subject's.
    pub app: Option<Box<Application>>,
}

impl CheckpointOptions {
    /// Reads the factors of a cell; defaults are in there already.
    ///
    /// # Errors
    /// [`PrepareError`] if the shares of the memory are more than the whole, or what is asked for takes what the sandbox
    /// does not have.
    pub fn of(cell: &Cell, lab: &Lab, timeout: Duration) -> Result<Self, PrepareError> {
        let count = |key: &str| cell.factors.get(key).and_then(FactorValue::as_count).unwrap_or(0);
        let bytes = |key: &str| cell.factors.get(key).and_then(FactorValue::as_bytes).unwrap_or(0);
        let word = |key: &str| cell.factors.get(key).and_then(FactorValue::as_text).unwrap_or_default();
        let flag = |key: &str| cell.factors.get(key).and_then(FactorValue::as_flag).unwrap_or(false);
        let share = |key: &str| u32::try_from(count(key)).unwrap_or(u32::MAX);
        let shares = Shares {
            zero: share("zero_percent"),
            duplicate: share("duplicate_percent"),
            compressible: share("compressible_percent"),
        };
        if !shares.fit() {
            return Err(PrepareError::Invalid {
                key: "checkpoint.zero_percent".to_owned(),
                message: "the shares of zero, duplicate and compressible pages are more than 100 %".to_owned(),
                hint: "lower one of them; what is left of 100 % is random bytes".to_owned(),
            });
        }
        let app = Application::of(cell, lab)?;
        let has_network = !matches!(word("network"), "" | "none");
        // Podman's own network comes back with nothing; engines' own ways know nothing of the lab's addresses.
        let outside = has_network
            && !native::is_asked(cell)
            && !(cell.backend == BackendName::Podman && word("network") == "user");
        let pages = bytes("resident").div_ceil(PAGE_BYTES as u64).max(1);
        let spec = Spec {
            nonce: [0; 2],
            pages,
            shares,
            dirty_pages: if count("dirty_rate") > 0 { pages.div_ceil(4) } else { 0 },
            dirty_rate: count("dirty_rate"),
            processes: count("processes").max(1),
            threads: count("threads").max(1),
            areas: count("areas").max(1),
            files: count("files"),
            pipes: count("pipes"),
            connections: count("connections"),
            locks: count("locks"),
            layer_files: count("layer_files"),
            layer_file_bytes: bytes("layer_file"),
            bound: count("bind_mounts"),
            port: if outside { AGENT_PORT.into() } else { 0 },
        };
        let directory = directory(cell, app.is_some(), &spec)?;
        native::fits(cell, &spec, has_network)?;
        fits_a_container(cell, &spec, has_network, count("clones"))?;
        let kind = kind(word("form"), count("channels"), flag("direct_io"))?;
        let compression = match word("pack") {
            "zstd" => Compression::Zstd,
            "lz4" => Compression::Lz4,
            _ => Compression::None,
        };
        Ok(Self {
            timeout,
            snapshot: SnapshotOptions {
                kind,
                resume: flag("leave_running"),
                rounds: share("rounds"),
                tcp_established: outside || spec.connections > 0 || (app.is_some() && !native::is_dockers(cell)),
                file_locks: spec.locks > 0,
                compression,
                engine: if native::is_asked(cell) { Engine::Native } else { Engine::Runtime },
            },
            spec,
            memory: if word("memory_by") == "userfault" { MemoryBackend::Userfault } else { MemoryBackend::File },
            page_cache: State::parse(word("page_cache")),
            tmpfs: word("kept_on") == "tmpfs",
            clones: count("clones"),
            touch_percent: count("touch_percent"),
            outside,
            connections_come_back: is_container(cell.backend),
            directory,
            app: app.map(Box::new),
        })
    }
}

/// How much of the memory, and how it lies in the file.
fn kind(form: &str, channels: u64, direct_io: bool) -> Result<SnapshotKind, PrepareError> {
    if form == "mapped-ram" {
        let channels = u8::try_from(channels).unwrap_or(u8::MAX);
        return Ok(SnapshotKind::MappedRam(MappedRam { channels, direct_io }));
    }
    if channels > 0 || direct_io {
        let key = if direct_io { "direct_io" } else { "channels" };
        return Err(PrepareError::Unavailable {
            reason: format!("`checkpoint.{key}` is for `checkpoint.form = \"mapped-ram\"`, and the form is \"{form}\""),
            hint: format!("set the form as well, or leave `{key}` out"),
        });
    }
    Ok(match form {
        "template" => SnapshotKind::Template,
        "difference" => SnapshotKind::Difference,
        _ => SnapshotKind::Full,
    })
}

/// What containers cannot have together.
fn fits_a_container(cell: &Cell, spec: &Spec, has_network: bool, clones: u64) -> Result<(), PrepareError> {
    let backend = cell.backend;
    if !is_container(backend) {
        if spec.bound > 0 {
            return Err(PrepareError::Unavailable {
                reason: format!("a machine of `{backend}` has no directories of the host mounted"),
                hint: "measure `bind_mounts` on runc, podman or docker, or leave it out".to_owned(),
            });
        }
        return Ok(());
    }
    if !has_network && spec.connections > 0 {
        return Err(PrepareError::Unavailable {
            reason:
                "a container without a network comes back with its loopback interface down, and CRIU cannot connect \
                     the connections on it again"
                    .to_owned(),
            hint: format!("add `network = \"own\"` to [backend.{backend}], or leave `connections` out"),
        });
    }
    if has_network && clones > 0 {
        return Err(PrepareError::Unavailable {
            reason: "a clone comes back in a network of its own, where the addresses of the kept connections are not"
                .to_owned(),
            hint: format!("leave `network` of [backend.{backend}] at \"none\", or leave `clones` out"),
        });
    }
    Ok(())
}

fn is_container(backend: BackendName) -> bool {
    matches!(backend, BackendName::Runc | BackendName::Crun | BackendName::Podman | BackendName::Docker)
}

/// Where the subject's files lie inside.
fn directory(cell: &Cell, has_app: bool, spec: &Spec) -> Result<String, PrepareError> {
    // The lab's own image is read-only in every container, but for what lies in memory.
    let read_only = !has_app && (is_container(cell.backend) || cell.backend == BackendName::Runsc);
    if read_only && spec.layer_files > 0 {
        return Err(PrepareError::Unavailable {
            reason: "the lab's own image is read-only in a container, so that there is no layer to write to".to_owned(),
            hint: "add [app] with an image: each sample has a layer of its own over it".to_owned(),
        });
    }
    Ok(if read_only { "/tmp" } else { "/" }.to_owned())
}
