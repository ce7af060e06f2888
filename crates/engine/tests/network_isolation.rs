//! Twenty real sandboxes with networks at a time, containers and machines: each tries to reach every other one from its
//! inside, none answers, and nothing is left.
//!
//! `ISODYNE_TEST_MACHINES` says how many of the twenty are QEMU's (2 if it is not set: they boot slowly without KVM).

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_engine::backend::{self, Launcher, Place, PrepareError};
use isodyne_engine::channel::{AwaitOutcome, AwaitRequest, Condition, ExecRequest, StartRequest};
use isodyne_engine::host::find_tool;
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::network::{AGENT_PORT, Network, SANDBOX_CARD, Subnet};
use isodyne_engine::ownership::name_prefix;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const SANDBOXES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(300);
/// The number of "connection refused": somebody has answered.
const REFUSED: &str = "111";

/// What a sandbox's thread says.
enum Said {
    Ready(Arc<dyn Network>),
    /// What `net-reach` printed.
    Tried(String),
    Gone,
}

/// How many of the sandboxes are machines.
fn machines() -> usize {
    let stated = std::env::var("ISODYNE_TEST_MACHINES").ok().and_then(|text| text.parse().ok());
    stated.unwrap_or(2).min(SANDBOXES)
}

fn launcher(backend: BackendName, lab: &Lab) -> Option<Box<dyn Launcher>> {
    let mut factors: Factors = [("network".to_owned(), FactorValue::Text("own".to_owned()))].into();
    if backend == BackendName::Qemu {
        factors.insert("memory".to_owned(), FactorValue::Bytes(96 << 20));
    }
    let id = CellId::new(BenchmarkName::Network, backend, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Network, backend, factors, variant: None };
    match backend::find(backend).prepare(&cell, lab) {
        Ok(launcher) => Some(launcher),
        Err(PrepareError::Unavailable { reason, hint }) => {
            eprintln!("SKIPPED {backend}: {reason} (hint: {hint})");
            None
        }
        Err(error) => panic!("{backend}: {error}"),
    }
}

/// The launchers of all twenty.
fn launchers(lab: &Lab, with_machines: bool) -> Vec<(BackendName, Arc<dyn Launcher>)> {
    let mut all: Vec<(BackendName, Arc<dyn Launcher>)> = Vec::new();
    let kind = |backend| launcher(backend, lab).map(|launcher| (backend, Arc::from(launcher)));
    if let Some(machine) = with_machines.then(|| kind(BackendName::Qemu)).flatten() {
        all.extend(std::iter::repeat_n(machine, machines()));
    }
    use BackendName::{Crun, Podman, Process, Runc, Runsc};
    let containers: Vec<_> = [Runc, Crun, Podman, Runsc, Process].into_iter().filter_map(kind).collect();
    let left = SANDBOXES - all.len();
    all.extend(containers.into_iter().cycle().take(left));
    all
}

/// A sandbox's whole life, in a thread of its own: it does what it is told until nobody tells it anything more.
fn live(launcher: &dyn Launcher, lab: &Lab, place: &Place, tasks: &Receiver<Vec<String>>, say: &Sender<(usize, Said)>) {
    let at: usize = place.name.rsplit('-').next().and_then(|text| text.parse().ok()).expect("a number");
    let until = || lab.clock.after(PATIENCE);
    let mut sandbox = launcher.launch(place, lab).unwrap_or_else(|failure| panic!("{}: {failure}", place.name));
    if let Err(failure) = sandbox.agent().hello(until()) {
        panic!("{}: {}", place.name, sandbox.diagnose(failure));
    }
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let port = AGENT_PORT.to_string();
    let argv = words(&["/proc/self/exe", "net-serve", &port, "600"]);
    sandbox.agent().start_app(&StartRequest { argv, ..StartRequest::default() }, until()).expect("a server");
    let listens =
        AwaitRequest { id: 0, condition: Condition::Line(port.into_bytes()), timeout_ms: 60_000, period_us: 0 };
    assert_eq!(sandbox.agent().await_app(&listens, until()).expect("an answer").reply.outcome, AwaitOutcome::Met);
    say.send((at, Said::Ready(sandbox.network().expect("a network")))).expect("somebody listens");
    while let Ok(task) = tasks.recv() {
        let argv = words(&task.iter().map(String::as_str).collect::<Vec<_>>());
        let request =
            ExecRequest { id: 0, argv, env: Vec::new(), stdin: Vec::new(), timeout_ms: 60_000, output_limit: 64 << 10 };
        let reply = sandbox.agent().exec(&request, until()).expect("an answer").reply;
        assert!(reply.stderr.is_empty(), "{}: {}", place.name, String::from_utf8_lossy(&reply.stderr));
        say.send((at, Said::Tried(String::from_utf8(reply.stdout).expect("text")))).expect("somebody listens");
    }
    sandbox.agent().end_app(15, 2000, until()).expect("the server's end");
    let stopped = sandbox.stop(lab.clock.after(Duration::from_secs(60)));
    assert!(!stopped.killed && stopped.survivors.is_empty(), "{}: {stopped:?}", place.name);
    say.send((at, Said::Gone)).expect("somebody listens");
}

