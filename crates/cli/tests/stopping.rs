//! Runs that a declared rule stops, on the scripted backend: run, resume, show, refuse.

mod support;

use serde_json::Value;
use support::Bench;

const RUN: [&str; 9] = ["run", "boot", "--on", "scripted", "--seed", "3", "--until-precision", "5 %", "--no-history"];

fn record(bench: &Bench, run: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(bench.path(run).join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_rule_stops_a_run_and_is_in_everything_that_is_shown_of_it() {
    let bench = Bench::new();
    let run = bench.run(&[&RUN[..], &["--out", "R"]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("look 1 of 5 after 20 samples: ±"), "{}", run.stderr);
    assert!(run.stderr.contains("the run stops here, by its rule"), "{}", run.stderr);
    assert!(run.stdout.contains("stopped by its declared rule after"), "{}", run.stdout);
    let record = record(&bench, "R");
    assert_eq!(record["plan"]["stop"]["looks"], serde_json::json!([20, 40, 60, 80, 100]));
    let stop = &record["ended"]["stop"];
    let after = stop["stopped_after"].as_u64().unwrap();
    assert!(after < 100);
    let last = stop["looks"].as_array().unwrap().last().unwrap();
    assert!(last["sure"] == true && last["furthest"]["half_width"].as_f64().unwrap() <= 0.05, "{last}");
    let summary = bench.show("R");
    assert_eq!(
        (&summary["cells"][0]["samples_valid"], &summary["stop"]["stopped_after"]),
        (&after.into(), &after.into())
    );
    // What is printed is what was wanted: the same interval, not a narrower one.
    let total = &summary["cells"][0]["metrics"]["total_ns"];
    let half = (total["ci95"][1].as_f64().unwrap() - total["ci95"][0].as_f64().unwrap()) / 2.0;
    assert_eq!(half / total["p50"].as_f64().unwrap(), last["furthest"]["half_width"].as_f64().unwrap());
    let html = std::fs::read_to_string(bench.path("R/report.html")).unwrap();
    assert!(html.contains("stopped by its declared rule"));
    let markdown = bench.run(&["show", "R", "--md"]);
    assert!(markdown.stdout.contains("each interval is of 99 %"), "{}", markdown.stdout);
    let again = bench.run(&["run", "--resume", "--out", "R", "--no-report"]);
    assert!(again.code == 0 && again.stderr.contains("this run is complete"), "{}", again.stderr);
}

#[test]
fn a_run_cut_anywhere_is_stopped_where_the_whole_one_was() {
    let bench = Bench::new();
    assert_eq!(bench.run(&[&RUN[..], &["--no-report", "--out", "whole"]].concat()).code, 0);
    let whole = record(&bench, "whole");
    let samples = std::fs::read_to_string(bench.path("whole/samples.jsonl")).unwrap();
    let count = samples.lines().count();
    // The last has all samples and lacks only the end: nothing more is taken.
    let cuts: std::collections::BTreeSet<usize> = [5, 22, 23, count - 1, count].into();
    for kept in cuts {
        let out = format!("cut{kept}");
        std::fs::create_dir(bench.path(&out)).unwrap();
        let mut begun = whole.clone();
        begun.as_object_mut().unwrap().remove("ended");
        std::fs::write(bench.path(&out).join("run.json"), begun.to_string()).unwrap();
        let lines: String = samples.split_inclusive('\n').take(kept).collect();
        std::fs::write(bench.path(&out).join("samples.jsonl"), lines).unwrap();
        let resumed = bench.run(&["run", "--resume", "--no-report", "--no-history", "--out", &out]);
        assert_eq!(resumed.code, 0, "{}", resumed.stderr);
        let taken = std::fs::read_to_string(bench.path(&out).join("samples.jsonl")).unwrap().lines().count();
        assert_eq!(taken, count, "cut after {kept}");
        assert_eq!(record(&bench, &out)["ended"]["stop"], whole["ended"]["stop"], "cut after {kept}");
    }
    let other = bench.run(&["run", "boot", "--on", "scripted", "-n", "100", "--resume", "--out", "cut5"]);
    assert!(other.code == 3 && other.stderr.contains("another plan"), "{}", other.stderr);
}

#[test]
fn a_decision_stops_all_cells_together_and_the_comparison_says_so() {
    let bench = Bench::new();
    let plan = "samples = 100\nseed = 5\n[boot]\non = [\"scripted\"]\n[stop]\ndecide = true\n[[variant]]\nname = \"slow\"\n\
                set = { \"backend.scripted.total\" = \"300 ms\" }\n";
    std::fs::write(bench.path("plan.toml"), plan).unwrap();
    let run = bench.run(&["run", "plan.toml", "--no-report", "--no-history", "--out", "R"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let after = record(&bench, "R")["ended"]["stop"]["stopped_after"].as_u64().unwrap();
    let summary = bench.show("R");
    for cell in summary["cells"].as_array().unwrap() {
        assert_eq!(cell["samples_valid"], after);
    }
    let compared = bench.run(&["compare", "R", "--json"]);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert!(compared["warnings"][0].as_str().unwrap().contains("stopped by its declared rule"), "{compared}");
    assert_eq!(compared["cells"][0]["metrics"][0]["verdict"], "worse");
}

#[test]
fn nonsense_is_refused_before_anything_runs() {
    let bench = Bench::new();
    for (arguments, expected) in [
        (["--until-precision", "-2%"], "above 0 %"),
        (["--until-precision", "0.02"], "a share in percent"),
        (["--set", "stop.decide=true"], "no variant"),
        (["--set", "stop.look_every=10"], "does not say when"),
    ] {
        let run = bench.run(&[&["run", "boot", "--on", "scripted", "--out", "N"][..], &arguments].concat());
        assert!(run.code == 3 && run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
        assert!(!bench.path("N").exists());
    }
}
