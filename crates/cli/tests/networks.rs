//! Twenty runs of networked sandboxes at a time on one host: no clash, and nothing left.

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;
use support::{Bench, Finished, left_behind_in_the_end};

const RUNS: usize = 20;

fn names(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn twenty_runs_at_a_time_measure_their_own_sandboxes() {
    let bench = Bench::new();
    let outs: Vec<String> = (0..RUNS).map(|number| format!("R{number}")).collect();
    let before = (names("/run/netns"), names("/sys/class/net"));
    let started: Vec<_> = outs
        .iter()
        .map(|out| {
            let mut arguments = vec!["run", "network", "--on", "process", "-n", "2", "--out", out];
            for setting in [
                "backend.process.network=own",
                "warmup=0",
                "network.timeout=300s",
                "network.round_trips=100",
                "network.rate=100",
                "network.duration=100ms",
                "network.bytes=1MiB",
            ] {
                arguments.extend(["--set", setting]);
            }
            bench.isodyne(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("isodyne starts")
        })
        .collect();
    let finished: Vec<Finished> =
        started.into_iter().map(|child| Finished::of(&child.wait_with_output().expect("an end"))).collect();
    if finished.iter().all(|run| run.code == 4) {
        // Not root: every run says why, and what to do.
        assert!(finished[0].stderr.contains("takes root"), "{}", finished[0].stderr);
        eprintln!("skipped: network namespaces take root");
        return;
    }
    let mut subnets = BTreeSet::new();
    for (out, run) in outs.iter().zip(&finished) {
        assert_eq!(run.code, 0, "{out}: {}\n{}", run.stdout, run.stderr);
        let cell = &bench.show(out)["cells"][0];
        assert_eq!((&cell["samples_valid"], &cell["samples_failed"]), (&2.into(), &serde_json::json!({})), "{out}");
        let metrics = cell["metrics"].as_object().expect("metrics");
        assert!(metrics.contains_key("round_trip_p50_ns") && metrics.contains_key("control_upload_bytes_per_s"));
        let samples = std::fs::read_to_string(bench.path(out).join("samples.jsonl")).expect("samples");
        subnets.extend(
            samples.lines().filter_map(|line| Some(line.split_once("network own, ")?.1.split_once('"')?.0.to_owned())),
        );
    }
    assert_eq!(subnets.len(), RUNS * 2, "every sandbox had a subnet of its own");
    for out in &outs {
        assert_eq!(left_behind_in_the_end(&bench.run_id(out)), Vec::<String>::new());
    }
    assert_eq!((names("/run/netns"), names("/sys/class/net")), before);
}
