//! Containers that somebody else has started by podman or Docker, kept and brought back by the same engine.
//!
//! The program inside is the host's shell, which counts into a file of the container's own root and into nothing else: what
//! comes back goes on counting from where it stood.

mod checkpoint_support;

use checkpoint_support::{COUNT, count, counter_of, is_possible, kept, make_root, request, run, skip, wait_for_count};
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{CheckpointClass, KeptOptions, LayerForm};
use isodyne_engine::checkpoint::container::{Container, LayerSource, Where, find, restore};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A store of podman's of its own.
struct Podman {
    directory: tempfile::TempDir,
    place: Where,
}

impl Podman {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let part = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let config = directory.path().join("containers.conf");
        let text = "[engine]\nlock_type = \"file\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n";
        std::fs::write(&config, text).expect("written");
        let options =
            ["--root", &part("root"), "--runroot", &part("run"), "--tmpdir", &part("tmp"), "--runtime", "runc"];
        let fixed = ["--cgroup-manager", "cgroupfs", "--events-backend", "none"];
        let environment = ["env".to_owned(), format!("CONTAINERS_CONF={}", config.display()), "podman".to_owned()];
        let options = options.into_iter().chain(fixed).map(str::to_owned);
        let podman = environment.into_iter().chain(options).collect();
        Self { directory, place: Where { backend: Some(BackendName::Podman), root: None, podman } }
    }

    fn call(&self, arguments: &[&str]) -> String {
        let (program, options) = self.place.podman.split_first().expect("a command");
        let all: Vec<&str> = options.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        run(program, &all)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let (program, options) = self.place.podman.split_first().expect("a command");
        for rest in [["rm", "--all", "--force", "--time=0"], ["rmi", "--all", "--force", "--log-level=fatal"]] {
            let _ = Command::new(program).args(options).args(rest).stdout(Stdio::null()).status();
        }
    }
}

/// The image of a root that has nothing of its own, as a tar.
fn image(directory: &Path) -> PathBuf {
    let (root, tar) = (directory.join("image"), directory.join("image.tar"));
    make_root(&root);
    run("tar", &["-C", root.to_str().expect("a path"), "-cf", tar.to_str().expect("a path"), "."]);
    tar
}

#[test]
fn a_container_of_podman_comes_back_as_podmans() {
    let test = "a_container_of_podman_comes_back_as_podmans";
    if !is_possible(test, "runc") || !is_possible(test, "podman") || !rustix::process::geteuid().is_root() {
        return;
    }
    let podman = Podman::new();
    podman.call(&["import", image(podman.directory.path()).to_str().expect("a path"), "localhost/counts:1"]);
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let script = format!("echo shared > /dev/shm/word; rm -r /tmp; {COUNT}");
    let start: Vec<&str> = ["run", "--detach", "--name", "counts", "--network", "none", "--volume", "/usr:/usr:ro"]
        .into_iter()
        .chain(limits)
        .chain(["localhost/counts:1", "/bin/sh", "-c", &script])
        .collect();
    podman.call(&start);
    let container = match find("counts", &podman.place) {
        Ok(container) => container,
        Err(error) => panic!("{error} {:?}", error.hint),
    };
    wait_for_count(&PathBuf::from(format!("/proc/{}/root/data/counter", container.pid)), 3);
    let output = podman.directory.path().join("kept");
    let one = kept(&container, &output, "one", KeptOptions::default()).expect("kept");
    if one.manifest.layer.form != LayerForm::Changes {
        return skip(test, "podman's storage here is no overlay, whose layers could be brought back");
    }
    let stood_at = count(&container_layer(&container).join("data/counter"));
    let back = restore(&request(&one.directory, &podman.place, Some("goes-on"))).expect("restored");
    assert!(podman.call(&["ps", "--format", "{{.Names}}"]).contains("goes-on"));
    assert!(wait_for_count(&counter_of(&back), stood_at + 3) > stood_at);
    let inside = PathBuf::from(format!("/proc/{}/root", back.pid));
    assert_eq!(std::fs::read_to_string(inside.join("dev/shm/word")).expect("shared memory"), "shared\n");
    assert!(!inside.join("tmp").exists(), "a whiteout hides what the image has");
    let again = restore(&request(&one.directory, &podman.place, Some("goes-on"))).unwrap_err();
    assert_eq!(again.class, CheckpointClass::NameInUse, "{again}");
}

fn container_layer(container: &Container) -> PathBuf {
    match &container.layer {
        LayerSource::Changes(upper) => upper.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_of_docker_comes_back_as_dockers() {
    let test = "a_container_of_docker_comes_back_as_dockers";
    if !is_possible(test, "runc") || !is_possible(test, "docker") {
        return;
    }
    let daemon = Command::new("docker").args(["info", "--format", "{{.ExperimentalBuild}} {{.Driver}}"]).output();
    let said = daemon.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if said != "true overlay2" {
        let reason =
            format!("it takes a daemon with --experimental and overlay2 (tests/with-dockerd.sh), not `{said}`");
        return skip(test, &reason);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let name = format!("isodyne-test-{:08x}", fastrand::u32(..));
    run("docker", &["import", image(directory.path()).to_str().expect("a path"), "isodyne-counts:1"]);
    let volume = ["--volume", "/usr:/usr:ro"];
    let start: Vec<&str> = ["run", "--detach", "--name", &name, "--network", "none"]
        .into_iter()
        .chain(volume)
        .chain(["isodyne-counts:1", "/bin/sh", "-c", COUNT])
        .collect();
    run("docker", &start);
    let place = Where { backend: Some(BackendName::Docker), ..Where::default() };
    let container = find(&name, &place).expect("it is found");
    wait_for_count(&PathBuf::from(format!("/proc/{}/root/data/counter", container.pid)), 3);
    let one = kept(&container, &directory.path().join("kept"), "one", KeptOptions::default()).expect("kept");
    let stood_at = count(&container_layer(&container).join("data/counter"));
    let new_name = format!("{name}-back");
    let outcome = restore(&request(&one.directory, &place, Some(&new_name)));
    let seen =
        outcome.as_ref().ok().map(|back| (wait_for_count(&counter_of(back), stood_at + 3), run("docker", &["ps"])));
    for name in [&name, &new_name] {
        let _ = Command::new("docker").args(["rm", "--force", name]).output();
    }
    let _ = Command::new("docker").args(["rmi", "isodyne-counts:1"]).output();
    let (counted, list) = outcome.map(|_| seen.expect("seen")).unwrap_or_else(|error| panic!("{error}"));
    assert!(counted > stood_at && list.contains(&new_name), "{list}");
}
