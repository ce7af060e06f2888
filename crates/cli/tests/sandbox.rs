//! Sandboxes that stay: their owner in the foreground, commands from elsewhere, and nothing left at the end.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why, and what was measured is shown")]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use support::{Bench, Finished};

/// A bench with a directory of sockets of its own.
struct Stage {
    bench: Bench,
}

impl Stage {
    fn new() -> Self {
        Self { bench: Bench::new() }
    }

    fn runtime(&self) -> PathBuf {
        self.bench.path("runtime")
    }

    fn isodyne(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.isodyne(arguments);
        command.env("ISODYNE_RUNTIME", self.runtime());
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(&self.isodyne(arguments).output().unwrap())
    }

    /// Starts an owner and waits for its line; gives what it says.
    fn own(&self, arguments: &[&str]) -> (Child, Value) {
        self.owner(&[&["sandbox", "start", "--json"], arguments].concat())
    }

    fn owner(&self, arguments: &[&str]) -> (Child, Value) {
        let mut command = self.isodyne(arguments);
        let mut owner = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut error = String::new();
            owner.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("{line}{error}")
        });
        (owner, said)
    }

    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.runtime()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

#[test]
fn a_sandbox_is_owned_listed_worked_with_and_stopped() {
    let stage = Stage::new();
    let (mut owner, said) = stage.own(&["--on", "process", "--name", "one"]);
    assert_eq!(
        (&said["schema"], &said["name"], &said["backend"]),
        (&"isodyne-sandbox".into(), &"one".into(), &"process".into())
    );
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(stage.runtime()), 0o700);

    let listed: Value = serde_json::from_str(&stage.run(&["sandbox", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed["sandboxes"][0]["sandbox"]["owner"], said["owner"]);
    assert!(stage.run(&["sandbox", "list"]).stdout.contains("process"));

    let done = stage.run(&["sandbox", "exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (7, "out\n", "err\n"));
    let killed = stage.run(&["sandbox", "exec", "one", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.code, 137, "{}", killed.stderr);
    assert_eq!(stage.run(&["sandbox", "exec", "one", "--", "no-such-program"]).code, 127);
    let late = stage.run(&["sandbox", "exec", "one", "--timeout", "50ms", "--", "sleep", "60"]);
    assert_eq!(late.code, 124, "{}", late.stderr);
    let mut cat = stage.isodyne(&["sandbox", "exec", "-i", "one", "--", "cat"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    cat.stdin.take().unwrap().write_all(b"\x00any\xff").unwrap();
    assert_eq!(cat.wait_with_output().unwrap().stdout, b"\x00any\xff");

    let taken = stage.run(&["sandbox", "start", "--on", "process", "--name", "one"]);
    assert!(taken.code == 2 && taken.stderr.contains("already"), "{}", taken.stderr);
    let kept = stage.run(&["sandbox", "stop", "two"]);
    assert!(kept.code == 2 && kept.stderr.contains("no sandbox with the name `two`"), "{}", kept.stderr);

    // Who sends garbage, or nothing, is put off, and the owner goes on.
    let socket = stage.runtime().join("one.socket");
    for sent in [&b"garbage\n"[..], b"{\"request\":\"fly\"}\n", b""] {
        let mut stranger = UnixStream::connect(&socket).unwrap();
        stranger.write_all(sent).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stranger.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"failed\"") && answer.contains("protocol"), "{answer}");
    }
    assert_eq!(stage.run(&["sandbox", "exec", "one", "--", "true"]).code, 0);

    assert_eq!(stage.run(&["sandbox", "stop", "one"]).code, 0);
    assert_eq!(owner.wait().unwrap().code(), Some(0));
    assert_eq!(stage.left(), Vec::<String>::new());
    let empty = stage.run(&["sandbox", "list"]);
    assert!(empty.code == 0 && empty.stdout.is_empty() && empty.stderr.contains("no sandbox"), "{}", empty.stderr);
}

#[test]
fn a_signal_ends_an_owner_even_at_work_and_nothing_is_left() {
    let stage = Stage::new();
    let (mut owner, _) = stage.own(&["--on", "process", "--name", "two"]);
    let mut exec = stage.isodyne(&["sandbox", "exec", "two", "--", "sh", "-c", "echo $$ >pid; exec sleep 1000"]);
    let exec = exec.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The command is under way once the owner does not answer any more.
    while stage.run(&["sandbox", "list"]).stdout.contains("process") {}
    let pid = rustix::process::Pid::from_raw(owner.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut error = String::new();
    owner.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(owner.wait().unwrap().code(), Some(0), "{error}");
    assert!(!error.contains("survived"), "{error}");
    let exec = Finished::of(&exec.wait_with_output().unwrap());
    assert!(exec.code == 5 || exec.code == 1, "{}", exec.stderr);
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[test]
fn a_machine_is_kept_and_restored_from_the_command_line() {
    let stage = Stage::new();
    if !support::runs_here(&stage.bench, "qemu") || stage.bench.run(&["setup"]).code != 0 {
        eprintln!("skipped: there is no QEMU or no guest");
        return;
    }
    let (mut owner, said) =
        stage.own(&["--on", "qemu", "--name", "m", "--set", "machine=microvm", "--set", "memory_file=true"]);
    let cold = said["first_exec_ns"].as_f64().unwrap();
    let facts = ["sandbox", "exec", "m", "--", "/proc/self/exe", "identity"];
    let boot_id = |text: &str| text.lines().find(|line| line.starts_with("boot_id ")).map(str::to_owned);
    let before = boot_id(&stage.run(&facts).stdout);
    assert!(before.is_some());
    let kept = stage.run(&["checkpoint", "m", "-o", "kept", "--name", "one", "--leave-running", "--json"]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    let kept: Value = serde_json::from_str(&kept.stdout).unwrap();
    assert_eq!((&kept["status"], &kept["source"]["backend"]), (&"kept".into(), &"qemu".into()));
    // The name is still taken by the one that runs on.
    let taken = stage.run(&["restore", "--from", "kept/one"]);
    assert!(taken.code == 2 && taken.stderr.contains("already"), "{}", taken.stderr);
    let (mut second, said) = stage.owner(&["restore", "--from", "kept/one", "--new-name", "m2", "--json"]);
    let restored = said["first_exec_ns"].as_f64().unwrap();
    eprintln!("cold {:.3} s, restored {:.3} s", cold / 1e9, restored / 1e9);
    assert_eq!(boot_id(&stage.run(&[&["sandbox", "exec", "m2"], &facts[3..]].concat()).stdout), before);
    let listed = stage.run(&["sandbox", "list"]).stdout;
    assert!(listed.contains("m2") && listed.lines().count() == 3, "{listed}");
    for (name, owner) in [("m", &mut owner), ("m2", &mut second)] {
        assert_eq!(stage.run(&["sandbox", "stop", name]).code, 0);
        assert_eq!(owner.wait().unwrap().code(), Some(0));
    }
    assert_eq!(stage.left(), Vec::<String>::new());

    let memory = stage.bench.path("kept/one/images/memory");
    let mut bytes = std::fs::read(&memory).unwrap();
    bytes[20 << 20] ^= 1;
    std::fs::write(&memory, bytes).unwrap();
    let altered = stage.run(&["restore", "--from", "kept/one", "--json"]);
    assert!(altered.code == 5 && altered.stderr.contains("altered: "), "{}", altered.stderr);
    let said: Value = serde_json::from_str(&altered.stdout).unwrap();
    assert_eq!((&said["status"], &said["class"]), (&"failed".into(), &"altered".into()));
    std::fs::remove_file(&memory).unwrap();
    let missing = stage.run(&["restore", "--from", "kept/one"]);
    assert!(missing.code == 5 && missing.stderr.contains("missing_file: "), "{}", missing.stderr);
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_owned_is_refused() {
    let stage = Stage::new();
    for (words, code) in [
        (&["--on", "process", "--name", "No/Name"][..], 2),
        (&["--on", "processes", "--name", "x"], 2),
        (&["--on", "qemu", "--name", "x", "--set", "memory=96"], 3),
        (&["--on", "qemu", "--name", "x", "--set", "machine=q35,microvm"], 2),
        (&["--on", "qemu", "--name", "x", "--set", "app.image=x.tar", "--set", "app.ready.tcp=80"], 2),
    ] {
        let run = stage.run(&[&["sandbox", "start"], words].concat());
        assert_eq!(run.code, code, "{words:?}: {}", run.stderr);
    }
    let open = stage.bench.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = Finished::of(&stage.bench.isodyne(&["sandbox", "list"]).env("ISODYNE_RUNTIME", &open).output().unwrap());
    assert!(run.code == 1 && run.stderr.contains("755"), "{}", run.stderr);
}

#[test]
fn a_container_of_the_lab_is_kept_and_restored_like_a_machine() {
    let stage = Stage::new();
    let keeps = |bench: &Bench| {
        let doctor = bench.run(&["doctor", "--json"]);
        doctor.code == 0 && Command::new("criu").arg("check").output().is_ok_and(|check| check.status.success())
    };
    if !support::runs_here(&stage.bench, "runc") || !keeps(&stage.bench) {
        eprintln!("skipped: there is no runc or no CRIU that works");
        return;
    }
    let (mut owner, _) = stage.own(&["--on", "runc", "--name", "c"]);
    let kept = stage.run(&["checkpoint", "c", "-o", "kept", "--name", "one"]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    // It was not to run on, so its owner has ended by itself.
    assert_eq!(owner.wait().unwrap().code(), Some(0));
    let (mut owner, said) = stage.owner(&["restore", "--from", "kept/one", "--json"]);
    assert_eq!((&said["name"], &said["backend"]), (&"c".into(), &"runc".into()));
    assert_eq!(stage.run(&["sandbox", "exec", "c", "--", "/proc/self/exe", "true"]).code, 0);
    assert_eq!(stage.run(&["sandbox", "stop", "c"]).code, 0);
    assert_eq!(owner.wait().unwrap().code(), Some(0));
    assert_eq!(stage.left(), Vec::<String>::new());
}
