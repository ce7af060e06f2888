//! A user's own application, end to end: the same nginx, from one OCI image, on every backend that runs here.

#[path = "support/nginx.rs"]
#[allow(clippy::print_stderr, reason = "a skip says why")]
mod nginx;
mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Bench, Finished, cell, left_behind_in_the_end, runs_here};

/// A place with the image at hand, if the backend runs here.
fn bench(backend: &str) -> Option<(Bench, String)> {
    let bench = Bench::new();
    if !runs_here(&bench, backend) {
        return None;
    }
    let image = nginx::image()?;
    if backend == "qemu" {
        let setup = bench.run(&["setup"]);
        assert_eq!(setup.code, 0, "{}", setup.stderr);
    }
    Some((bench, format!("app.image={}", image.display())))
}

/// One run of the application with more settings.
fn run(bench: &Bench, backend: &str, image: &str, set: &[&str]) -> Finished {
    let mut arguments = vec!["run", "boot", "--on", backend, "--set", image, "--set", "warmup=0", "--out", "R"];
    set.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.run(&arguments)
}

fn samples(bench: &Bench) -> Vec<Value> {
    let lines = std::fs::read_to_string(bench.path("R/samples.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// nginx becomes ready, and what must hold for each valid sample does.
fn serves(backend: &str, more: &[&str]) {
    let Some((bench, image)) = bench(backend) else { return };
    let set = [&["samples=2", "app.ready.http=/"], more].concat();
    let run = run(&bench, backend, &image, &set);
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, backend);
    assert_eq!((&cell["samples_valid"], &cell["provenance"]), (&Value::from(2), &Value::from("measured")));
    let phases: Vec<&str> =
        cell["phases"].as_array().unwrap().iter().filter_map(|phase| phase["name"].as_str()).collect();
    assert!(phases.ends_with(&["app", "ready", "residue"]), "{phases:?}");
    for sample in samples(&bench) {
        let milestones = sample["ledger"]["milestones"].as_array().unwrap();
        let at =
            |name: &str| milestones.iter().find(|one| one["name"] == name).map(|one| one["at_ns"].as_u64().unwrap());
        assert!(at("agent") < at("app_started") && at("app_started") < at("ready"), "{milestones:?}");
        assert!(at("ready") < at("stop_requested") && at("first_exec").is_none(), "{milestones:?}");
        let metric = |name: &str| sample["metrics"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {sample}"));
        assert!(metric("total_ns") >= at("ready").unwrap() as f64);
        assert!(metric("residue_ns") <= f64::max(0.02 * metric("total_ns"), 1e6), "the ledger closes: {sample}");
        assert_eq!(metric("ready_resolution_ns"), 1e6);
        assert!(metric("ready_ns") > 0.0 && metric("app_stop_ns") > 0.0 && metric("app_peak_rss_bytes") > 1e6);
        let proofs = sample["proofs"].to_string();
        for proof in
            ["HTTP status 200", &format!("body of {} bytes", nginx::PAGE.len()), "at SIGQUIT", "exited with code 0"]
        {
            assert!(proofs.contains(proof), "{proof}: {proofs}");
        }
        let log =
            sample["logs"].as_array().unwrap().iter().find_map(|log| log.as_str().filter(|log| log.contains(".app.")));
        let log = std::fs::read_to_string(bench.path("R").join(log.expect("an app log"))).unwrap();
        assert!(log.contains("start worker process"), "{log}");
    }
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}

#[test]
fn nginx_serves_on_process() {
    serves("process", &[]);
}

#[test]
fn nginx_serves_on_runc() {
    serves("runc", &[]);
}

#[test]
fn nginx_serves_on_runc_in_two_steps_with_a_network() {
    serves("runc", &["backend.runc.lifecycle=split", "backend.runc.network=own"]);
}

#[test]
fn nginx_serves_on_crun() {
    serves("crun", &[]);
}

#[test]
fn nginx_serves_on_runsc() {
    serves("runsc", &[]);
}

#[test]
fn nginx_serves_on_podman() {
    serves("podman", &[]);
}

#[test]
fn nginx_serves_on_docker() {
    serves("docker", &[]);
}

#[test]
fn nginx_serves_on_qemu() {
    serves("qemu", &[]);
}

#[test]
fn every_condition_is_met_by_the_same_application() {
    let Some((bench, image)) = bench("runc") else { return };
    let ready = ["tcp 80", "line start worker process", "file /run/nginx.pid"];
    let variants = ready.map(|ready| format!("{}: app.ready={ready}", ready.split(' ').next().unwrap_or_default()));
    let mut arguments =
        vec!["run", "boot", "--on", "runc", "--set", &image, "--set", "app.ready=http 80 /", "--out", "R"];
    arguments.extend(["--set", "samples=1", "--set", "warmup=0"]);
    variants.iter().for_each(|variant| arguments.extend(["--variant", variant]));
    let run = bench.run(&arguments);
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let samples = samples(&bench);
    let proofs = samples.iter().map(|sample| sample["proofs"][0].as_str().unwrap()).collect::<Vec<_>>();
    for proof in
        ["HTTP status 200", "port 80 took a connection", "it wrote `start worker process`", "`/run/nginx.pid` is there"]
    {
        assert!(proofs.contains(&proof), "{proofs:?}");
    }
    // A line announces itself: it has no period.
    let polled = samples.iter().filter(|sample| !sample["metrics"]["ready_resolution_ns"].is_null()).count();
    assert_eq!((samples.len(), polled), (4, 3));
}

/// A run whose samples fail: the class and message of the first.
fn fails(backend: &str, set: &[&str]) -> Option<(String, String)> {
    let (bench, image) = bench(backend)?;
    let set = [&["samples=1", "boot.timeout=3s"], set].concat();
    let run = run(&bench, backend, &image, &set);
    assert_eq!(run.code, 5, "{}\n{}", run.stdout, run.stderr);
    let failure = samples(&bench)[0]["failure"].clone();
    let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
    Some((text("class"), text("message")))
}

#[test]
fn an_application_that_does_not_become_ready_says_why() {
    let cases: [(&[&str], &str, &[&str]); 5] = [
        (&["app.ready.tcp=80", "app.command=[\"/no/such\"]"], "exec", &["has no program `/no/such`"]),
        (&["app.ready.tcp=80", "app.command=[\"/etc/passwd\"]"], "exec", &["cannot start", "may not be executed"]),
        (
            &["app.ready.tcp=80", "app.command=[\"nginx\", \"-g\", \"nonsense;\"]"],
            "exec",
            &["exited with code 1 before it was ready", "unknown directive", "nonsense"],
        ),
        (&["app.ready.tcp=81"], "timeout", &["not ready in time (tcp 81)", "looks"]),
        (&["app.ready.http=/none"], "http_4xx", &["status 404"]),
    ];
    for (set, class, parts) in cases {
        let Some((found, message)) = fails("process", set) else { return };
        assert_eq!(found, class, "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let Some((bench, image)) = bench("process") else { return };
    let missing = run(&bench, "process", "app.image=none.tar", &["app.ready.tcp=80"]);
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    assert!(missing.stderr.contains("app.image: `none.tar` is neither a path that exists"), "{}", missing.stderr);
    let user = run(&bench, "process", &image, &["app.ready.tcp=80", "app.user=nobody"]);
    assert_eq!(user.code, 3, "{}", user.stderr);
    assert!(user.stderr.contains("app.user: the image has no user `nobody`"), "{}", user.stderr);
    let scripted = run(&bench, "scripted", &image, &["app.ready.tcp=80"]);
    assert_eq!(scripted.code, 4, "{}", scripted.stderr);
    assert!(scripted.stderr.contains("does not run applications"), "{}", scripted.stderr);
}

#[test]
fn a_disk_that_is_too_small_is_refused() {
    let Some((bench, image)) = bench("qemu") else { return };
    let small = run(&bench, "qemu", &image, &["app.ready.tcp=80", "app.disk=2MiB"]);
    assert_eq!(small.code, 3, "{}", small.stderr);
    assert!(small.stderr.contains("app.disk: the disk of 2097152 bytes is too small"), "{}", small.stderr);
    let microvm = run(&bench, "qemu", &image, &["app.ready.tcp=80", "backend.qemu.machine=microvm"]);
    assert_eq!(microvm.code, 3, "{}", microvm.stderr);
    assert!(microvm.stderr.contains("needs PCI"), "{}", microvm.stderr);
}

/// The kernel of `isodyne setup`, named by its path: its drivers are modules, which then are not there.
#[test]
fn a_kernel_without_the_driver_is_told_from_an_application_that_fails() {
    let Some((bench, image)) = bench("qemu") else { return };
    let Some(kernel) = find(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("isodyne-cache"), "vmlinuz") else { return };
    let kernel = format!("backend.qemu.kernel={}", kernel.display());
    let run = run(&bench, "qemu", &image, &["samples=1", "app.ready.tcp=80", &kernel]);
    assert_eq!(run.code, 5, "{}\n{}", run.stdout, run.stderr);
    let failure = samples(&bench)[0]["failure"].clone();
    assert_eq!(failure["class"], "launch", "{failure}");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("has no driver for its disk") && message.contains("virtio_blk"), "{message}");
    assert!(failure["evidence"].to_string().contains("console"), "{failure}");
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find(&path, name)
        } else {
            entry.file_name().to_string_lossy().starts_with(name).then_some(path)
        }
    })
}

#[test]
fn a_killed_lab_leaves_no_mount() {
    let Some((bench, image)) = bench("runc") else { return };
    let arguments = [
        "run",
        "boot",
        "--on",
        "runc",
        "--set",
        &image,
        "--set",
        "app.ready.tcp=81",
        "--set",
        "samples=1",
        "--out",
        "R",
    ];
    let mut lab = bench.isodyne(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mounted = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let record = bench.path("R/run.json");
    while !record.exists() || !mounted().contains(&format!("isodyne-{}", bench.run_id("R"))) {
        assert!(Instant::now() < deadline, "the application's root is never mounted");
        assert!(lab.try_wait().unwrap().is_none(), "the run has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    lab.kill().unwrap();
    lab.wait().unwrap();
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}
