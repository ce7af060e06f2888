//! Docker, end to end, against the daemon that `DOCKER_HOST` names (see `tests/with-dockerd.sh`).

mod container_support;

use container_support::Bench;
use isodyne_core::cell::BackendName;
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
fn a_bad_end_leaves_nothing() {
    let Some(bench) = Bench::new("a_bad_end_leaves_nothing", BackendName::Docker) else { return };
    bench.end_badly(bench.prepare(&[]).expect("prepared").as_ref());
    let prefix = name_prefix(&bench.lab.run_id);
    assert_eq!(docker::list_with_prefix(&socket(), &prefix), Vec::<String>::new());
    bench.finish();
}
