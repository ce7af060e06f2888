//! Machines under QEMU that are kept and come back: their memory goes on, many share one template, and what is not whole
//! is refused.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why, and what was measured is shown")]

mod guest_support;

use guest_support::bench::{Bench, bench, echo};
use guest_support::says;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::snapshot::{MappedRam, MemoryBackend, SnapshotKind, SnapshotOptions, Taken};
use isodyne_engine::backend::{Launcher, Sandbox};
use isodyne_engine::clones::{CloneReport, Told, clone_facts};
use isodyne_engine::inspect::inspect;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
const NONCE: &[u8] = b"a nonce that only this guest knows";

const YES: FactorValue = FactorValue::Flag(true);

/// What is done with machines that are kept.
struct Keeping(Bench);

fn keeping() -> Option<Keeping> {
    bench().map(Keeping)
}

impl std::ops::Deref for Keeping {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.0
    }
}

impl Keeping {
    /// A guest that has booted and keeps the nonce in its memory; gives the time from t0 to the first command's answer.
    fn live(&self, launcher: &dyn Launcher) -> (Box<dyn Sandbox>, f64) {
        let mut sandbox = launcher.launch(&self.place(), self.lab()).unwrap();
        let deadline = self.lab().clock.after(PATIENCE);
        let hello = sandbox.agent().hello(deadline);
        hello.unwrap_or_else(|failure| panic!("{}", sandbox.diagnose(failure)));
        let seconds = self.first_exec(sandbox.as_mut());
        assert_eq!(sandbox.agent().remember(NONCE, deadline).unwrap().reply.recalls, 0);
        (sandbox, seconds)
    }

    fn first_exec(&self, sandbox: &mut dyn Sandbox) -> f64 {
        let executed = sandbox.agent().exec(&echo(), self.lab().clock.after(PATIENCE));
        let executed = executed.unwrap_or_else(|failure| panic!("{}", sandbox.diagnose(failure)));
        assert_eq!(executed.reply.stdout, b"0123456789abcdef\n", "{:?}", executed.reply);
        executed.at.ns_since(sandbox.origin()) as f64 / 1e9
    }

    fn keep(&self, sandbox: &mut dyn Sandbox, name: &str, kind: SnapshotKind, resume: bool) -> (PathBuf, Taken) {
        let directory = self.directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let deadline = self.lab().clock.after(PATIENCE);
        let snapshots = sandbox.snapshots().unwrap();
        let taken = snapshots.snapshot(&directory, &SnapshotOptions::of(kind, resume), deadline).unwrap();
        let paused = taken.paused.unwrap();
        assert!(taken.asked < paused && paused < taken.written && !taken.restored_says_hello, "{taken:?}");
        assert_eq!(taken.resumed.is_some(), resume);
        eprintln!("{name}: {:.4} s, {:?}", taken.written.ns_since(taken.asked) as f64 / 1e9, taken.files);
        (directory, taken)
    }

