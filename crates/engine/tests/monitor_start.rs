//! Monitors that do not come up, where no KVM is needed: each ends in the right class with the monitor's own words, and
//! nothing is left. The monitors are shell lines, with an API that this process plays; a real Firecracker and a real Cloud
//! Hypervisor take part where they are named by `ISODYNE_FIRECRACKER` and `ISODYNE_CLOUD_HYPERVISOR` or lie in PATH.

mod double_support;

use double_support::{Mind, serve};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::vmm::api::ApiCall;
use isodyne_engine::backend::vmm::factors::Reader;
use isodyne_engine::backend::vmm::logs::Logs;
use isodyne_engine::backend::vmm::machine::{Machine, Monitor, Pinning, Start};
use isodyne_engine::backend::vmm::pin::Pin;
use isodyne_engine::backend::vmm::vsock::SOCKET_PATH_MOST;
use isodyne_engine::backend::vmm::way::Way;
use isodyne_engine::backend::{Place, cloud_hypervisor, firecracker};
use isodyne_engine::channel::{FdTransport, ShutdownHow};
use isodyne_engine::lab::{Lab, LabOptions};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const MONITOR: Monitor = Monitor {
    name: "the monitor",
    processor_thread: "vcpu",
    guest_ends_by: ShutdownHow::PowerOff,
    ends_by_request: true,
};
/// Longer than any of these failures takes to be seen, and far less than the deadline of an answer.
const AT_ONCE: Duration = Duration::from_secs(20);

struct Bench {
    /// Taken when the bench is dropped, which checks that nothing is left.
    lab: Option<Lab>,
    directory: tempfile::TempDir,
    begun: Instant,
    /// The ends of channels to agents that say nothing.
    agents: RefCell<Vec<UnixStream>>,
}

impl Bench {
    fn new() -> Self {
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::Builder::new().prefix("iso").tempdir().unwrap();
        let run_id = format!("{:x}{:02x}", std::process::id(), BENCHES.fetch_add(1, Ordering::Relaxed));
        let path = directory.path();
        let options = LabOptions { run_id: &run_id, session: 0, logs: path, cache: path, guardian: None };
        Self { lab: Some(Lab::open(options).unwrap()), directory, begun: Instant::now(), agents: RefCell::default() }
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    fn place(&self) -> Place {
        Place {
            name: format!("isodyne-{}-1", self.lab().run_id),
            directory: self.lab().scratch.clone(),
            log_prefix: self.directory.path().join("1"),
            agent_patience_s: 30,
        }
    }

    fn socket(&self) -> PathBuf {
        self.lab().scratch.join("api")
    }

    /// Starts this command, whose words go to its log.
    fn start(&self, command: Command, calls: &[ApiCall], pinning: Pinning<'_>) -> Result<Machine, Failure> {
        self.start_as(MONITOR, command, calls, pinning)
    }

    fn start_as(
        &self,
        monitor: Monitor,
        mut command: Command,
        calls: &[ApiCall],
        pinning: Pinning<'_>,
    ) -> Result<Machine, Failure> {
        let logs = Logs::under(&self.directory.path().join("1"), "monitor");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&logs.monitor).unwrap();
        command.current_dir(&self.lab().scratch).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.agents.borrow_mut().push(theirs);
        let transport = FdTransport::from_socket(ours.into(), self.lab().clock).unwrap();
        let start = Start {
            monitor,
            command,
            socket: self.socket(),
            calls,
            sources: Vec::new(),
            way: Way::Serial(Box::new(transport)),
            logs,
            memory_bytes: 128 << 20,
            pinning,
            network: None,
            joins: false,
            disk: None,
        };
        Machine::start(start, self.lab())
    }

