//! Several runs at a time on one host: no clash of names, nothing of one run ended by another, nothing left.

mod support;

use std::process::Stdio;
use support::{Bench, Finished, left_behind_in_the_end, runs_here};

#[test]
fn three_runs_at_a_time_do_not_meet() {
    let bench = Bench::new();
    let wanted = ["process", "runc", "podman", "qemu"];
    let on: Vec<&str> = wanted.into_iter().filter(|backend| runs_here(&bench, backend)).collect();
    if on.contains(&"qemu") {
        assert_eq!(bench.run(&["setup"]).code, 0);
    }
    let on = on.join(",");
    let started: Vec<_> = ["A", "B", "C"]
        .map(|out| {
            let arguments = ["run", "boot", "--on", &on, "-n", "2", "--set", "boot.timeout=300s", "--out", out];
            let mut command = bench.isodyne(&arguments);
            (out, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        })
        .into_iter()
        .collect();
    for (out, child) in started {
        let run = Finished::of(&child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{out}: {}\n{}", run.stdout, run.stderr);
        for cell in bench.show(out)["cells"].as_array().unwrap() {
            assert_eq!((&cell["samples_valid"], &cell["samples_failed"]), (&2.into(), &serde_json::json!({})), "{out}");
        }
    }
    for out in ["A", "B", "C"] {
        assert_eq!(left_behind_in_the_end(&bench.run_id(out)), Vec::<String>::new());
    }
}
