//! `isodyne monitor` on real processes, and samples under the monitor.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod support;

use serde_json::Value;
use std::process::{Command, Stdio};
use support::{Bench, Finished};

fn metric(summary: &Value, name: &str) -> f64 {
    summary["subjects"][0]["metrics"][name]["value"].as_f64().unwrap_or_else(|| panic!("no {name} in {summary}"))
}

#[test]
fn a_command_is_monitored_and_its_exit_code_passed_on() {
    let bench = Bench::new();
    // A child that is waited for, whose memory and processor time are known from below.
    let script = "echo said; dd if=/dev/zero of=/dev/null bs=32M count=20 2>/dev/null; exit 7";
    let run = bench.run(&["monitor", "--rate", "500", "--csv", "looks.csv", "--json", "--", "sh", "-c", script]);
    assert_eq!(run.code, 7, "{}", run.stderr);
    assert!(run.stderr.starts_with("said") && run.stdout.starts_with('{'), "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&summary["schema"], &summary["version"]), (&"isodyne-monitor".into(), &1.into()));
    assert_eq!(summary["command"]["exit_code"], 7);
    assert!(metric(&summary, "peak_rss_bytes") > f64::from(32 << 20), "{summary}");
    let waited: f64 =
        ["waited_user_ns", "waited_system_ns"].iter().filter_map(|key| summary["command"][key].as_f64()).sum();
    // The shell's own last moments are between the last look and its end.
    let seen = metric(&summary, "cpu_ns");
    assert!(seen > 0.2 * waited && seen < 1.05 * waited + 2e6, "{seen} of {waited}");
    assert!(summary["monitor"]["cpu_ns"].as_f64().is_some_and(|ns| ns > 0.0));
    let csv = std::fs::read_to_string(bench.path("looks.csv")).expect("the file of looks");
    let columns = csv.lines().next().expect("a header").split(',').count();
    assert!(csv.lines().count() > 2 && csv.lines().all(|line| line.split(',').count() == columns));
    assert!(csv.lines().skip(1).all(|line| line.starts_with("command,")));
}

#[test]
fn a_command_that_dies_by_a_signal_says_so_and_one_that_is_none_too() {
    let bench = Bench::new();
    let run = bench.run(&["monitor", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(run.code, 137, "{}", run.stderr);
    assert!(run.stdout.is_empty() && run.stderr.contains("signal: 9"), "{}", run.stderr);
    let none = bench.run(&["monitor", "--", "no-such-program-here"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("no-such-program-here"), "{}", none.stderr);
}

#[test]
fn a_tree_is_monitored_until_it_is_gone_and_can_be_read_as_docker_crs_file() {
    let bench = Bench::new();
    let mut child =
        Command::new("sh").args(["-c", "sleep 600 & read x; kill $!; wait"]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let monitor = bench
        .isodyne(&["monitor", "--pid", &pid, "--csv", "d.csv", "--format", "docker-cr", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(child.stdin.take());
    child.wait().unwrap();
    let run = Finished::of(&monitor.wait_with_output().unwrap());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(metric(&summary, "peak_processes_count"), 2.0);
    let imported = bench.run(&["import", "d.csv", "--out", "R"]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let shown = bench.show("R");
    let cell = &shown["cells"][0];
    // Once both have ended there is nothing to tell: no line says 0, however long that takes to be seen.
    assert!(cell["metrics"]["memory_bytes"]["p50"].as_f64().is_some_and(|bytes| bytes > 1e5), "{shown}");
}

#[test]
fn samples_under_the_monitor_keep_their_series_and_their_peaks() {
    let bench = Bench::new();
    let command = "boot.command=[\"/proc/self/exe\",\"sleep\",\"0.2\"]";
    let run = bench.run(&[
        "run",
        "boot",
        "--on",
        "process",
        "-n",
        "2",
        "--set",
        "warmup=0",
        "--set",
        "monitor_hz=200",
        "--set",
        command,
        "--out",
        "R",
        "--no-report",
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines = std::fs::read_to_string(bench.path("R/samples.jsonl")).expect("samples");
    for line in lines.lines() {
        let sample: Value = serde_json::from_str(line).expect("JSON");
        let metrics = &sample["metrics"];
        assert!(metrics["sandbox_peak_rss_bytes"].as_f64().is_some_and(|bytes| bytes > 0.0), "{line}");
        assert!(metrics["monitor_cpu_ns"].as_f64().is_some_and(|ns| ns > 0.0), "{line}");
        let logs = sample["logs"].as_array().expect("logs");
        let log = logs.iter().filter_map(Value::as_str).find(|log| log.ends_with(".monitor.log")).expect("a series");
        let series = std::fs::read_to_string(bench.path("R").join(log)).expect("the series");
        assert!(series.lines().count() > 10, "{series}");
    }
}

/// A container of runc that sleeps, with a second process; removed at the end.
struct Container<'a> {
    bench: &'a Bench,
    name: String,
}

impl<'a> Container<'a> {
    fn start(bench: &'a Bench, busybox: &str) -> Self {
        let bundle = bench.path("bundle");
        std::fs::create_dir_all(bundle.join("rootfs/bin")).unwrap();
        std::fs::copy(busybox, bundle.join("rootfs/bin/busybox")).unwrap();
        assert!(Command::new("runc").arg("spec").arg("--bundle").arg(&bundle).status().unwrap().success());
        let path = bundle.join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["process"]["terminal"] = false.into();
        let script = "/bin/busybox sleep 600 & while :; do /bin/busybox usleep 20000; done";
        config["process"]["args"] = serde_json::json!(["/bin/busybox", "sh", "-c", script]);
        std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
        let container = Self { bench, name: format!("isodyne-monitor-test-{}", std::process::id()) };
        let mut run = container.runc(&["run", "-d", "--bundle"]);
        let run =
            run.arg(&bundle).arg(&container.name).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(run.status().unwrap().success(), "runc starts the container");
        container
    }

    fn runc(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.bench.path("runc")).args(arguments);
        command
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.runc(&["delete", "--force"]).arg(&self.name).status();
    }
}

#[test]
fn a_container_is_monitored_with_its_cgroup_and_drawn() {
    let bench = Bench::new();
    let busybox = "/usr/bin/busybox";
    if !support::runs_here(&bench, "runc") || !std::path::Path::new(busybox).exists() {
        eprintln!("skipped: there is no runc that works here, or no {busybox}");
        return;
    }
    let container = Container::start(&bench, busybox);
    let root = bench.path("runc").display().to_string();
    // The beginning of its name is enough.
    let name = container.name.trim_end_matches(|end: char| end.is_ascii_digit());
    let arguments =
        ["monitor", "--container", name, "--root", &root, "--duration", "1s", "--json", "--figure", "m.svg"];
    let run = bench.run(&arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(summary["subjects"][0]["name"], "container");
    assert!(metric(&summary, "peak_processes_count") >= 2.0, "{summary}");
    assert!(metric(&summary, "cpu_ns") > 0.0 && metric(&summary, "peak_cgroup_bytes") > 1e4, "{summary}");
    // Everything that the program itself took: more than what its looks took.
    let own = |key: &str| summary["monitor"][key].as_f64().unwrap();
    assert!(own("cpu_ns") > own("first_look_cpu_ns") + own("look_cpu_ns"), "{summary}");
    // Those of `usleep` live for 20 ms, most of them are seen; whoever is not is counted.
    assert!(summary["monitor"]["unseen_tasks"].is_u64());
    let drawn = std::fs::read_to_string(bench.path("m.svg")).expect("the figure");
    assert!(drawn.starts_with("<svg") && drawn.contains("container: memory"), "{drawn}");
    let nobody = bench.run(&["monitor", "--container", "no-such-container", "--root", &root]);
    assert!(nobody.code == 2 && nobody.stderr.contains("no running container"), "{}", nobody.stderr);
}
