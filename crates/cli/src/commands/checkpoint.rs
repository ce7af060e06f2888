//! `isodyne checkpoint`: a running container, kept.

use super::sandbox;
use crate::arguments::{CheckpointOptions, OwnerOptions, Packing, Runtime};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{CheckpointClass, Compressed, KeptOptions, Phase};
use isodyne_core::unit::display_metric;
use isodyne_engine::checkpoint::CheckpointError;
use isodyne_engine::checkpoint::container::{self, Container, KeepRequest, Kept, Where, find, keep};
use isodyne_engine::checkpoint::layer::LayerLimits;
use isodyne_engine::clock::Clock;
use isodyne_engine::schedule::Interrupt;
use serde_json::{Value, json};
use std::time::Duration;

pub const SCHEMA: &str = "isodyne-checkpoint";
pub const VERSION: u32 = 1;

/// Where containers are looked for.
pub fn place(owner: &OwnerOptions) -> Where {
    let backend = owner.runtime.map(|runtime| match runtime {
        Runtime::Runc => BackendName::Runc,
        Runtime::Podman => BackendName::Podman,
        Runtime::Docker => BackendName::Docker,
    });
    let podman = owner.podman.iter().flat_map(|command| command.split_whitespace()).map(str::to_owned).collect();
    Where { backend, root: owner.root.clone(), podman }
}

/// What a failure is for the command: its class in front, its way out, its exit code. With `--json` it is data too.
pub fn trouble(error: &CheckpointError, schema: &str, json: bool, output: &Output) -> Trouble {
    let exit = match error.class {
        CheckpointClass::WrongPath | CheckpointClass::NotFound | CheckpointClass::Ambiguous => Exit::Usage,
        CheckpointClass::Interrupted => Exit::Interrupted,
        CheckpointClass::Host | CheckpointClass::Enospc | CheckpointClass::Permission => Exit::Unexpected,
        _ => Exit::CellsFailed,
    };
    if json {
        // A failed restore has no time: nothing here could be taken for one.
        let failed = json!({
            "schema": schema, "version": VERSION, "status": "failed",
            "class": error.class, "message": error.message, "hint": error.hint,
        });
        // A closed pipe must not hide the failure itself.
        let _ = output.json(&failed);
    }
    Trouble { exit, message: format!("{}: {}", error.class, error.message), hint: error.hint.clone() }
}

/// Removes bundles of restored containers that are gone: the command that made them could not stay for that.
pub fn remove_orphans(output: &Output) {
    for bundle in container::remove_orphans() {
        output.warn(&format!("removed {}: the container that it was for is gone", bundle.display()));
    }
}

/// Keeps a container.
pub fn checkpoint(options: &CheckpointOptions, output: &Output) -> Result<Exit, Trouble> {
    let asked = Clock.now();
    // A sandbox that has an owner is found before any container of its name.
    if options.owner.runtime.is_none() && sandbox::keep::is_owned(&options.container) {
        return sandbox::keep::keep(options, asked, output);
    }
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    let failed = |error: CheckpointError| trouble(&error, SCHEMA, options.json, output);
    if options.mapped_ram {
        let message =
            format!("`--mapped-ram` is for machines of QEMU, and `{}` is no sandbox with an owner", options.container);
        let hint = "leave it out, or look at `isodyne sandbox list`";
        return Err(failed(CheckpointError::new(CheckpointClass::Refused, message).hint(hint)));
    }
    remove_orphans(output);
    let container = find(&options.container, &place(&options.owner)).map_err(failed)?;
    let compression = options.compress.map(|packing| match packing {
        Packing::Zstd => Compressed::Zstd,
        Packing::Lz4 => Compressed::Lz4,
    });
    let request = KeepRequest {
        output: &options.output,
        name: &options.name,
        options: KeptOptions {
            leave_running: options.leave_running,
            tcp_established: options.tcp_established,
            file_locks: options.file_locks,
            rounds: options.pre_dump,
            compression,
        },
        layer: !options.no_layer,
        whole: LayerLimits { bytes: options.largest_root, ..LayerLimits::default() },
        patience: Duration::from_nanos(options.timeout),
        asked,
        interrupted: &|| interrupt.is_asked(),
    };
    let kept = keep(&container, &request).map_err(failed)?;
    for note in &kept.notes {
        output.warn(note);
    }
    if options.json {
        return output.json(&told(&kept));
    }
    output.data(&table(&container, &kept))
}

fn told(kept: &Kept) -> Value {
    let (bytes, allocated_bytes) = kept.manifest.bytes();
    json!({
        "schema": SCHEMA, "version": VERSION, "status": "kept",
        "path": kept.directory, "total_ns": kept.total_ns, "timing": kept.manifest.timing,
        "bytes": bytes, "allocated_bytes": allocated_bytes, "files": kept.manifest.files.len(),
        "engine": kept.manifest.engine, "source": kept.manifest.source, "layer": kept.manifest.layer,
        "notes": kept.notes,
    })
}

/// One line a phase.
pub fn phases(timing: &[Phase], total_ns: u64) -> String {
    let line = |name: &str, ns: u64| format!("  {name:<24} {:>12}\n", display_metric("total_ns", ns as f64));
    let mut text = String::new();
    for phase in timing.iter().filter(|phase| !phase.beside) {
        text += &line(&phase.phase, phase.ns);
    }
    let sum: u64 = timing.iter().filter(|phase| !phase.beside).map(|phase| phase.ns).sum();
    text += &line("residue", total_ns.saturating_sub(sum));
    text + &line("total", total_ns)
}

fn table(container: &Container, kept: &Kept) -> String {
    let manifest = &kept.manifest;
    let after = if manifest.options.leave_running { "it runs on" } else { "it has ended" };
    let mut text =
        format!("{} {}: kept as {} ({after})\n\n", container.backend, container.name, kept.directory.display());
    text += &phases(&manifest.timing, kept.total_ns);
    let engine = |name: &str| manifest.engine.get(name).copied();
    text.push('\n');
    for (label, metric) in [
        ("frozen, as CRIU says", "criu_frozen_ns"),
        ("CRIU as a whole", "criu_total_ns"),
        ("pages written", "criu_pages_written_count"),
    ] {
        if let Some(value) = engine(metric) {
            text += &format!("  {label:<24} {:>12}\n", display_metric(metric, value));
        }
    }
    let (bytes, allocated) = manifest.bytes();
    for (label, value) in [("bytes", bytes), ("bytes on the disk", allocated)] {
        text += &format!("  {label:<24} {:>12}\n", display_metric("size_bytes", value as f64));
    }
    let layer = &manifest.layer;
    let entries = if layer.entries > 0 { format!("{} entries, ", layer.entries) } else { String::new() };
    text + &format!("  {:<24} {entries}{}\n", "layer", layer.why)
}
