//! Lives of a sandbox that does as it is told.

use super::*;
use crate::backend::Stopped;
use crate::channel::{AgentChannel, FdTransport};
use crate::lab::LabOptions;
use isodyne_proto::{Hello, Message, VERSION_NEWEST, VERSION_OLDEST};
use std::io::Write as _;
use std::os::unix::net::UnixStream;

/// How the sandbox ends, and what it can prove.
struct Told {
    stopped: Stopped,
    proved: Result<Vec<String>, Failure>,
}

/// Comes to a good end 100 ns after it is asked to.
fn well() -> Told {
    let stopped = Stopped { signal: Some(SignalName::Exit), ..Stopped::default() };
    Told { stopped, proved: Ok(vec!["what was given has arrived".to_owned()]) }
}

struct Obedient {
    origin: HostInstant,
    clock: crate::clock::Clock,
    agent: AgentChannel,
    told: Told,
    _inside: UnixStream,
}

impl Obedient {
    /// Its agent has said hello already.
    fn begin(lab: &Lab, told: Told) -> Self {
        let (mut inside, outside) = UnixStream::pair().unwrap();
        let hello = Hello {
            newest: VERSION_NEWEST,
            oldest: VERSION_OLDEST,
            agent_version: "0".to_owned(),
            pid: 1,
            is_init: false,
            kernel_release: String::new(),
            machine: String::new(),
            prepared_ns: 0,
            uptime_ns: 0,
        };
        let mut bytes = Vec::new();
        Message::Hello(hello).encode(&mut bytes).unwrap();
        inside.write_all(&bytes).unwrap();
        let transport = FdTransport::from_socket(outside.into(), lab.clock).unwrap();
        let agent = AgentChannel::new(Box::new(transport), lab.clock);
        Self { origin: lab.clock.now(), clock: lab.clock, agent, told, _inside: inside }
    }
}

impl Sandbox for Obedient {
    fn origin(&self) -> HostInstant {
        self.origin
    }

    fn stamps(&self) -> Vec<Stamp> {
        let at = self.origin;
        vec![Stamp { name: MilestoneName::Spawned, at, asked: Some(at), signal: SignalName::Exec }]
    }

    fn agent(&mut self) -> &mut AgentChannel {
        &mut self.agent
    }

    fn prove(&mut self, _deadline: HostInstant) -> Result<Vec<String>, Failure> {
        self.told.proved.clone()
    }

    fn usage(&mut self) -> Vec<(String, f64)> {
        vec![("cpu_ns".to_owned(), 7.0)]
    }

    fn diagnose(&mut self, failure: Failure) -> Failure {
        Failure { message: format!("{}; its console is empty", failure.message), ..failure }
    }

    fn stop(&mut self, _deadline: HostInstant) -> Stopped {
        let gone = self.told.stopped.signal.map(|_| HostInstant(self.clock.now().0 + 100));
        Stopped { gone, ..std::mem::take(&mut self.told.stopped) }
    }
}

