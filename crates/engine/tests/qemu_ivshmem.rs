//! Memory and interrupts between the host and real guests: the device as the agent drives it.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use guest_support::bench::{Bench, bench};
use guest_support::says;
use isodyne_core::factor::FactorValue;
use isodyne_engine::backend::Sandbox;
use isodyne_engine::backend::qemu::ivshmem::{SealedMemory, Server, ServerOptions};
use isodyne_engine::backend::shared_memory::SharedMemory;
use isodyne_engine::channel::ExecRequest;
use isodyne_engine::clock::Clock;
use isodyne_engine::host::accounting;
use isodyne_proto::Outcome;
use isodyne_shm::wait::{Bell, Woken};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);
const SIZE: u64 = 8 << 20;
/// Where the agent's trial looks and writes.
const NONCE: usize = 0;
const ANSWER: usize = 64;
const OWN: usize = 128;
const LAST_WORD: usize = 192;

/// Boots a guest and waits for its agent.
fn boot(bench: &Bench, stated: &[(&str, FactorValue)]) -> Box<dyn Sandbox> {
    let mut sandbox = bench.launcher(stated).launch(&bench.place(), bench.lab()).unwrap();
    let hello = sandbox.agent().hello(Clock.after(PATIENCE));
    hello.unwrap_or_else(|failure| panic!("{}", sandbox.diagnose(failure)));
    sandbox
}

fn stop(mut sandbox: Box<dyn Sandbox>) {
    let stopped = sandbox.stop(Clock.after(PATIENCE));
    assert!(stopped.gone.is_some() && !stopped.killed && stopped.complaint.is_none(), "{stopped:?}");
}

