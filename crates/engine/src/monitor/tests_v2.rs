//! The monitor against a real cgroup of v2, mounted for this test alone.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

use super::*;
use crate::host::cgroup::{CgroupKind, Hierarchy};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A cgroup that is removed with everybody in it.
struct Made(std::path::PathBuf);

impl Made {
    fn usage_ns(&self) -> u64 {
        let text = std::fs::read_to_string(self.0.join("cpu.stat")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
        line.parse::<u64>().unwrap() * 1000
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..500 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A mount of this thread that is taken away again, so that its directory can be.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Mounts v2 below `directory`, seen by this thread and those that it makes. Why not, if it cannot be.
fn mounted(directory: &Path) -> Result<(), String> {
    let flags = rustix::thread::UnshareFlags::NEWNS;
    // SAFETY: only the mounts that this thread sees become its own; no descriptors are unshared.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(|errno| format!("unshare: {errno}"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|errno| format!("private mounts: {errno}"))?;
    mount("none", directory, "cgroup2", MountFlags::empty(), None).map_err(|errno| format!("mount: {errno}"))
}

#[test]
fn a_cgroup_of_v2_is_counted_with_all_that_came_and_went() {
    let directory = tempfile::tempdir().unwrap();
    if let Err(reason) = mounted(directory.path()) {
        eprintln!("skipped: no cgroup of v2 can be mounted here ({reason}); it needs root");
        return;
    }
    let _mounted = Mounted(directory.path());
    let name = format!("isodyne-monitor-test-{}", std::process::id());
    let made = Made(directory.path().join(&name));
    if let Err(error) = std::fs::create_dir(&made.0) {
        eprintln!("skipped: no cgroup of v2 can be made here ({error})");
        return;
    }
    let burn = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let script = format!("read x; for n in 1 2 3 4 5 6; do sh -c '{burn}'; done; {burn}; echo; read x");
    let mut child: Child =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::fs::write(made.0.join("cgroup.procs"), child.id().to_string()).unwrap();
    let v2 = Some(Hierarchy { mount: directory.path().to_owned(), own: directory.path().to_owned() });
    let layout = CgroupLayout { kind: CgroupKind::V2, v2, ..CgroupLayout::default() };
    let options = MonitorOptions { rate_hz: 200, shares: Shares::Never, pressure_every: Duration::ZERO };
    let before = made.usage_ns();
    let subjects = vec![Subject::cgroup("all", &format!("/{name}")), Subject::tree("tree", [child.id()])];
    let monitor = Monitor::start(&layout, subjects, options).unwrap();
    let since = made.usage_ns();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    // It has said so a moment before it sleeps.
    let least = made.usage_ns() - since;
    let observed = monitor.stop().unwrap();
    let most = made.usage_ns() - before;
    let [all, tree] = [0, 1].map(|index| &observed.subjects[index].totals);
    let seen = all.cpu_ns.unwrap();
    assert!(least <= seen && seen <= most, "{seen} is not in {least}..{most}");
    assert!(least > 10_000_000, "the shells worked too little: {least}");
    // The tree counts whom the shell waited for, in ticks, and never more than the cgroup.
    assert!(tree.cpu_ns.unwrap() <= most + 1000 && tree.cpu_ns.unwrap() > 0, "{tree:?}");
    // Both in parts, which the kernel tells in microseconds.
    assert!(all.user_ns.unwrap() + all.system_ns.unwrap() <= most + 2000, "{all:?}");
    let last = observed.subjects[0].readings.last().unwrap();
    assert_eq!((last.processes, all.peak_processes >= 1), (1, true));
    if made.0.join("cpu.pressure").exists() {
        assert!(last.cgroup_pressure.cpu_ns.is_some(), "{last:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
