//! podman, end to end: real containers, made, used, stopped, and nothing left.

mod container_support;

use container_support::Bench;
use isodyne_core::cell::BackendName;
use isodyne_core::ledger::MilestoneName as M;

#[test]
fn podman_lives_and_leaves_nothing() {
    let Some(bench) = Bench::new("podman_lives_and_leaves_nothing", BackendName::Podman) else { return };
    let launcher = bench.prepare(&[]).expect("prepared");
    let (seen, metrics) = bench.live(launcher.as_ref());
    assert_eq!(seen, [M::Spawned, M::Created, M::Started]);
    if bench.lab.host.root {
        assert!(Bench::value(&metrics, "guest_cpu_ns").is_some_and(|ns| ns > 0.0), "{metrics:?}");
    }
    assert!(Bench::value(&metrics, "runtime_cpu_ns").is_some_and(|ns| ns > 0.0));
    drop(launcher);
    bench.finish();
}

#[test]
fn a_bad_end_leaves_nothing() {
    let Some(bench) = Bench::new("a_bad_end_leaves_nothing", BackendName::Podman) else { return };
    bench.end_badly(bench.prepare(&[]).expect("prepared").as_ref());
    bench.finish();
}

#[test]
fn an_image_without_the_command_is_an_exec_failure() {
    let Some(bench) = Bench::new("an_image_without_the_command", BackendName::Podman) else { return };
    bench.without_command(bench.prepare(&[]).expect("prepared").as_ref(), "podman-rootfs");
    bench.finish();
}
