//! What the whole-program tests share: running `isodyne` in a directory of its own.

#![allow(dead_code, clippy::print_stderr, reason = "each test file uses its own part of this module; a skip says why")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A working directory for one test, with the program at hand.
pub struct Bench {
    /// Removed at the end of the test.
    pub directory: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `isodyne` with these arguments. All tests share one cache, so that the guest's kernel is fetched once.
    pub fn isodyne(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isodyne"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("ISODYNE_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("isodyne-cache"))
            .env("ISODYNE_HISTORY", self.path("history.sqlite"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(&self.isodyne(arguments).output().expect("isodyne starts"))
    }

    /// The summary of a run, as `show --json` prints it.
    pub fn show(&self, run: &str) -> Value {
        let shown = self.run(&["show", run, "--json"]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        serde_json::from_str(&shown.stdout).expect("JSON")
    }

    /// The name of the run in this directory.
    pub fn run_id(&self, run: &str) -> String {
        let text = std::fs::read_to_string(self.path(run).join("run.json")).expect("run.json");
        let record: Value = serde_json::from_str(&text).expect("JSON");
        record["run_id"].as_str().expect("a run id").to_owned()
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The cell of a backend in a summary.
pub fn cell<'a>(summary: &'a Value, backend: &str) -> &'a Value {
    let cells = summary["cells"].as_array().expect("cells");
    cells.iter().find(|cell| cell["backend"] == backend).unwrap_or_else(|| panic!("no cell of {backend}"))
}

/// Whether `isodyne doctor` says that a backend runs here; prints the reason if not, so that a skip is seen.
pub fn runs_here(bench: &Bench, backend: &str) -> bool {
    let doctor = bench.run(&["doctor", "--json"]);
    let found: Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let backends = found["backends"].as_array().expect("backends");
    let probe = &backends.iter().find(|entry| entry["backend"] == backend).expect("every backend is listed")["probe"];
    let available = probe["status"] == "available";
    if !available {
        eprintln!("skipped: {backend}: {}", probe["reason"]);
    }
    available
}

/// Everything on the host that carries the run's name: processes, mounts, cgroups, temporary files.
pub fn left_behind(run_id: &str) -> Vec<String> {
    let name = format!("isodyne-{run_id}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        let read = |file: &str| {
            String::from_utf8_lossy(&std::fs::read(entry.path().join(file)).unwrap_or_default()).into_owned()
        };
        let stat = read("stat");
        let zombie = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
        let (cmdline, environ) = (read("cmdline"), read("environ"));
        if !zombie && (cmdline.contains(&name) || environ.contains(&format!("ISODYNE_RUN={run_id}\0"))) {
            found.push(format!("process {}: {}", entry.file_name().to_string_lossy(), cmdline.replace('\0', " ")));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(mounts.lines().filter(|line| line.contains(&name)).map(str::to_owned));
    for parent in ["/tmp", "/run", "/dev/shm"] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().display().to_string()).filter(|path| path.contains(&name)));
    }
    find_directories(Path::new("/sys/fs/cgroup"), &name, 4, &mut found);
    found
}

fn find_directories(directory: &Path, name: &str, depth: u32, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(name) {
            found.push(entry.path().display().to_string());
        } else if depth > 0 {
            find_directories(&entry.path(), name, depth - 1, found);
        }
    }
}

/// Waits until nothing of the run is left, at most ten seconds; returns what still is.
pub fn left_behind_in_the_end(run_id: &str) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let found = left_behind(run_id);
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