    /// The failure of this command, which must be seen at once.
    fn fails(&self, command: Command, calls: &[ApiCall]) -> Failure {
        let failure = self.start(command, calls, Pinning::None).err().expect("it did not fail");
        assert!(self.begun.elapsed() < AT_ONCE, "after {:?}: {failure}", self.begun.elapsed());
        failure
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let survivors = self.lab.take().map(Lab::close).unwrap_or_default();
        assert!(survivors.is_empty() || std::thread::panicking(), "{survivors:?}");
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Takes `most` requests, and answers those behind them with an error. The file says to the process that it has.
fn takes(most: usize, then: PathBuf, answer: Value) -> Mind {
    let mut taken = 0;
    Box::new(move |_, _, _| {
        taken += 1;
        if taken <= most {
            return (204, Value::Null);
        }
        std::fs::write(&then, "now\n").unwrap();
        (400, answer.clone())
    })
}

fn calls() -> [ApiCall; 3] {
    ["/machine-config", "/boot-source", "/actions"].map(|target| ApiCall::put(target, json!({})))
}

/// A shell line that waits for a word in a pipe of this name.
fn fifo(bench: &Bench) -> PathBuf {
    let path = bench.lab().scratch.join("word");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path
}

#[test]
fn a_monitor_that_ends_before_its_socket_is_told_by_its_log() {
    let bench = Bench::new();
    let line = "echo '2026-11-22T11:04:56.2 [m:main:ERROR] the tap is busy' >&2; echo 'Error: Debug(Form)' >&2; exit 3";
    let failure = bench.fails(shell(line), &calls());
    assert_eq!(failure.class, FailureClass::Launch);
    assert_eq!(failure.message, "the monitor did not start (exit status: 3): the tap is busy");
    assert_eq!(failure.evidence.len(), 1, "{:?}", failure.evidence);
}

#[test]
fn a_monitor_that_ends_without_a_word_is_told_by_its_status() {
    let bench = Bench::new();
    let failure = bench.fails(shell("kill -SEGV $$"), &calls());
    assert!(failure.class == FailureClass::Launch && failure.message.contains("signal: 11"), "{failure}");
}

#[test]
fn a_monitor_that_is_no_program_is_a_launch_that_failed() {
    let bench = Bench::new();
    let failure = bench.fails(Command::new("/no/such/monitor"), &calls());
    assert!(failure.class == FailureClass::Launch && failure.message.contains("/no/such/monitor"), "{failure}");
}

#[test]
fn a_monitor_that_refuses_is_told_by_its_answer_and_ended() {
    let bench = Bench::new();
    serve(&bench.socket(), takes(1, "/dev/null".into(), json!({ "fault_message": "Boot source error: no kernel" })));
    let failure = bench.fails(shell("exec sleep 60"), &calls());
    assert_eq!(failure.class, FailureClass::Launch);
    assert!(failure.message.ends_with("Boot source error: no kernel"), "{failure}");
}

#[test]
fn a_monitor_that_ends_while_it_is_configured_is_told_by_its_answer_or_its_log() {
    // It answers and ends by what it has answered: the answer says why.
    let bench = Bench::new();
    let word = fifo(&bench);
    serve(&bench.socket(), takes(2, word, json!({ "fault_message": "Start microvm error: no such kernel" })));
    let failure = bench.fails(shell("read word <word; echo 'Error: Debug(Form)' >&2; exit 1"), &calls());
    assert_eq!(failure.message, "the monitor did not start (exit status: 1): Start microvm error: no such kernel");
    // It dies in the middle of a request: its log does.
    let bench = Bench::new();
    let word = fifo(&bench);
    let mind: Mind = Box::new(move |_, _, _| {
        std::fs::write(&word, "now\n").unwrap();
        (0, Value::Null)
    });
    serve(&bench.socket(), mind);
    let line = "read word <word; echo 'x [m:fc_api:ERROR] Shutting down after a bad syscall (42).' >&2; exit 148";
    let failure = bench.fails(shell(line), &calls());
    assert_eq!(
        failure.message,
        "the monitor did not start (exit status: 148): Shutting down after a bad syscall (42)."
    );
    assert_eq!(failure.class, FailureClass::Launch);
}

#[test]
fn a_machine_that_was_kept_and_stands_still_is_ended_without_its_guest() {
    // As Cloud Hypervisor, which has a request for that, and as Firecracker, which a kill alone ends then.
    for ends_by_request in [true, false] {
        let bench = Bench::new();
        let word = fifo(&bench);
        let (tell, told) = std::sync::mpsc::channel();
        let mind: Mind = Box::new(move |_, target, _| {
            tell.send(target.to_owned()).unwrap();
            if target == "/quit" {
                std::fs::write(&word, "now\n").unwrap();
            }
            (204, Value::Null)
        });
        serve(&bench.socket(), mind);
        let monitor = Monitor { ends_by_request, ..MONITOR };
        let start = bench.start_as(monitor, shell("read word <word"), &calls(), Pinning::None);
        let mut machine = start.unwrap();
        let directory = bench.directory.path().join("kept");
        std::fs::create_dir(&directory).unwrap();
        let deadline = bench.lab().clock.after(Duration::from_secs(60));
        let keep = ["/pause", "/write"].map(|target| ApiCall::put(target, json!({})));
        machine.keep(keep, None, &directory, deadline).unwrap();
        let stopped = machine.stop(&ApiCall::put("/quit", json!({})), deadline);
        assert!(bench.begun.elapsed() < AT_ONCE, "its guest was waited for: {:?}", bench.begun.elapsed());
        assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
        assert!(!stopped.killed && stopped.complaint.is_none(), "{stopped:?}");
        drop(machine);
        let asked: Vec<String> = told.iter().skip(calls().len()).collect();
        let quit = ends_by_request.then_some("/quit");
        assert!(asked.iter().map(String::as_str).eq(["/pause", "/write"].into_iter().chain(quit)), "{asked:?}");
    }
}

#[test]
fn a_socket_that_was_there_before_is_not_taken_for_the_monitors() {
    let bench = Bench::new();
    // Somebody listened here, and does no more.
    drop(std::os::unix::net::UnixListener::bind(bench.socket()).unwrap());
    let failure = bench.fails(shell("sleep 0.2; echo 'P is already used' >&2; exit 1"), &calls());
    assert_eq!(failure.message, "the monitor did not start (exit status: 1): P is already used");
}

#[test]
fn an_answer_that_is_no_http_is_a_broken_protocol() {
    let bench = Bench::new();
    let listener = std::os::unix::net::UnixListener::bind(bench.socket()).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n\r\n").unwrap();
        // The request is read to its end, so that the answer is not lost with a reset.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let failure = bench.fails(shell("exec sleep 60"), &calls());
    assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
    server.join().unwrap();
}

#[test]
fn a_monitor_without_threads_to_pin_is_ended_and_told() {
    let pin = |list: &str| {
        let factors = Factors::from([("pin".to_owned(), FactorValue::Text(list.to_owned()))]);
        let reader = Reader { backend: isodyne_core::cell::BackendName::Firecracker, factors: &factors };
        Pin::from_factors(reader, 1).unwrap().unwrap()
    };
    let here = rustix::thread::sched_getaffinity(None).unwrap();
    let first = (0..1024).find(|processor| here.is_set(*processor)).unwrap();
    let pin = pin(&first.to_string());
    let bench = Bench::new();
    serve(&bench.socket(), takes(9, "/dev/null".into(), Value::Null));
    let by_lab = Pinning::ByLab(&pin, ApiCall::get("/"));
    let failure = bench.start(shell("exec sleep 60"), &calls(), by_lab).err().unwrap();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Launch, "failed to pin 0 threads run 1 virtual processors")
    );
    // One that has ended says why.
    let bench = Bench::new();
    serve(&bench.socket(), takes(9, "/dev/null".into(), Value::Null));
    let dies = shell("sleep 0.1; echo 'x [m:main:ERROR] the guest was lost' >&2; exit 1");
    let failure = bench.start(dies, &calls(), Pinning::ByMonitor(&pin)).err().unwrap();
    assert!(failure.class == FailureClass::Crash && failure.message.contains("the guest was lost"), "{failure}");
}

