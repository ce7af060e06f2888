//! `isodyne import`, from the outside: other tools' files become runs.

mod support;

use support::Bench;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/tests/import");

fn fixture(name: &str) -> String {
    format!("{FIXTURES}/{name}")
}

#[test]
fn a_file_becomes_a_run_that_can_be_shown_and_reported() {
    let bench = Bench::new();
    let made = bench.run(&["import", &fixture("picoshare/v2"), "--out", "run"]);
    // Two of the five uploads failed.
    assert_eq!(made.code, 5, "{}", made.stderr);
    assert!(made.stdout.contains("Stated by the files") && made.stderr.contains("imported 5 samples"), "{made:?}");
    let shown = bench.show("run");
    let cell = support::cell(&shown, "firecracker");
    assert_eq!((cell["provenance"].as_str(), cell["samples_valid"].as_u64()), (Some("imported"), Some(3)));
    assert_eq!(cell["metrics"]["total_ns"]["p50"], 15.0e9);
    let report = bench.run(&["report", "run"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let html = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(html.contains("Stated by the files"));
}

#[test]
fn figures_without_samples_are_no_failure() {
    let bench = Bench::new();
    let file = fixture("luminaguard/rust_baseline_20260220_101500.json");
    let made = bench.run(&["import", &file, "--out", "run"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("vm_spawn_time_ns"), "{}", made.stdout);
    assert_eq!(bench.show("run")["cells"][0]["status"], "skipped");
}

#[test]
fn what_cannot_be_read_is_refused_and_nothing_is_written() {
    let bench = Bench::new();
    std::fs::write(bench.path("bad.csv"), "name,ms\na,1\nb,NaN\n").expect("written");
    std::fs::write(bench.path("cut.json"), "{\"ram_mb\": 1,\n\"file_size\": ").expect("written");
    let refused = |arguments: &[&str], words: &[&str]| {
        let run = bench.run(arguments);
        assert_eq!(run.code, 2, "{run:?}");
        for word in words {
            assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
        }
    };
    refused(&["import", "bad.csv"], &["no format recognises it", "picoshare", "--map"]);
    refused(&["import", "bad.csv", "--map", "total_ns=col:ms*1e6"], &["bad.csv:3: column `ms`: `NaN` is not a number"]);
    refused(&["import", "bad.csv", "--map", "total_ns=col:s"], &["no column `s`; there are `name`, `ms`"]);
    refused(&["import", "bad.csv", "--map", "total=col:ms"], &["`total` is no target", "_ns"]);
    refused(&["import", "cut.json"], &["cut.json:2:", "cut off"]);
    refused(&["import", "none.json"], &["none.json: cannot be read"]);
    refused(&["import", "bad.csv", "--format", "nonesuch"], &["no format `nonesuch`"]);
    refused(&["import"], &["required"]);
    assert!(!bench.path("runs").exists());
}

#[test]
fn a_mapping_may_be_a_file_and_formats_are_listed() {
    let bench = Bench::new();
    let (table, map) = (fixture("csv/runs.csv"), fixture("csv/runs.toml"));
    let made = bench.run(&["import", &table, "--map", &map, "--out", "run", "--json"]);
    assert_eq!(made.code, 5, "{}", made.stderr);
    let summary: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(summary["cells"].as_array().map(Vec::len), Some(3));
    let again = bench.run(&["import", "run"]);
    assert!(again.code == 2 && again.stderr.contains("is a run already"), "{again:?}");
    for part in ["run/run.json", "run/samples.jsonl"] {
        let part = bench.run(&["import", part]);
        assert!(part.code == 2 && part.stderr.contains("isodyne show run"), "{part:?}");
    }
    let listed = bench.run(&["import", "--list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert!(list["formats"].as_array().is_some_and(|formats| formats.iter().any(|one| one["name"] == "csv")));
}
