//! Networks of sandboxes' own, for real: twenty at a time, none sees another, nothing is left.

mod container_support;

use container_support::{Bench, skip};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_engine::backend::PrepareError;
use isodyne_engine::clock::Clock;
use isodyne_engine::network::{AGENT_PORT, Family, Network, OwnNetwork};
use isodyne_engine::ownership::{Owner, Resource, leak};
use isodyne_engine::workload::{NetworkOptions, network};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const SANDBOXES: usize = 20;

fn soon() -> isodyne_core::unit::HostInstant {
    Clock.after(Duration::from_secs(30))
}

/// Whether this test may make namespaces.
fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(test, "network namespaces take root");
    }
    root
}

/// Names in a directory of the host, but those of other tests that run at this time: ways out and bridges (`i<run>-…`),
/// and Docker's cards on them.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !(name.starts_with("veth") || name.starts_with('i') && name.contains('-'))).collect()
}

/// IPv4 packets that came to a sandbox's namespace. (IPv6 speaks by itself now and then.)
fn received(network: &OwnNetwork) -> u64 {
    let read = || std::fs::read_to_string("/proc/thread-self/net/snmp");
    let text = network.sandbox().expect("a namespace").within(read).expect("counters");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: ")).map(str::split_ascii_whitespace);
    let (mut names, mut values) = (lines.next().expect("names"), lines.next().expect("values"));
    let at = names.position(|name| name == "InReceives").expect("a counter");
    values.nth(at).and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn twenty_networks_never_meet_and_leave_nothing() {
    if !is_root("twenty_networks_never_meet_and_leave_nothing") {
        return;
    }
    let before = (names("/run/netns"), names("/sys/class/net"));
    // Twenty runs, all at once, each with its sandbox of the same number.
    let networks: Vec<OwnNetwork> = std::thread::scope(|scope| {
        let one = |number: usize| move || OwnNetwork::for_container(&format!("isodyne-{:08x}-7", 0x0abc_0000 + number));
        let making: Vec<_> = (0..SANDBOXES).map(|number| scope.spawn(one(number))).collect();
        making.into_iter().map(|thread| thread.join().expect("no panic").expect("a network")).collect()
    });
    let nonces: Vec<u64> = (0..SANDBOXES).map(|_| fastrand::u64(..)).collect();
    std::thread::scope(|scope| {
        for (network, nonce) in networks.iter().zip(&nonces) {
            // All on one port of all addresses: in one namespace the second would be refused.
            let bind = || TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, AGENT_PORT));
            let listener = network.sandbox().expect("a namespace").within(bind).expect("the port is free");
            scope.spawn(move || {
                for _ in 0..2 {
                    let (mut stream, peer) = listener.accept().expect("a connection");
                    let subnet = network.subnet();
                    let of_lab = [subnet.host_v4().to_ipv6_mapped(), subnet.host_v6()];
                    assert!(matches!(peer, SocketAddr::V6(peer) if of_lab.contains(peer.ip())), "{peer}");
                    stream.write_all(&nonce.to_le_bytes()).expect("sent");
                }
            });
        }
        for family in [Family::V4, Family::V6] {
            for (network, nonce) in networks.iter().zip(&nonces) {
                let mut stream = network.connect(AGENT_PORT, family, soon()).expect("connected");
                let mut answer = [0; 8];
                stream.read_exact(&mut answer).expect("an answer");
                assert_eq!(u64::from_le_bytes(answer), *nonce, "{}", network.describe());
            }
        }
    });

    // Each sees its own subnet and no other, and cannot reach another's address.
    for (at, network) in networks.iter().enumerate() {
        let routes = || std::fs::read_to_string("/proc/thread-self/net/route");
        let table = network.sandbox().expect("a namespace").within(routes).expect("routes");
        assert_eq!(table.lines().count(), 2, "one heading, one subnet: {table}");
        let other = &networks[(at + 1) % SANDBOXES];
        let quiet = received(other);
        let stranger = SocketAddr::from((other.subnet().guest_v4(), AGENT_PORT));
        for namespace in [network.lab(), network.sandbox().expect("a namespace")] {
            let reached = namespace.within(|| TcpStream::connect_timeout(&stranger, Duration::from_secs(5)));
            let error = reached.expect_err("another sandbox is not to be reached");
            assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable, "{error}");
        }
        assert_eq!(received(other), quiet, "a packet of one sandbox came to another");
    }
    assert_eq!((names("/run/netns"), names("/sys/class/net")), before, "the host's namespace is never touched");
    drop(networks);
    assert_eq!((names("/run/netns"), names("/sys/class/net")), before);
}

