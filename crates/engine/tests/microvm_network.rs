//! Networks, metadata and applications of real microVMs under Firecracker and Cloud Hypervisor.
//!
//! Each test skips with its reason where the program, a working `/dev/kvm` or root is missing. `make nested` has all.

#![allow(
    clippy::print_stderr,
    reason = "a test that is skipped says why, and one that takes minutes says how far it is"
)]

mod guest_support;
mod microvm_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::application::Application;
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind, SnapshotOptions};
use isodyne_engine::backend::{Launcher, Place, PrepareError, Sandbox, find};
use isodyne_engine::channel::ExecRequest;
use isodyne_engine::network::Family;
use isodyne_engine::workload::{Attempt, BootOptions, NetworkOptions, boot, network};
use microvm_support::{Bench, PATIENCE, YES, says};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

const MONITORS: [BackendName; 2] = [BackendName::Firecracker, BackendName::CloudHypervisor];

fn own() -> (&'static str, FactorValue) {
    ("network", says("own"))
}

/// A bench for a monitor; `None`, with the reason printed, where it cannot have networks.
fn bench(backend: BackendName) -> Option<Bench> {
    let bench = microvm_support::bench(backend)?;
    if !bench.lab().host.root {
        eprintln!("SKIPPED: {backend}: networks take root");
        return None;
    }
    Some(bench)
}

impl Bench {
    fn cell(&self, benchmark: BenchmarkName, stated: &[(&str, FactorValue)]) -> Cell {
        let factors: Factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(benchmark, self.backend, &factors);
        Cell { id, benchmark, backend: self.backend, factors, variant: None }
    }

    fn launcher_of(&self, cell: &Cell) -> Box<dyn Launcher> {
        find(self.backend).prepare(cell, self.lab()).unwrap()
    }

    /// A valid sample of `boot`.
    fn boots_valid(&self, stated: &[(&str, FactorValue)]) -> Attempt {
        let (place, cell) = (self.place(), self.cell(BenchmarkName::Boot, stated));
        let app = Application::of(&cell, self.lab()).unwrap().map(Box::new);
        let options = BootOptions { timeout: PATIENCE, command: None, app };
        let attempt = boot(self.launcher_of(&cell).as_ref(), &place, self.lab(), &options);
        assert!(attempt.failure.is_none(), "{stated:?}: {:?}\n{}", attempt.failure, self.words(&place));
        std::fs::remove_dir_all(&place.directory).unwrap();
        let (total, residue) = (attempt.metrics["total_ns"], attempt.metrics["residue_ns"]);
        assert!(residue >= 0.0 && residue < 0.2 * total, "{residue} of {total}");
        eprintln!("{} {stated:?}: total {:.2} s, {:?}", self.backend, total / 1e9, attempt.proofs);
        attempt
    }

    /// A valid sample of `network`.
    fn answers(&self, family: Family, more: &[(&str, FactorValue)]) {
        let stated = [&[own()], more].concat();
        let (place, cell) = (self.place(), self.cell(BenchmarkName::Network, &stated));
        let options = NetworkOptions {
            timeout: PATIENCE,
            family,
            message_bytes: 64,
            round_trips: 300,
            rate_per_s: 50,
            duration: Duration::from_millis(500),
            bytes: (1 << 20) + 3,
        };
        let attempt = network(self.launcher_of(&cell).as_ref(), &place, self.lab(), &options);
        assert!(attempt.failure.is_none(), "{stated:?}: {:?}\n{}", attempt.failure, self.words(&place));
        std::fs::remove_dir_all(&place.directory).unwrap();
        let metric = |name: &str| attempt.metrics[name];
        eprintln!(
            "{} {family:?} {more:?}: round trip {:.2} ms, up {:.2} MB/s, down {:.2} MB/s; {:?}",
            self.backend,
            metric("round_trip_p50_ns") / 1e6,
            metric("upload_bytes_per_s") / 1e6,
            metric("download_bytes_per_s") / 1e6,
            attempt.proofs
        );
        // Which of the two is the shorter is nobody's promise on a processor that is emulated and shared.
        assert!(metric("control_round_trip_p50_ns") > 0.0 && metric("round_trip_p50_ns") > 0.0);
        assert!(attempt.proofs.iter().any(|proof| proof.starts_with("network own, subnet 10.")));
    }

