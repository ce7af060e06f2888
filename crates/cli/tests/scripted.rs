//! The machinery on the scripted backend: plan, run, store, show, report, resume.

mod support;

use serde_json::Value;
use support::{Bench, cell};

const PLAN: &str = r#"
title = "scripted"
samples = 30
warmup = 2
seed = 7

[boot]
on = ["scripted"]

[backend.scripted]
total = ["100 ms", "200 ms"]
"#;

#[test]
fn a_scripted_run_is_complete_and_labelled() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    let run = bench.run(&["run", "plan.toml", "--out", "R"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("scripted"), "scripted samples are labelled:\n{}", run.stdout);
    let summary = bench.show("R");
    assert_eq!(summary["cells"].as_array().unwrap().len(), 2);
    let cell = cell(&summary, "scripted");
    assert_eq!((&cell["status"], &cell["samples_valid"]), (&Value::from("measured"), &Value::from(30)));
    assert_eq!(cell["provenance"], "scripted");
    assert!(!cell["metrics"]["total_ns"]["p90"].is_null(), "30 samples carry p90");
    assert!(cell["metrics"]["total_ns"]["p99"].is_null(), "30 samples cannot carry p99");
    let html = std::fs::read_to_string(bench.path("R/report.html")).unwrap();
    assert!(html.contains("scripted: not a measurement"));
    for (flag, start) in [("--csv", "run_id,cell,"), ("--md", "#")] {
        let shown = bench.run(&["show", "R", flag]);
        assert!(shown.code == 0 && shown.stdout.starts_with(start), "{flag}");
    }
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    let order = |out: &str| -> Vec<String> {
        assert_eq!(bench.run(&["run", "plan.toml", "--out", out, "--no-report"]).code, 0);
        let samples = std::fs::read_to_string(bench.path(out).join("samples.jsonl")).unwrap();
        samples.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["cell"].to_string()).collect()
    };
    let first = order("A");
    assert_eq!(first, order("B"));
    let alternations = first.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(alternations > 10, "cells are interleaved, not taken one after another");
}

#[test]
fn failures_are_counted_kept_and_in_the_exit_code() {
    let bench = Bench::new();
    let arguments = ["run", "boot", "--on", "scripted", "-n", "20", "--seed", "3", "--out", "R"];
    let run = bench.run(&[&arguments[..], &["--set", "backend.scripted.fail=timeout:30"]].concat());
    assert_eq!(run.code, 5, "{}", run.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, "scripted");
    assert_eq!(cell["samples_valid"], 20);
    let failed = cell["samples_failed"]["timeout"].as_u64().unwrap();
    assert!(failed > 0);
    let lines = std::fs::read_to_string(bench.path("R/samples.jsonl")).unwrap();
    let kept = lines.lines().filter(|line| line.contains("\"timeout\"") && line.contains("\"warmup\":false")).count();
    assert_eq!(kept as u64, failed, "every failed sample is kept");
}

#[test]
fn a_run_cut_anywhere_is_read_and_resumed_to_exactly_n() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    assert_eq!(bench.run(&["run", "plan.toml", "--out", "whole", "--no-report"]).code, 0);
    let samples = std::fs::read(bench.path("whole/samples.jsonl")).unwrap();
    for (index, cut) in [0, 1, samples.len() / 3, samples.len() / 2 + 17, samples.len() - 1].into_iter().enumerate() {
        let name = format!("cut-{index}");
        let directory = bench.path(&name);
        std::fs::create_dir_all(directory.join("logs")).unwrap();
        let record = std::fs::read_to_string(bench.path("whole/run.json")).unwrap();
        let mut record: Value = serde_json::from_str(&record).unwrap();
        record.as_object_mut().unwrap().remove("ended");
        // Runs are told apart by their names, also on the host.
        record["run_id"] = Value::from(format!("5c{index:06x}"));
        std::fs::write(directory.join("run.json"), record.to_string()).unwrap();
        std::fs::write(directory.join("samples.jsonl"), &samples[..cut]).unwrap();
        bench.show(&name);
        let resumed = bench.run(&["run", "--resume", "--out", &name, "--no-report"]);
        assert_eq!(resumed.code, 0, "{}", resumed.stderr);
        let summary = bench.show(&name);
        for cell in summary["cells"].as_array().unwrap() {
            assert_eq!(cell["samples_valid"], 30, "cut at byte {cut}");
            assert_eq!(cell["samples_warmup"], 2, "cut at byte {cut}");
        }
    }
}
