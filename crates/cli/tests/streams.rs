//! What goes where: data to standard output, everything else to standard error; JSON names its format and version.

mod support;

use serde_json::Value;
use std::io::Read;
use std::process::Stdio;
use support::{Bench, Finished, cell, left_behind_in_the_end};

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    let run = bench.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    let value: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    assert!(value["schema"].as_str().is_some_and(|name| name.starts_with("isodyne-")), "{arguments:?}: {value}");
    assert!(value["version"].is_u64(), "{arguments:?}");
    value
}

#[test]
fn json_of_every_command_names_its_format() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), "samples = 2\n\n[boot]\non = [\"scripted\"]\n").unwrap();
    json(&bench, &["doctor", "--json"]);
    for what in ["benchmarks", "backends", "plans", "runs"] {
        json(&bench, &["list", what, "--json"]);
    }
    json(&bench, &["check", "plan.toml", "--json"]);
    json(&bench, &["run", "plan.toml", "--out", "R", "--json", "--no-report"]);
    json(&bench, &["show", "R", "--json"]);
}

#[test]
fn a_dry_run_says_all_and_makes_nothing() {
    let bench = Bench::new();
    let told = json(&bench, &["run", "boot", "--on", "process,firecracker", "--out", "D", "--dry-run", "--json"]);
    let steps = told["cells"][0]["steps"].to_string();
    assert!(steps.contains("\"serve\"") && steps.contains("argv"), "{steps}");
    assert_eq!(told["skipped"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(!bench.path("D").exists());
}

#[test]
fn events_go_to_standard_output_line_by_line() {
    let bench = Bench::new();
    let run = bench.run(&["run", "boot", "--on", "scripted", "-n", "3", "--out", "R", "--events", "-", "--no-report"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mut names = Vec::new();
    for line in run.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!((&event["schema"], &event["version"]), (&"isodyne-events".into(), &1.into()));
        names.push(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!((names.first().unwrap().as_str(), names.last().unwrap().as_str()), ("run_started", "run_ended"));
    assert!(names.iter().filter(|name| *name == "sample_taken").count() >= 3);
    let both = bench.run(&["run", "boot", "--on", "scripted", "--events", "-", "--json", "--out", "B"]);
    assert_eq!(both.code, 2, "{}", both.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["run", "boot", "--on", "scripted", "-n", "300", "--out", "R", "--no-report"]).code, 0);
    let mut command = bench.isodyne(&["show", "R", "--csv"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ended = Finished::of(&child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_complete_run_is_not_measured_again() {
    let bench = Bench::new();
    let arguments = ["run", "boot", "--on", "scripted", "-n", "20", "--seed", "3", "--out", "R", "--no-report"];
    let run = bench.run(&[&arguments[..], &["--set", "backend.scripted.fail=timeout:30"]].concat());
    assert_eq!(run.code, 5, "{}", run.stderr);
    let before =
        (std::fs::read(bench.path("R/samples.jsonl")).unwrap(), std::fs::read(bench.path("R/run.json")).unwrap());
    let again = bench.run(&["run", "--resume", "--out", "R", "--no-report"]);
    assert_eq!(again.code, 5, "the code that the run deserves: {}", again.stderr);
    assert!(again.stderr.contains("complete"), "{}", again.stderr);
    let after =
        (std::fs::read(bench.path("R/samples.jsonl")).unwrap(), std::fs::read(bench.path("R/run.json")).unwrap());
    assert!(before == after, "not a byte has changed");
}

#[test]
fn a_run_that_goes_on_elsewhere_says_so() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["run", "boot", "--on", "process,scripted", "-n", "3", "--out", "R", "--no-report"]).code, 0);
    let path = bench.path("R/run.json");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("ended");
    record["fingerprint"]["cpu_model"] = "Z80".into();
    record["assets"][0]["sha256"] = "0".repeat(64).into();
    // As if the process backend had not run there when the run was begun.
    let cells = record["cells"].as_array_mut().unwrap();
    cells.retain(|cell| cell["backend"] != "process");
    std::fs::write(&path, record.to_string()).unwrap();
    let resumed = bench.run(&["run", "--resume", "--out", "R", "--no-report"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    for word in ["not as when this run was begun: processor:", "Z80", "stays skipped"] {
        assert!(resumed.stderr.contains(word), "{word}: {}", resumed.stderr);
    }
}

#[test]
fn a_backend_that_has_vanished_is_a_failed_cell() {
    let bench = Bench::new();
    let arguments = ["run", "boot", "--on", "scripted", "-n", "3", "--out", "R", "--no-report"];
    assert_eq!(bench.run(&arguments).code, 0);
    let path = bench.path("R/run.json");
    let mut text = std::fs::read_to_string(&path).unwrap();
    // A backend that cannot run on any host stands for one that has vanished.
    text = text.replace("\"scripted\"", "\"firecracker\"").replace("boot/scripted", "boot/firecracker");
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record.as_object_mut().unwrap().remove("ended");
    std::fs::write(&path, record.to_string()).unwrap();
    std::fs::write(bench.path("R/samples.jsonl"), "").unwrap();
    let resumed = bench.run(&["run", "--resume", "--out", "R", "--no-report"]);
    assert_eq!(resumed.code, 5, "{}", resumed.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, "firecracker");
    assert_eq!(cell["status"], "failed");
    assert!(cell["reason"].as_str().unwrap().contains("any more"), "{cell}");
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}
