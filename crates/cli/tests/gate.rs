//! Comparison, gate and their check, as a user runs them.

mod support;

use serde_json::Value;
use support::Bench;

const PLAN: &str = "samples = 12\nwarmup = 0\nseed = 7\n[boot]\non = \"scripted\"\n\
    [backend.scripted]\ntotal = \"100 ms\"\nspread = \"1 ms\"\n\
    [[variant]]\nname = \"slow\"\nset = { \"backend.scripted.total\" = \"120 ms\" }\n\
    [[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< +5 %\"\nthan = \"base\"\n";

fn measured(bench: &Bench) {
    std::fs::write(bench.path("plan.toml"), PLAN).expect("written");
    let run = bench.run(&["run", "plan.toml", "--out", "a", "--no-report"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// Turns the made-up samples of a run into measured ones, so that the gate's other verdicts can be seen.
fn pretend(bench: &Bench, run: &str) {
    let path = bench.path(run).join("samples.jsonl");
    let text = std::fs::read_to_string(&path).expect("samples");
    std::fs::write(&path, text.replace("\"scripted\",\"accuracy\"", "\"measured\",\"accuracy\"")).expect("written");
}

#[test]
fn variants_are_compared_and_scripted_ones_never_gated() {
    let bench = Bench::new();
    measured(&bench);
    let compared = bench.run(&["compare", "a", "--json"]);
    assert_eq!(compared.code, 12, "{}", compared.stderr);
    let found: Value = serde_json::from_str(&compared.stdout).expect("JSON");
    assert_eq!(found["schema"], "isodyne-comparison");
    let total = &found["cells"][0]["metrics"][0];
    assert_eq!((&total["metric"], &total["verdict"], &total["n"]), (&"total_ns".into(), &"worse".into(), &12.into()));
    let gated = bench.run(&["gate", "a"]);
    assert_eq!(gated.code, 12, "{}", gated.stdout);
    assert!(gated.stdout.contains("scripted, not measured"), "{}", gated.stdout);
    assert_eq!(bench.run(&["compare", "a", "--baseline", "slwo"]).code, 12);
    assert_eq!(bench.run(&["compare", "a", "a", "--baseline", "slow"]).code, 2);
}

#[test]
fn the_verdict_is_the_exit_code_and_goes_everywhere() {
    let bench = Bench::new();
    measured(&bench);
    pretend(&bench, "a");
    let gated = bench.run(&["gate", "a", "--junit", "junit.xml", "--json"]);
    assert_eq!(gated.code, 10, "{}{}", gated.stdout, gated.stderr);
    let result: Value = serde_json::from_str(&gated.stdout).expect("JSON");
    assert_eq!((&result["schema"], &result["verdict"]), (&"isodyne-gate".into(), &"fail".into()));
    assert!(std::fs::read_to_string(bench.path("junit.xml")).expect("written").contains("<failure"));
    let budget = |text: &str| {
        std::fs::write(bench.path("budgets.toml"), format!("[[budget]]\nmetric = \"boot.total_ns\"\n{text}\n"))
            .expect("written");
        bench.run(&["gate", "a", "--budgets", "budgets.toml", "--md"])
    };
    let passed = budget("p50 = \"< 1 s\"");
    assert_eq!(passed.code, 0, "{}{}", passed.stdout, passed.stderr);
    assert!(passed.stdout.starts_with("### Isodyne gate: pass"), "{}", passed.stdout);
    assert_eq!(budget("p99 = \"< 1 s\"").code, 11);
    let wrong = budget("p50 = \"< 1\"");
    assert_eq!(wrong.code, 3);
    assert!(wrong.stderr.contains("budgets.toml:3:7: `p50` has no unit"), "{}", wrong.stderr);
    assert_eq!(bench.run(&["gate", "a", "--against", "nowhere"]).code, 12);
    // A webhook that cannot be told warns, and the verdict stays.
    let told = bench.run(&["gate", "a", "--webhook", "http://127.0.0.1:1/x"]);
    assert_eq!(told.code, 10);
    assert!(told.stderr.contains("the webhook was not told"), "{}", told.stderr);
    assert_eq!(bench.run(&["gate", "a", "--webhook", "ftp://x"]).code, 2);
}

#[test]
fn the_gate_checks_itself() {
    let bench = Bench::new();
    let checked = bench.run(&["selfcheck", "--trials", "20", "--json"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let found: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(found["schema"], "isodyne-selfcheck");
    assert!(found["outcomes"].as_array().expect("outcomes").len() >= 8);
    assert_eq!(found["many_budgets"].as_array().expect("gates of several budgets").len(), 5);
    let run = bench.run(&["selfcheck", "--on", "scripted", "-n", "40", "--window", "10", "--out", "s", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let found: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let check = &found["runs"][0];
    assert_eq!((&check["windows"], &check["alike"]["trials"]), (&4.into(), &24.into()));
    assert!((check["delay_ns"].as_f64().expect("a delay") - 5e6).abs() < 2e6, "{check}");
    let again = bench.run(&["selfcheck", "--run", "s", "--window", "10", "--json"]);
    assert_eq!(again.stdout, run.stdout);
    // What is complete is looked at again; another backend is not what was begun.
    let resumed = bench.run(&["selfcheck", "--on", "scripted", "--resume", "--out", "s", "--window", "10", "--json"]);
    assert_eq!((resumed.code, &resumed.stdout), (0, &run.stdout), "{}", resumed.stderr);
    let other = bench.run(&["selfcheck", "--on", "process", "--resume", "--out", "s"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("is a run on scripted, not on process"), "{}", other.stderr);
}
