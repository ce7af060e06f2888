//! podman's own way of keeping a container: `container checkpoint --export`, and `container restore --import`.
//!
//! It stands beside the runtime's way as a comparison. podman imports only what has an image, so that the agent's root is
//! an image here as well. What it imports keeps the first container's paths: those of conmon's files, and the parent of its
//! cgroup. So a container that is kept like this is told from the others by the cgroup of its own below that parent.

use super::launcher::{PodmanLauncher, files};
use super::sandbox::{Parts, PodmanSandbox};
use super::snapshot::{AFTERMATH, launch};
use crate::backend::oci::diagnose::log_path;
use crate::backend::oci::launcher::{command, open_log, refused, spawned, stdio_transport};
use crate::backend::snapshot::{Compression, SnapshotKind, SnapshotOptions, Taken, WasKept};
use crate::backend::{Place, Sandbox, text};
use crate::channel::AgentChannel;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::container::state;
use crate::checkpoint::criu::{self, Witness};
use crate::checkpoint::kept::{self, Kept, LOGS};
use crate::checkpoint::sandbox::{Dumped, finish};
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// What podman exports a container into.
const EXPORT: &str = "export.tar";
/// The words of an option that asks for established connections, or for locks.
const FLAGS: [&str; 2] = ["--tcp-established", "--file-locks"];

/// Refuses what podman's export does not have.
fn refuse(options: &SnapshotOptions) -> Result<(), Failure> {
    if options.kind != SnapshotKind::Full {
        return Err(launch("podman exports a container whole"));
    }
    if options.rounds > 0 {
        return Err(launch("podman's own rounds before the freeze are not measured: use `engine = \"runtime\"`"));
    }
    match options.compression {
        Compression::Lz4 => Err(launch("podman packs an export with zstd or gzip, and not with lz4")),
        Compression::None | Compression::Zstd => Ok(()),
    }
}

/// The call's arguments behind podman's own options.
fn checkpoint_arguments(options: &SnapshotOptions, export: &str, id: &str) -> Vec<String> {
    let packing = if options.compression == Compression::Zstd { "zstd" } else { "none" };
    let mut arguments: Vec<&str> =
        vec!["container", "checkpoint", "--print-stats", "--export", export, "--compress", packing];
    arguments.extend(options.resume.then_some("--leave-running"));
    let given = FLAGS.into_iter().zip([options.tcp_established, options.file_locks]);
    arguments.extend(given.filter(|(_, given)| *given).map(|(flag, _)| flag));
    arguments.push(id);
    arguments.into_iter().map(str::to_owned).collect()
}

/// podman's and the runtime's time, as `--print-stats` has them in microseconds.
fn times(said: &str) -> Vec<(String, f64)> {
    let value: Value = serde_json::from_str(said).unwrap_or_default();
    let ns = |value: &Value| value.as_f64().filter(|us| *us > 0.0).map(|us| us * 1e3);
    let named = [
        ("runtime_ns", ns(&value["container_statistics"][0]["runtime_checkpoint_duration"])),
        ("podman_ns", ns(&value["podman_checkpoint_duration"])),
    ];
    named.into_iter().filter_map(|(name, ns)| Some((name.to_owned(), ns?))).collect()
}

/// Has podman export the sandbox's container into a directory.
pub(super) fn keep(
    sandbox: &mut PodmanSandbox,
    directory: &Path,
    options: &SnapshotOptions,
    deadline: HostInstant,
) -> Result<Taken, Failure> {
    refuse(options)?;
    let parts = &mut sandbox.parts;
    let id = std::fs::read_to_string(files(&parts.place).join("cid")).unwrap_or_default().trim().to_owned();
    let kept = state::read(&parts.runtime_root, &id)?;
    let logs = directory.join(LOGS);
    std::fs::create_dir(&logs).map_err(|error| CheckpointError::host("make", &logs, &error))?;
    let witness = Witness::put(&kept.bundle);
    let mut argv = parts.store.argv();
    argv.extend(checkpoint_arguments(options, &text(&directory.join(EXPORT)), &id));
    let mut call = command(&argv);
    parts.store.configure(&mut call);
    call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(open_log(&parts.log)?);
    let mut process = parts.owner.spawn(call).map_err(|error| refused("podman", &error))?;
    let asked = process.forked_at;
    let (_, stdout, _) = process.take_stdio();
    let finished = finish(&mut process, &kept.bundle.join(criu::DUMP_LOG), &parts.log, deadline);
    witness.tell(&logs).map_err(|error| CheckpointError::host("write to", &logs, &error))?;
    finished?;
    let mut engine = times(&said(stdout)?);
    engine.extend(criu::total_ns(&logs.join(criu::DUMP_LOG)).map(|ns| ("criu_total_ns".to_owned(), ns as f64)));
    engine.extend(criu::statistics(&logs));
    let record = Kept {
        name: sandbox.group_parent().to_owned(),
        id,
        bound: sandbox.parts.bound.clone(),
        announce: sandbox.parts.channel.unannounced(),
        options: kept::options_of(options),
        ..Kept::default()
    };
    let taken = Dumped::natively(asked, engine, record).taken(directory, sandbox.parts.clock)?;
    sandbox.kept = WasKept::by(options);
    if !options.resume {
        sandbox.parts.process.wait(sandbox.parts.clock.after(AFTERMATH));
    }
    Ok(taken)
}

