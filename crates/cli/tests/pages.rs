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
    // As `compare` has it: what is scripted may not be compared, and the page says so.
    assert_eq!(report.code, 12, "{}", report.stderr);
    let page = std::fs::read_to_string(bench.path("B").join("comparison.html")).unwrap();
    assert!(page.contains("comparison of two runs") && page.contains("scripted: not a measurement"));
    for name in ["distribution-1.svg", "distribution-1.png"] {
        assert!(bench.path("figures").join(name).is_file(), "{name}");
    }
    let missing = bench.run(&["report", "A", "nowhere"]);
    assert!(missing.code != 0 && missing.stderr.contains("nowhere"), "{}", missing.stderr);
}

#[test]
fn the_margin_of_a_page_is_the_one_that_is_asked_for() {
    let bench = bench(&["A", "B"]);
    for run in ["A", "B"] {
        // Made-up samples pass for measured ones here, so that something can be compared.
        let path = bench.path(run).join("samples.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"scripted\",\"accuracy\"", "\"measured\",\"accuracy\"")).unwrap();
    }
    let page = |arguments: &[&str], code: i32| {
        let report = bench.run(&[&["report", "A", "B", "-o", "page.html"], arguments].concat());
        assert_eq!(report.code, code, "{}", report.stderr);
        std::fs::read_to_string(bench.path("page.html")).unwrap_or_default()
    };
    let compared = bench.run(&["compare", "A", "B", "--margin", "7%"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    let (usual, wide) = (page(&[], 0), page(&["--margin", "7%"], 0));
    assert!(usual.contains("within the margin of 2.0 %") && wide.contains("within the margin of 7.0 %"));
    page(&["--margin", "7"], 2);
    assert_eq!(bench.run(&["report", "A", "--margin", "7%"]).code, 2);
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
