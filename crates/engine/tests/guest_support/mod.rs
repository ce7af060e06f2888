//! What the tests of machines share: a cache with a guest kernel.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod bench;

use isodyne_core::factor::FactorValue;
use isodyne_engine::host::find_tool;
use isodyne_engine::image::{SetupError, SetupOptions, setup};
use isodyne_engine::lab::{Lab, LabOptions};
use std::path::PathBuf;

/// The cache, which stays between runs of the tests; `ISODYNE_TEST_CACHE` names another one.
pub fn cache() -> PathBuf {
    let named = std::env::var_os("ISODYNE_TEST_CACHE").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache"))
}

/// A factor that is a word.
pub fn says(text: &str) -> FactorValue {
    FactorValue::Text(text.to_owned())
}

/// Closes the lab of a bench that is dropped, and checks that nothing is left.
pub fn close(lab: Option<Lab>) {
    let survivors = lab.map(Lab::close).unwrap_or_default();
    assert!(survivors.is_empty() || std::thread::panicking(), "{survivors:?}");
}

/// Where the threads of a process may run, by their names.
pub fn affinities(process: rustix::process::Pid) -> Vec<(String, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let value = |key: &str| Some(status.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned());
        Some((value("Name:")?, value("Cpus_allowed_list:")?))
    };
    tasks.filter_map(Result::ok).filter_map(of).collect()
}

/// The cache with a guest in it, or, with the reason printed, nothing where no kernel is to be had.
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
pub fn cache_with_guest() -> Option<PathBuf> {
    let cache = cache();
    match setup(&cache, &SetupOptions::default(), &mut |_| {}) {
        Ok(_) => Some(cache),
        Err(
            error @ (SetupError::Offline { .. } | SetupError::NoPackages { .. } | SetupError::NoKernelPackage { .. }),
        ) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A lab with a guest for QEMU, in a directory of its own; `None`, with the reason printed, where there is no QEMU or no
/// kernel to be had.
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
pub fn qemu_lab(run_id: &str) -> Option<(tempfile::TempDir, Lab)> {
    if find_tool("qemu-system-x86_64").is_none() {
        eprintln!("skipped: there is no qemu-system-x86_64");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let cache = cache_with_guest()?;
    let logs = directory.path().join("run/logs");
    std::fs::create_dir_all(&logs).unwrap();
    let options = LabOptions { run_id, session: 0, logs: &logs, cache: &cache, guardian: None };
    Some((directory, Lab::open(options).unwrap()))
}
