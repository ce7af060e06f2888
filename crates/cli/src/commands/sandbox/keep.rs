//! `isodyne checkpoint` of a sandbox that has an owner.

use crate::arguments::{CheckpointOptions, Packing};
use crate::commands::checkpoint::{SCHEMA, VERSION, phases, trouble};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::checkpoint::{CheckpointClass, Compressed};
use isodyne_core::unit::{HostInstant, display_metric};
use isodyne_engine::backend::snapshot::MappedRam;
use isodyne_engine::checkpoint::CheckpointError;
use isodyne_engine::checkpoint::machine::{KeepMachine, KeptMachine, keep as keep_machine};
use isodyne_engine::live::{directory, has_socket};
use serde_json::json;
use std::time::Duration;

/// Whether a sandbox with this name has an owner; one is found before any container.
pub fn is_owned(name: &str) -> bool {
    directory().is_ok_and(|directory| has_socket(&directory, name))
}

/// Keeps it.
pub fn keep(options: &CheckpointOptions, asked: HostInstant, output: &Output) -> Result<Exit, Trouble> {
    let failed = |error: CheckpointError| trouble(&error, SCHEMA, options.json, output);
    refuse_what_only_containers_have(options).map_err(failed)?;
    let runtime = directory().map_err(Trouble::unexpected)?;
    let request = KeepMachine {
        runtime: &runtime,
        sandbox: &options.container,
        output: &options.output,
        name: &options.name,
        leave_running: options.leave_running,
        tcp_established: options.tcp_established,
        file_locks: options.file_locks,
        mapped_ram: options
            .mapped_ram
            .then_some(MappedRam { channels: options.channels, direct_io: options.direct_io }),
        compression: options.compress.map(|packing| match packing {
            Packing::Zstd => Compressed::Zstd,
            Packing::Lz4 => Compressed::Lz4,
        }),
        patience: Duration::from_nanos(options.timeout),
        asked,
    };
    let kept = keep_machine(&request).map_err(failed)?;
    if options.json {
        let (bytes, allocated_bytes) = kept.manifest.bytes();
        return output.json(&json!({
            "schema": SCHEMA, "version": VERSION, "status": "kept",
            "path": kept.directory, "total_ns": kept.total_ns, "timing": kept.manifest.timing,
            "bytes": bytes, "allocated_bytes": allocated_bytes, "files": kept.manifest.files.len(),
            "engine": kept.manifest.engine, "source": kept.manifest.source,
        }));
    }
    output.data(&table(&kept))
}

/// What is done around a container's state, and not by the backend's own power.
fn refuse_what_only_containers_have(options: &CheckpointOptions) -> Result<(), CheckpointError> {
    let asked = [("--pre-dump", options.pre_dump > 0), ("--no-layer", options.no_layer)];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((flag, _)) => {
            let message = format!("`{flag}` is for containers, and `{}` is a sandbox with an owner", options.container);
            Err(CheckpointError::new(CheckpointClass::Refused, message).hint("leave it out"))
        }
        None => Ok(()),
    }
}

fn table(kept: &KeptMachine) -> String {
    let manifest = &kept.manifest;
    let after = if manifest.options.leave_running { "it runs on" } else { "it has ended" };
    let backend = manifest.source.backend.map_or("", |backend| backend.as_str());
    let mut text = format!("{backend} {}: kept as {} ({after})\n\n", manifest.source.name, kept.directory.display());
    text += &phases(&manifest.timing, kept.total_ns);
    text.push('\n');
    if let Some(frozen) = manifest.engine.get("frozen_ns") {
        text += &format!("  {:<24} {:>12}\n", "it stood still for", display_metric("frozen_ns", *frozen));
    }
    let (bytes, allocated) = manifest.bytes();
    for (label, value) in [("bytes", bytes), ("bytes on the disk", allocated)] {
        text += &format!("  {label:<24} {:>12}\n", display_metric("size_bytes", value as f64));
    }
    text
}
