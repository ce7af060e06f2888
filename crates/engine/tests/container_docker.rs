//! Docker, end to end, against the daemon that `DOCKER_HOST` names (see `tests/with-dockerd.sh`).

mod container_support;

use container_support::Bench;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::docker;
use isodyne_engine::ownership::name_prefix;
use std::path::PathBuf;

fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

#[test]
fn docker_lives_and_leaves_nothing() {
    let Some(bench) = Bench::new("docker_lives_and_leaves_nothing", BackendName::Docker) else { return };
    let launcher = bench.prepare(&[]).expect("prepared");
    let (seen, metrics) = bench.live(launcher.as_ref());
    assert_eq!(seen, [M::Created, M::Started]);
    for call in ["docker_create_ns", "docker_attach_ns", "docker_start_ns"] {
        assert!(Bench::value(&metrics, call).is_some_and(|ns| ns > 0.0), "{call}: {metrics:?}");
    }
    let prefix = name_prefix(&bench.lab.run_id);
    assert_eq!(docker::list_with_prefix(&socket(), &prefix), Vec::<String>::new());
    drop(launcher);
    bench.finish();
}

#[test]
fn a_bridge_of_its_own_goes_with_its_container() {
    let test = "a_bridge_of_its_own_goes_with_its_container";
    let Some(bench) = Bench::new(test, BackendName::Docker) else { return };
    let launcher = bench.prepare(&[("network", FactorValue::Text("bridge".to_owned()))]).expect("prepared");
    let prefix = name_prefix(&bench.lab.run_id);
    let cards = || -> Vec<String> {
        let table = std::fs::read_to_string("/proc/net/dev").expect("cards");
        let ours = format!("i{}-", bench.lab.run_id);
        table.lines().filter(|line| line.trim().starts_with(&ours)).map(str::to_owned).collect()
    };
    let sandboxes = [0, 1].map(|_| bench.launch(launcher.as_ref()).expect("a launch").0);
    assert_eq!(docker::list_networks(&socket(), &prefix).len(), 2);
    assert_eq!(cards().len(), 2, "a bridge each, by the run's name");
    // Ended in both ways: by a drop, and by a stop that has to kill.
    let [dropped, mut killed] = sandboxes;
    drop(dropped);
    let stopped = killed.stop(bench.lab.clock.now());
    assert_eq!(stopped.survivors, Vec::<String>::new());
    drop(killed);
    assert_eq!(docker::list_networks(&socket(), &prefix), Vec::<String>::new());
    assert_eq!(cards(), Vec::<String>::new());
    drop(launcher);
    bench.finish();
}

#[test]
fn a_bad_end_leaves_nothing() {
    let Some(bench) = Bench::new("a_bad_end_leaves_nothing", BackendName::Docker) else { return };
    bench.end_badly(bench.prepare(&[]).expect("prepared").as_ref());
    let prefix = name_prefix(&bench.lab.run_id);
    assert_eq!(docker::list_with_prefix(&socket(), &prefix), Vec::<String>::new());
    bench.finish();
}
