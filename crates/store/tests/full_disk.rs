//! A disk that is full: for real, on a small file system in memory that only this test sees.
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod common;

use common::{record, sample};
use isodyne_store::{RECORD_FILE, RunDirectory, SAMPLES_FILE, StoreError, read};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::path::Path;

const SIZE: &core::ffi::CStr = c"size=256k";

/// Runs a test on its own file system, in a thread with its own view of the mounts; with the thread the mount is gone.
fn on_small_disk(test: impl FnOnce(&Path) + Send) {
    let place = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: the thread shares no descriptors or memory differently afterwards: only its mounts and its working
            // directory become its own.
            let mounted = unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
                .and_then(|()| mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC))
                .and_then(|()| mount("none", place.path(), "tmpfs", MountFlags::empty(), SIZE));
            match mounted {
                Ok(()) => test(place.path()),
                Err(errno) => eprintln!("skipped: no mount of one's own here: {errno}"),
            }
        });
    });
}

fn fill(place: &Path, left: usize) {
    let mut size = 0;
    let page = vec![1; 4096];
    let path = place.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while std::io::Write::write_all(&mut file, &page).is_ok() {
        size += page.len();
    }
    file.set_len((size - left) as u64).unwrap();
}

#[test]
fn a_sample_that_does_not_fit_leaves_a_consistent_run() {
    on_small_disk(|place| {
        let path = place.join("run");
        let mut run = RunDirectory::create(&path, &record()).unwrap();
        run.append(&sample(0)).unwrap();
        fill(place, 4096);
        let mut stored = 1;
        let error = loop {
            match run.append(&sample(stored)) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
            assert!(stored < 1000, "the disk does not fill");
        };
        assert!(error.is_no_space(), "{error}");
        let text = error.to_string();
        assert!(text.contains(SAMPLES_FILE) && text.contains("0 B free") && text.contains("--resume"), "{text}");
        let found = read(&path).unwrap();
        assert_eq!(found.samples.len() as u64, stored);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        // Made room, the same writer goes on, and so does another one.
        std::fs::remove_file(place.join("filler")).unwrap();
        run.append(&sample(stored)).unwrap();
        drop(run);
        let (_run, found) = RunDirectory::open_for_resume(&path).unwrap();
        assert_eq!(found.samples.len() as u64, stored + 1);
    });
}

#[test]
fn a_run_that_does_not_fit_is_not_begun_and_its_end_is_not_lost() {
    on_small_disk(|place| {
        let path = place.join("run");
        let mut run = RunDirectory::create(&path, &record()).unwrap();
        fill(place, 0);
        let error = RunDirectory::create(&place.join("other"), &record()).unwrap_err();
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
        let mut changed = record();
        changed.command = vec!["x".repeat(10_000)];
        let error = run.replace_record(changed).unwrap_err();
        assert!(error.is_no_space(), "{error}");
        // The old contents are whole, and nothing is left beside them.
        assert_eq!(read(&path).unwrap().record, record());
        assert!(path.join(RECORD_FILE).exists() && !path.join("run.json.new").exists());
    });
}