/// What a call that has ended printed. podman prints an id or a description here: less than a pipe holds.
pub(super) fn said(stdout: Option<impl Read>) -> Result<String, Failure> {
    let mut said = String::new();
    let read = stdout.map(|stdout| stdout.take(1 << 20).read_to_string(&mut said)).transpose();
    read.map_err(|error| refused("podman's output", &error))?;
    Ok(said.trim().to_owned())
}

/// Has podman import a container under the place's name.
pub(super) fn bring_back(
    launcher: &PodmanLauncher,
    directory: &Path,
    kept: &Kept,
    place: &Place,
    lab: &Lab,
) -> Result<Box<dyn Sandbox>, Failure> {
    if launcher.network != NetworkKind::None {
        return Err(launch("podman imports a container into the network that the first one had, which is gone"));
    }
    let own = files(place);
    std::fs::create_dir_all(&own).map_err(|error| refused(&text(&own), &error))?;
    let log = log_path(place, "podman");
    let guard = lab.owner.own(launcher.resource(place));
    let export = text(&directory.join(EXPORT));
    let mut arguments = vec!["container", "restore", "--import", &export, "--name", &place.name];
    let given = FLAGS.into_iter().zip([kept.options.tcp_established, kept.options.file_locks]);
    arguments.extend(given.filter(|(_, given)| *given).map(|(flag, _)| flag));
    // CRIU's log is where podman has unpacked the export, which it has removed when it fails.
    let (restored, id) = launcher.call(&arguments, Path::new(""), &log, lab)?;
    // podman writes it only for a container that it makes itself.
    let cid = own.join("cid");
    std::fs::write(&cid, &id).map_err(|error| CheckpointError::host("write", &cid, &error))?;
    let mut process = launcher.attach(&id, &log, lab)?;
    let transport = stdio_transport(&mut process, lab)?;
    Ok(Box::new(PodmanSandbox::new(Parts {
        clock: lab.clock,
        owner: lab.owner.clone(),
        store: launcher.store.clone(),
        origin: restored.forked_at,
        command: launcher.store.portable_argv(),
        runtime_root: launcher.store.runtime_root(),
        place: place.clone(),
        group_parent: Some(kept.name.clone()),
        memory_bytes: launcher.memory_bytes,
        log,
        spawned: spawned(&restored),
        watcher: None,
        channel: AgentChannel::continued(Box::new(transport), lab.clock, kept.announce),
        process,
        own_network: None,
        user_network: None,
        bound: kept.bound.clone(),
        guard: Some(guard),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_says_what_was_asked_for() {
        let plain = SnapshotOptions::of(SnapshotKind::Full, false);
        let call = |options: &SnapshotOptions| checkpoint_arguments(options, "/k/export.tar", "abc").join(" ");
        assert_eq!(call(&plain), "container checkpoint --print-stats --export /k/export.tar --compress none abc");
        let all = SnapshotOptions {
            resume: true,
            tcp_established: true,
            file_locks: true,
            compression: Compression::Zstd,
            ..plain
        };
        assert_eq!(
            call(&all),
            "container checkpoint --print-stats --export /k/export.tar --compress zstd --leave-running \
             --tcp-established --file-locks abc"
        );
    }

    #[test]
    fn what_an_export_has_not_is_refused() {
        let plain = SnapshotOptions::of(SnapshotKind::Full, false);
        assert!(refuse(&plain).is_ok());
        let others = [
            SnapshotOptions { kind: SnapshotKind::Template, ..plain },
            SnapshotOptions { rounds: 1, ..plain },
            SnapshotOptions { compression: Compression::Lz4, ..plain },
        ];
        assert!(others.iter().all(|options| refuse(options).is_err()));
    }

    #[test]
    fn podmans_times_are_nanoseconds() {
        let said = r#"{ "podman_checkpoint_duration": 2966, "container_statistics": [
            { "Id": "9f", "runtime_checkpoint_duration": 2348, "criu_statistics": { "freezing_time": 106 } }] }"#;
        let expected = [("runtime_ns".to_owned(), 2_348_000.0), ("podman_ns".to_owned(), 2_966_000.0)];
        assert_eq!(times(said), expected);
        assert_eq!(times("no JSON"), []);
    }
}