    fn restored(&self, launcher: &dyn Launcher, directory: &Path) -> Box<dyn Sandbox> {
        let place = self.place();
        let restored = launcher.restorer().unwrap().restore(directory, MemoryBackend::File, &place, self.lab());
        restored.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Proves that the memory is the one that was kept.
    fn recalls(&self, sandbox: &mut dyn Sandbox, recalls: u64) {
        let recalled = sandbox.agent().recall(self.lab().clock.after(PATIENCE)).unwrap().reply;
        assert_eq!((recalled.bytes.as_slice(), recalled.recalls), (NONCE, recalls));
    }

    fn stops(&self, mut sandbox: Box<dyn Sandbox>) {
        let stopped = sandbox.stop(self.lab().clock.after(PATIENCE));
        assert!(stopped.gone.is_some() && !stopped.killed && stopped.complaint.is_none(), "{stopped:?}");
        assert_eq!(stopped.survivors, Vec::<String>::new());
    }

    fn refuses(&self, launcher: &dyn Launcher, directory: &Path) -> (FailureClass, String) {
        let restored = launcher.restorer().unwrap().restore(directory, MemoryBackend::File, &self.place(), self.lab());
        match restored {
            Ok(_) => panic!("it came back"),
            Err(failure) => (failure.class, failure.message),
        }
    }
}

fn usage(sandbox: &mut dyn Sandbox) -> BTreeMap<String, f64> {
    sandbox.usage().into_iter().collect()
}

#[test]
fn microvm_is_kept_in_full_and_comes_back_while_it_goes_on_itself() {
    let Some(bench) = keeping() else { return };
    let launcher = bench.launcher(&[("machine", says("microvm"))]);
    let (mut sandbox, _) = bench.live(launcher.as_ref());
    let (directory, _) = bench.keep(sandbox.as_mut(), "full", SnapshotKind::Full, true);
    bench.recalls(sandbox.as_mut(), 1);
    // It runs on, and what it does then is not in what was kept.
    let (later, _) = bench.keep(sandbox.as_mut(), "later", SnapshotKind::Full, false);
    bench.stops(sandbox);

    let mut first = bench.restored(launcher.as_ref(), &directory);
    bench.recalls(first.as_mut(), 1);
    let mut second = bench.restored(launcher.as_ref(), &later);
    bench.recalls(second.as_mut(), 2);
    bench.recalls(first.as_mut(), 2);
    let seen: Vec<M> = first.stamps().iter().map(|stamp| stamp.name).collect();
    assert_eq!(seen, [M::Spawned, M::ApiReady, M::Configured, M::Started]);
    bench.stops(first);
    // What came back can be kept again.
    let (again, _) = bench.keep(second.as_mut(), "again", SnapshotKind::Full, false);
    bench.stops(second);
    let mut third = bench.restored(launcher.as_ref(), &again);
    bench.recalls(third.as_mut(), 3);
    bench.stops(third);

    // Not whole, or for another machine: refused before or by QEMU, with a class, and nothing is left.
    let state = later.join("state");
    let bytes = std::fs::metadata(&state).unwrap().len();
    OpenOptions::new().write(true).open(&state).unwrap().set_len(bytes / 2).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &later);
    assert!(class == FailureClass::Integrity && message.contains("state"), "{class} {message}");
    // The same, where the description has been made to fit: QEMU itself refuses it.
    let description = std::fs::read_to_string(later.join("machine.json")).unwrap();
    let fitting = description.replace(&bytes.to_string(), &(bytes / 2).to_string());
    std::fs::write(later.join("machine.json"), fitting).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &later);
    assert!(class == FailureClass::Launch && message.contains("did not take the kept machine"), "{class} {message}");
    std::fs::remove_file(&state).unwrap();
    assert_eq!(bench.refuses(launcher.as_ref(), &later).0, FailureClass::Integrity);
    let larger = bench.launcher(&[("machine", says("microvm")), ("memory", FactorValue::Bytes(192 << 20))]);
    let (class, message) = bench.refuses(larger.as_ref(), &directory);
    assert!(class == FailureClass::Launch && message.contains("memory = 134217728 B"), "{class} {message}");
    let description = std::fs::read_to_string(directory.join("machine.json")).unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&description).unwrap();
    other["qemu"][1] = 99.into();
    std::fs::write(directory.join("machine.json"), other.to_string()).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &directory);
    assert!(class == FailureClass::Launch && message.contains("use the same version"), "{class} {message}");
    std::fs::remove_file(directory.join("machine.json")).unwrap();
    assert_eq!(bench.refuses(launcher.as_ref(), &directory).0, FailureClass::Integrity);
}

