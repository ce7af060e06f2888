//! Real microVMs that cannot live: each ends in the right class with the monitor's or the guest's own words, and nothing
//! is left. What needs no KVM is in `monitor_start.rs`.
//!
//! Each test skips with its reason where the program or a working `/dev/kvm` is missing. `make nested` has both.

mod guest_support;
mod microvm_support;

use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_engine::backend::PrepareError;
use isodyne_engine::channel::ExecRequest;
use microvm_support::{Bench, PATIENCE, bench, says};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MICROVMS: [BackendName; 2] = [BackendName::Firecracker, BackendName::CloudHypervisor];

/// The kernel of the cache as an ELF, changed.
fn changed_kernel(bench: &Bench, name: &str, change: impl FnOnce(&mut [u8])) -> PathBuf {
    let guest = isodyne_engine::image::guest(&bench.lab().cache).unwrap().unwrap();
    let mut elf = std::fs::read(guest.pvh_elf.unwrap()).unwrap();
    change(&mut elf);
    let path = bench.directory.path().join(name);
    std::fs::write(&path, elf).unwrap();
    path
}

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut value = [0; 8];
    value[..length].copy_from_slice(&bytes[at..at + length]);
    u64::from_le_bytes(value) as usize
}

const LOADED: usize = 1;
const NOTES: usize = 4;

/// Where the headers of an ELF's segments of a kind begin.
fn segments(elf: &[u8], kind: usize) -> Vec<usize> {
    let (begin, size, count) = (number(elf, 32, 8), number(elf, 54, 2), number(elf, 56, 2));
    (0..count).map(|index| begin + index * size).filter(|header| number(elf, *header, 4) == kind).collect()
}

/// Where a segment lies in the file.
fn content(elf: &[u8], header: usize) -> std::ops::Range<usize> {
    let (offset, size) = (number(elf, header + 8, 8), number(elf, header + 32, 8));
    offset..offset + size
}

fn kernel(path: &Path) -> [(&'static str, FactorValue); 1] {
    [("kernel", says(&path.to_string_lossy()))]
}

#[test]
fn a_kernel_that_is_none_is_refused_before_anything_starts() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        let path = bench.directory.path().join("text");
        std::fs::write(&path, "not a kernel").unwrap();
        let Some(PrepareError::Invalid { key, message, .. }) = bench.prepare(&kernel(&path)).err() else {
            panic!("not refused");
        };
        assert_eq!(key, format!("backend.{backend}.kernel"));
        assert!(message.contains("neither a bzImage nor an ELF"), "{message}");
    }
}

#[test]
fn a_kernel_that_cannot_be_loaded_is_told_by_the_monitor() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        // It wants to be loaded 64 GiB into a guest of 128 MiB.
        let path = changed_kernel(&bench, "far", |elf| {
            let first = segments(elf, LOADED)[0];
            elf[first + 24..first + 32].copy_from_slice(&(64_u64 << 30).to_le_bytes());
        });
        let failure = bench.refuses(&kernel(&path), PATIENCE);
        assert_eq!(failure.class, FailureClass::Launch, "{failure}");
        assert!(failure.message.to_lowercase().contains("kernel"), "{failure}");
    }
}

#[test]
fn a_kernel_of_zeroes_ends_firecracker_and_is_a_crash() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let path = changed_kernel(&bench, "zeroes", |elf| {
        // All but the notes, by which it is known as a kernel.
        let notes: Vec<_> = segments(elf, NOTES).into_iter().map(|header| content(elf, header)).collect();
        let kept: Vec<Vec<u8>> = notes.iter().map(|notes| elf[notes.clone()].to_vec()).collect();
        for header in segments(elf, LOADED) {
            let content = content(elf, header);
            elf[content].fill(0);
        }
        for (notes, kept) in notes.into_iter().zip(kept) {
            elf[notes].copy_from_slice(&kept);
        }
    });
    let begin = std::time::Instant::now();
    let failure = bench.refuses(&kernel(&path), PATIENCE);
    assert_eq!(failure.class, FailureClass::Crash, "{failure}");
    assert!(begin.elapsed() < PATIENCE, "its end was not seen");
}

#[test]
fn a_guest_without_the_driver_that_it_needs_says_so_on_its_console() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        // The kernel refuses the module, as one does that has none of this name for its own version.
        let failure = bench.refuses(&[("cmdline", says("module_blacklist=vsock"))], PATIENCE);
        assert_eq!(failure.class, FailureClass::Launch, "{failure}");
        for words in ["the guest's kernel lacks", "failed to load module vsock", "failed to open the channel"] {
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}

