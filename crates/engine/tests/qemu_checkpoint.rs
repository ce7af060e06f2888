//! A machine that has an owner is kept as an archive, through its socket, and comes back from it; an archive that is not
//! whole does not.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::checkpoint::{CheckpointClass, Compressed, Kind};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_engine::backend::qemu::QemuBackend;
use isodyne_engine::backend::snapshot::MemoryBackend;
use isodyne_engine::backend::{Backend, Launcher, Place, Sandbox};
use isodyne_engine::checkpoint::CheckpointError;
use isodyne_engine::checkpoint::archive::open;
use isodyne_engine::checkpoint::machine::{KeepMachine, KeptMachine, Restorable, is_ours, keep, restorable};
use isodyne_engine::lab::Lab;
use isodyne_engine::live::{About, ControlSocket, Ended, Reply, Request, ask, live, serve};
use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const NONCE: &[u8] = b"a nonce that only this guest knows";
const NAME: &str = "one";

fn cell() -> Cell {
    let stated = [("machine", FactorValue::Text("microvm".to_owned())), ("memory_file", FactorValue::Flag(true))];
    let factors: Factors = stated.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let id = CellId::new(BenchmarkName::Boot, BackendName::Qemu, &factors);
    Cell { id, benchmark: BenchmarkName::Boot, backend: BackendName::Qemu, factors, variant: None }
}

fn place(lab: &Lab, number: u32) -> Place {
    let directory = lab.scratch.join(number.to_string());
    std::fs::create_dir_all(&directory).unwrap();
    let log_prefix = lab.logs.join(format!("{number}-qemu"));
    Place { name: format!("isodyne-{}-{number}", lab.run_id), directory, log_prefix, agent_patience_s: 200 }
}

/// Owns a sandbox while somebody else works with it.
fn while_owned<T: Send>(lab: &Lab, sandbox: &mut dyn Sandbox, runtime: &Path, work: impl FnOnce() -> T + Send) -> T {
    let socket = ControlSocket::bind(runtime, NAME).unwrap();
    let about = About {
        name: NAME.to_owned(),
        cell: cell(),
        began: "2026-01-01T00:00:00Z".to_owned(),
        restored_from: None,
        tools: BTreeMap::new(),
    };
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let done = work();
            // The sandbox is stopped by its owner, not here. One that was kept and not left running has none any more.
            let _ = ask(runtime, NAME, &Request::Stop, lab.clock, lab.clock.after(PATIENCE));
            done
        });
        let ended = serve(sandbox, &socket, &about, lab.clock, || false).unwrap();
        assert!(matches!(ended, Ended::Stopped | Ended::Kept), "{ended:?}");
        drop(socket);
        worker.join().unwrap()
    })
}

fn restored(launcher: &dyn Launcher, kept: &Restorable, place: &Place, lab: &Lab) -> Box<dyn Sandbox> {
    let scratch = place.directory.join("state");
    std::fs::create_dir(&scratch).unwrap();
    let state = kept.state(&scratch).unwrap();
    launcher.restorer().unwrap().restore(&state, MemoryBackend::File, place, lab).unwrap()
}

fn stops(mut sandbox: Box<dyn Sandbox>, lab: &Lab) {
    let stopped = sandbox.stop(lab.clock.after(PATIENCE));
    assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
}