/// Runs the agent's trial in the guest.
fn trial(sandbox: &mut dyn Sandbox, words: &[&str]) -> Result<BTreeMap<String, String>, (u8, String)> {
    let argv = ["/init", "shm-device"].iter().chain(words).map(|word| word.as_bytes().to_vec()).collect();
    let request =
        ExecRequest { id: 1, argv, env: Vec::new(), stdin: Vec::new(), timeout_ms: 60_000, output_limit: 4096 };
    let reply = sandbox.agent().exec(&request, Clock.after(PATIENCE)).unwrap().reply;
    let code = match reply.outcome {
        Outcome::Exited(code) => code,
        other => panic!("{other:?}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if code != 0 {
        return Err((code, text(&reply.stderr)));
    }
    let output = text(&reply.stdout);
    Ok(output.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// Waits until a word of the memory has a value that will do.
fn until(shared: &SharedMemory, place: usize, will_do: impl Fn(u64) -> bool) -> u64 {
    let deadline = Clock.after(PATIENCE);
    loop {
        let found = shared.region().load_u64(place).unwrap();
        if will_do(found) {
            return found;
        }
        assert!(Clock.now() < deadline, "{found:#x} at {place}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_guest_maps_plain_memory_every_way_that_its_kernel_has() {
    let Some(bench) = bench() else { return };
    let mut sandbox = boot(&bench, &[("ivshmem", says("plain")), ("ivshmem_size", FactorValue::Bytes(SIZE))]);
    let shared = sandbox.shared_memory().unwrap();
    assert_eq!((shared.region().len() as u64, shared.host_id()), (SIZE, None));
    let last = SIZE as usize - 8;
    for (round, mapping) in ["uncached", "write-combining"].into_iter().enumerate() {
        let nonce = 0x0123_4567_89ab_cdef + round as u64;
        let region = shared.region();
        region.clear(0, 4096).unwrap();
        region.store_u64(NONCE, nonce).unwrap();
        region.store_u64(last, 0x8000_0000_0000_0001).unwrap();
        let host = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                until(&shared, ANSWER, |word| word == !nonce);
                shared.region().store_u64(LAST_WORD, nonce + 1).unwrap();
            }
        });
        let said = trial(sandbox.as_mut(), &["plain", mapping]).unwrap();
        host.join().unwrap();
        assert_eq!((said["mapping"].as_str(), said["mapping_is_seen"].as_str()), (mapping, "true"), "{said:?}");
        assert_eq!(said["bytes"], SIZE.to_string());
        assert_eq!(region.load_u64(last), Some(3));
    }
    // Without an IOMMU and without interrupts there is nothing to ring, and it is said.
    let (code, reason) = trial(sandbox.as_mut(), &["doorbell", "uncached"]).unwrap_err();
    assert!(code == 3 && reason.contains("no interrupts"), "{code} {reason}");
    // The firmware keeps everything below 4 GiB that is no memory uncached, and the kernel does not lie about it.
    let (code, reason) = trial(sandbox.as_mut(), &["plain", "write-back"]).unwrap_err();
    assert!(code == 3 && reason.contains("uncached, where write-back was asked for"), "{code} {reason}");
    // What the device shares is not counted as the guest's memory.
    let usage: BTreeMap<String, f64> = sandbox.usage().into_iter().collect();
    assert!(usage["guest_memory_bytes"] > 30e6, "{usage:?}");
    stop(sandbox);
}

#[test]
fn memory_above_4_gib_can_be_mapped_write_back() {
    let Some(bench) = bench() else { return };
    // So much does not fit below, where the firmware has everything uncached.
    let mut sandbox = boot(&bench, &[("ivshmem", says("plain")), ("ivshmem_size", FactorValue::Bytes(1 << 30))]);
    let shared = sandbox.shared_memory().unwrap();
    shared.region().store_u64(NONCE, 6).unwrap();
    shared.region().store_u64(LAST_WORD, 7).unwrap();
    let said = trial(sandbox.as_mut(), &["plain", "write-back"]).unwrap();
    assert_eq!((said["mapping"].as_str(), said["mapping_is_seen"].as_str()), ("write-back", "true"), "{said:?}");
    assert_eq!(shared.region().load_u64(ANSWER), Some(!6));
    stop(sandbox);
}

#[test]
fn without_an_iommu_it_is_said_what_is_missing() {
    let Some(bench) = bench() else { return };
    let mut sandbox = boot(&bench, &[("ivshmem", says("doorbell")), ("cmdline", says("intel_iommu=off"))]);
    let (code, reason) = trial(sandbox.as_mut(), &["doorbell", "uncached"]).unwrap_err();
    assert!(code == 3 && reason.contains("no IOMMU"), "{code} {reason}");
    // Its memory is there all the same.
    sandbox.shared_memory().unwrap().region().store_u64(LAST_WORD, 1).unwrap();
    trial(sandbox.as_mut(), &["plain", "uncached"]).unwrap();
    stop(sandbox);
}

/// CPU time of the machine of this run.
fn machine_cpu_ns(bench: &Bench) -> u64 {
    let pids = bench.machines().into_iter().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    pids.filter_map(|pid| accounting::process(pid)?.cpu_ns).sum()
}

#[test]
fn a_guest_sleeps_until_the_host_rings_and_rings_back() {
    let Some(bench) = bench() else { return };
    let size = FactorValue::Bytes(SIZE);
    let factors = [("ivshmem", says("doorbell")), ("ivshmem_size", size), ("ivshmem_vectors", FactorValue::Count(2))];
    let mut sandbox = boot(&bench, &factors);
    let shared = sandbox.shared_memory().unwrap();
    let host_id = shared.host_id().unwrap();
    let pause = Duration::from_secs(1);
    for mapping in ["uncached", "write-combining"] {
        let nonce = 0xfeed_0000_0000_0001;
        shared.region().clear(0, 4096).unwrap();
        shared.region().store_u64(NONCE, nonce).unwrap();
        let cpu = std::thread::scope(|scope| {
            let host = scope.spawn(|| {
                let guest = until(&shared, OWN, |word| word > 0) - 1;
                assert_eq!(shared.region().load_u64(ANSWER), Some(!nonce));
                let guest = u16::try_from(guest).unwrap();
                assert_eq!(shared.others().unwrap(), [guest]);
                let bells = [0, 1].map(|vector| shared.bell(Some(guest), vector, Clock.after(PATIENCE)).unwrap());
                // A moment for the guest to fall asleep; then nothing is to happen in it.
                std::thread::sleep(Duration::from_millis(200));
                let before = machine_cpu_ns(&bench);
                std::thread::sleep(pause);
                let cpu = machine_cpu_ns(&bench) - before;
                shared.region().store_u64(LAST_WORD, nonce + 1).unwrap();
                bells[1].ring().unwrap();
                assert_eq!(bells[0].wait(0, Clock.after(PATIENCE).0), Woken::Rung);
                cpu
            });
            let said = trial(sandbox.as_mut(), &["doorbell", mapping, &host_id.to_string()]).unwrap();
            let number = |key: &str| said[key].parse::<u64>().unwrap();
            assert_eq!((said["mapping"].as_str(), said["mapping_is_seen"].as_str()), (mapping, "true"), "{said:?}");
            assert_eq!((number("vectors"), said["registers_are_mapped"].as_str()), (2, "true"));
            // Awake, the guest would have used as much processor as time went by.
            assert!(number("slept_ns") > 1_000_000_000 && number("cpu_ns") < number("slept_ns") / 4, "{said:?}");
            host.join().unwrap()
        });
        eprintln!("the machine used {cpu} ns in {pause:?} of the guest's sleep");
        assert!(cpu < 500_000_000, "{cpu}");
    }
    assert_eq!(shared.server().unwrap().report().put_out_count, 0);
    stop(sandbox);
}

#[test]
fn two_guests_and_the_host_are_peers_of_one_server() {
    let Some(bench) = bench() else { return };
    let path = bench.directory.path().join("ivshmem");
    let options = ServerOptions { socket: Some(path.clone()), ..Default::default() };
    let server = Server::start(Arc::new(SealedMemory::new(SIZE).unwrap()), options).unwrap();
    let factors = [("ivshmem", says("doorbell")), ("ivshmem_server", says(path.to_str().unwrap()))];
    let [mut first, mut second] = [1, 2].map(|_| boot(&bench, &factors));
    let shared = first.shared_memory().unwrap();
    let nonce = 0xfeed_0000_0000_0002;
    shared.region().store_u64(NONCE, nonce).unwrap();
    // Each sandbox brings a machine and the host's side of it.
    assert_eq!(server.report().connected.len(), 4);
    let host_id = shared.host_id().unwrap();
    let said = std::thread::scope(|scope| {
        // The first guest sleeps; the second is rung by the host, and rings the first instead of the host.
        let asleep = scope.spawn(|| trial(first.as_mut(), &["doorbell", "uncached", &host_id.to_string()]).unwrap());
        let one = u16::try_from(until(&shared, OWN, |word| word > 0) - 1).unwrap();
        shared.region().store_u64(OWN, 0).unwrap();
        let second = second.as_mut();
        let awake = scope.spawn(move || trial(second, &["doorbell", "uncached", &one.to_string()]).unwrap());
        let two = u16::try_from(until(&shared, OWN, |word| word > 0) - 1).unwrap();
        assert_ne!(one, two);
        shared.region().store_u64(LAST_WORD, nonce + 1).unwrap();
        let bell = shared.bell(Some(two), 0, Clock.after(PATIENCE)).unwrap();
        bell.ring().unwrap();
        // The second guest rings the first, and the first rings the host.
        assert_eq!(bell.wait(0, Clock.after(PATIENCE).0), Woken::Rung);
        (asleep.join().unwrap(), awake.join().unwrap())
    });
    assert_ne!(said.0["own"], said.1["own"]);
    // On a server with others each side knows the guest that came with it.
    let own = [&first, &second].map(|sandbox| {
        sandbox.shared_memory().unwrap().bell(None, 0, Clock.after(PATIENCE)).unwrap().other().to_string()
    });
    assert_eq!(own, [said.0["own"].clone(), said.1["own"].clone()]);
    drop(shared);
    stop(first);
    stop(second);
}
