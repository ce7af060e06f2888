//! Real machines under QEMU, from launch to gone.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use guest_support::bench::{Bench, bench, echo};
use guest_support::says;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::{PrepareError, Sandbox};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

fn launch(bench: &Bench, stated: &[(&str, FactorValue)]) -> Result<Box<dyn Sandbox>, Failure> {
    bench.launcher(stated).launch(&bench.place(), bench.lab())
}

fn log(bench: &Bench, suffix: &str) -> String {
    let bytes = std::fs::read(bench.lab().logs.join(format!("1-qemu.{suffix}.log"))).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Boots, runs a command, stops, and gives the milestones that were seen, in the order of their times.
fn boot(bench: &Bench, stated: &[(&str, FactorValue)]) -> Vec<M> {
    let clock = bench.lab().clock;
    let mut sandbox = launch(bench, stated).unwrap();
    let deadline = clock.after(PATIENCE);
    let hello = sandbox.agent().hello(deadline);
    let (hello, at) = hello.unwrap_or_else(|failure| panic!("{}", sandbox.diagnose(failure)));
    assert!(hello.is_init);
    let executed = sandbox.agent().exec(&echo(), deadline).unwrap();
    assert_eq!(executed.reply.stdout, b"0123456789abcdef\n", "{:?}", executed.reply);

    let usage: std::collections::BTreeMap<String, f64> = sandbox.usage().into_iter().collect();
    for name in ["guest_cpu_ns", "vmm_cpu_ns", "guest_memory_bytes", "vmm_overhead_bytes", "peak_memory_bytes"] {
        assert!(usage.get(name).is_some_and(|value| *value > 0.0), "{name} in {usage:?}");
    }
    let mut stamps = sandbox.stamps();
    let stopped = sandbox.stop(clock.after(PATIENCE));
    assert!(stopped.gone.is_some() && !stopped.killed && stopped.complaint.is_none(), "{stopped:?}");
    assert_eq!(stopped.survivors, Vec::<String>::new());

    stamps.sort_by_key(|stamp| (stamp.at, stamp.name));
    assert!(stamps.iter().all(|stamp| stamp.at < at));
    stamps.iter().map(|stamp| stamp.name).collect()
}

#[test]
fn q35_boots_with_every_milestone() {
    let Some(bench) = bench() else { return };
    let seen = boot(&bench, &[]);
    assert_eq!(seen, [M::Spawned, M::ApiReady, M::Started, M::Firmware, M::Kernel, M::Init]);
    assert!(log(&bench, "console").contains("Linux version"));
}

#[test]
fn microvm_boots() {
    let Some(bench) = bench() else { return };
    let seen = boot(&bench, &[("machine", says("microvm"))]);
    assert_eq!(seen, [M::Spawned, M::ApiReady, M::Started, M::Kernel, M::Init]);
}

#[test]
fn a_small_pc_boots_in_96_mib_over_virtio_serial() {
    let Some(bench) = bench() else { return };
    let small = FactorValue::Bytes(96 << 20);
    let seen = boot(&bench, &[("machine", says("pc")), ("memory", small), ("channel", says("virtio-serial"))]);
    assert!(seen.contains(&M::Init));
}

#[test]
fn the_default_guest_boots_in_96_mib_however_it_is_entered() {
    let Some(bench) = bench() else { return };
    for entry in ["auto", "bzimage"] {
        let small = FactorValue::Bytes(96 << 20);
        boot(&bench, &[("memory", small), ("entry", says(entry)), ("console", says("full"))]);
    }
}

#[test]
fn virtual_processors_are_pinned_before_the_guest_runs() {
    let Some(bench) = bench() else { return };
    let here = rustix::thread::sched_getaffinity(None).unwrap();
    let here: Vec<usize> = (0..1024).filter(|processor| here.is_set(*processor)).collect();
    let (first, last) = (here[0].to_string(), here[here.len() - 1].to_string());
    let pin = says(&format!("{last},{first}"));
    let launcher = bench.launcher(&[("cpus", FactorValue::Count(2)), ("pin", pin)]);
    let mut sandbox = launcher.launch(&bench.place(), bench.lab()).unwrap();
    let affinities = guest_support::affinities(bench.machines()[0]);
    let on = |processor: &str| affinities.iter().filter(|(_, place)| place == processor).count();
    if first == last {
        eprintln!("this program has one processor: nothing can be told apart");
    } else {
        assert_eq!((on(&first), on(&last)), (1, 1), "{affinities:?}");
        assert!(affinities.len() > 2, "QEMU's own threads are free: {affinities:?}");
    }
    assert!(sandbox.stamps().iter().any(|stamp| stamp.name == M::Started));
    let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_millis(600)));
    assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
    drop(sandbox);
    let Err(PrepareError::Unavailable { reason, hint }) = bench.prepare(&[("pin", says("1023"))]) else {
        panic!("not refused");
    };
    assert!(reason.contains("no processor 1023") && hint.contains(&first), "{reason}: {hint}");
}

