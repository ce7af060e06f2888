//! `isodyne restore`: a kept container, back at its runtime.

use super::checkpoint::{phases, place, remove_orphans, trouble};
use super::sandbox;
use crate::arguments::RestoreOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::BackendName;
use isodyne_core::unit::display_metric;
use isodyne_engine::checkpoint::archive::open;
use isodyne_engine::checkpoint::container::{RestoreRequest, Restored, Verified, restore as bring_back};
use isodyne_engine::checkpoint::machine::is_ours;
use isodyne_engine::clock::Clock;
use isodyne_engine::schedule::Interrupt;
use serde_json::json;
use std::time::Duration;

pub const SCHEMA: &str = "isodyne-restore";
const VERSION: u32 = 1;

/// Brings a container back.
pub fn restore(options: &RestoreOptions, output: &Output) -> Result<Exit, Trouble> {
    let asked = Clock.now();
    let archive = open(&options.from).map_err(|error| trouble(&error, SCHEMA, options.json, output))?;
    if is_ours(&archive) {
        return sandbox::restore::restore(&archive, options, output);
    }
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    remove_orphans(output);
    let place = place(&options.owner);
    let bundle = options.bundle.as_deref().map(std::path::absolute).transpose().map_err(Trouble::unexpected)?;
    let program = std::env::current_exe().ok();
    let request = RestoreRequest {
        from: &options.from,
        new_name: options.new_name.as_deref(),
        fix_mounts: options.auto_fix_mounts,
        skip_mounts: &options.skip_mount,
        verify: options.verify,
        place: &place,
        bundle: bundle.as_deref(),
        program: program.as_deref(),
        patience: Duration::from_nanos(options.timeout),
        asked,
        interrupted: &|| interrupt.is_asked(),
    };
    let restored = bring_back(&request).map_err(|error| trouble(&error, SCHEMA, options.json, output))?;
    for note in &restored.notes {
        output.warn(note);
    }
    if options.json {
        return output.json(&json!({
            "schema": SCHEMA, "version": VERSION, "status": "restored",
            "backend": restored.backend, "name": restored.name, "id": restored.id, "pid": restored.pid,
            "bundle": restored.bundle, "total_ns": restored.total_ns, "timing": restored.timing,
            "engine": restored.engine, "verified": restored.verified, "notes": restored.notes,
        }));
    }
    output.data(&table(&restored, bundle.is_some()))
}

/// Who removes a bundle.
fn whose(named: bool) -> &'static str {
    if named { "to be removed with the container" } else { "removed by a later `isodyne` once the container is gone" }
}

fn table(restored: &Restored, named_bundle: bool) -> String {
    let list = match restored.backend {
        BackendName::Runc => "runc list",
        BackendName::Podman => "podman ps",
        _ => "docker ps",
    };
    let mut text = format!("{} {}: back, process {} (see `{list}`)\n\n", restored.backend, restored.name, restored.pid);
    text += &phases(&restored.timing, restored.total_ns);
    text.push('\n');
    for (label, metric) in
        [("restored, as CRIU says", "criu_restore_ns"), ("pages put back", "criu_pages_restored_count")]
    {
        if let Some(value) = restored.engine.get(metric) {
            text += &format!("  {label:<24} {:>12}\n", display_metric(metric, *value));
        }
    }
    if let Some(verified) = &restored.verified {
        let Verified { running, ended_since, descriptors, closed_since } = verified;
        let ended = if *ended_since > 0 { format!(", {ended_since} have ended since") } else { String::new() };
        let closed = if *closed_since > 0 { format!(", and has closed {closed_since} since") } else { String::new() };
        text += &format!(
            "  {:<24} {running} tasks of the checkpoint run{ended}; the first has its {descriptors} descriptors{closed}\n",
            "verified"
        );
    }
    if let Some(bundle) = &restored.bundle {
        text += &format!("  {:<24} {}, {}\n", "bundle", bundle.display(), whose(named_bundle));
    }
    text
}
