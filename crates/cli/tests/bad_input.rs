//! Bad input: a clear message and the documented exit code, each.

#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use support::{Bench, cell, runs_here};

/// Runs and checks the exit code, and that every one of `words` is in what the user is told.
fn told(bench: &Bench, arguments: &[&str], code: i32, words: &[&str]) {
    let run = bench.run(arguments);
    assert_eq!(run.code, code, "{arguments:?}\n{}\n{}", run.stdout, run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{arguments:?} does not say {word:?}:\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn wrong_command_lines() {
    let bench = Bench::new();
    told(&bench, &["run"], 2, &["nothing to run", "hint"]);
    told(&bench, &["run", "bot"], 2, &["`bot`", "did you mean `boot`?"]);
    told(&bench, &["run", "boot", "--resume"], 2, &["--out"]);
    told(&bench, &["frobnicate"], 2, &["frobnicate"]);
    told(&bench, &["show", "nowhere"], 1, &["nowhere"]);
}

#[test]
fn wrong_plans() {
    let bench = Bench::new();
    told(&bench, &["run", "boot", "--on", "runk"], 3, &["unknown backend `runk`", "did you mean `runc`?"]);
    told(&bench, &["run", "boot", "--on", "process", "-n", "-3"], 3, &["-n", "negative"]);
    told(&bench, &["run", "boot", "--on", "process", "-n", "0"], 3, &["-n"]);
    told(&bench, &["run", "boot", "--on", "process", "--set", "sampels=3"], 3, &["sampels", "did you mean `samples`?"]);
    told(&bench, &["run", "boot", "--on", "qemu", "--set", "backend.qemu.memory=96"], 3, &["backend.qemu.memory"]);
    told(&bench, &["run", "missing.toml"], 3, &["missing.toml"]);
    let plan = "samples = 3\n\n[boot]\non = [\"process\"]\nsampels = 3\n";
    std::fs::write(bench.path("plan.toml"), plan).unwrap();
    told(&bench, &["check", "plan.toml"], 3, &["plan.toml:5:1", "unknown key `sampels` in [boot]"]);
}

#[test]
fn kernels_that_are_none() {
    let bench = Bench::new();
    if !runs_here(&bench, "qemu") {
        return;
    }
    std::fs::write(bench.path("noise"), [7_u8; 9000]).unwrap();
    let kernel = |file: &str| format!("backend.qemu.kernel={}", bench.path(file).display());
    told(&bench, &["run", "boot", "--on", "qemu", "--set", &kernel("absent")], 3, &["backend.qemu.kernel", "absent"]);
    told(&bench, &["run", "boot", "--on", "qemu", "--set", &kernel("noise")], 3, &["backend.qemu.kernel", "noise"]);
}

#[test]
fn a_missing_qemu_is_skipped_with_a_reason_and_a_hint() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("empty")).unwrap();
    let mut command = bench.isodyne(&["run", "boot", "--on", "qemu", "-n", "1", "--out", "R"]);
    let run =
        support::Finished::of(&command.env("PATH", bench.path("empty")).env("ISODYNE_TOOL_PATH", "").output().unwrap());
    if run.code == 4 {
        assert!(run.stderr.contains("skipped boot/qemu") && run.stderr.contains("hint"), "{}", run.stderr);
    } else {
        // The usual system directories are searched as well; where QEMU lies there, it is found all the same.
        assert!(std::path::Path::new("/usr/sbin/qemu-system-x86_64").exists(), "{}", run.stderr);
    }
}

#[test]
fn a_command_that_is_not_there_fails_its_samples() {
    let bench = Bench::new();
    let arguments = ["run", "boot", "-n", "1", "--set", "boot.command=[\"/no/such/command\"]", "--set", "warmup=0"];
    for backend in ["process", "runc"] {
        if !runs_here(&bench, backend) {
            continue;
        }
        let out = format!("R-{backend}");
        told(&bench, &[&arguments[..], &["--on", backend, "--out", &out]].concat(), 5, &["/no/such/command"]);
        let summary = bench.show(&out);
        let cell = cell(&summary, backend);
        assert_eq!(cell["status"], "failed");
        assert!(cell["samples_failed"]["exec"].as_u64().unwrap() >= 1);
        assert_eq!(cell["samples_valid"], 0);
    }
}

#[test]
fn a_run_directory_in_use_or_not_empty_is_refused() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("R")).unwrap();
    std::fs::write(bench.path("R/precious"), "data").unwrap();
    told(&bench, &["run", "boot", "--on", "scripted", "-n", "1", "--out", "R"], 1, &["R"]);
    assert_eq!(std::fs::read_to_string(bench.path("R/precious")).unwrap(), "data");
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let bench = Bench::new();
    let mount = bench.path("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "isodyne-test"])
        .arg(&mount)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("skipped: only root may mount a small file system");
        return;
    }
    let out = mount.join("R").display().to_string();
    let run = bench.run(&["run", "boot", "--on", "scripted", "-n", "2000", "--out", &out, "--no-report"]);
    let shown = bench.run(&["show", &out, "--json"]);
    let _ = std::process::Command::new("umount").arg(&mount).status();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("space"), "{}", run.stderr);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let summary: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert!(cell(&summary, "scripted")["samples_valid"].as_u64().unwrap() > 10);
}
