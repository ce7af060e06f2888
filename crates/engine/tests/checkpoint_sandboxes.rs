//! Sandboxes of runc, podman and Docker, kept and brought back in a second sandbox: real CRIU, and proof that what came back is what went in.

mod container_support;

use container_support::{Bench, skip};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_engine::backend::snapshot::{Compression, Engine, MemoryBackend, SnapshotKind, SnapshotOptions, Taken};
use isodyne_engine::backend::{Launcher, Sandbox};
use isodyne_engine::checkpoint::criu::{self, CriuState};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lab, if runc and CRIU are here.
fn bench(test: &str, backend: BackendName) -> Option<Bench> {
    if let CriuState::Unusable { reason, .. } = criu::probe() {
        skip(test, reason);
        return None;
    }
    Bench::new(test, backend)
}

fn directory(bench: &Bench, name: &str) -> PathBuf {
    let path = bench.lab.scratch.join(name);
    std::fs::create_dir(&path).expect("a directory");
    path
}

/// Launches a sandbox that remembers something.
fn remembering(bench: &Bench, launcher: &dyn Launcher, nonce: &str) -> Box<dyn Sandbox> {
    let (mut sandbox, place) = bench.launch(launcher).expect("a launch");
    sandbox.agent().hello(bench.soon()).unwrap_or_else(|failure| panic!("{failure}: {}", bench.log_of(&place, "runc")));
    sandbox.agent().remember(nonce.as_bytes(), bench.soon()).expect("remembered");
    sandbox
}

fn keep(bench: &Bench, sandbox: &mut dyn Sandbox, directory: &Path, options: SnapshotOptions) -> Taken {
    let deadline = bench.lab.clock.after(Duration::from_secs(60));
    let taken = sandbox.snapshots().expect("the power").snapshot(directory, &options, deadline);
    taken.unwrap_or_else(|failure| panic!("not kept: {failure}"))
}

/// Brings it back, and checks that the agent goes on with the same memory.
fn comes_back(bench: &Bench, launcher: &dyn Launcher, directory: &Path, nonce: &str) -> Box<dyn Sandbox> {
    let place = bench.place();
    let restorer = launcher.restorer().expect("the power");
    let mut sandbox = restorer.restore(directory, MemoryBackend::File, &place, &bench.lab).expect("a restore");
    let recalled = sandbox.agent().recall(bench.soon());
    let recalled = recalled.unwrap_or_else(|failure| panic!("nothing came back: {}", sandbox.diagnose(failure)));
    assert!(recalled.reply.bytes == nonce.as_bytes(), "another memory came back");
    sandbox.agent().ping(bench.soon()).expect("a pong");
    sandbox
}

fn stop(bench: &Bench, mut sandbox: Box<dyn Sandbox>) {
    let stopped = sandbox.stop(bench.lab.clock.after(Duration::from_secs(15)));
    assert!(stopped.survivors.is_empty() && stopped.complaint.is_none() && !stopped.killed, "{stopped:?}");
    assert!(stopped.gone.is_some());
}

fn full(resume: bool) -> SnapshotOptions {
    SnapshotOptions::of(SnapshotKind::Full, resume)
}

#[test]
fn a_container_is_kept_twice_and_comes_back() {
    kept_twice("a_container_is_kept_twice_and_comes_back", BackendName::Runc, Engine::Runtime);
}

#[test]
fn a_container_of_podman_is_kept_twice_and_comes_back() {
    kept_twice("a_container_of_podman_is_kept_twice_and_comes_back", BackendName::Podman, Engine::Runtime);
}

#[test]
fn a_container_of_docker_is_kept_twice_and_comes_back() {
    kept_twice("a_container_of_docker_is_kept_twice_and_comes_back", BackendName::Docker, Engine::Runtime);
}

#[test]
fn podmans_own_export_is_imported_twice() {
    kept_twice("podmans_own_export_is_imported_twice", BackendName::Podman, Engine::Native);
}

#[test]
fn dockers_own_checkpoint_is_started_twice() {
    kept_twice("dockers_own_checkpoint_is_started_twice", BackendName::Docker, Engine::Native);
}

/// Kept while it runs on, kept and ended, kept again after it came back.
fn kept_twice(test: &str, backend: BackendName, engine: Engine) {
    let Some(bench) = bench(test, backend) else { return };
    let native = [("engine", FactorValue::Text("native".to_owned()))];
    let launcher = bench.prepare(if engine == Engine::Native { &native } else { &[] }).expect("prepared");
    let full = |resume| SnapshotOptions { engine, ..full(resume) };
    if launcher.restorer().is_none() {
        return skip(test, "its runtime here has no CRIU");
    }
    let mut first = remembering(&bench, launcher.as_ref(), "one");
    let running = directory(&bench, "running");
    let taken = keep(&bench, first.as_mut(), &running, full(true));
    assert!(taken.written > taken.asked && !taken.restored_says_hello, "{taken:?}");
    let memory = match (backend, engine) {
        (BackendName::Podman, Engine::Native) => "export.tar",
        _ => "images/pages-1.img",
    };
    assert!(taken.files.iter().any(|(path, bytes)| path.ends_with(memory) && *bytes > 0), "{taken:?}");
    let told = |name: &str| taken.engine.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let whole = if (backend, engine) == (BackendName::Docker, Engine::Native) { "docker_ns" } else { "runtime_ns" };
    let (runtime, criu) = (told(whole).expect("the engine's time"), told("criu_total_ns").expect("CRIU's"));
    assert!(told("criu_frozen_ns").is_some(), "{taken:?}");
    assert!(0.0 < criu && criu < runtime, "{taken:?}");

    // It runs on, and changes its mind: what was kept does not.
    assert_eq!(first.agent().recall(bench.soon()).expect("it runs on").reply.bytes, b"one");
    first.agent().remember(b"two", bench.soon()).expect("remembered");
    let second = comes_back(&bench, launcher.as_ref(), &running, "one");
    let stopped = directory(&bench, "stopped");
    keep(&bench, first.as_mut(), &stopped, full(false));
    assert!(first.agent().ping(bench.soon()).is_err(), "it has ended");
    stop(&bench, first);
    let third = comes_back(&bench, launcher.as_ref(), &stopped, "two");
    assert!(third.stamps().iter().all(|stamp| stamp.at >= third.origin()), "{:?}", third.stamps());
    // What came back can be kept again.
    let mut third = third;
    let again = directory(&bench, "again");
    keep(&bench, third.as_mut(), &again, full(true));
    for sandbox in [second, third, comes_back(&bench, launcher.as_ref(), &again, "two")] {
        stop(&bench, sandbox);
    }
    bench.finish();
}