#[test]
fn five_machines_share_one_template_until_they_change_it() {
    let Some(bench) = keeping() else { return };
    let launcher = bench.launcher(&[("machine", says("microvm")), ("memory_file", YES)]);
    let (mut sandbox, cold) = bench.live(launcher.as_ref());
    // A kernel makes its boot's id when it is first read: it is part of what is kept then.
    let origin = clone_facts(sandbox.agent(), bench.lab().clock.after(PATIENCE)).unwrap();
    let (template, _) = bench.keep(sandbox.as_mut(), "template", SnapshotKind::Template, true);
    bench.recalls(sandbox.as_mut(), 1);
    // A template is kept of a guest that runs on as well as of one that has ended; in full, too.
    let (full, _) = bench.keep(sandbox.as_mut(), "full", SnapshotKind::Full, false);
    bench.stops(sandbox);
    let mut whole = bench.restored(launcher.as_ref(), &full);
    bench.recalls(whole.as_mut(), 2);
    bench.stops(whole);

    let mut machines: Vec<Box<dyn Sandbox>> = (0..5).map(|_| bench.restored(launcher.as_ref(), &template)).collect();
    for machine in &mut machines {
        let seconds = bench.first_exec(machine.as_mut());
        eprintln!("first exec after {seconds:.3} s, cold {cold:.3} s");
        bench.recalls(machine.as_mut(), 1);
    }
    // What the copies share is told.
    let facts =
        |machine: &mut Box<dyn Sandbox>| clone_facts(machine.agent(), bench.lab().clock.after(PATIENCE)).unwrap();
    let facts: Vec<_> = machines.iter_mut().map(facts).collect();
    let report = CloneReport::of(&facts);
    eprintln!("{report:?}, {:?}", facts[0]);
    assert_eq!((report.boot_id, report.machine_id), (Told::Same, Told::Unknown));
    assert!(origin.boot_id.is_some() && facts.iter().all(|copy| copy.boot_id == origin.boot_id));
    assert_ne!(report.random, Told::Unknown);
    // The guest's wall clock stood still while it was kept.
    assert!(facts.iter().all(|copy| copy.clock_lag_ns > 0), "{facts:?}");
    // What one of them remembers, the others do not.
    machines[0].agent().remember(b"something else", bench.lab().clock.after(PATIENCE)).unwrap();
    for machine in &mut machines[1..] {
        bench.recalls(machine.as_mut(), 2);
    }
    let used: Vec<_> = machines.iter_mut().map(|machine| usage(machine.as_mut())).collect();
    let sum = |name: &str| used.iter().map(|used| used[name]).sum::<f64>();
    let (rss, pss) = (sum("rss_bytes"), sum("pss_bytes"));
    let (shared, private) = (sum("shared_bytes"), sum("private_bytes"));
    eprintln!("five: rss {rss:.0} pss {pss:.0} shared {shared:.0} private {private:.0}, {:?}", used[0]);
    assert!(pss < 0.75 * rss, "{pss} of {rss}");
    assert!((shared + private - rss).abs() < 0.05 * rss && shared > 0.25 * rss, "{shared} + {private} of {rss}");
    assert!(sum("guest_memory_pss_bytes") < 0.6 * sum("guest_memory_bytes"));
    let refused = machines[4].snapshots().unwrap().snapshot(
        &bench.directory.path().join("none"),
        &SnapshotOptions::of(SnapshotKind::Template, true),
        bench.lab().clock.after(PATIENCE),
    );
    assert!(refused.unwrap_err().message.contains("memory_file"));
    machines.into_iter().for_each(|machine| bench.stops(machine));

    // A flipped byte in the state is found by its digest; memory that is cut short by its length.
    let state = OpenOptions::new().read(true).write(true).open(template.join("state")).unwrap();
    let mut byte = [0];
    state.read_exact_at(&mut byte, 9000).unwrap();
    state.write_all_at(&[byte[0] ^ 1], 9000).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &template);
    assert!(class == FailureClass::Integrity && message.contains("is not what was kept"), "{class} {message}");
    state.write_all_at(&byte, 9000).unwrap();
    OpenOptions::new().write(true).open(template.join("memory")).unwrap().set_len(100 << 20).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &template);
    assert!(class == FailureClass::Integrity && message.contains("memory"), "{class} {message}");
}

#[test]
fn q35_comes_back_by_either_channel() {
    let Some(bench) = keeping() else { return };
    for (channel, kind) in [("serial", SnapshotKind::Template), ("virtio-serial", SnapshotKind::Full)] {
        let launcher = bench.launcher(&[("channel", says(channel)), ("memory_file", YES)]);
        let (mut sandbox, _) = bench.live(launcher.as_ref());
        let (directory, _) = bench.keep(sandbox.as_mut(), channel, kind, false);
        bench.stops(sandbox);
        let mut machine = bench.restored(launcher.as_ref(), &directory);
        bench.recalls(machine.as_mut(), 1);
        bench.first_exec(machine.as_mut());
        bench.stops(machine);
    }
}

