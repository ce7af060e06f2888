//! Runs that die: `kill -9`, Ctrl-C and SIGTERM at any moment leave nothing behind and lose nothing.

mod support;

use isodyne_engine::host::cgroup::{self, CgroupLayout};
use isodyne_engine::host::root::HostRoot;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{Bench, left_behind_in_the_end, runs_here};

fn start(bench: &Bench, arguments: &[&str]) -> Child {
    bench.isodyne(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("isodyne starts")
}

fn backends(bench: &Bench, wanted: &[&str]) -> Vec<String> {
    wanted.iter().filter(|backend| runs_here(bench, backend)).map(|backend| (*backend).to_owned()).collect()
}

/// `ISODYNE_TEST_KILLS` asks for more kills than every run of the tests has time for.
fn kills_wanted(usual: u32) -> u32 {
    std::env::var("ISODYNE_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The guardian that watches over a run.
fn guardians_of(lab: &Child) -> Vec<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", lab.id())).unwrap_or_default();
    let is_guardian = |pid: &Pid| {
        let command_line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        command_line.split(|byte| *byte == 0).nth(1) == Some(b"guardian".as_slice())
    };
    let pids = children.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.filter(is_guardian).collect()
}

/// Kills a run over `on` at `kills` moments, goes on after each, and checks the end.
fn kill_and_resume(on: &[&str], samples: u64, kills: u32, span: Duration) {
    let bench = Bench::new();
    let on = backends(&bench, on);
    if on.is_empty() {
        return;
    }
    if on.iter().any(|backend| backend == "qemu") {
        assert_eq!(bench.run(&["setup"]).code, 0);
    }
    let count = samples.to_string();
    let on = on.join(",");
    let fresh = ["run", "boot", "--on", &on, "-n", &count, "--set", "warmup=1", "--out", "R", "--no-report"];
    let resume = ["run", "--resume", "--out", "R", "--no-report"];
    let mut random = fastrand::Rng::with_seed(11);
    for kill in 0..kills_wanted(kills) {
        let begun = bench.path("R/run.json").exists();
        let mut child = start(&bench, if begun { &resume } else { &fresh });
        // The moment of the kill is what the test varies.
        std::thread::sleep(span.mul_f64(random.f64()));
        // In every third round nobody is left to clean up; then the next session does it, before it measures.
        let guardian_too = kill % 3 == 2;
        if guardian_too {
            // Held still first: a lab that goes on without its guardian could end a sample as failed.
            let _ = kill_process(Pid::from_child(&child), Signal::STOP);
            for guardian in guardians_of(&child) {
                let _ = kill_process(guardian, Signal::KILL);
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        if bench.path("R/run.json").exists() && guardian_too {
            bench.show("R");
            isodyne_engine::ownership::sweep(&bench.run_id("R"));
            assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new(), "after the sweep");
        } else if bench.path("R/run.json").exists() {
            bench.show("R");
            let run_id = bench.run_id("R");
            assert_eq!(left_behind_in_the_end(&run_id), Vec::<String>::new(), "after kill -9");
        } else if bench.path("R").exists() {
            std::fs::remove_dir_all(bench.path("R")).unwrap();
        }
    }
    let run = bench.run(if bench.path("R/run.json").exists() { &resume } else { &fresh });
    let summary = bench.show("R");
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, summary["cells"]);
    for cell in summary["cells"].as_array().unwrap() {
        assert_eq!(cell["samples_valid"], samples, "{cell}");
        assert_eq!(cell["samples_warmup"], 1, "{cell}");
    }
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new(), "at the end");
    // Nothing was measured twice: a cell has one attempt a round.
    let samples = std::fs::read_to_string(bench.path("R/samples.jsonl")).unwrap();
    let mut seen = std::collections::HashSet::new();
    for line in samples.lines() {
        let sample: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(seen.insert((sample["cell"].to_string(), sample["round"].to_string())), "twice: {line}");
    }
}

#[test]
fn kill_9_over_containers_leaves_nothing_and_loses_nothing() {
    kill_and_resume(&["process", "runc"], 6, 8, Duration::from_millis(1500));
}

#[test]
fn kill_9_over_vms_leaves_nothing_and_loses_nothing() {
    kill_and_resume(&["runc", "qemu"], 2, 4, Duration::from_secs(9));
}

/// Begins a run over all that is here, and waits until its first sample is on disk.
fn under_way(bench: &Bench, on: &str, samples: &str) -> Child {
    let child = start(bench, &["run", "boot", "--on", on, "-n", samples, "--out", "R", "--no-report"]);
    let file = bench.path("R/samples.jsonl");
    for _ in 0..2_000 {
        if std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn ctrl_c_and_sigterm_end_cleanly_and_the_run_goes_on() {
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM")] {
        let bench = Bench::new();
        let on = backends(&bench, &["process", "runc", "qemu"]).join(",");
        let mut child = under_way(&bench, &on, "200");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(130), "SIG{name}");
        bench.show("R");
        assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new(), "SIG{name}");
    }
}

