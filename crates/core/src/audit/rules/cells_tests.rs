use super::*;
use crate::audit::testing::{Made, noise, scattered};
use crate::cell::BackendName;
use crate::sample::Accuracy;

#[test]
fn hot_and_cold_must_differ() {
    let said = |factor: f64| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        for index in 0..20 {
            let hot = 60e6 * noise(index, 0.004);
            let cold = 60e6 * factor * noise(index + 100, 0.004);
            made.sample(&cell, &[("guest_hot_cache_ns", hot), ("guest_cold_cache_ns", cold)]);
        }
        made.says("hot-equals-cold")
    };
    assert_eq!(said(1.0), Some(Weight::Suspect));
    assert_eq!(said(1.5), None);
    assert_eq!(without_temperature("first_second_ns"), None);
}

#[test]
fn hot_and_cold_cells_must_differ() {
    let mut made = Made::imported();
    for heat in ["hot", "cold"] {
        let cell = made.cell_with(BackendName::Imported, &[("cache", FactorValue::Text(heat.into()))]);
        made.samples(&cell, "read_ns", &scattered(20, 60e6, 0.003));
    }
    assert_eq!(made.says("hot-equals-cold"), Some(Weight::Suspect));
}

#[test]
fn backends_with_one_distribution_are_not_what_was_measured() {
    let said = |factor: f64| {
        let mut made = Made::imported();
        for (backend, centre) in [(BackendName::Qemu, 149e6), (BackendName::Firecracker, 149e6 * factor)] {
            let cell = made.cell_with(backend, &[]);
            made.samples(&cell, "request_ns", &scattered(30, centre, 0.004));
        }
        made.says("identical-across-backends")
    };
    assert_eq!(said(1.001), Some(Weight::Suspect));
    assert_eq!(said(1.05), None);
}

#[test]
fn figures_without_samples_are_compared_as_well() {
    let said = |second: f64| {
        let mut made = Made::imported();
        for (engine, rate) in [("qemu", 668.4), ("firecracker", second)] {
            let cell = made.cell_with(BackendName::Imported, &[("engine", FactorValue::Text(engine.into()))]);
            made.claim(&cell, "requests_per_s", Statistic::Value, rate, None);
            made.claim(&cell, "response_ns", Statistic::Quantile(0.5), 7e6, None);
        }
        made.says("identical-across-backends")
    };
    assert_eq!(said(669.1), Some(Weight::Suspect));
    assert_eq!(said(720.0), None);
}

#[test]
fn samples_under_two_labels_are_void() {
    let mut made = Made::imported();
    let (whole, part, other) = (made.cell("T2"), made.cell("C3"), made.cell("free"));
    let values: Vec<f64> = scattered(40, 805e6, 0.1).iter().map(|value| value.round()).collect();
    made.samples(&whole, "kernel_boot_ns", &values);
    made.samples(&other, "kernel_boot_ns", &scattered(40, 807e6, 0.1));
    assert_eq!(made.says("label-contamination"), None);
    made.samples(&part, "kernel_boot_ns", &values[10..30]);
    assert_eq!(made.says("label-contamination"), Some(Weight::Void));
}

#[test]
fn coarse_values_agree_without_being_the_same_samples() {
    let mut made = Made::imported();
    for name in ["a", "b"] {
        let cell = made.cell(name);
        let values: Vec<f64> = (0..30).map(|index| (740.0 + 3.0 * f64::from(index)) * 1e6).collect();
        made.samples(&cell, "upload_ns", &values);
    }
    assert_eq!(made.says("label-contamination"), None);
}

#[test]
fn machines_are_not_mixed_and_are_named() {
    let mut made = Made::imported();
    let cell = made.cell("a");
    made.samples(&cell, "boot_ns", &[1e9]);
    assert_eq!(made.says("baseline-elsewhere"), None);
    made.fact("baseline_host", "another machine");
    assert_eq!(made.says("baseline-elsewhere"), Some(Weight::Suspect));
    made.record.imported.as_mut().unwrap().facts.clear();
    assert_eq!(made.says("baseline-elsewhere"), Some(Weight::Note));
}

#[test]
fn merged_runs_are_of_one_machine() {
    let mut made = Made::measured();
    let part = |cpu_count| crate::record::MergedPart {
        run_id: "00c0ffee".to_owned(),
        created_at: String::new(),
        isodyne_version: String::new(),
        shard: None,
        seed: 7,
        fingerprint: crate::fingerprint::Fingerprint { cpu_count, ..Default::default() },
        calibration: None,
        signals: Vec::new(),
        tools: Vec::new(),
        assets: Vec::new(),
        stop: None,
        skipped: Vec::new(),
        sessions: crate::record::Stretch::default(),
        rounds: crate::record::Stretch::default(),
        samples: crate::record::Stretch::default(),
    };
    made.record.merged_from = vec![part(2), part(2)];
    assert_eq!(made.says("baseline-elsewhere"), None);
    made.record.merged_from.push(part(64));
    assert_eq!(made.says("baseline-elsewhere"), Some(Weight::Suspect));
}

#[test]
fn classes_are_not_mixed_in_a_cell() {
    let mut made = Made::measured();
    let cell = made.cell_with(BackendName::Qemu, &[]);
    made.samples(&cell, "total_ns", &[5e9]);
    assert_eq!(made.says("mixed-kinds"), None);
    made.sample(&cell, &[("total_ns", 1e8)]).accuracy = Accuracy::Kvm;
    assert_eq!(made.says("mixed-kinds"), Some(Weight::Void));
}

#[test]
fn one_series_under_two_names_is_seen() {
    let said = |name: &str, ratio: &dyn Fn(usize) -> f64| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        for index in 0..10 {
            let time = 10e6 * noise(index, 0.1);
            made.sample(&cell, &[("roundtrip_ns", time), (name, time * ratio(index))]);
        }
        made.says("derived-not-measured")
    };
    assert_eq!(said("one_way_ns", &|_| 0.5), Some(Weight::Suspect));
    assert_eq!(said("memory_bytes", &|_| 1.048576), Some(Weight::Void));
    assert_eq!(said("one_way_ns", &|i| 0.5 * noise(i + 50, 0.01)), None);
}