/// Why the QEMU that is here has no mapped RAM, in its own answer's words.
fn lacks_mapped_ram(message: &str) -> bool {
    message.contains("has no `mapped-ram`") && message.contains("take a newer QEMU")
}

#[test]
fn a_machine_in_mapped_ram_comes_back_however_it_was_written() {
    let Some(bench) = keeping() else { return };
    let launcher = bench.launcher(&[("machine", says("microvm")), ("memory_file", YES)]);
    let (mut sandbox, _) = bench.live(launcher.as_ref());
    let mapped = |channels, direct_io| SnapshotKind::MappedRam(MappedRam { channels, direct_io });
    let refused = |sandbox: &mut dyn Sandbox, name: &str, kind: SnapshotKind| {
        let directory = bench.directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let deadline = bench.lab().clock.after(PATIENCE);
        let options = SnapshotOptions::of(kind, true);
        sandbox.snapshots().unwrap().snapshot(&directory, &options, deadline).err()
    };
    if let Some(failure) = refused(sandbox.as_mut(), "first", mapped(0, false)) {
        assert!(failure.class == FailureClass::Launch && lacks_mapped_ram(&failure.message), "{failure}");
        // Nothing was done: it runs on, and is kept in full.
        bench.first_exec(sandbox.as_mut());
        bench.keep(sandbox.as_mut(), "full", SnapshotKind::Full, false);
        bench.stops(sandbox);
        eprintln!("skipped: {}", failure.message);
        return;
    }
    // In turns, so that each form finds what the one before has left.
    let forms = [("mapped", mapped(0, false)), ("full", SnapshotKind::Full), ("channels", mapped(3, false))];
    let forms = forms.into_iter().chain([("template", SnapshotKind::Template), ("again", mapped(0, false))]);
    let mut kept: Vec<PathBuf> = forms.map(|(name, kind)| bench.keep(sandbox.as_mut(), name, kind, true).0).collect();
    match refused(sandbox.as_mut(), "direct", mapped(2, true)) {
        None => kept.push(bench.directory.path().join("direct")),
        Some(failure) => {
            assert!(failure.message.contains("past the page cache"), "{failure}");
            eprintln!("skipped the part past the page cache: {}", failure.message);
        }
    }
    bench.recalls(sandbox.as_mut(), 1);
    bench.stops(sandbox);
    for directory in &kept {
        let mut machine = bench.restored(launcher.as_ref(), directory);
        let seconds = bench.first_exec(machine.as_mut());
        eprintln!("{}: first exec after {seconds:.3} s", directory.display());
        bench.recalls(machine.as_mut(), 1);
        bench.stops(machine);
    }
    // Pages have their places: the file is as long as the memory, and has holes where it is zero.
    let state = std::fs::metadata(kept[0].join("state")).unwrap();
    assert!(state.len() > 128 << 20, "{}", state.len());
    assert!(std::os::unix::fs::MetadataExt::blocks(&state) * 512 < 100 << 20);
    // What it holds is read without QEMU.
    let machine = inspect(&kept[0], false).unwrap().found.machine.unwrap();
    assert_eq!(machine.format.as_deref(), Some("3 with mapped-ram"));
    assert_eq!((machine.memory_bytes, machine.unreadable.len()), (Some(128 << 20), 0), "{machine:?}");
    assert!(machine.devices.iter().any(|device| device.name == "serial"), "{machine:?}");
    // One that is cut short does not come back.
    let state = OpenOptions::new().write(true).open(kept[0].join("state")).unwrap();
    state.set_len(100 << 20).unwrap();
    let (class, message) = bench.refuses(launcher.as_ref(), &kept[0]);
    assert!(class == FailureClass::Integrity && message.contains("state"), "{class} {message}");
}