#[test]
fn a_way_out_has_a_card_and_a_table_and_goes_by_its_name_alone() {
    let test = "a_way_out_has_a_card_and_a_table_and_goes_by_its_name_alone";
    if !is_root(test) {
        return;
    }
    let before = names("/sys/class/net");
    let run_id = format!("{:08x}", fastrand::u32(..));
    let names_of_two: Vec<String> = (1..=2).map(|number| format!("isodyne-{run_id}-{number}")).collect();
    let owner = Owner::new(Clock, &run_id);
    let mut networks = Vec::new();
    for name in &names_of_two {
        let mut network = OwnNetwork::for_container(name).expect("a network");
        if let Err(error) = network.reach_out(name, &owner) {
            return skip(test, &format!("no way out: {error}"));
        }
        assert!(network.describe().contains(", with NAT for IPv4"), "{}", network.describe());
        networks.push(network);
    }
    let scratch = std::path::Path::new("/nonexistent");
    let found = leak::survivors(&run_id, scratch);
    assert_eq!(found.iter().filter(|line| line.starts_with("network card")).count(), 2, "{found:?}");
    assert_eq!(found.iter().filter(|line| line.starts_with("nftables table")).count(), 2, "{found:?}");
    // The host's own address on the way out answers: packets go out, are translated, and come back.
    let listener = TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let routes = std::fs::read_to_string("/proc/net/fib_trie").expect("addresses");
    let host: std::net::Ipv4Addr = routes
        .lines()
        .filter_map(|line| line.trim().strip_prefix("|-- "))
        .filter_map(|text| text.parse().ok())
        .find(|address: &std::net::Ipv4Addr| {
            !address.is_loopback() && !address.is_unspecified() && address.octets()[0] != 10 && address.octets()[3] != 0
        })
        .unwrap_or(std::net::Ipv4Addr::LOCALHOST);
    if !host.is_loopback() {
        let out = || TcpStream::connect_timeout(&(host, port).into(), Duration::from_secs(10));
        let stream = networks[0].sandbox().expect("a namespace").within(out).expect("the host is reached");
        let (_, peer) = listener.accept().expect("a connection");
        assert_ne!(
            peer.ip(),
            std::net::IpAddr::from(networks[0].subnet().guest_v4()),
            "the sandbox's address is hidden"
        );
        drop(stream);
    }
    // One by its guard, one by its name, as the guardian and the sweep do it.
    drop(networks.remove(0));
    assert_eq!(Resource::Uplink(names_of_two[1].clone()).remove(), Ok(()));
    assert_eq!(Resource::Uplink(names_of_two[1].clone()).remove(), Ok(()), "gone already is success");
    assert_eq!(leak::survivors(&run_id, scratch), Vec::<String>::new());
    drop(networks);
    assert_eq!(names("/sys/class/net"), before);
}