#[test]
fn an_owned_machine_is_kept_as_an_archive_and_comes_back_from_it() {
    let Some((directory, lab)) = guest_support::qemu_lab(&format!("{:x}c", std::process::id())) else { return };
    let launcher = QemuBackend.prepare(&cell(), &lab).unwrap();
    let runtime = directory.path().join("runtime");
    std::fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
    let output = directory.path().join("kept");
    let request = |name, compression, leave_running| KeepMachine {
        runtime: &runtime,
        sandbox: NAME,
        output: &output,
        name,
        leave_running,
        tcp_established: false,
        file_locks: false,
        mapped_ram: None,
        compression,
        patience: PATIENCE,
        asked: lab.clock.now(),
    };
    let nobody = keep(&request("x", None, true)).unwrap_err();
    assert_eq!(nobody.class, CheckpointClass::NotFound, "{nobody}");

    let mut sandbox = launcher.launch(&place(&lab, 1), &lab).unwrap();
    let deadline = lab.clock.after(PATIENCE);
    sandbox.agent().hello(deadline).unwrap();
    sandbox.agent().remember(NONCE, deadline).unwrap();
    let (plain, packed, again) = while_owned(&lab, sandbox.as_mut(), &runtime, || {
        let found = live(&runtime, lab.clock).unwrap();
        assert_eq!((found.len(), found[0].0.as_str()), (1, NAME));
        assert_eq!(found[0].1.as_ref().unwrap().cell, cell());
        let exec = Request::Exec { argv: Vec::new(), stdin: Default::default(), timeout_ms: 1000 };
        let refused = ask(&runtime, NAME, &exec, lab.clock, lab.clock.after(PATIENCE)).unwrap();
        assert!(matches!(refused, Reply::Executed(_) | Reply::Failed(_)), "{refused:?}");
        let plain = keep(&request("plain", None, true)).unwrap();
        let again = keep(&request("plain", None, true)).unwrap_err();
        (plain, keep(&request("packed", Some(Compressed::Lz4), false)).unwrap(), again)
    });
    stops(sandbox, &lab);
    assert_eq!(again.class, CheckpointClass::NameInUse, "{again}");
    check_manifest(&plain);
    assert!(packed.manifest.bytes().0 < plain.manifest.bytes().0 / 2, "{:?}", packed.manifest.files);
    let mut left: Vec<_> = std::fs::read_dir(&output).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["packed", "plain"], "nothing unfinished is left");

    for (number, kept) in [(2, &plain), (3, &packed)] {
        let archive = open(&kept.directory).unwrap();
        assert!(is_ours(&archive));
        let kept = restorable(&archive).unwrap();
        assert_eq!((kept.name.as_str(), &kept.cell, kept.hello_again), (NAME, &cell(), false));
        let mut machine = restored(launcher.as_ref(), &kept, &place(&lab, number), &lab);
        let recalled = machine.agent().recall(lab.clock.after(PATIENCE)).unwrap().reply;
        assert_eq!((recalled.bytes.as_slice(), recalled.recalls), (NONCE, 1));
        stops(machine, &lab);
    }
    refuses_what_is_not_whole(&plain.directory);
    assert_eq!(lab.close(), Vec::<String>::new());
}

fn check_manifest(kept: &KeptMachine) {
    let manifest = &kept.manifest;
    assert_eq!((manifest.kind, manifest.source.backend), (Kind::Machine, Some(BackendName::Qemu)));
    let phases: Vec<&str> = manifest.timing.iter().map(|phase| phase.phase.as_str()).collect();
    assert_eq!(phases, ["find", "engine", "seal"]);
    assert!(manifest.timing.iter().map(|phase| phase.ns).sum::<u64>() <= kept.total_ns);
    assert!(manifest.engine["frozen_ns"] <= manifest.engine["engine_written_ns"]);
    let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["images/machine.json", "images/memory", "images/state", "sandbox.json"]);
}

fn refuses_what_is_not_whole(directory: &Path) {
    let verdict = || -> Result<(), CheckpointError> { restorable(&open(directory)?).map(drop) };
    let class = || verdict().unwrap_err().class;
    let memory = std::fs::File::options().read(true).write(true).open(directory.join("images/memory")).unwrap();
    let mut byte = [0];
    memory.read_exact_at(&mut byte, 20 << 20).unwrap();
    memory.write_all_at(&[byte[0] ^ 4], 20 << 20).unwrap();
    assert_eq!(class(), CheckpointClass::Altered);
    memory.write_all_at(&byte, 20 << 20).unwrap();
    verdict().unwrap();
    let state = directory.join("images/state");
    // Not within the checkpoint, where it would be a file too many.
    let away = directory.with_extension("away");
    std::fs::rename(&state, &away).unwrap();
    assert_eq!(class(), CheckpointClass::MissingFile);
    std::fs::rename(&away, &state).unwrap();
    std::fs::remove_file(directory.join("manifest.json")).unwrap();
    assert_eq!(class(), CheckpointClass::MissingFile);
    assert_eq!(open(&directory.join("nowhere")).unwrap_err().class, CheckpointClass::WrongPath);
}