    /// A machine in a place of its own, whose agent has said hello.
    fn live_machine(&self, launcher: &dyn Launcher) -> (Place, Box<dyn Sandbox>) {
        let place = self.place();
        let sandbox = self.live(launcher, &place);
        (place, sandbox)
    }

    fn ends(&self, mut sandbox: Box<dyn Sandbox>, place: &Place) {
        let stopped = sandbox.stop(self.lab().clock.after(Duration::from_secs(60)));
        assert!(stopped.gone.is_some() && stopped.survivors.is_empty(), "{stopped:?}");
        drop(sandbox);
        std::fs::remove_dir_all(&place.directory).unwrap();
    }

    fn has_jailer(&self) -> bool {
        let found = self.backend == BackendName::Firecracker && isodyne_engine::host::find_tool("jailer").is_some();
        if !found && self.backend == BackendName::Firecracker {
            eprintln!("SKIPPED: there is no jailer");
        }
        found
    }
}

#[test]
fn machines_answer_on_a_network_of_their_own() {
    for backend in MONITORS {
        let Some(bench) = bench(backend) else { continue };
        bench.answers(Family::V4, &[]);
        bench.answers(Family::V6, &[]);
        if backend == BackendName::Firecracker {
            bench.answers(Family::V6, &[("pci", YES), ("setup", says("file"))]);
        }
        if bench.has_jailer() {
            bench.answers(Family::V4, &[("jailer", YES)]);
        }
    }
}

