//! The leak check: a survivor of each kind, planted by hand, is found and named.

use isodyne_engine::backend::oci;
use isodyne_engine::clock::Clock;
use isodyne_engine::host::cgroup::{self, CgroupLayout};
use isodyne_engine::host::root::HostRoot;
use isodyne_engine::ownership::{Owner, Resource, leak, name_prefix, sweep};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

fn run_id() -> String {
    format!("t{:08x}", fastrand::u32(..))
}

fn named<'a>(found: &'a [String], words: &[&str]) -> Option<&'a String> {
    found.iter().find(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn processes_files_sockets_and_cgroups_are_found_and_swept() {
    let run_id = run_id();
    let prefix = name_prefix(&run_id);
    let scratch = std::env::temp_dir().join(format!("{prefix}-s0"));
    assert_eq!(leak::survivors(&run_id, &scratch), Vec::<String>::new(), "nothing is planted yet");
    std::fs::create_dir(&scratch).unwrap();
    let listener = UnixListener::bind(scratch.join("socket")).unwrap();
    let mut helper = Command::new("sleep").arg("61").env("HOME", &scratch).spawn().unwrap();
    let mut marked = Command::new("sleep").arg("60").env("ISODYNE_RUN", &run_id).spawn().unwrap();
    let layout = CgroupLayout::detect(&HostRoot::default());
    cgroup::hold_parents(&layout, &format!("{prefix}-7"));
    let cgroups = cgroup::list_with_prefix(&layout, &prefix);

    let found = leak::survivors(&run_id, &scratch);
    assert!(named(&found, &["process", &marked.id().to_string(), "sleep"]).is_some(), "{found:?}");
    assert!(named(&found, &["process", &helper.id().to_string()]).is_some(), "by a path in its environment: {found:?}");
    helper.kill().and_then(|()| helper.wait()).unwrap();
    assert!(named(&found, &["unix socket", &prefix]).is_some(), "{found:?}");
    assert!(named(&found, &[&format!("/tmp/{prefix}-s0")]).is_some() || std::env::temp_dir() != Path::new("/tmp"));
    for directory in &cgroups {
        assert!(named(&found, &["cgroup", &*directory.to_string_lossy()]).is_some(), "{found:?}");
    }
    if rustix::process::geteuid().is_root() && !layout.hierarchies().is_empty() {
        assert_eq!(cgroups.len(), layout.hierarchies().len(), "in every hierarchy, name=systemd included");
    }

    drop(listener);
    // Nothing of it is in a journal: the sweep goes by the name alone.
    assert_eq!(sweep(&run_id), Vec::<String>::new());
    assert_eq!(marked.wait().unwrap().code(), None, "killed");
    assert_eq!(leak::survivors(&run_id, &scratch), Vec::<String>::new());
}

#[test]
fn a_mount_is_found() {
    let run_id = run_id();
    let prefix = name_prefix(&run_id);
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join(format!("{prefix}-mount"));
    std::fs::create_dir(&place).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&place).stderr(Stdio::null()).status();
    if !mount.is_ok_and(|status| status.success()) {
        return;
    }
    let found = leak::survivors(&run_id, &parent.path().join("none"));
    assert!(Command::new("umount").arg(&place).status().unwrap().success());
    assert!(named(&found, &["mount", &*place.to_string_lossy()]).is_some(), "{found:?}");
}

#[test]
fn containers_of_every_kind_are_found_where_the_run_made_one() {
    let run_id = run_id();
    let name = format!("{}-3", name_prefix(&run_id));
    let directory = tempfile::tempdir().unwrap();
    let place = |file: &str| directory.path().join(file);
    let owner = Owner::new(Clock, &run_id);
    // A guard that is released says "gone": the check does not believe it.
    let made = |resource: Resource| owner.own(resource).release();

    std::fs::create_dir_all(place("state").join(&name)).unwrap();
    made(Resource::OciContainer { program: "/bin/false".into(), root: place("state"), name: name.clone() });

    let podman = place("podman");
    std::fs::write(&podman, format!("#!/bin/sh\necho somebody-else\necho {name}\n")).unwrap();
    std::fs::set_permissions(&podman, std::fs::Permissions::from_mode(0o755)).unwrap();
    made(Resource::PodmanContainer { command: vec![podman.display().to_string()], name: name.clone() });

    let daemon = UnixListener::bind(place("docker.sock")).unwrap();
    let answer = format!(r#"[{{"Names":["/{name}"]}},{{"Names":["/somebody-else"]}}]"#);
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = daemon.accept().unwrap();
        let mut request = [0_u8; 4096];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /containers/json?all=1 "));
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
    });
    made(Resource::DockerContainer { socket: place("docker.sock"), name: name.clone() });

    let found = owner.containers();
    daemon.join().unwrap();
    // Without root podman is not asked: the call itself would leave a process behind.
    let root = rustix::process::geteuid().is_root();
    let places = if root { &["state", "podman", "docker.sock"][..] } else { &["state", "docker.sock"] };
    assert_eq!(found.len(), places.len(), "{found:?}");
    for place in places {
        assert!(named(&found, &[&name, place]).is_some(), "{place}: {found:?}");
    }
    assert_eq!(oci::list(&place("state"), &name), [name]);
}