/// What the kernel has counted in a namespace.
#[derive(Debug, PartialEq, Eq)]
struct Counters {
    /// Frames that came in by the lab's card, of whatever kind.
    card_frames: u64,
    /// IPv4 packets and TCP segments of both families that came in.
    packets: [u64; 2],
}

/// The counters of every lab's end that this process holds, by its namespace.
fn labs_ends() -> BTreeMap<String, Counters> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let namespaces = entries.filter_map(|entry| {
        let name = std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        name.starts_with("net:[").then(|| (name, entry.path()))
    });
    let read = |(name, path): (String, std::path::PathBuf)| {
        let file = File::open(path).ok()?;
        // A thread of its own, so that nothing else finds itself in there.
        let texts = std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("the namespace");
            ["dev", "snmp"].map(|file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).expect(file))
        });
        let [cards, snmp] = texts.join().expect("no panic");
        let lab = cards.lines().find_map(|line| line.trim().strip_prefix("lab0:"))?;
        let card_frames = lab.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((
            name,
            Counters {
                card_frames,
                packets: [counter(&snmp, "Ip: ", "InReceives"), counter(&snmp, "Tcp: ", "InSegs")],
            },
        ))
    };
    namespaces.filter_map(read).collect()
}

/// A counter of `/proc/net/snmp`: a line of names, and a line of values.
fn counter(snmp: &str, group: &str, name: &str) -> u64 {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix(group)).map(str::split_ascii_whitespace);
    let (mut names, mut values) = (lines.next().expect("names"), lines.next().expect("values"));
    let at = names.position(|known| known == name).expect("a counter");
    values.nth(at).and_then(|value| value.parse().ok()).expect("a count")
}

/// Addresses with the port that all servers have.
fn with_port(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(|address| SocketAddr::new(*address, AGENT_PORT).to_string()).collect()
}