#[test]
fn a_monitor_that_is_killed_at_work_is_a_crash() {
    let bench = Bench::new();
    serve(&bench.socket(), takes(9, "/dev/null".into(), Value::Null));
    let mut machine = bench.start(shell("sleep 0.2; kill -KILL $$"), &calls(), Pinning::None).unwrap();
    let seen: Vec<M> = machine.stamps().iter().map(|stamp| stamp.name).collect();
    assert_eq!(seen, [M::Spawned, M::ApiReady, M::Configured, M::Started]);
    let failure = machine.agent().hello(bench.lab().clock.after(Duration::from_secs(1))).unwrap_err();
    let failure = machine.diagnose(failure);
    assert!(failure.class == FailureClass::Crash && failure.message.contains("signal: 9"), "{failure}");
    let stopped = machine.stop(&ApiCall::put_nothing("/quit"), bench.lab().clock.after(Duration::from_secs(1)));
    assert!(stopped.gone.is_some() && !stopped.killed && stopped.survivors.is_empty(), "{stopped:?}");
    assert!(stopped.complaint.unwrap().contains("had ended before"));
}

fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.or_else(|| isodyne_engine::host::find_tool(name)).filter(|path| path.exists())
}

/// A real Firecracker with its files in the bench's directory, and the requests that make and start its machine.
fn real_firecracker(bench: &Bench, place: &Place) -> Option<(Command, Vec<ApiCall>)> {
    use firecracker::{config::Config, requests, version::Version};
    let program = program("ISODYNE_FIRECRACKER", "firecracker")?;
    let kernel = bench.directory.path().join("kernel");
    std::fs::write(&kernel, "no kernel at all").unwrap();
    let config = Config::from_factors(&Factors::new(), Version { major: 1, minor: 16 }).unwrap();
    let config = Config { initramfs: kernel.clone(), kernel, ..config };
    let paths = requests::Paths::under(place, &config);
    std::fs::write(&paths.metrics, "").unwrap();
    let mut calls = requests::configure(&config, &paths, place);
    calls.push(requests::start());
    // Without a log of its own it writes to where the bench looks.
    let arguments = requests::arguments(&config, &requests::Paths { log: "/dev/stderr".into(), ..paths }, &place.name);
    let mut command = Command::new(program);
    command.args(arguments);
    Some((command, calls))
}