#[test]
fn what_is_packed_comes_back() {
    let Some(bench) = bench("what_is_packed_comes_back", BackendName::Runc) else { return };
    let launcher = bench.prepare(&[]).expect("prepared");
    for (compression, suffix) in [(Compression::Zstd, "zst"), (Compression::Lz4, "lz4")] {
        // Something worth packing.
        let mut sandbox = remembering(&bench, launcher.as_ref(), &"x".repeat(2_000));
        let kept = directory(&bench, suffix);
        let taken = keep(&bench, sandbox.as_mut(), &kept, SnapshotOptions { compression, ..full(false) });
        let packed = taken.files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == suffix)).count();
        assert!(packed > 0, "{taken:?}");
        assert!(taken.engine.iter().any(|(name, ns)| name == "pack_ns" && *ns > 0.0));
        stop(&bench, sandbox);
        stop(&bench, comes_back(&bench, launcher.as_ref(), &kept, &"x".repeat(2_000)));
    }
    bench.finish();
}

#[test]
fn a_network_and_its_addresses_come_back() {
    let test = "a_network_and_its_addresses_come_back";
    let Some(bench) = bench(test, BackendName::Runc) else { return };
    let launcher = bench.prepare(&[("network", FactorValue::Text("own".to_owned()))]).expect("prepared");
    let mut sandbox = remembering(&bench, launcher.as_ref(), "networked");
    let addresses = sandbox.network().expect("a network").addresses();
    let kept = directory(&bench, "kept");
    let options = SnapshotOptions { tcp_established: true, file_locks: true, ..full(false) };
    keep(&bench, sandbox.as_mut(), &kept, options);
    let back = comes_back(&bench, launcher.as_ref(), &kept, "networked");
    assert_eq!(back.network().expect("a network").addresses(), addresses);
    stop(&bench, sandbox);
    stop(&bench, back);
    bench.finish();
}

#[test]
fn damage_ends_in_a_failure_with_a_class_and_leaves_nothing() {
    let test = "damage_ends_in_a_failure_with_a_class_and_leaves_nothing";
    let Some(bench) = bench(test, BackendName::Runc) else { return };
    let launcher = bench.prepare(&[]).expect("prepared");
    let mut sandbox = remembering(&bench, launcher.as_ref(), "whole");
    let kept = directory(&bench, "kept");
    keep(&bench, sandbox.as_mut(), &kept, full(false));
    stop(&bench, sandbox);
    std::fs::remove_file(kept.join("images/mm-1.img")).expect("an image to lose");
    let place = bench.place();
    let restorer = launcher.restorer().expect("the power");
    let mut broken = restorer.restore(&kept, MemoryBackend::File, &place, &bench.lab).expect("it begins");
    let failure = broken.agent().recall(bench.soon()).expect_err("nothing comes back");
    let failure = broken.diagnose(failure);
    assert_eq!(failure.class, FailureClass::Launch, "{failure}");
    assert!(failure.message.contains("CRIU refused"), "{failure}");
    let stopped = broken.stop(bench.lab.clock.after(Duration::from_secs(5)));
    assert!(stopped.survivors.is_empty(), "{stopped:?}");
    drop(broken);
    let nowhere = directory(&bench, "nowhere");
    let failure = restorer.restore(&nowhere, MemoryBackend::File, &bench.place(), &bench.lab).err().expect("refused");
    assert!(failure.message.contains("wrong_path"), "{failure}");
    assert_eq!(bench.left(), Vec::<String>::new());
    bench.finish();
}

#[test]
fn rounds_work_where_the_kernel_tracks_pages_and_are_refused_elsewhere() {
    let test = "rounds_work_where_the_kernel_tracks_pages_and_are_refused_elsewhere";
    let Some(bench) = bench(test, BackendName::Runc) else { return };
    let launcher = bench.prepare(&[]).expect("prepared");
    let mut sandbox = remembering(&bench, launcher.as_ref(), "rounds");
    let kept = directory(&bench, "kept");
    let options = SnapshotOptions { rounds: 2, ..full(false) };
    let deadline = bench.lab.clock.after(Duration::from_secs(60));
    let outcome = sandbox.snapshots().expect("the power").snapshot(&kept, &options, deadline);
    match criu::incremental() {
        Ok(()) => {
            outcome.expect("kept in rounds");
            assert!(kept.join("pre-dump-2").is_dir());
            stop(&bench, comes_back(&bench, launcher.as_ref(), &kept, "rounds"));
        }
        Err(reason) => {
            skip(test, &reason);
            let failure = outcome.expect_err("refused");
            assert!(failure.message.contains(&reason), "{failure}");
            assert_eq!(sandbox.agent().recall(bench.soon()).expect("untouched").reply.bytes, b"rounds");
        }
    }
    stop(&bench, sandbox);
    bench.finish();
}
