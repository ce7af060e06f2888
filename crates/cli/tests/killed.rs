//! Runs that die: `kill -9`, Ctrl-C and SIGTERM at any moment leave nothing behind and lose nothing.

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{Bench, left_behind_in_the_end, runs_here};

fn start(bench: &Bench, arguments: &[&str]) -> Child {
    bench.isodyne(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("isodyne starts")
}

fn backends(bench: &Bench, wanted: &[&str]) -> Vec<String> {
    wanted.iter().filter(|backend| runs_here(bench, backend)).map(|backend| (*backend).to_owned()).collect()
}

/// Kills a run over `on` at `kills` moments, goes on after each, and checks the end.
fn kill_and_resume(on: &[&str], samples: u64, kills: u32, span: Duration) {
    let bench = Bench::new();
    let on = backends(&bench, on);
    if on.is_empty() {
        return;
    }
    if on.iter().any(|backend| backend == "qemu") {
        assert_eq!(bench.run(&["setup"]).code, 0);
    }
    let count = samples.to_string();
    let on = on.join(",");
    let fresh = ["run", "boot", "--on", &on, "-n", &count, "--set", "warmup=1", "--out", "R", "--no-report"];
    let resume = ["run", "--resume", "--out", "R", "--no-report"];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..kills {
        let begun = bench.path("R/run.json").exists();
        let mut child = start(&bench, if begun { &resume } else { &fresh });
        // The moment of the kill is what the test varies.
        std::thread::sleep(span.mul_f64(random.f64()));
        let _ = child.kill();
        let _ = child.wait();
        if bench.path("R/run.json").exists() {
            bench.show("R");
            let run_id = bench.run_id("R");
            assert_eq!(left_behind_in_the_end(&run_id), Vec::<String>::new(), "after kill -9");
        } else if bench.path("R").exists() {
            std::fs::remove_dir_all(bench.path("R")).unwrap();
        }
    }
    let run = bench.run(if bench.path("R/run.json").exists() { &resume } else { &fresh });
    assert_eq!(run.code, 0, "{}", run.stderr);
    let summary = bench.show("R");
    for cell in summary["cells"].as_array().unwrap() {
        assert_eq!(cell["samples_valid"], samples, "{cell}");
        assert_eq!(cell["samples_warmup"], 1, "{cell}");
    }
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new(), "at the end");
    // Nothing was measured twice: a cell has one attempt a round.
    let samples = std::fs::read_to_string(bench.path("R/samples.jsonl")).unwrap();
    let mut seen = std::collections::HashSet::new();
    for line in samples.lines() {
        let sample: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(seen.insert((sample["cell"].to_string(), sample["round"].to_string())), "twice: {line}");
    }
}

#[test]
fn kill_9_over_containers_leaves_nothing_and_loses_nothing() {
    kill_and_resume(&["process", "runc"], 6, 8, Duration::from_millis(1500));
}

#[test]
fn kill_9_over_vms_leaves_nothing_and_loses_nothing() {
    kill_and_resume(&["runc", "qemu"], 2, 4, Duration::from_secs(9));
}

#[test]
fn ctrl_c_and_sigterm_end_cleanly_and_the_run_goes_on() {
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM")] {
        let bench = Bench::new();
        let on = backends(&bench, &["process", "runc", "qemu"]).join(",");
        let mut child = start(&bench, &["run", "boot", "--on", &on, "-n", "200", "--out", "R", "--no-report"]);
        // The run is under way once its first sample is on disk.
        let samples = bench.path("R/samples.jsonl");
        for _ in 0..2_000 {
            if std::fs::metadata(&samples).is_ok_and(|metadata| metadata.len() > 0) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(130), "SIG{name}");
        bench.show("R");
        assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new(), "SIG{name}");
    }
}
