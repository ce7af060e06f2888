//! Calibration, history, trends, shards and merging, from the command line.

mod support;

use serde_json::Value;
use support::Bench;

const PLAN: &str = r#"
title = "scripted"
samples = 8
warmup = 1

[boot]
on = ["scripted"]

[backend.scripted]
total = ["100 ms", "200 ms", "300 ms"]
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn runs_are_kept_and_a_trend_shows_where_they_changed() {
    let bench = Bench::new();
    for number in 0..16 {
        let total = if number < 8 { "100" } else { "120" };
        let plan = format!("samples = 8\nwarmup = 0\nseed = {number}\n[boot]\non = \"scripted\"\n[backend.scripted]\n");
        std::fs::write(bench.path("plan.toml"), format!("{plan}total = \"{total} ms\"\n")).unwrap();
        let out = format!("R{number}");
        let run = bench.run(&["run", "plan.toml", "--out", &out, "--no-report"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(!run.stderr.contains("calibrate"), "scripted times have no ceiling: {}", run.stderr);
    }
    let listed = json(&bench.run(&["history", "list", "--json"]).stdout);
    assert_eq!(listed["runs"].as_array().unwrap().len(), 16);
    // The time is part of the cell's name: both levels are trends of their own, and neither changes.
    let trend = bench.run(&["trend", "total_ns", "--json"]);
    let found = json(&trend.stdout);
    assert_eq!(found["schema"], "isodyne-trend");
    let trends = found["trends"].as_array().unwrap();
    assert_eq!(trends.len(), 2);
    for trend in trends {
        assert_eq!(trend["points"].as_array().unwrap().len(), 8);
        assert_eq!(trend["provenance"], "scripted");
    }
    let text = bench.run(&["trend", "total_ns", "--cell", "*total=100ms*"]);
    assert!(text.code == 0 && text.stdout.contains("scripted: not a measurement"), "{text:?}");
    assert!(text.stdout.contains("8 runs") && !text.stdout.contains("120"), "{}", text.stdout);
    let markdown = bench.run(&["trend", "total_ns", "--host", "all", "--md"]);
    assert!(markdown.stdout.starts_with("| metric | cell |"), "{}", markdown.stdout);

    for (arguments, words) in [
        (&["trend", "totl_ns"][..], "total_ns"),
        (&["trend", "total_ns", "--cell", "boot/qemu*"], "--cell takes a pattern"),
        (&["trend", "total_ns", "--host", "0123"], "other hosts have"),
        (&["history", "remove", "nothing"], "history list"),
    ] {
        let refused = bench.run(arguments);
        assert!(refused.code == 2 && refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(bench.run(&["history", "remove", "R0"]).code, 0);
    let compacted = json(&bench.run(&["history", "compact", "--keep-per-cell", "3", "--json"]).stdout);
    assert_eq!(compacted["compacted"]["runs_removed"], 9);
    assert_eq!(json(&bench.run(&["history", "list", "--json"]).stdout)["runs"].as_array().unwrap().len(), 6);
}

#[test]
fn many_processes_write_at_once_and_lose_nothing() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("R{number}")).collect();
    for name in &names {
        assert_eq!(bench.run(&["run", "plan.toml", "--out", name, "--no-report", "--no-history"]).code, 0);
    }
    assert!(!bench.path("history.sqlite").exists(), "--no-history keeps nothing");
    // Each run is added by two processes, all at once, while the file is being made.
    let adding: Vec<_> = names
        .iter()
        .chain(&names)
        .map(|name| bench.isodyne(&["history", "add", name]).stderr(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    for child in adding {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = json(&bench.run(&["history", "list", "--json"]).stdout);
    let runs = listed["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 12);
    assert!(runs.iter().all(|run| run["cells"] == 3));
}

#[test]
fn a_history_that_cannot_be_written_is_no_failure_of_the_run() {
    let bench = Bench::new();
    std::fs::write(bench.path("history.sqlite"), "no database at all ".repeat(100)).unwrap();
    let run = bench.run(&["run", "boot", "--on", "scripted", "-n", "3", "--out", "R", "--no-report"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("warning: not in the history") && run.stderr.contains("move it away"),
        "{}",
        run.stderr
    );
    let trend = bench.run(&["trend", "total_ns"]);
    assert!(trend.code == 1 && trend.stderr.contains("history add"), "{}", trend.stderr);
}

#[test]
fn shards_are_merged_into_the_whole_plan() {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    let parts = ["S1", "S2", "S3", "S4"];
    for (index, part) in parts.iter().enumerate() {
        let shard = format!("{}/4", index + 1);
        let run = bench.run(&["run", "plan.toml", "--shard", &shard, "--out", part, "--no-report", "--no-history"]);
        assert_eq!(run.code, 0, "a shard without a cell is no failure: {}", run.stderr);
        assert_eq!(json(&std::fs::read_to_string(bench.path(part).join("run.json")).unwrap())["shard"], shard);
    }
    let merged = bench.run(&[&["merge"], &parts[..], &["--out", "M"]].concat());
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    let summary = bench.show("M");
    let cells = summary["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 3);
    assert!(cells.iter().all(|cell| cell["samples_valid"] == 8 && cell["samples_warmup"] == 1), "{summary}");
    assert_eq!(summary["complete"], true);
    let shown = bench.run(&["show", "M"]).stdout;
    assert!(shown.contains("merged from 4 runs") && !shown.contains("interleaved"), "{shown}");
    assert_eq!(bench.run(&["history", "add", "M"]).code, 0);

    let resumed = bench.run(&["run", "--resume", "--out", "M"]);
    assert!(resumed.code == 2 && resumed.stderr.contains("isodyne merge"), "{}", resumed.stderr);
    let twice = bench.run(&["merge", "S1", "S1", "--out", "N"]);
    assert!(twice.code == 2 && twice.stderr.contains("twice"), "{}", twice.stderr);
    let other = bench.run(&["run", "--resume", "--out", "S1", "--shard", "2/4"]);
    assert!(other.code == 2 && other.stderr.contains("--shard"), "{}", other.stderr);
    assert_eq!(bench.run(&["run", "plan.toml", "--shard", "5/4"]).code, 2);
}

#[test]
fn a_calibration_is_measured_kept_and_written_into_runs() {
    let bench = Bench::new();
    let isodyne = |arguments: &[&str]| {
        let mut command = bench.isodyne(arguments);
        command.env("ISODYNE_CACHE", bench.path("cache"));
        support::Finished::of(&command.output().expect("isodyne starts"))
    };
    let first = isodyne(&["run", "boot", "--on", "process", "-n", "1", "--out", "A", "--no-report"]);
    assert!(first.stderr.contains("`isodyne calibrate`"), "{}", first.stderr);
    let measured = isodyne(&["calibrate", "--quick", "--json"]);
    assert_eq!(measured.code, 0, "{}", measured.stderr);
    let measured = json(&measured.stdout);
    assert_eq!(measured["schema"], "isodyne-calibration");
    assert!(measured["limits"].as_array().unwrap().len() > 10);
    let second = isodyne(&["run", "boot", "--on", "process", "-n", "1", "--out", "B", "--no-report"]);
    assert!(second.code == 0 && !second.stderr.contains("calibrate"), "{}", second.stderr);
    let record = json(&std::fs::read_to_string(bench.path("B/run.json")).unwrap());
    assert_eq!(record["calibration"]["limits"], measured["limits"]);
    assert!(isodyne(&["doctor"]).stdout.contains("limits known, measured at"));
    // The auditor takes what the run has, else what is kept for its host, and says which.
    for (run, from, words) in [("A", "kept", "those kept for its host"), ("B", "run", "of the run itself")] {
        let audited = isodyne(&["audit", run, "--json"]);
        assert!(audited.stderr.contains(words), "{}", audited.stderr);
        let limits = &json(&audited.stdout)["limits"];
        assert_eq!((&limits["from"], &limits["measured_at"]), (&Value::from(from), &measured["measured_at"]));
    }

    // One that is too old is not used, and the run says so.
    let file = std::fs::read_dir(bench.path("cache"))
        .unwrap()
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("calibration-"));
    let file = file.expect("a calibration in the cache").path();
    let mut old = json(&std::fs::read_to_string(&file).unwrap());
    old["measured_at"] = Value::from("2020-01-01T00:00:00Z");
    std::fs::write(&file, old.to_string()).unwrap();
    let third = isodyne(&["run", "boot", "--on", "process", "-n", "1", "--out", "C", "--no-report"]);
    assert!(third.code == 0 && third.stderr.contains("days ago"), "{}", third.stderr);
    let audited = isodyne(&["audit", "A", "--json"]);
    assert!(audited.stderr.contains("days ago") && json(&audited.stdout)["limits"].is_null(), "{}", audited.stderr);
    assert!(json(&std::fs::read_to_string(bench.path("C/run.json")).unwrap()).get("calibration").is_none());
}
