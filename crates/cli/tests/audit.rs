//! `isodyne audit` and `isodyne import` over small files in the seed systems' formats, and over a run of our own.

mod support;

use serde_json::Value;
use std::path::Path;
use support::Bench;

/// What the auditor says of a file of the importers' own tests.
fn audited(bench: &Bench, source: &str, code: i32) -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/import").join(source);
    let run = bench.run(&["audit", &source.display().to_string(), "--json"]);
    assert_eq!(run.code, code, "{source:?}: {}{}", run.stdout, run.stderr);
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((answer["schema"].as_str(), answer["version"].as_u64()), (Some("isodyne-audit"), Some(1)));
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    let findings = answer["findings"].as_array().expect("findings");
    findings.iter().map(|finding| (text(finding, "rule"), text(finding, "weight"))).collect()
}

fn names(bench: &Bench, source: &str, code: i32, expected: &[(&str, &str)]) {
    let found = audited(bench, source, code);
    for (rule, weight) in expected {
        assert!(
            found.iter().any(|(name, what)| name == rule && what == weight),
            "{source}: {rule} {weight} in {found:?}"
        );
    }
}

#[test]
fn files_of_the_seed_systems_are_seen_through() {
    let bench = Bench::new();
    names(
        &bench,
        "picoshare/v2",
        5,
        &[("not-what-it-says", "void"), ("within-one-period", "suspect"), ("mixed-units", "suspect")],
    );
    names(&bench, "picoshare/v1", 5, &[("not-what-it-says", "void")]);
    names(&bench, "microbench/firecracker-10.10.10.2-1-T2.log", 5, &[("not-what-it-says", "void")]);
    names(&bench, "docker_cr/performance_data.csv", 5, &[("not-what-it-says", "void")]);
    names(&bench, "ivshmem/v1", 5, &[("integrity", "void"), ("not-what-it-says", "void")]);
    names(&bench, "luminaguard/chaos-summary.json", 5, &[("simulated", "void")]);
}

#[test]
fn an_imported_run_carries_its_findings() {
    let bench = Bench::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/import/ivshmem/v1");
    let imported = bench.run(&["import", &source.display().to_string(), "--out", "R"]);
    assert!([0, 5].contains(&imported.code), "{}", imported.stderr);
    assert!(imported.stdout.contains("void (integrity)"), "{}", imported.stdout);
    let shown: Value = serde_json::from_str(&bench.run(&["show", "R", "--json"]).stdout).expect("JSON");
    let findings = shown["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|finding| finding["rule"] == "integrity" && finding["weight"] == "void"));
    let audit = bench.run(&["audit", "R"]);
    assert_eq!(audit.code, 5, "{}", audit.stderr);
    assert!(audit.stdout.contains("void: it cannot be true") && audit.stdout.contains("integrity"));
    let markdown = bench.run(&["audit", "R", "--md"]);
    assert!(markdown.stdout.starts_with("### Audit: ") && markdown.code == 5);
}

#[test]
fn rules_are_listed_and_nonsense_is_refused() {
    let bench = Bench::new();
    let rules: Value = serde_json::from_str(&bench.run(&["audit", "--rules", "--json"]).stdout).expect("JSON");
    assert!(rules["rules"].as_array().is_some_and(|rules| rules.len() >= 40));
    assert!(bench.run(&["audit", "--rules"]).stdout.contains("sleep-grid"));
    std::fs::write(bench.path("x.txt"), "nothing of interest").expect("written");
    let refused = bench.run(&["audit", "x.txt"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("no format recognises it"), "{}", refused.stderr);
    assert_eq!(bench.run(&["audit"]).code, 2);
}