/// One life in a lab of its own. The work comes after the hello.
fn live(run_id: &str, told: Told, work: impl FnOnce(&mut Life<'_>) -> Result<(), Failure>) -> Attempt {
    let directory = tempfile::tempdir().unwrap();
    let options = LabOptions { run_id, session: 0, logs: directory.path(), cache: directory.path(), guardian: None };
    let lab = Lab::open(options).unwrap();
    let mut life = Life::begin(BenchmarkName::Boot, &lab, || Ok(Box::new(Obedient::begin(&lab, told)))).unwrap();
    let worked = life.hello(life.after_origin(Duration::from_secs(10))).and_then(|()| work(&mut life));
    let attempt = life.end(worked);
    assert_eq!(lab.close(), [""; 0]);
    attempt
}

fn first_command(life: &mut Life<'_>) -> Result<(), Failure> {
    let asked = life.lab.clock.now();
    life.answered(MilestoneName::FirstExec, asked, life.lab.clock.now());
    life.total();
    Ok(())
}

#[test]
fn a_good_life_has_every_milestone_and_a_total_that_closes() {
    let attempt = live("11fe0001", well(), first_command);
    assert_eq!(attempt.failure, None);
    for name in ["prepare_ns", "total_ns", "residue_ns", "cpu_ns", "stop_ns", "lifecycle_ns"] {
        assert!(attempt.metrics.contains_key(name), "{name} is not in {:?}", attempt.metrics);
    }
    use MilestoneName as M;
    let names: Vec<M> = attempt.ledger.milestones.iter().map(|milestone| milestone.name).collect();
    assert_eq!(names, [M::Spawned, M::Agent, M::FirstExec, M::StopRequested, M::Gone]);
    assert_eq!(attempt.proofs, ["what was given has arrived"]);
}

#[test]
fn work_that_failed_is_diagnosed_and_has_no_end_of_its_own() {
    let attempt = live("11fe0002", well(), |_| Err(Failure::new(FailureClass::Timeout, "no answer")));
    let failure = attempt.failure.unwrap();
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Timeout, "no answer; its console is empty"));
    assert_eq!(attempt.metrics.keys().collect::<Vec<_>>(), ["prepare_ns"]);
    assert_eq!(attempt.ledger.at_ns(MilestoneName::StopRequested), None);
    assert!(attempt.ledger.at_ns(MilestoneName::Gone).is_some());
}

#[test]
fn what_the_backend_cannot_prove_fails_the_sample() {
    let proved = Err(Failure::new(FailureClass::Integrity, "other metadata"));
    let attempt = live("11fe0003", Told { proved, ..well() }, first_command);
    assert_eq!(attempt.failure.unwrap().class, FailureClass::Integrity);
    assert!(!attempt.metrics.contains_key("stop_ns"));
}

#[test]
fn a_bad_end_fails_the_sample() {
    let ended = |run_id, stopped| live(run_id, Told { stopped, ..well() }, first_command).failure.unwrap();
    let survivors = vec!["its socket is there".to_owned()];
    assert_eq!(ended("11fe0004", Stopped { survivors, ..well().stopped }).class, FailureClass::Leak);
    assert_eq!(ended("11fe0005", Stopped { killed: true, ..well().stopped }).class, FailureClass::Leak);
    let complaint = Some("exit code 3".to_owned());
    assert_eq!(ended("11fe0006", Stopped { complaint, ..well().stopped }).message, "exit code 3");
}

#[test]
fn a_total_without_its_last_milestone_fails_the_sample() {
    let attempt = live("11fe0007", well(), |life| {
        life.total();
        Ok(())
    });
    assert_eq!(attempt.failure.unwrap().class, FailureClass::Ledger);
}

#[test]
fn a_ledger_that_does_not_close_fails_the_sample() {
    let stamp = |name, at, asked: Option<u64>| {
        let asked = asked.map(HostInstant);
        Stamp { name, at: HostInstant(at), asked, signal: SignalName::Stamp }
    };
    let stamps = [
        stamp(MilestoneName::Spawned, 110, Some(100)),
        stamp(MilestoneName::Agent, 150, None),
        stamp(MilestoneName::FirstExec, 190, Some(155)),
    ];
    let attempt = |total: f64| Attempt {
        ledger: ledger(HostInstant(100), &stamps),
        metrics: [("total_ns".to_owned(), total)].into(),
        ..Attempt::default()
    };
    let mut good = attempt(91.0);
    assert_eq!(close(BenchmarkName::Boot, &mut good), Ok(()));
    assert_eq!(good.metrics["residue_ns"], 6.0);
    assert_eq!(close(BenchmarkName::Boot, &mut attempt(80.0)).unwrap_err().class, FailureClass::Ledger);
    // It has milestones, and none of them ends a total.
    assert_eq!(close(BenchmarkName::Network, &mut attempt(91.0)).unwrap_err().class, FailureClass::Ledger);
}