#[test]
fn a_guest_without_its_channels_driver_says_so_on_its_console() {
    let Some(bench) = bench() else { return };
    // The kernel has one serial port, and the agent's is the second.
    let mut sandbox = launch(&bench, &[("machine", says("microvm")), ("cmdline", says("8250.nr_uarts=1"))]).unwrap();
    let failure = sandbox.agent().hello(bench.lab().clock.after(PATIENCE)).unwrap_err();
    let failure = sandbox.diagnose(failure);
    assert_eq!(failure.class, FailureClass::Launch, "{failure}");
    assert!(failure.message.contains("failed to open the channel on /dev/ttyS1"), "{failure}");
    let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_secs(5)));
    assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
}

#[test]
fn a_guest_without_init_is_a_crash_with_the_kernels_words() {
    let Some(bench) = bench() else { return };
    // `rdinit` alone falls back to looking for a root; both lead to a panic before any hello.
    let mut sandbox =
        launch(&bench, &[("machine", says("microvm")), ("cmdline", says("rdinit=/nonexistent"))]).unwrap();
    let failure = sandbox.agent().hello(bench.lab().clock.after(PATIENCE)).unwrap_err();
    let failure = sandbox.diagnose(failure);
    assert_eq!(failure.class, FailureClass::Crash, "{failure}");
    assert!(failure.message.contains("Kernel panic"), "{failure}");
    assert!(failure.evidence.contains(&"logs/1-qemu.console.log".to_owned()), "{failure:?}");
    let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_secs(5)));
    assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
}

#[test]
fn a_guest_that_never_says_hello_is_a_timeout_and_can_be_stopped() {
    let Some(bench) = bench() else { return };
    let mut sandbox = launch(&bench, &[]).unwrap();
    let failure = sandbox.agent().hello(bench.lab().clock.after(Duration::from_millis(200))).unwrap_err();
    let failure = sandbox.diagnose(failure);
    assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
    let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_millis(600)));
    assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
    assert!(stopped.complaint.is_some());
}

#[test]
fn a_dropped_machine_is_gone() {
    let Some(bench) = bench() else { return };
    let sandbox = launch(&bench, &[]).unwrap();
    assert!(!bench.machines().is_empty());
    drop(sandbox);
    assert!(bench.machines().is_empty());
}

#[test]
fn a_machine_that_is_killed_at_work_is_a_crash() {
    let Some(bench) = bench() else { return };
    let mut sandbox = launch(&bench, &[("machine", says("microvm"))]).unwrap();
    let deadline = bench.lab().clock.after(PATIENCE);
    sandbox.agent().hello(deadline).unwrap();
    let pid = bench.machines()[0];
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let failure = sandbox.agent().exec(&echo(), deadline).unwrap_err();
    let failure = sandbox.diagnose(failure);
    assert_eq!(failure.class, FailureClass::Crash, "{failure}");
    assert!(failure.message.contains("signal: 9"), "{failure}");
    let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_secs(5)));
    assert!(stopped.gone.is_some() && stopped.complaint.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
}

#[test]
fn too_little_memory_is_told_apart_from_a_crash() {
    let Some(bench) = bench() else { return };
    // At 64 MiB, the edge, this kernel sometimes goes on looking for memory for ever instead of giving up.
    let mut sandbox =
        launch(&bench, &[("machine", says("microvm")), ("memory", FactorValue::Bytes(60 << 20))]).unwrap();
    let failure = sandbox.agent().hello(bench.lab().clock.after(Duration::from_secs(20))).unwrap_err();
    let failure = sandbox.diagnose(failure);
    assert_eq!(failure.class, FailureClass::OomGuest, "{failure}\n{}", log(&bench, "console"));
}

#[test]
fn kernels_that_cannot_boot_are_refused_before_anything_starts() {
    let Some(bench) = bench() else { return };
    let file = bench.lab().scratch.join("kernel");
    let refuse = |path: &Path| match bench.prepare(&[("kernel", says(&path.to_string_lossy()))]) {
        Err(PrepareError::Invalid { key, message, .. }) => {
            assert_eq!(key, "backend.qemu.kernel");
            message
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    };
    assert!(refuse(&file).contains("failed to read"));
    std::fs::write(&file, "not a kernel").unwrap();
    assert!(refuse(&file).contains("neither a bzImage nor an ELF"));
    // The cache's own kernel, cut in half.
    let guest = isodyne_engine::image::guest(&bench.lab().cache).unwrap().unwrap();
    let image = std::fs::read(&guest.image).unwrap();
    std::fs::write(&file, &image[..image.len() / 2]).unwrap();
    assert!(refuse(&file).contains("cut short"));
}

#[test]
fn a_kernel_of_ones_own_boots() {
    let Some(bench) = bench() else { return };
    let guest = isodyne_engine::image::guest(&bench.lab().cache).unwrap().unwrap();
    let file = bench.lab().scratch.join("my-kernel");
    std::fs::copy(&guest.image, &file).unwrap();
    boot(&bench, &[("machine", says("microvm")), ("kernel", says(&file.to_string_lossy()))]);
}

#[test]
fn what_qemu_refuses_is_told_in_its_own_words() {
    let Some(bench) = bench() else { return };
    let Err(failure) = launch(&bench, &[("cpu", says("no-such-model"))]) else { panic!("QEMU took it") };
    assert_eq!(failure.class, FailureClass::Launch);
    assert!(failure.message.contains("no-such-model"), "{failure}");
}