#[test]
fn memory_that_does_not_hold_the_kernel_is_told_by_the_monitor() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        // Between too little for the kernel and enough to boot there is next to nothing: what runs out of memory inside is
        // tried with QEMU, whose guest unpacks the kernel where it fits.
        for mebibytes in [16, 60] {
            let failure = bench.refuses(&[("memory", FactorValue::Bytes(mebibytes << 20))], Duration::from_secs(60));
            let told = failure.class == FailureClass::Launch && failure.message.to_lowercase().contains("kernel");
            assert!(told || (mebibytes == 60 && failure.class == FailureClass::OomGuest), "{failure}");
        }
    }
}

#[test]
fn a_monitor_that_is_killed_at_work_is_a_crash() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        let launcher = bench.launcher(&[]);
        let place = bench.place();
        let mut sandbox = bench.live(launcher.as_ref(), &place);
        rustix::process::kill_process(bench.monitor().unwrap(), rustix::process::Signal::KILL).unwrap();
        let argv = ["/init", "echo", "x"].map(|word| word.as_bytes().to_vec()).to_vec();
        let request =
            ExecRequest { id: 1, argv, env: Vec::new(), stdin: Vec::new(), timeout_ms: 30_000, output_limit: 64 };
        let failure = sandbox.agent().exec(&request, bench.lab().clock.after(PATIENCE)).unwrap_err();
        let failure = sandbox.diagnose(failure);
        assert_eq!(failure.class, FailureClass::Crash, "{failure}");
        assert!(failure.message.contains("signal: 9"), "{failure}");
        let stopped = sandbox.stop(bench.lab().clock.after(Duration::from_secs(5)));
        assert!(stopped.gone.is_some() && stopped.complaint.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
    }
}

/// The failure of a launch in a place with something wrong about it.
fn fails_to_launch(bench: &Bench, stated: &[(&str, FactorValue)], spoil: impl FnOnce(&mut PathBuf)) -> Failure {
    let launcher = bench.launcher(stated);
    let mut place = bench.place();
    spoil(&mut place.directory);
    let failure = launcher.launch(&place, bench.lab()).err().expect("it was launched");
    assert_eq!(failure.class, FailureClass::Launch, "{failure}");
    assert!(bench.monitor().is_none(), "a process is left");
    failure
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_refused_before_anything_starts() {
    for backend in MICROVMS {
        let Some(bench) = bench(backend) else { continue };
        let failure = fails_to_launch(&bench, &[], |directory| {
            directory.push("x".repeat(100));
            std::fs::create_dir(directory).unwrap();
        });
        assert!(failure.message.contains("TMPDIR"), "{failure}");
    }
}

#[test]
fn a_socket_that_is_there_already_is_told_by_firecracker() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let failure = fails_to_launch(&bench, &[], |directory| drop(UnixListener::bind(directory.join("api")).unwrap()));
    assert!(failure.message.contains("already used"), "{failure}");
    let failure = fails_to_launch(&bench, &[], |directory| drop(UnixListener::bind(directory.join("vsock")).unwrap()));
    assert!(failure.message.to_lowercase().contains("vsock"), "{failure}");
    let failure =
        fails_to_launch(&bench, &[], |directory| drop(UnixListener::bind(directory.join("vsock_52")).unwrap()));
    assert!(failure.message.contains("failed to listen"), "{failure}");
}

#[test]
fn a_firecracker_that_dies_of_its_configuration_says_why() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let real = isodyne_engine::host::find_tool("firecracker").unwrap();
    // The real one, behind a script that spoils the configuration.
    let script = bench.directory.path().join("firecracker");
    let spoil = "case $* in *config.json*) echo nonsense >>config.json ;; esac";
    std::fs::write(&script, format!("#!/bin/sh\n{spoil}\nexec {} \"$@\"\n", real.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let stated = [("setup", says("file")), ("program", says(&script.to_string_lossy()))];
    // Its socket is there before it reads the file: it is connected to, and ends.
    let failure = bench.refuses(&stated, PATIENCE);
    assert_eq!(failure.class, FailureClass::Launch, "{failure}");
    assert!(failure.message.contains("Configuration for VMM") && failure.message.contains("JSON"), "{failure}");
}
