//! Variants, from the command line to the samples: pairs are adjacent, interleaved, and really what they say.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use support::{Bench, runs_here};

/// Round and cell of every sample, in the order in which they were taken.
fn taken(bench: &Bench, run: &str) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(bench.path(run).join("samples.jsonl")).expect("samples");
    let samples = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    samples.map(|sample| (sample["round"].as_u64().unwrap(), sample["cell"].as_str().unwrap().to_owned())).collect()
}

/// Every block of every round is taken at once, and neither order of a pair is always the same.
fn assert_paired(taken: &[(u64, String)]) {
    let blocks: Vec<(u64, &str)> =
        taken.iter().map(|(round, cell)| (*round, cell.split('~').next().unwrap_or(cell))).collect();
    let mut visits = blocks.clone();
    visits.dedup();
    assert_eq!(visits.len(), visits.iter().collect::<BTreeSet<_>>().len(), "a block was left and come back to");
    let begins_with_base: BTreeSet<bool> = visits
        .iter()
        .filter_map(|visit| blocks.iter().position(|block| block == visit))
        .map(|first| !taken[first].1.contains('~'))
        .collect();
    assert_eq!(begins_with_base.len(), 2, "one order only");
}

#[test]
fn pairs_are_adjacent_and_a_failed_round_is_taken_again_for_both() {
    let bench = Bench::new();
    let arguments = [
        "run",
        "boot",
        "--on",
        "scripted",
        "-n",
        "30",
        "--seed",
        "7",
        "--out",
        "R",
        "--no-report",
        "--set",
        "backend.scripted.total=1ms,2ms",
        "--variant",
        "slow: backend.scripted.total=3ms",
        "--variant",
        "flaky: backend.scripted.fail=timeout:10%",
    ];
    assert_eq!(bench.run(&arguments).code, 5);
    let taken = taken(&bench, "R");
    assert_paired(&taken);
    let summary = bench.show("R");
    let cells = summary["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 6);
    let valid = |cell: &Value| cell["samples_valid"].as_u64().expect("a number");
    assert!(cells.iter().all(|cell| valid(cell) >= 30));
    let (flaky, slow): (Vec<&Value>, Vec<&Value>) =
        cells.iter().filter(|cell| !cell["variant"].is_null()).partition(|cell| cell["variant"] == "flaky");
    for (flaky, slow) in flaky.iter().zip(&slow) {
        let failed: u64 =
            flaky["samples_failed"].as_object().expect("classes").values().filter_map(Value::as_u64).sum();
        assert_eq!((valid(flaky), valid(slow)), (30, 30 + failed));
        assert_eq!(slow["factors"]["total"], "3 ms");
    }
}

#[test]
fn variants_are_refused_before_anything_starts() {
    let bench = Bench::new();
    let refused = bench.run(&["run", "boot", "--on", "scripted", "--variant", "x: backend.runc.program=/bin/true"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("no benchmark runs on `runc`"), "{}", refused.stderr);
    let program = ["run", "boot", "--on", "runc", "--variant", "x: backend.runc.program=./none", "--out", "R"];
    if runs_here(&bench, "runc") {
        let refused = bench.run(&program);
        assert_eq!(refused.code, 3);
        assert!(refused.stderr.contains("backend.runc.program: `./none` does not exist"), "{}", refused.stderr);
        assert!(!bench.path("R").exists());
    }
}

const PLAN: &str = r#"
samples = 6
warmup = 1
[boot]
on = ["runc"]
[[build]]
name = "slow"
repository = "tiny"
command = ["sh", "build.sh"]
output = "bin/runc"
[[variant]]
name = "slow"
set = { "backend.runc.program" = "build:slow" }
"#;

/// A build that wraps the host's runc, so that each container is made later.
const BUILD: &str = r#"set -e
mkdir bin
runc=$(PATH=$PATH:/usr/sbin:/sbin command -v runc)
printf '#!/bin/sh\ncase " $* " in *" run "*) sleep 0.03;; esac\nexec %s "$@"\n' "$runc" > bin/runc
chmod +x bin/runc
"#;

#[test]
fn a_variant_boots_what_a_git_revision_makes() {
    let bench = Bench::new();
    if !runs_here(&bench, "runc") {
        return;
    }
    std::fs::create_dir(bench.path("tiny")).unwrap();
    std::fs::write(bench.path("tiny/build.sh"), BUILD).unwrap();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        let status = Command::new("git").current_dir(bench.path("tiny")).args(identity).args(words).status();
        assert!(status.expect("git").success());
    };
    git(&["init", "--quiet", "."]);
    git(&["add", "build.sh"]);
    git(&["commit", "--quiet", "--message", "slow"]);

    let cache = bench.path("cache");
    let isodyne = |arguments: &[&str]| {
        let output = bench.isodyne(arguments).env("ISODYNE_CACHE", &cache).output().expect("isodyne starts");
        support::Finished::of(&output)
    };
    let dry = isodyne(&["run", "plan.toml", "--dry-run"]);
    assert!(dry.stdout.contains("build slow") && dry.stdout.contains("known when `slow` is built"), "{}", dry.stdout);
    assert!(!cache.join("builds").exists());
    let run = isodyne(&["run", "plan.toml", "--out", "R", "--no-report"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_paired(&taken(&bench, "R"));
    let record: Value = serde_json::from_str(&std::fs::read_to_string(bench.path("R/run.json")).unwrap()).unwrap();
    let commit = record["plan"]["builds"][0]["commit"].as_str().expect("a commit");
    let asset = record["assets"].as_array().unwrap().iter().find(|asset| asset["role"] == "build").expect("the build");
    assert!(asset["name"].as_str().unwrap().ends_with(commit));
    let tools = record["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["sha256"] == asset["sha256"]));
    let summary = bench.show("R");
    let fastest = |variant: &Value| {
        let cells = summary["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["variant"] == *variant).unwrap();
        cell["metrics"]["total_ns"]["min"].as_f64().unwrap()
    };
    // The wrapper waits before it runs anything: no boot of the variant can be faster than its wait.
    assert!(fastest(&Value::from("slow")) > 30e6);
    assert!(fastest(&Value::Null) > 0.0);
}
