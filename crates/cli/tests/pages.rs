//! Pages beside that of a run: two runs, a trend.

mod support;

use support::Bench;

const PLAN: &str = "samples = 8\nwarmup = 0\n[boot]\non = \"scripted\"\n[backend.scripted]\ntotal = \"100 ms\"\n";

fn bench(runs: &[&str]) -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.path("plan.toml"), PLAN).unwrap();
    for out in runs {
        let run = bench.run(&["run", "plan.toml", "--out", out, "--no-report"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    bench
}

#[test]
fn two_runs_make_a_page_and_figures() {
    let bench = bench(&["A", "B"]);
    let report = bench.run(&["report", "A", "B", "--figures", "figures"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let page = std::fs::read_to_string(bench.path("B").join("comparison.html")).unwrap();
    assert!(page.contains("comparison of two runs") && page.contains("scripted: not a measurement"));
    for name in ["distribution-1.svg", "distribution-1.png"] {
        assert!(bench.path("figures").join(name).is_file(), "{name}");
    }
    let missing = bench.run(&["report", "A", "nowhere"]);
    assert!(missing.code != 0 && missing.stderr.contains("nowhere"), "{}", missing.stderr);
}

#[test]
fn a_trend_makes_a_page_and_figures_and_still_prints_its_table() {
    let bench = bench(&["A", "B", "C"]);
    let trend = bench.run(&["trend", "total_ns", "--html", "trend.html", "--figures", "figures"]);
    assert_eq!(trend.code, 0, "{}", trend.stderr);
    assert!(trend.stdout.contains("3 runs"), "{}", trend.stdout);
    let page = std::fs::read_to_string(bench.path("trend.html")).unwrap();
    assert!(page.contains("total_ns over time") && page.contains("too few runs"));
    assert!(bench.path("figures").join("trend-1.png").is_file());
}
