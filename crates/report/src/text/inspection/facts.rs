//! What is said of a checkpoint as a whole: names and values.

use super::words::bytes;
use crate::escape::plain;
use crate::inspection::InspectionView;
use isodyne_core::checkpoint::machine::Machine;
use isodyne_core::checkpoint::{Kind, Manifest};
use isodyne_core::unit::DisplayNs;
use isodyne_criu::Checkpoint;

/// A name and a value.
pub(super) type Fact = (&'static str, String);

/// The facts of the summary.
pub(super) fn summary(view: &InspectionView<'_>) -> Vec<Fact> {
    let found = view.found;
    let mut facts = vec![("is", found.form.words().to_owned())];
    if let Some(manifest) = &found.manifest {
        of_manifest(manifest, &mut facts);
    }
    if let Some(container) = &found.container {
        let known = [
            ("container", &container.name),
            ("id", &container.id),
            ("image", &container.image),
            ("runtime", &container.runtime),
            ("made", &container.checkpointed),
        ];
        facts.extend(known.into_iter().filter_map(|(name, value)| Some((name, plain(value.as_deref()?)))));
    }
    if let Some(machine) = &found.machine {
        of_machine(machine, &mut facts);
    }
    if let Some(checkpoint) = view.checkpoint {
        of_checkpoint(checkpoint, &mut facts);
    }
    let files = found.files;
    let allocated =
        files.allocated_bytes.map(|on_disk| format!(", {} on the disk", bytes(on_disk))).unwrap_or_default();
    facts.push(("files", format!("{}, {}{allocated}", files.count, bytes(files.bytes))));
    let statistic = |name: &str| found.statistics.get(name).copied();
    if let (Some(frozen), Some(written)) = (statistic("criu_frozen_ns"), statistic("criu_pages_written_count")) {
        facts.push(("criu", format!("processes stood still for {}, {written} pages written", DisplayNs(frozen))));
    }
    if let Some(verified) = &found.verified {
        let outcome = match verified.problems.len() {
            0 => format!("all {} files are what the manifest says", verified.files),
            problems => format!("{problems} of {} files are not what the manifest says", verified.files),
        };
        facts.push(("verified", outcome));
    }
    facts
}

fn of_manifest(manifest: &Manifest, facts: &mut Vec<Fact>) {
    let source = &manifest.source;
    facts.push(("name", plain(&manifest.name)));
    facts.push(("made", plain(&manifest.created)));
    let what = match manifest.kind {
        Kind::Container => "container",
        Kind::Machine => "machine",
    };
    let backend = source.backend.map(|backend| format!(" of {backend}")).unwrap_or_default();
    let name = if source.name.is_empty() { &source.id } else { &source.name };
    facts.push((what, format!("{}{backend}", plain(name))));
    facts.extend(source.image.as_ref().map(|image| ("image", plain(image))));
    let host = &manifest.host;
    facts.push(("host", plain(&format!("Linux {} {}, {}", host.kernel, host.architecture, host.processor))));
    if !source.tools.is_empty() {
        let tools: Vec<String> = source.tools.iter().map(|(name, version)| format!("{name} {version}")).collect();
        facts.push(("tools", plain(&tools.join(", "))));
    }
    let options = &manifest.options;
    let packed = options.compression.map(|packing| packing.suffix());
    let set = [
        (options.leave_running, "left running".to_owned()),
        (options.tcp_established, "with TCP connections".to_owned()),
        (options.file_locks, "with locks of files".to_owned()),
        (options.rounds > 0, format!("{} rounds before the freeze", options.rounds)),
        (packed.is_some(), format!("packed ({})", packed.unwrap_or_default())),
    ];
    let set: Vec<String> = set.into_iter().filter(|(set, _)| *set).map(|(_, words)| words).collect();
    if !set.is_empty() {
        facts.push(("options", set.join(", ")));
    }
    let total: u64 =
        manifest.timing.iter().filter(|phase| !phase.beside).fold(0, |sum, phase| sum.saturating_add(phase.ns));
    if total > 0 {
        let phases: Vec<String> =
            manifest.timing.iter().map(|phase| format!("{} {}", phase.phase, DisplayNs(phase.ns as f64))).collect();
        facts.push(("took", plain(&format!("{}: {}", DisplayNs(total as f64), phases.join(", ")))));
    }
}

fn of_machine(machine: &Machine, facts: &mut Vec<Fact>) {
    let known =
        [machine.model.clone(), machine.architecture.clone(), machine.format.as_ref().map(|it| format!("format {it}"))];
    let known: Vec<String> = known.into_iter().flatten().collect();
    facts.push(("monitor", plain(&[vec![machine.monitor.clone()], known].concat().join(", "))));
    facts.extend(machine.processors.map(|count| ("processors", count.to_string())));
    facts.extend(machine.memory_bytes.map(|count| ("memory", bytes(count))));
    if !machine.devices.is_empty() {
        facts.push(("devices", format!("{} with a state", machine.devices.len())));
    }
}

fn of_checkpoint(checkpoint: &Checkpoint, facts: &mut Vec<Fact>) {
    let processes = &checkpoint.processes;
    let threads: usize = processes.iter().map(|process| process.threads.len()).sum();
    facts.push(("processes", format!("{}, {threads} threads", processes.len())));
    let descriptors: usize = processes.iter().map(|process| process.descriptors.len()).sum();
    facts.push(("open", format!("{} files by {descriptors} descriptors", checkpoint.files.len())));
    let sum = |value: fn(&isodyne_criu::PageTotals) -> u64| {
        let memories = processes.iter().filter_map(|process| process.memory.as_ref());
        memories
            .filter_map(|memory| Some(value(memory.total.as_ref()?).saturating_mul(memory.page_bytes)))
            .fold(0, u64::saturating_add)
    };
    let (present, parent) = (sum(|total| total.present_pages), sum(|total| total.parent_pages));
    let older = if parent > 0 { format!(", {} in the rounds before", bytes(parent)) } else { String::new() };
    facts.push(("memory", format!("{} kept{older}", bytes(present))));
    if checkpoint.parents > 0 {
        facts.push(("rounds", format!("{} before the freeze", checkpoint.parents)));
    }
    facts.extend(checkpoint.host_names.first().map(|name| ("host name", plain(name))));
    if !checkpoint.network_devices.is_empty() {
        let devices: Vec<String> = checkpoint
            .network_devices
            .iter()
            .take(32)
            .map(|device| format!("{} ({}{})", device.name, device.kind, if device.up { ", up" } else { "" }))
            .collect();
        facts.push(("network", plain(&devices.join(", "))));
    }
    if checkpoint.ghost_files > 0 {
        facts.push(("deleted", format!("{} files without a name, kept with their content", checkpoint.ghost_files)));
    }
    if !checkpoint.locks.is_empty() {
        facts.push(("locks", checkpoint.locks.len().to_string()));
    }
}

/// Everything that could not be read, and what verifying found.
pub(super) fn troubles(view: &InspectionView<'_>) -> Vec<String> {
    let found = view.found;
    let images = view.checkpoint.into_iter().flat_map(|checkpoint| &checkpoint.unreadable);
    let machine = found.machine.iter().flat_map(|machine| &machine.unreadable);
    let memory = view.memory.into_iter().flat_map(|memory| &memory.unreadable);
    let verified = found.verified.iter().flat_map(|verified| &verified.problems);
    found
        .unreadable
        .iter()
        .map(|line| format!("not readable: {line}"))
        .chain(images.map(|it| format!("not readable: {}: {}", it.file, it.reason)))
        .chain(machine.map(|line| format!("not readable: {line}")))
        .chain(memory.map(|line| format!("not readable: {line}")))
        .chain(verified.map(|line| format!("altered: {line}")))
        .map(|line| plain(&line))
        .collect()
}

/// What was counted by looking at pages.
pub(super) fn pages(view: &InspectionView<'_>) -> Option<String> {
    let memory = view.memory?;
    let least = if memory.duplicates_at_least { "at least " } else { "" };
    let total = memory.total;
    Some(format!("{} pages looked at: {} zero, {least}{} duplicate", total.pages, total.zero, total.duplicate))
}