#[test]
fn ctrl_c_before_the_first_sample_is_an_interrupt_too() {
    let bench = Bench::new();
    for delay_ms in [15, 60, 150, 400] {
        let mut child = start(&bench, &["run", "boot", "--on", "process,runc,podman", "-n", "900", "--out", "R"]);
        std::thread::sleep(Duration::from_millis(delay_ms));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ended = child.wait().unwrap();
        // In its first milliseconds the program has no handler yet, and dies of the signal as any program does.
        assert!(ended.code() == Some(130) || delay_ms < 20, "after {delay_ms} ms: {ended}");
        if bench.path("R/run.json").exists() {
            assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
        }
        let _ = std::fs::remove_dir_all(bench.path("R"));
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_leaves_nothing() {
    let bench = Bench::new();
    let on = backends(&bench, &["process", "runc", "qemu"]).join(",");
    let mut child = under_way(&bench, &on, "200");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let _ = kill_process(pid, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}

#[test]
fn an_interrupted_attempt_is_kept_and_is_no_failure() {
    let bench = Bench::new();
    let mut child = under_way(&bench, "process", "40");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
    // Whether the signal met a sample is chance, so that one is written down as if it had.
    let path = bench.path("R/samples.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut attempt: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let sequence = attempt["sequence"].as_u64().unwrap() + 1;
    attempt["sequence"] = sequence.into();
    attempt["round"] = (attempt["round"].as_u64().unwrap() + 1).into();
    attempt["warmup"] = false.into();
    attempt["failure"] = serde_json::json!({ "class": "interrupted", "message": "the channel closed" });
    std::fs::write(&path, format!("{text}{attempt}\n")).unwrap();
    let resumed = bench.run(&["run", "--resume", "--out", "R"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stdout.contains("interrupted"), "{}", resumed.stdout);
    assert!(std::fs::read_to_string(bench.path("R/report.html")).unwrap().contains("interrupted"));
    let summary = bench.show("R");
    let cell = &summary["cells"][0];
    assert_eq!((&cell["samples_valid"], &cell["samples_failed"]), (&40.into(), &serde_json::json!({})));
    assert!(cell["samples_interrupted"].as_u64().unwrap() >= 1);
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"interrupted\""), "the attempt stays");
}

#[test]
fn a_survivor_of_a_run_is_an_error() {
    let bench = Bench::new();
    let mut child = under_way(&bench, "process", "150");
    let run_id = bench.run_id("R");
    let planted = std::env::temp_dir().join(format!("isodyne-{run_id}-planted"));
    std::fs::write(&planted, "").unwrap();
    let mut process = std::process::Command::new("sleep").arg("600").env("ISODYNE_RUN", &run_id).spawn().unwrap();
    let layout = CgroupLayout::detect(&HostRoot::default());
    cgroup::hold_parents(&layout, &format!("isodyne-{run_id}-planted"));
    let cgroups = cgroup::list_with_prefix(&layout, &format!("isodyne-{run_id}-planted"));
    let code = child.wait().unwrap().code();
    let survivors = bench.show("R")["survivors"].to_string();
    // Shown again, the run is still what it was.
    let again = bench.run(&["run", "--resume", "--out", "R", "--no-report"]);
    let _ = process.kill().and_then(|()| process.wait());
    std::fs::remove_file(&planted).unwrap();
    cgroups.iter().for_each(|directory| cgroup::remove_path(directory).unwrap());
    cgroup::remove_empty_parents(&layout);
    assert_eq!((code, again.code), (Some(5), 5), "{survivors}");
    for expected in [&format!("process {}", process.id()), "-planted"] {
        assert!(survivors.contains(expected), "{expected}: {survivors}");
    }
    for directory in &cgroups {
        assert!(survivors.contains(&*directory.to_string_lossy()), "{}: {survivors}", directory.display());
    }
}

/// A runtime that was forked in the lab's last moment goes on by itself: neither it nor what it makes is in a journal.
#[test]
fn what_began_in_the_last_moment_ends_with_the_rest() {
    let bench = Bench::new();
    let run_id = format!("{:08x}", fastrand::u32(..));
    let prefix = isodyne_engine::ownership::name_prefix(&run_id);
    let scratch = std::env::temp_dir().join(format!("{prefix}-s0"));
    std::fs::create_dir(&scratch).unwrap();
    std::fs::write(scratch.join("guardian.lock"), "").unwrap();
    let mut guardian = bench.isodyne(&["guardian", scratch.to_str().unwrap()]);
    let mut guardian = guardian.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lifeline = guardian.stdin.take().unwrap();
    std::io::Write::write_all(&mut lifeline, b"!").unwrap();
    let mut forked = std::process::Command::new("sleep").arg("60").env("ISODYNE_RUN", &run_id).spawn().unwrap();
    let layout = CgroupLayout::detect(&HostRoot::default());
    cgroup::hold_parents(&layout, &format!("{prefix}-0"));
    drop(lifeline);
    assert!(guardian.wait().unwrap().success());
    assert_eq!(forked.wait().unwrap().code(), None, "killed");
    assert_eq!(cgroup::list_with_prefix(&layout, &prefix), Vec::<std::path::PathBuf>::new());
    assert!(!scratch.exists());
}
