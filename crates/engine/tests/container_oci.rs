//! The OCI runtimes, end to end: real containers, made, used, stopped, and nothing left.

mod container_support;

use container_support::Bench;
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use isodyne_core::ledger::MilestoneName as M;
use isodyne_engine::backend::PrepareError;

fn split() -> [(&'static str, FactorValue); 1] {
    [("lifecycle", FactorValue::Text("split".to_owned()))]
}

/// Lives once with each life cycle, and checks which milestones were seen.
fn lives(bench: Bench, by_signals: &[M]) {
    let run = bench.prepare(&[]).expect("prepared");
    let (seen, metrics) = bench.live(run.as_ref());
    let mut expected = vec![M::Spawned];
    expected.extend(by_signals);
    assert_eq!(seen, expected, "lifecycle = run");
    if bench.lab.host.root {
        assert!(Bench::value(&metrics, "guest_cpu_ns").is_some_and(|ns| ns > 0.0), "{metrics:?}");
        let cpu = Bench::value(&metrics, "cpu_ns").expect("CPU time from wait4");
        assert!(Bench::value(&metrics, "runtime_cpu_ns").is_none_or(|runtime| runtime > 0.0 && runtime < cpu));
    }
    assert!(Bench::value(&metrics, "runtime_peak_rss_bytes").is_some_and(|bytes| bytes > 100_000.0));

    let split = bench.prepare(&split()).expect("prepared");
    let (seen, _) = bench.live(split.as_ref());
    assert_eq!(seen, [M::Spawned, M::Created, M::Started], "lifecycle = split");
    bench.finish();
}

#[test]
fn runc_lives_and_leaves_nothing() {
    let Some(bench) = Bench::new("runc_lives_and_leaves_nothing", BackendName::Runc) else { return };
    lives(bench, &[M::Created, M::Started]);
}

#[test]
fn crun_lives_and_leaves_nothing() {
    let Some(bench) = Bench::new("crun_lives_and_leaves_nothing", BackendName::Crun) else { return };
    lives(bench, &[M::Created]);
}

#[test]
fn runsc_lives_and_leaves_nothing() {
    let Some(bench) = Bench::new("runsc_lives_and_leaves_nothing", BackendName::Runsc) else { return };
    lives(bench, &[M::Created, M::Started]);
}

#[test]
fn a_bad_end_leaves_nothing() {
    for backend in [BackendName::Runc, BackendName::Crun, BackendName::Runsc] {
        let Some(bench) = Bench::new("a_bad_end_leaves_nothing", backend) else { continue };
        bench.end_badly(bench.prepare(&[]).expect("prepared").as_ref());
        bench.end_badly(bench.prepare(&split()).expect("prepared").as_ref());
        bench.finish();
    }
}

#[test]
fn an_image_without_the_command_is_an_exec_failure() {
    for backend in [BackendName::Runc, BackendName::Crun, BackendName::Runsc] {
        let Some(bench) = Bench::new("an_image_without_the_command_is_an_exec_failure", backend) else { continue };
        bench.without_command(bench.prepare(&[]).expect("prepared").as_ref(), "rootfs");
        bench.without_command(bench.prepare(&split()).expect("prepared").as_ref(), "rootfs");
        bench.finish();
    }
}

#[test]
fn a_memory_limit_reaches_the_cgroup() {
    let Some(bench) = Bench::new("a_memory_limit_reaches_the_cgroup", BackendName::Runc) else { return };
    let limited = match bench.prepare(&[("memory", FactorValue::Bytes(64 << 20))]) {
        Ok(limited) => limited,
        Err(PrepareError::Unavailable { reason, .. }) => {
            return container_support::skip("a_memory_limit_reaches_the_cgroup", &reason);
        }
        Err(error) => panic!("{error}"),
    };
    let (_, metrics) = bench.live(limited.as_ref());
    let peak = Bench::value(&metrics, "guest_peak_memory_bytes");
    assert!(peak.is_none_or(|bytes| bytes > 0.0 && bytes <= f64::from(64 << 20)), "{peak:?}");
}
