//! A real run of shared memory and its report: every figure is drawn from the logs that the run has kept.

mod support;

use support::{Bench, cell, runs_here};

#[test]
fn every_figure_of_shared_memory_is_drawn_from_a_real_run() {
    let bench = Bench::new();
    if !runs_here(&bench, "process") {
        return;
    }
    let mut arguments = vec!["run", "shm", "--on", "process", "-n", "2", "--out", "R"];
    for set in
        ["warmup=0", "shm.round_trips=30000", "shm.frame=64KiB,1MiB", "shm.frames=9", "shm.stream=9", "shm.cores=every"]
    {
        arguments.extend(["--set", set]);
    }
    let run = bench.run(&arguments);
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let report = bench.run(&["report", "R", "--figures", "figures"]);
    assert_eq!(report.code, 0, "{}\n{}", report.stdout, report.stderr);
    let html = std::fs::read_to_string(bench.path("R/report.html")).unwrap();
    let mut expected = vec!["shm-ecdf", "shm-percentiles", "shm-histogram", "shm-time", "shm-bandwidth", "shm-phases"];
    // With one processor there is no pair to draw.
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    if allowed.count() > 1 {
        let summary = bench.show("R");
        let metrics = &cell(&summary, "process")["metrics"];
        let of_pair = |name: &str| name.starts_with("train_cpu") && name.ends_with("_per_trip_ns");
        assert!(metrics.as_object().unwrap().keys().any(|name| of_pair(name)), "{metrics}");
        expected.push("shm-cores");
    }
    for name in expected {
        let svg = std::fs::read_to_string(bench.path(&format!("figures/{name}.svg")));
        let svg = svg.unwrap_or_else(|error| panic!("{name}: {error}; {}", report.stderr));
        assert!(svg.starts_with("<svg") && svg.len() > 1_000, "{name}: {svg}");
        let png = std::fs::read(bench.path(&format!("figures/{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 2_000, "{name}: {} B", png.len());
        assert!(html.contains(&format!("id=\"{name}\"")) || html.contains(name), "{name} is on the page");
    }
    // Each sample's log was found and read.
    for said in ["no log", "cannot be read", "is missing"] {
        assert!(!report.stderr.contains(said), "{}", report.stderr);
    }
}