/// A service on all addresses of the host that two requests of the agent's `mmds` can be made to; gives who made them.
fn service() -> (u16, JoinHandle<Vec<IpAddr>>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = ["HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nT", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"];
    let answer = move |answer: &str| {
        let (mut stream, peer) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        assert!(lines.map(Result::unwrap).take_while(|line| !line.is_empty()).count() >= 1);
        stream.write_all(answer.as_bytes()).unwrap();
        peer.ip()
    };
    (port, std::thread::spawn(move || answers.map(answer).to_vec()))
}

/// The host's address on the card that lets a sandbox of this run out, and the other one's there.
fn uplink(run_id: &str) -> (Ipv4Addr, Ipv4Addr) {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    let line = routes.lines().find(|line| line.starts_with(&format!("i{run_id}-")));
    let subnet = u32::from_str_radix(line.unwrap().split_whitespace().nth(1).unwrap(), 16).unwrap().swap_bytes();
    (Ipv4Addr::from(subnet + 1), Ipv4Addr::from(subnet + 2))
}

fn fetch(sandbox: &mut dyn Sandbox, address: &str, bench: &Bench) -> (bool, Vec<u8>) {
    let request = ExecRequest {
        id: 3,
        argv: ["/proc/self/exe", "mmds", address].map(|word| word.as_bytes().to_vec()).to_vec(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: 60_000,
        output_limit: 4096,
    };
    let executed = sandbox.agent().exec(&request, bench.lab().clock.after(PATIENCE)).unwrap();
    (executed.succeeded().is_ok(), executed.reply.stdout)
}

#[test]
fn machines_reach_out_when_asked_to_and_nothing_of_it_is_left() {
    for backend in MONITORS {
        let Some(bench) = bench(backend) else { continue };
        let launcher =
            match find(backend).prepare(&bench.cell(BenchmarkName::Boot, &[own(), ("nat", YES)]), bench.lab()) {
                Ok(launcher) => launcher,
                Err(PrepareError::Unavailable { reason, .. }) => {
                    eprintln!("SKIPPED: {reason}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
        let (place, mut sandbox) = bench.live_machine(launcher.as_ref());
        let (port, served) = service();
        let (host, lab) = uplink(&bench.lab().run_id);
        let fetched = fetch(sandbox.as_mut(), &format!("{host}:{port}"), &bench);
        assert_eq!(fetched, (true, b"hello".to_vec()), "{}", bench.words(&place));
        // What leaves has the lab's address, and the guest's own is nowhere to be seen.
        assert_eq!(served.join().unwrap(), [lab, lab]);
        eprintln!("{backend}: {host} was reached from {:?} as {lab}", sandbox.network().unwrap().addresses());
        bench.ends(sandbox, &place);
    }
}

#[test]
fn firecrackers_guest_reads_its_metadata_back() {
    let Some(bench) = bench(BackendName::Firecracker) else { return };
    let path = bench.directory.path().join("metadata.json");
    let filler = "x".repeat(20_000);
    std::fs::write(
        &path,
        format!("{{ \"owner\": {{ \"name\": \"nobody\", \"of\": [1, 2.5] }}, \"long\": \"{filler}\" }}"),
    )
    .unwrap();
    let stated = [own(), ("mmds", says(&path.to_string_lossy()))];
    let ways: &[&[(&str, FactorValue)]] = &[&[], &[("setup", says("file")), ("jailer", YES)]];
    for more in ways.iter().filter(|more| more.is_empty() || bench.has_jailer()) {
        let attempt = bench.boots_valid(&[&stated, *more].concat());
        let proof = attempt.proofs.iter().find(|proof| proof.contains("read back from 169.254.169.254"));
        assert!(proof.is_some_and(|proof| proof.starts_with("metadata of 20")), "{:?}", attempt.proofs);
    }
}

#[test]
fn an_application_on_a_disk_of_its_own_becomes_ready() {
    for backend in MONITORS {
        let Some(bench) = bench(backend) else { continue };
        if ["mke2fs", "debugfs"].iter().any(|tool| isodyne_engine::host::find_tool(tool).is_none()) {
            eprintln!("SKIPPED: there is no mke2fs or debugfs to make a disk with");
            return;
        }
        // The agent, which is in every image, is an application too.
        let image = bench.directory.path().join("image");
        std::fs::create_dir_all(image.join("srv")).unwrap();
        let command = ["/isodyne-agent", "net-serve", "8000", "600"].map(str::to_owned).to_vec();
        let app = [
            ("app.image", says(&image.to_string_lossy())),
            ("app.command", FactorValue::Words(command)),
            ("app.ready", says("tcp 8000")),
        ];
        let ready = |attempt: &Attempt| {
            let seen: Vec<M> = attempt.ledger.milestones.iter().map(|milestone| milestone.name).collect();
            assert!(seen.contains(&M::AppStarted) && seen.contains(&M::Ready), "{seen:?}");
            assert!(attempt.proofs.iter().any(|proof| proof.contains("ext4 disk")), "{:?}", attempt.proofs);
        };
        ready(&bench.boots_valid(&app));
        ready(&bench.boots_valid(&[&app[..], &[own()]].concat()));
        if bench.has_jailer() {
            ready(&bench.boots_valid(&[&app[..], &[("jailer", YES)]].concat()));
        }
    }
}

#[test]
fn a_machine_comes_back_with_its_addresses_in_a_namespace_of_its_own() {
    for backend in MONITORS {
        let Some(bench) = bench(backend) else { continue };
        let launcher = bench.launcher(&[own()]);
        let deadline = || bench.lab().clock.after(PATIENCE);
        // Nobody listens on this port: the guest itself says so.
        let reached = |sandbox: &dyn Sandbox, place: &Place| {
            let network = sandbox.network().unwrap();
            for family in [Family::V4, Family::V6] {
                let refused = network.connect(9, family, deadline()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused}\n{}", bench.words(place));
            }
            network.addresses()
        };
        let (place, mut sandbox) = bench.live_machine(launcher.as_ref());
        // An address for documentation: without NAT there is no way out, and nobody is waited for.
        assert!(!fetch(sandbox.as_mut(), "192.0.2.1", &bench).0);
        let addresses = reached(sandbox.as_ref(), &place);
        let directory = bench.directory.path().join("snapshot");
        std::fs::create_dir_all(&directory).unwrap();
        let options = SnapshotOptions::of(SnapshotKind::Full, false);
        sandbox.snapshots().unwrap().snapshot(&directory, &options, deadline()).unwrap();
        drop(sandbox);
        std::fs::remove_dir_all(&place.directory).unwrap();

        let restorer = launcher.restorer().unwrap();
        let place = bench.place();
        let restored = restorer.restore(&directory, MemoryBackend::File, &place, bench.lab());
        let mut sandbox = restored.unwrap_or_else(|failure| panic!("{failure}\n{}", bench.words(&place)));
        bench.greet(sandbox.as_mut(), &place);
        assert_eq!(reached(sandbox.as_ref(), &place), addresses);
        eprintln!("{backend}: back with {addresses:?}");
        bench.ends(sandbox, &place);

        std::fs::remove_file(directory.join("network")).unwrap();
        let refused = restorer.restore(&directory, MemoryBackend::File, &bench.place(), bench.lab()).err().unwrap();
        assert!(refused.message.contains("which addresses its guest has"), "{refused}");
        assert!(!Path::new("/sys/class/net/lab0").exists());
    }
}
