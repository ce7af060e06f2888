//! Real cgroups with real processes in them.

use isodyne_engine::clock::Clock;
use isodyne_engine::host::cgroup::{Cgroup, CgroupLayout, list_with_prefix, usage_of_path};
use isodyne_engine::host::root::HostRoot;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A cgroup of this test, or `None` and the reason on standard error.
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn group(name: &str) -> Option<(CgroupLayout, Cgroup)> {
    let layout = CgroupLayout::detect(&HostRoot::default());
    let name = format!("isodyne-test-{}-{name}", std::process::id());
    match Cgroup::create(&layout, &name) {
        Ok(group) => Some((layout, group)),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn inside(group: &Cgroup, mut command: Command) -> Command {
    let entry = group.entry().unwrap();
    // SAFETY: entering only writes to files that are open already.
    unsafe { command.pre_exec(move || entry.enter()) };
    command
}

#[test]
fn a_process_is_counted_and_the_cgroup_removed() {
    let Some((layout, mut group)) = group("count") else { return };
    let mut command = Command::new("sh");
    command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec true"]);
    assert!(inside(&group, command).status().unwrap().success());
    let usage = group.usage();
    assert!(usage.cpu_ns.unwrap() > 0, "{usage:?}");
    if let Some(peak) = usage.peak_memory_bytes {
        assert!(peak > 4096, "{usage:?}");
    }
    let at_root = group.directories().iter().any(|directory| {
        layout.hierarchies().iter().any(|hierarchy| directory.parent().unwrap().parent() == Some(&hierarchy.mount))
    });
    if at_root {
        assert_eq!(usage_of_path(&layout, &format!("/isodyne/{}", group.name())).cpu_ns, usage.cpu_ns);
    }
    assert_eq!(list_with_prefix(&layout, group.name()).len(), group.directories().len());
    let directories = group.directories().to_vec();
    let name = group.name().to_owned();
    group.remove().unwrap();
    assert!(directories.iter().all(|directory| !directory.exists()));
    assert!(list_with_prefix(&layout, &name).is_empty());
}

#[test]
fn a_name_is_taken_only_once() {
    let Some((layout, group)) = group("twice") else { return };
    let error = Cgroup::create(&layout, group.name()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    // The failed attempt has not removed what was there.
    assert!(group.directories().iter().all(|directory| directory.exists()));
}

#[test]
fn children_that_detach_are_killed_and_a_drop_leaves_nothing() {
    let Some((layout, group)) = group("kill") else { return };
    let mut command = Command::new("sh");
    command.args(["-c", "setsid sleep 300 & setsid sleep 300 & echo; wait"]).stdout(Stdio::piped());
    let mut child = inside(&group, command).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    assert!(group.processes().len() >= 2, "{:?}", group.processes());
    assert!(group.kill(Clock.after(Duration::from_secs(5))));
    assert!(group.processes().is_empty());
    child.wait().unwrap();

    let mut command = Command::new("sleep");
    command.arg("300");
    let mut child = inside(&group, command).spawn().unwrap();
    let name = group.name().to_owned();
    drop(group);
    assert!(!child.wait().unwrap().success());
    assert!(list_with_prefix(&layout, &name).is_empty());
}

#[test]
fn a_cgroup_with_a_process_in_it_is_not_removed_and_says_so() {
    let Some((_, mut group)) = group("busy") else { return };
    let mut command = Command::new("sleep");
    command.arg("300");
    let mut child = inside(&group, command).spawn().unwrap();
    let error = group.remove().unwrap_err().to_string();
    assert!(error.contains(group.name()) && error.contains(&child.id().to_string()), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    group.remove().unwrap();
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn a_memory_limit_kills_and_is_counted() {
    let Some((_, group)) = group("oom") else { return };
    if let Err(error) = group.set_memory_limit(16 << 20) {
        eprintln!("skipped: {error}");
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "exec head -c 200000000 /dev/zero | tail >/dev/null"]).stderr(Stdio::null());
    let _ = inside(&group, command).status().unwrap();
    let usage = group.usage();
    assert!(usage.oom_kills.unwrap() >= 1, "{usage:?}");
    assert!(usage.peak_memory_bytes.is_none_or(|peak| peak <= 17 << 20), "{usage:?}");
}