/// Both families leave by the host's address, in a namespace that stands for the host: the real one sees nothing of it.
#[test]
fn nat_of_both_families_in_a_host_of_the_tests_own() {
    let test = "nat_of_both_families_in_a_host_of_the_tests_own";
    if !is_root(test) {
        return;
    }
    // One end of this is the host, the other is the world.
    let around = OwnNetwork::for_container("isodyne-0abc0002-1").expect("a world");
    let (host, world, subnet) = (around.lab(), around.sandbox().expect("a namespace"), around.subnet());
    let bind = || TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, AGENT_PORT));
    let listener = world.within(bind).expect("a port");
    let run_id = format!("{:08x}", fastrand::u32(..));
    let owner = Owner::new(Clock, &run_id);
    let scratch = std::path::Path::new("/nonexistent");
    let left = || host.within(|| Ok(leak::survivors(&run_id, scratch))).expect("a look");
    let tables = |on: bool| {
        let switches = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
        for (switch, value) in switches.iter().zip(["1", if on { "1" } else { "0" }]) {
            std::fs::write(switch, value)?;
        }
        Ok(())
    };
    let make = |number: u32| {
        let name = format!("isodyne-{run_id}-{number}");
        let mut network = OwnNetwork::for_container(&name)?;
        network.reach_out(&name, &owner)?;
        Ok(network)
    };

    host.within(|| tables(true)).expect("forwarding");
    let networks = match host.within(|| Ok(vec![make(1)?, make(2)?])) {
        Ok(networks) => networks,
        Err(error) => return skip(test, &format!("no way out: {error}")),
    };
    assert_eq!(left().len(), 4, "two cards, two tables by their names: {:?}", left());
    assert_eq!(leak::survivors(&run_id, scratch), Vec::<String>::new(), "the real host sees nothing");
    for (at, network) in networks.iter().enumerate() {
        assert!(network.describe().ends_with(", with NAT for IPv4 and IPv6"), "{}", network.describe());
        let sandbox = network.sandbox().expect("a namespace");
        let ways: [(std::net::IpAddr, std::net::IpAddr); 2] = [
            (subnet.guest_v4().into(), subnet.host_v4().to_ipv6_mapped().into()),
            (subnet.guest_v6().into(), subnet.host_v6().into()),
        ];
        for (outside, of_host) in ways {
            let out = || TcpStream::connect_timeout(&(outside, AGENT_PORT).into(), Duration::from_secs(10));
            let _stream = sandbox.within(out).unwrap_or_else(|error| panic!("{outside} is not reached: {error}"));
            let (_, peer) = listener.accept().expect("a connection");
            assert_eq!(peer.ip(), of_host, "the sandbox's address is hidden behind the host's");
        }
        // The other sandbox has a way out as well, and no way in.
        let other = networks[1 - at].subnet();
        for stranger in [std::net::IpAddr::from(other.guest_v4()), other.guest_v6().into()] {
            let reach = || TcpStream::connect_timeout(&(stranger, AGENT_PORT).into(), Duration::from_secs(2));
            let error = sandbox.within(reach).expect_err("another sandbox is not to be reached");
            assert_ne!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{stranger} has answered");
        }
    }
    let end = |networks: Vec<OwnNetwork>| {
        host.within(|| {
            drop(networks);
            Ok(())
        })
        .expect("their end");
    };
    end(networks);
    assert_eq!(left(), Vec::<String>::new());

    // A host that does not forward IPv6: the sandbox reaches out by IPv4 alone, and the sample says so.
    host.within(|| tables(false)).expect("forwarding");
    let network = host.within(|| make(3)).expect("a network");
    assert!(network.describe().ends_with(", with NAT for IPv4"), "{}", network.describe());
    let out = || TcpStream::connect_timeout(&(subnet.guest_v6(), AGENT_PORT).into(), Duration::from_secs(2));
    network.sandbox().expect("a namespace").within(out).expect_err("no way out by IPv6");
    end(vec![network]);
    assert_eq!(left(), Vec::<String>::new());
}

