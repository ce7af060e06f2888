//! What the end-to-end tests of the container backends share: a lab, one life of a sandbox, and the look around after it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::Failure;
use isodyne_core::ledger::MilestoneName;
use isodyne_core::probe::Probe;
use isodyne_engine::backend::{self, Launcher, Place, PrepareError, Sandbox, Stopped};
use isodyne_engine::channel::{ExecRequest, Outcome};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::ownership::name_prefix;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A lab in a temporary directory.
pub struct Bench {
    pub lab: Lab,
    pub backend: BackendName,
    _directory: tempfile::TempDir,
    next: AtomicU32,
    _alone: MutexGuard<'static, ()>,
}

/// One lab at a time in a process: each reaps the orphans that come to the process.
static ALONE: Mutex<()> = Mutex::new(());

/// Says why a test is skipped, where a person sees it.
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}

impl Bench {
    /// A lab for a backend that runs here; otherwise says why not and gives `None`.
    pub fn new(test: &str, backend: BackendName) -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // As a lab with a guardian does: orphans of a container come to this process, which reaps them.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a sub-reaper");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let make = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            path
        };
        let run_id = format!("t{:08x}", fastrand::u32(..));
        let (logs, cache) = (make("logs"), make("cache"));
        let options = LabOptions { run_id: &run_id, session: 0, logs: &logs, cache: &cache, guardian: None };
        let lab = Lab::open(options).expect("a lab");
        match backend::find(backend).probe(&lab) {
            Probe::Available(capabilities) => {
                assert!(capabilities.version.is_some_and(|version| !version.is_empty()), "{backend} has a version");
                assert!(!capabilities.tools.is_empty());
                Some(Self { lab, backend, _directory: directory, next: AtomicU32::new(1), _alone: alone })
            }
            Probe::Unavailable { reason, hint, .. } => {
                assert!(!reason.is_empty() && !hint.is_empty(), "{backend}: a refusal has a reason and a hint");
                skip(test, &format!("{backend}: {reason} (hint: {hint})"));
                None
            }
        }
    }

    pub fn prepare(&self, factors: &[(&str, FactorValue)]) -> Result<Box<dyn Launcher>, PrepareError> {
        let factors: Factors = factors.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(BenchmarkName::Boot, self.backend, &factors);
        let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: self.backend, factors, variant: None };
        backend::find(self.backend).prepare(&cell, &self.lab)
    }

    /// The leak check of a whole run.
    pub fn finish(self) {
        assert_eq!(self.lab.close(), Vec::<String>::new(), "{}", self.backend);
    }

    /// A fresh place, with its directory made as the lab makes it.
    pub fn place(&self) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let directory = self.lab.scratch.join(number.to_string());
        std::fs::create_dir(&directory).expect("a directory");
        Place {
            name: format!("{}-{number}", name_prefix(&self.lab.run_id)),
            directory,
            log_prefix: self.lab.logs.join(format!("{number}-{}", self.backend)),
            agent_patience_s: 30,
        }
    }

    pub fn launch(&self, launcher: &dyn Launcher) -> Result<(Box<dyn Sandbox>, Place), Failure> {
        let place = self.place();
        Ok((launcher.launch(&place, &self.lab)?, place))
    }

    /// What still carries the run's name, in cgroups and in mounts.
    pub fn left(&self) -> Vec<String> {
        let prefix = format!("{}-", name_prefix(&self.lab.run_id));
        let mut left = backend::oci::list_with_prefix(&prefix);
        // What the lab itself holds until it is closed.
        left.retain(|name| *name != format!("{prefix}lab"));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        left.extend(mounts.lines().filter(|line| line.contains(&prefix)).map(str::to_owned));
        left
    }

    pub fn soon(&self) -> isodyne_core::unit::HostInstant {
        self.lab.clock.after(Duration::from_secs(30))
    }

    pub fn log_of(&self, place: &Place, program: &str) -> String {
        let mut path = place.log_prefix.clone().into_os_string();
        path.push(format!(".{program}.log"));
        std::fs::read_to_string(PathBuf::from(path)).unwrap_or_default()
    }

    /// The whole life: hello, a nonce echoed, usage, stop. Checks what holds for every backend.
    pub fn live(&self, launcher: &dyn Launcher) -> (Vec<MilestoneName>, Vec<(String, f64)>) {
        let (mut sandbox, place) = self.launch(launcher).expect("a launch");
        let hello = sandbox.agent().hello(self.soon());
        let (_, hello_at) = hello.unwrap_or_else(|failure| {
            let failure = sandbox.diagnose(failure);
            panic!("no hello: {failure}; log: {}", self.log_of(&place, self.backend.as_str()))
        });
        let nonce = format!("{:016x}", fastrand::u64(..));
        let request = ExecRequest {
            id: 0,
            argv: ["/isodyne-agent", "echo", &nonce].map(|part| part.as_bytes().to_vec()).to_vec(),
            env: Vec::new(),
            stdin: Vec::new(),
            timeout_ms: 10_000,
            output_limit: 4096,
        };
        let executed = sandbox.agent().exec(&request, self.soon()).expect("an answer");
        assert_eq!(executed.reply.outcome, Outcome::Exited(0));
        assert_eq!(executed.reply.stdout, format!("{nonce}\n").as_bytes());

        let mut metrics = sandbox.usage();
        let origin = sandbox.origin();
        assert!(hello_at > origin);

        let stopped = sandbox.stop(self.lab.clock.after(Duration::from_secs(15)));
        let Stopped { killed: false, complaint: None, gone: Some(gone), .. } = &stopped else {
            panic!("a bad end: {stopped:?}");
        };
        // As the workload does: the watching thread may be late, and after the stop it has seen everything.
        let mut stamps = sandbox.stamps();
        stamps.sort_by_key(|stamp| (stamp.at, stamp.name));
        for stamp in &stamps {
            assert!(
                stamp.at >= origin && stamp.asked.is_none_or(|asked| asked >= origin && asked <= stamp.at),
                "{stamp:?}"
            );
        }
        let names: Vec<MilestoneName> = stamps.iter().map(|stamp| stamp.name).collect();
        assert_eq!(stopped.survivors, Vec::<String>::new());
        assert!(*gone > executed.at);
        assert_eq!(self.left(), Vec::<String>::new());
        metrics.extend(stopped.usage.clone());
        metrics.push(("agent_ns".to_owned(), hello_at.ns_since(origin) as f64));
        metrics.push(("stop_ns".to_owned(), gone.ns_since(executed.at) as f64));
        std::fs::remove_dir_all(&place.directory).expect("the place is removed");
        (names, metrics)
    }

    /// The value of a metric.
    pub fn value(metrics: &[(String, f64)], name: &str) -> Option<f64> {
        metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// A sandbox that is dropped or killed in the middle leaves nothing.
    pub fn end_badly(&self, launcher: &dyn Launcher) {
        let (mut sandbox, _) = self.launch(launcher).expect("a launch");
        sandbox.agent().hello(self.soon()).expect("a hello");
        drop(sandbox);
        assert_eq!(self.left(), Vec::<String>::new(), "after a drop");

        let (mut sandbox, _) = self.launch(launcher).expect("a launch");
        sandbox.agent().hello(self.soon()).expect("a hello");
        // An agent that is at work does not hear that it is to end, so it cannot end before it is killed.
        let busy = ExecRequest {
            id: 0,
            argv: ["/isodyne-agent", "sleep", "60"].map(|part| part.as_bytes().to_vec()).to_vec(),
            env: Vec::new(),
            stdin: Vec::new(),
            timeout_ms: 60_000,
            output_limit: 0,
        };
        let asked = sandbox.agent().exec(&busy, self.lab.clock.after(Duration::from_millis(50)));
        assert!(asked.is_err(), "the command takes longer than this");
        let stopped = sandbox.stop(self.lab.clock.now());
        assert!(stopped.killed, "{stopped:?}");
        assert_eq!(stopped.survivors, Vec::<String>::new());
        drop(sandbox);
        assert_eq!(self.left(), Vec::<String>::new(), "after a kill");
    }

    /// An image without the command is an `exec` failure that names the command.
    pub fn without_command(&self, launcher: &dyn Launcher, rootfs: &str) {
        let agent = self.lab.scratch.join(rootfs).join("isodyne-agent");
        let kept = std::fs::read(&agent).expect("the agent");
        std::fs::remove_file(&agent).expect("removed");
        let failure = match self.launch(launcher) {
            Err(failure) => failure,
            Ok((mut sandbox, _)) => {
                let failure = sandbox.agent().hello(self.soon()).expect_err("nobody says hello");
                let failure = sandbox.diagnose(failure);
                sandbox.stop(self.lab.clock.after(Duration::from_secs(5)));
                failure
            }
        };
        assert_eq!(failure.class, isodyne_core::failure::FailureClass::Exec, "{failure}");
        assert!(failure.message.contains("/isodyne-agent"), "{failure}");
        assert!(failure.evidence.iter().all(|file| file.starts_with("logs/")), "{failure:?}");
        assert_eq!(self.left(), Vec::<String>::new());
        std::fs::write(&agent, kept).expect("put back");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&agent, mode).expect("executable");
    }
}