#[test]
fn a_real_firecracker_that_cannot_start_its_machine_says_why() {
    let bench = Bench::new();
    let Some((command, calls)) = real_firecracker(&bench, &bench.place()) else { return };
    let failure = bench.fails(command, &calls);
    assert_eq!(failure.class, FailureClass::Launch, "{failure}");
    // Without KVM that is what it lacks; with it, it looks at the kernel.
    let words = ["KVM", "annot load kernel"];
    assert!(words.iter().any(|words| failure.message.contains(words)), "{failure}");
}

#[test]
fn a_real_firecracker_whose_socket_cannot_be_says_why() {
    let bench = Bench::new();
    let Some((command, calls)) = real_firecracker(&bench, &bench.place()) else { return };
    drop(std::os::unix::net::UnixListener::bind(bench.socket()).unwrap());
    let failure = bench.fails(command, &calls);
    assert!(failure.class == FailureClass::Launch && failure.message.contains("already used"), "{failure}");

    let bench = Bench::new();
    let mut place = bench.place();
    place.directory = bench.lab().scratch.join("x".repeat(SOCKET_PATH_MOST));
    std::fs::create_dir(&place.directory).unwrap();
    let Some((command, calls)) = real_firecracker(&bench, &place) else { return };
    let failure = bench.fails(command, &calls);
    assert!(failure.class == FailureClass::Launch && failure.message.contains("SUN_LEN"), "{failure}");
}

#[test]
fn a_real_cloud_hypervisor_without_kvm_says_so_in_one_line() {
    use cloud_hypervisor::{config::Config, requests};
    let program = program("ISODYNE_CLOUD_HYPERVISOR", "cloud-hypervisor");
    let Some(program) = program.filter(|_| std::fs::File::open("/dev/kvm").is_err()) else { return };
    let bench = Bench::new();
    let config = Config::from_factors(&Factors::new()).unwrap();
    let paths = requests::Paths::under(&bench.place());
    let argv = requests::argv(&config, &program.to_string_lossy(), &paths);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    let failure = bench.fails(command, &[requests::create(&config, &bench.place()), requests::boot()]);
    assert!(failure.class == FailureClass::Launch && failure.message.contains("hypervisor interface"), "{failure}");
    assert!(!failure.message.contains('\n'), "{failure}");
}

#[test]
fn a_chain_of_causes_is_told_and_not_the_trace_behind_it() {
    let bench = Bench::new();
    let chain = "Error: Cloud Hypervisor exited with the following chain of errors:\n  0: Failed to open hypervisor \
                 interface\n  1: no supported hypervisor\n\nDebug Info: x\n";
    std::fs::write(bench.lab().scratch.join("words"), chain).unwrap();
    let failure = bench.fails(shell("cat words >&2; exit 1"), &calls());
    let expected =
        "the monitor did not start (exit status: 1): Failed to open hypervisor interface: no supported hypervisor";
    assert_eq!(failure.message, expected);
}

#[test]
fn the_path_of_a_socket_is_checked_against_its_limit() {
    use isodyne_engine::backend::vmm::vsock::check_path;
    assert!(check_path(Path::new(&format!("/{}", "x".repeat(SOCKET_PATH_MOST - 1)))).is_ok());
    let failure = check_path(Path::new(&format!("/{}", "x".repeat(SOCKET_PATH_MOST)))).unwrap_err();
    assert!(failure.class == FailureClass::Launch && failure.message.contains("TMPDIR"), "{failure}");
}
