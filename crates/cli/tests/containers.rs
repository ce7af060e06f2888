//! `isodyne checkpoint` and `isodyne restore` of a container of runc's that somebody else has started.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod support;

use isodyne_engine::checkpoint::criu::{self, CriuState};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Bench, Finished};

/// A container that sleeps, in a network of its own; its state directory.
fn start(bundle: &Path, root: &Path, name: &str) {
    for directory in ["usr", "proc", "dev", "sys", "tmp"] {
        std::fs::create_dir_all(bundle.join("rootfs").join(directory)).unwrap();
    }
    for link in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), bundle.join("rootfs").join(link)).unwrap();
    }
    assert!(Command::new("runc").args(["spec", "--bundle"]).arg(bundle).status().unwrap().success());
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = json!(["/bin/sleep", "1000"]);
    config["root"]["readonly"] = false.into();
    let usr = json!({ "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] });
    config["mounts"].as_array_mut().unwrap().push(usr);
    std::fs::write(path, config.to_string()).unwrap();
    let mut run = Command::new("runc");
    run.arg("--root").arg(root).args(["run", "--detach", "--bundle"]).arg(bundle).arg(name);
    assert!(run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
}

#[test]
fn a_container_comes_back_with_its_loopback_interface_up() {
    let test = "a_container_comes_back_with_its_loopback_interface_up";
    if let CriuState::Unusable { reason, .. } = criu::probe() {
        return eprintln!("SKIPPED {test}: {reason}");
    }
    if !Command::new("runc").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED {test}: there is no runc");
    }
    let bench = Bench::new();
    let (root, bundle, back) = (bench.path("state"), bench.path("bundle"), bench.path("back"));
    start(&bundle, &root, "sleeps");
    let (state, kept) = (root.to_str().unwrap(), bench.path("kept"));
    let call = |arguments: &[&str]| Finished::of(&bench.isodyne(arguments).output().unwrap());
    let owner = ["--runtime", "runc", "--root", state];
    let keep = ["checkpoint", "sleeps", "--name", "one", "-o", kept.to_str().unwrap()];
    let done = call(&[&keep[..], &owner].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let one = kept.join("one");
    let restore =
        ["restore", "--json", "--verify", "--bundle", back.to_str().unwrap(), "--from", one.to_str().unwrap()];
    let done = call(&[&restore[..], &owner].concat());
    let said: Value = serde_json::from_str(&done.stdout).unwrap();
    // An interface that is up has its address among the local ones.
    let routes = std::fs::read_to_string(format!("/proc/{}/net/fib_trie", said["pid"])).unwrap_or_default();
    let config = std::fs::read_to_string(back.join("config.json")).unwrap_or_default();
    let _ = Command::new("runc").args(["--root", state, "delete", "--force", "sleeps"]).status();
    assert_eq!((done.code, &said["status"]), (0, &json!("restored")), "{}", done.stderr);
    assert!(routes.contains("127.0.0.1"), "it is down: {routes}");
    assert!(!config.contains("prestart"), "the hook was for the restore alone");
}
