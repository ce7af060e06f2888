//! Twenty runs of networked sandboxes at a time on one host, processes, containers and machines: no clash, and nothing
//! left. `ISODYNE_TEST_MACHINES` says how many of the runs are of QEMU (2 if it is not set).

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use support::{Bench, Finished, left_behind_in_the_end};

const RUNS: usize = 20;

/// Names in a directory of the host, but those that other tests make at this time: ways out and bridges (`i<run>-…`), and
/// Docker's cards on them.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !(name.starts_with("veth") || name.starts_with('i') && name.contains('-'))).collect()
}

/// What of a run is in the host's network: cards, routes, and where the programs are there rules.
fn left_in_network(run_id: &str) -> Vec<String> {
    let files = ["/proc/net/dev", "/proc/net/route", "/proc/net/ipv6_route"];
    let mut texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect();
    for (program, arguments) in [("iptables-save", None), ("ip6tables-save", None), ("nft", Some(["list", "ruleset"]))]
    {
        let said = Command::new(program).args(arguments.into_iter().flatten()).stderr(Stdio::null()).output();
        texts.extend(said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter(|line| line.contains(run_id)).map(str::to_owned).collect()
}

/// The backends of the twenty runs: machines first, since they take longest, then everything else that runs here.
fn backends(bench: &Bench) -> Vec<&'static str> {
    let doctor = bench.run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let here = |name: &&str| {
        let mut all = found["backends"].as_array().expect("backends").iter();
        all.any(|entry| entry["backend"] == **name && entry["probe"]["status"] == "available")
    };
    let stated = std::env::var("ISODYNE_TEST_MACHINES").ok().and_then(|text| text.parse().ok());
    let machines = if here(&"qemu") { stated.unwrap_or(2).min(RUNS) } else { 0 };
    let others = ["process", "runc", "crun", "podman"].into_iter().filter(here).cycle();
    std::iter::repeat_n("qemu", machines).chain(others).take(RUNS).collect()
}

/// Runs `network` on a backend in an environment that a shell makes first.
fn run_within(bench: &Bench, environment: &str, backend: &str) -> Finished {
    let own = format!("backend.{backend}.network=own");
    let isodyne = bench.isodyne(&["run", "network", "--on", backend, "--set", &own, "-n", "1", "--out", backend]);
    let words = |command: &Command| {
        let arguments = command.get_args().map(|word| word.to_os_string());
        std::iter::once(command.get_program().to_os_string()).chain(arguments).collect::<Vec<_>>()
    };
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", environment, "sh"]).args(words(&isodyne)).stdin(Stdio::null());
    shell.current_dir(isodyne.get_current_dir().expect("a directory"));
    shell.envs(isodyne.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Finished::of(&shell.output().expect("a shell"))
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn without_the_rights_a_run_says_which_and_what_to_do() {
    let can = |script: &str| Command::new("/bin/sh").args(["-c", script]).stderr(Stdio::null()).status();
    let without_rights = "exec setpriv --bounding-set -net_admin \"$@\"";
    let without_device = "mount -t tmpfs none /dev/net && exec \"$@\"";
    if !can("setpriv --bounding-set -net_admin true && unshare --mount mount -t tmpfs none /dev/net")
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: this takes root, setpriv, unshare and /dev/net");
        return;
    }
    let bench = Bench::new();
    let refused = run_within(&bench, without_rights, "process");
    assert_eq!(refused.code, 4, "{}\n{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("CAP_NET_ADMIN") && refused.stderr.contains("--privileged"), "{}", refused.stderr);

    if bench.run(&["setup"]).code != 0 {
        eprintln!("skipped: no guest for QEMU");
        return;
    }
    let unshared = format!("exec unshare --mount sh -c '{without_device}' sh \"$@\"");
    let refused = run_within(&bench, &unshared, "qemu");
    assert_eq!(refused.code, 4, "{}\n{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("/dev/net/tun"), "{}", refused.stderr);
    assert!(refused.stderr.contains("network = \"user\""), "{}", refused.stderr);
}

/// Machines boot slowly without KVM, and every run of Podman makes a store of its own.
fn samples(backend: &str) -> &'static str {
    if matches!(backend, "qemu" | "podman") { "1" } else { "2" }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn twenty_runs_at_a_time_measure_their_own_sandboxes() {
    let bench = Bench::new();
    let outs: Vec<String> = (0..RUNS).map(|number| format!("R{number}")).collect();
    let on = backends(&bench);
    eprintln!("on {on:?}");
    if on.contains(&"qemu") {
        assert_eq!(bench.run(&["setup"]).code, 0);
    }
    let before = (names("/run/netns"), names("/sys/class/net"));
    let started: Vec<_> = outs
        .iter()
        .zip(&on)
        .map(|(out, backend)| {
            let mut arguments = vec!["run", "network", "--on", backend, "-n", samples(backend), "--out", out];
            let own = format!("backend.{backend}.network=own");
            arguments.extend(["--set", &own]);
            for setting in [
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
    let (mut subnets, mut expected) = (BTreeSet::new(), 0);
    for ((out, run), backend) in outs.iter().zip(&finished).zip(&on) {
        assert_eq!(run.code, 0, "{out}: {}\n{}", run.stdout, run.stderr);
        let cell = &bench.show(out)["cells"][0];
        let valid: u64 = samples(backend).parse().expect("a number");
        assert_eq!((&cell["samples_valid"], &cell["samples_failed"]), (&valid.into(), &serde_json::json!({})), "{out}");
        expected += usize::try_from(valid).expect("a few");
        let metrics = cell["metrics"].as_object().expect("metrics");
        assert!(metrics.contains_key("round_trip_p50_ns") && metrics.contains_key("control_upload_bytes_per_s"));
        let samples = std::fs::read_to_string(bench.path(out).join("samples.jsonl")).expect("samples");
        subnets.extend(
            samples.lines().filter_map(|line| Some(line.split_once("network own, ")?.1.split_once('"')?.0.to_owned())),
        );
    }
    assert_eq!(subnets.len(), expected, "every sandbox had a subnet of its own");
    for out in &outs {
        let run_id = bench.run_id(out);
        assert_eq!(left_behind_in_the_end(&run_id), Vec::<String>::new());
        assert_eq!(left_in_network(&run_id), Vec::<String>::new());
    }
    assert_eq!((names("/run/netns"), names("/sys/class/net")), before);
}