#[test]
fn twenty_real_sandboxes_at_a_time_cannot_reach_each_other() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: network namespaces take root");
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a sub-reaper");
    let directory = tempfile::tempdir().expect("a directory");
    let logs = directory.path().join("logs");
    std::fs::create_dir(&logs).expect("a directory");
    let run_id = format!("{:08x}", fastrand::u32(..));
    let guest = find_tool("qemu-system-x86_64").and_then(|_| guest_support::cache_with_guest());
    let began = std::time::Instant::now();
    let phase = |word: &str| eprintln!("{word}: {:.1} s", began.elapsed().as_secs_f64());
    let (with_machines, cache) = (guest.is_some(), guest.unwrap_or_else(guest_support::cache));
    let lab = Lab::open(LabOptions { run_id: &run_id, session: 0, logs: &logs, cache: &cache, guardian: None })
        .expect("a lab");
    let launchers = launchers(&lab, with_machines);
    assert_eq!(launchers.len(), SANDBOXES);
    phase("prepared");
    let names: Vec<String> = (0..SANDBOXES).map(|number| format!("{}-{number}", name_prefix(&run_id))).collect();

    std::thread::scope(|scope| {
        let (say, hear) = channel();
        let tasks: Vec<Sender<Vec<String>>> = launchers
            .iter()
            .zip(&names)
            .map(|((backend, launcher), name)| {
                let (task, tasks) = channel();
                let place = Place {
                    name: name.clone(),
                    directory: lab.scratch.join(name),
                    log_prefix: logs.join(format!("{name}-{backend}")),
                    agent_patience_s: 600,
                };
                std::fs::create_dir(&place.directory).expect("a directory");
                let (say, lab) = (say.clone(), &lab);
                scope.spawn(move || live(launcher.as_ref(), lab, &place, &tasks, &say));
                task
            })
            .collect();
        drop(say);
        // One word of each, in the order of their numbers. A thread that panics says nothing: then this ends as well.
        let all = || -> Vec<Said> {
            let mut said = BTreeMap::new();
            while said.len() < SANDBOXES {
                let (at, word) = hear.recv_timeout(PATIENCE).expect("every sandbox has something to say");
                said.insert(at, word);
            }
            said.into_values().collect()
        };
        let networks: Vec<Arc<dyn Network>> = all()
            .into_iter()
            .map(|said| if let Said::Ready(network) = said { network } else { panic!("not ready") })
            .collect();
        // Every sandbox tries all of the addresses that are its targets; gives what came of each.
        let reach = |card: &str, targets: &dyn Fn(usize) -> Vec<String>| -> Vec<Vec<(String, String)>> {
            for (at, task) in tasks.iter().enumerate() {
                let argv = ["/proc/self/exe", "net-reach", "5", card].map(str::to_owned).to_vec();
                task.send([argv, targets(at)].concat()).expect("it listens");
            }
            let lines = |said| {
                let Said::Tried(text) = said else { panic!("not tried") };
                let pair = |line: &str| line.split_once(' ').map(|(to, word)| (to.to_owned(), word.to_owned()));
                text.lines().map(|line| pair(line).expect("two words")).collect()
            };
            all().into_iter().map(lines).collect()
        };
        let strangers = |at: usize| {
            let others = networks.iter().enumerate().filter(|(other, _)| *other != at);
            with_port(&others.flat_map(|(_, network)| network.addresses()).collect::<Vec<_>>())
        };
        assert_eq!(strangers(0).len(), 2 * (SANDBOXES - 1), "an address of each family");

        phase("ready");
        let before = labs_ends();
        assert_eq!(before.len(), SANDBOXES, "every sandbox has a lab's end of its own");
        // By its routes, and then out by its card, whatever the routes say.
        for card in ["-", SANDBOX_CARD] {
            for (at, tried) in reach(card, &strangers).into_iter().enumerate() {
                assert_eq!(tried.len(), 2 * (SANDBOXES - 1), "{}", launchers[at].0);
                for (to, word) in tried {
                    assert!(word != "open" && word != REFUSED, "{} reached {to} by {card}: {word}", launchers[at].0);
                }
            }
        }
        phase("tried");
        let tried = labs_ends();
        for (namespace, counters) in &before {
            assert_eq!(tried[namespace].packets, counters.packets, "a packet came that was meant for another");
        }
        let left = before.iter().filter(|(namespace, counters)| tried[*namespace].card_frames > counters.card_frames);
        // gVisor's own stack keeps to its routes.
        let asking = launchers.iter().filter(|(backend, _)| *backend != BackendName::Runsc).count();
        assert!(left.count() >= asking, "the tries did leave the sandboxes: {before:?} {tried:?}");

        // The control: the lab's end, which nobody listens on, refuses, and the sandbox's own server answers.
        let own = |at: usize| {
            let subnet = Subnet::of(&names[at]);
            let lab = [subnet.host_v4().into(), subnet.host_v6().into()];
            with_port(&[networks[at].addresses(), lab.to_vec()].concat())
        };
        for (at, tried) in reach("-", &own).into_iter().enumerate() {
            let words: Vec<&str> = tried.iter().map(|(_, word)| word.as_str()).collect();
            assert_eq!(words, ["open", "open", REFUSED, REFUSED], "{}", launchers[at].0);
        }
        let control = labs_ends();
        for (namespace, counters) in &tried {
            let grown = std::array::from_fn(|at| control[namespace].packets[at] - counters.packets[at]);
            assert_eq!(grown, [1, 2], "one segment of each family, of this sandbox alone");
        }
        phase("control");
        drop((networks, tasks));
        assert!(all().iter().all(|said| matches!(said, Said::Gone)));
    });
    phase("gone");
    drop(launchers);
    assert!(labs_ends().is_empty());
    assert_eq!(lab.close(), Vec::<String>::new());
}