#[test]
fn a_tap_answers_in_its_namespace_only() {
    if !is_root("a_tap_answers_in_its_namespace_only") {
        return;
    }
    let network = match OwnNetwork::for_machine("isodyne-0abc0001-1") {
        Ok(network) => network,
        Err(error) => return skip("a_tap_answers_in_its_namespace_only", &error.to_string()),
    };
    assert!(network.take_tap().is_some() && network.take_tap().is_none());
    assert!(network.sandbox().is_none());
    let cards = network.lab().within(|| std::fs::read_to_string("/proc/thread-self/net/dev")).expect("cards");
    // The tap has gone with its descriptor.
    assert!(!cards.contains("lab0"), "{cards}");
    assert!(!names("/sys/class/net").contains("lab0"));
}

fn small() -> NetworkOptions {
    NetworkOptions {
        timeout: Duration::from_secs(60),
        family: Family::V4,
        message_bytes: 64,
        round_trips: 300,
        rate_per_s: 500,
        duration: Duration::from_millis(200),
        bytes: (1 << 20) + 3,
    }
}

/// What a sample of a kind of network has to have; each family in a sample of its own.
fn traffic_is_measured_and_proved(test: &str, on: &[(BackendName, &str)], families: &[Family], evidence: &str) {
    for (backend, kind) in on.iter().copied() {
        let Some(bench) = Bench::new(test, backend) else { continue };
        let launcher = match bench.prepare(&[("network", FactorValue::Text(kind.to_owned()))]) {
            Ok(launcher) => launcher,
            Err(PrepareError::Unavailable { reason, hint }) => {
                assert!(!hint.is_empty());
                skip(test, &format!("{backend}: {reason} (hint: {hint})"));
                continue;
            }
            Err(error) => panic!("{backend}: {error}"),
        };
        for family in families.iter().copied() {
            let place = bench.place();
            let attempt = network(launcher.as_ref(), &place, &bench.lab, &NetworkOptions { family, ..small() });
            assert_eq!(attempt.failure, None, "{backend} {family:?}");
            for metric in ["round_trip_p50_ns", "open_loop_p50_ns", "upload_bytes_per_s", "download_bytes_per_s"] {
                for name in [metric.to_owned(), format!("control_{metric}")] {
                    let value = attempt.metrics.get(&name).copied();
                    assert!(value.is_some_and(|value| value > 0.0), "{backend}: {name} is {value:?}");
                }
            }
            let rate = attempt.metrics["open_loop_answers_per_s"];
            assert!(rate <= 520.0, "{backend}: more answers than messages were to be sent: {rate}");
            assert!(attempt.proofs.iter().any(|proof| proof.contains(evidence)), "{:?}", attempt.proofs);
            std::fs::remove_dir_all(&place.directory).expect("the place goes");
        }
        drop(launcher);
        bench.finish();
    }
}

#[test]
fn traffic_of_every_container_backend_is_measured_and_proved() {
    let test = "traffic_of_every_container_backend_is_measured_and_proved";
    if !is_root(test) {
        return;
    }
    use BackendName::{Crun, Podman, Runc, Runsc};
    let on = [Runc, Crun, Runsc, Podman].map(|backend| (backend, "own"));
    traffic_is_measured_and_proved(test, &on, &[Family::V4, Family::V6], "network own, subnet 10.");
}

#[test]
fn traffic_over_a_bridge_of_dockers_is_measured_and_proved() {
    let test = "traffic_over_a_bridge_of_dockers_is_measured_and_proved";
    let on = [(BackendName::Docker, "bridge")];
    let switch = || std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/forwarding").unwrap_or_default();
    let before = switch();
    // Docker would switch the host's forwarding on for IPv6: the lab never has it do so.
    let families = if before.trim() == "1" { vec![Family::V4, Family::V6] } else { vec![Family::V4] };
    traffic_is_measured_and_proved(test, &on, &families, "network bridge i");
    assert_eq!(switch(), before, "the host's own switches stay as they are");
}

#[test]
fn traffic_of_podman_without_root_is_measured_and_proved() {
    let test = "traffic_of_podman_without_root_is_measured_and_proved";
    let on = [(BackendName::Podman, "user")];
    traffic_is_measured_and_proved(test, &on, &[Family::V4], "network user, forwarded from 127.");
}
