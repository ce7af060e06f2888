//! Bad input: a clear message and the documented exit code, each.

#![expect(clippy::print_stderr, reason = "a skipped test says why")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{Bench, Finished, cell, left_behind_in_the_end, runs_here};

const QEMU: &str = "qemu-system-x86_64";

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
fn a_kernel_that_this_user_may_not_read() {
    let bench = Bench::new();
    let kernel = bench.path("kernel");
    std::fs::write(&kernel, [7_u8; 9000]).unwrap();
    std::fs::set_permissions(&kernel, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(bench.directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let key = format!("backend.qemu.kernel={}", kernel.display());
    let Some(run) = as_a_user(&bench, &["run", "boot", "--on", "qemu", "--set", &key, "--out", "R"]) else { return };
    if run.code == 4 {
        eprintln!("skipped: qemu does not run here: {}", run.stderr);
        return;
    }
    assert_eq!(run.code, 3, "{}", run.stderr);
    for word in ["backend.qemu.kernel", "ermission denied", "hint"] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
}

#[test]
fn without_the_right_to_make_cgroups_what_needs_none_runs_and_the_rest_says_why() {
    let bench = Bench::new();
    std::fs::set_permissions(bench.directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let Some(run) = as_a_user(&bench, &["run", "boot", "--on", "process", "-n", "2", "--out", "R"]) else { return };
    assert_eq!(run.code, 0, "a process needs no cgroup: {}", run.stderr);
    let limit = "backend.process.memory=64MiB";
    let limited = ["run", "boot", "--on", "process", "-n", "2", "--set", limit, "--out", "L"];
    let Some(run) = as_a_user(&bench, &limited) else { return };
    assert!(run.code == 3 || run.code == 4, "a limit needs one: {} {}", run.code, run.stderr);
    assert!(run.stderr.contains("cgroup") && run.stderr.contains("hint"), "{}", run.stderr);
    let Some(doctor) = as_a_user(&bench, &["doctor", "--json"]) else { return };
    assert!(doctor.stdout.contains("may not create cgroups") || doctor.stdout.contains("Delegate=yes"));
}

/// Runs as an ordinary user with directories of its own; `None`, with the reason printed, where only this user is to be
/// had.
fn as_a_user(bench: &Bench, arguments: &[&str]) -> Option<Finished> {
    if !rustix::process::geteuid().is_root() {
        return Some(bench.run(arguments));
    }
    let home = bench.path("home");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
    // A copy, because the directory of the build may be closed to others.
    let program = bench.path("isodyne");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_isodyne"), &program).unwrap();
    }
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "64123", "--regid", "64123", "--clear-groups"]).arg(&program).args(arguments);
    command.current_dir(bench.directory.path()).env("NO_COLOR", "1").env_remove("XDG_RUNTIME_DIR");
    command.env("HOME", &home).env("ISODYNE_CACHE", home.join("cache")).env("TMPDIR", &home);
    match command.output() {
        Ok(output) => Some(Finished::of(&output)),
        Err(error) => {
            eprintln!("skipped: setpriv: {error}");
            None
        }
    }
}

#[test]
fn a_missing_qemu_is_skipped_with_a_reason_and_a_hint() {
    let bench = Bench::new();
    if ["/usr/local/sbin", "/usr/sbin", "/sbin"].iter().any(|place| Path::new(place).join(QEMU).exists()) {
        eprintln!("skipped: QEMU lies where it is found without PATH");
        return;
    }
    std::fs::create_dir(bench.path("empty")).unwrap();
    let mut command = bench.isodyne(&["run", "boot", "--on", "process,qemu", "-n", "1", "--out", "R"]);
    let run = Finished::of(&command.env("PATH", bench.path("empty")).output().unwrap());
    assert_eq!(run.code, 0, "the other cells are measured: {}", run.stderr);
    assert!(run.stderr.contains("skipped boot/qemu") && run.stderr.contains("hint"), "{}", run.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, "qemu");
    assert_eq!(cell["status"], "skipped");
    assert!(cell["reason"].as_str().is_some_and(|reason| reason.contains("qemu")), "{cell}");
    assert!(cell["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{cell}");
    let mut command = bench.isodyne(&["run", "boot", "--on", "qemu", "-n", "1", "--out", "Q"]);
    let run = Finished::of(&command.env("PATH", bench.path("empty")).output().unwrap());
    assert_eq!(run.code, 4, "nothing could run: {}", run.stderr);
}

/// A cell whose samples all fail: class, reason, exit code.
fn fails(bench: &Bench, backend: &str, more: &[&str], class: &str, words: &[&str]) {
    if !runs_here(bench, backend) {
        return;
    }
    if backend == "qemu" {
        assert_eq!(bench.run(&["setup"]).code, 0);
    }
    let arguments = ["run", "boot", "--on", backend, "-n", "1", "--set", "warmup=0", "--out", "R", "--no-report"];
    let run = bench.run(&[&arguments[..], more].concat());
    assert_eq!(run.code, 5, "{}\n{}", run.stdout, run.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, backend);
    assert_eq!((&cell["status"], &cell["samples_valid"]), (&"failed".into(), &0.into()), "{cell}");
    assert!(cell["samples_failed"][class].as_u64().is_some_and(|count| count >= 1), "{cell}");
    assert!(cell["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{cell}");
    for word in words {
        assert!(run.stdout.contains(word), "{word:?} is not told:\n{}", run.stdout);
    }
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}

#[test]
fn a_guest_that_never_says_hello_is_a_timeout() {
    // No stock kernel comes to its init in this time, with hardware or without.
    fails(&Bench::new(), "qemu", &["--set", "boot.timeout=400ms"], "timeout", &["timeout"]);
}

#[test]
fn a_guest_without_an_init_crashes_with_its_own_words() {
    let more = ["--set", "backend.qemu.cmdline=rdinit=/nonexistent", "--set", "boot.timeout=60s"];
    fails(&Bench::new(), "qemu", &more, "crash", &["panic"]);
}

#[test]
fn an_agent_that_dies_in_the_middle_is_a_crash() {
    let more = ["--set", r#"boot.command=["/bin/sh", "-c", "kill -9 $PPID"]"#];
    fails(&Bench::new(), "process", &more, "crash", &["signal 9"]);
}

#[test]
fn a_command_that_is_not_there_fails_its_samples() {
    let bench = Bench::new();
    let arguments = ["run", "boot", "-n", "1", "--set", "boot.command=[\"/no/such/command\"]", "--set", "warmup=0"];
    for backend in ["process", "runc", "runsc", "podman", "docker"] {
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
