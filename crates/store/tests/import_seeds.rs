//! The formats of the five seed systems and any CSV, on small files that were made for these tests.

mod common;

use common::temporary;
use isodyne_core::failure::FailureClass;
use isodyne_core::imported::Statistic;
use isodyne_core::sample::{Accuracy, Provenance};
use isodyne_store::import::csv::{Mapping, parse_with};
use isodyne_store::import::{
    IMPORTERS, ImportContext, Parsed, ParsedSample, SourceFile, find, into_run, load, parse, recognise,
};
use isodyne_store::{RunDirectory, read};
use std::path::{Path, PathBuf};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

/// What is made of a fixture by recognising it.
fn import(name: &str) -> Parsed {
    parse(&load(&place(name)).unwrap(), None).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn samples<'p>(parsed: &'p Parsed, cell: &str) -> Vec<&'p ParsedSample> {
    let at = parsed.cells.iter().position(|known| known.id.as_str() == cell);
    let at = at.unwrap_or_else(|| panic!("no {cell} in {:?}", ids(parsed)));
    parsed.samples.iter().filter(|sample| sample.cell == at).collect()
}

fn ids(parsed: &Parsed) -> Vec<&str> {
    parsed.cells.iter().map(|cell| cell.id.as_str()).collect()
}

fn metric(samples: &[&ParsedSample], name: &str) -> Vec<Option<f64>> {
    samples.iter().map(|sample| sample.metrics.get(name).map(|value| (value * 1e3).round() / 1e3)).collect()
}

fn classes(samples: &[&ParsedSample]) -> Vec<Option<FailureClass>> {
    samples.iter().map(|sample| sample.failure.as_ref().map(|failure| failure.class)).collect()
}

fn claim(parsed: &Parsed, metric: &str, statistic: Statistic) -> Vec<f64> {
    let found = parsed.claims.iter().filter(|claim| claim.metric == metric && claim.statistic == statistic);
    found.map(|claim| claim.value).collect()
}

fn near(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= 1e-9 * expected.abs())
}

#[test]
fn every_fixture_is_recognised_as_what_it_is() {
    for (directory, format) in [
        ("picoshare/v1", "picoshare"),
        ("picoshare/v2", "picoshare"),
        ("picoshare/vagrant", "picoshare"),
        ("picoshare/matrix", "picoshare"),
        ("picoshare/empty", "picoshare"),
        ("picoshare/oldest", "picoshare"),
        ("microbench", "microbench"),
        ("docker_cr", "docker-cr"),
        ("ivshmem/v1", "ivshmem"),
        ("ivshmem/v2", "ivshmem"),
        ("luminaguard", "luminaguard"),
    ] {
        let files = load(&place(directory)).unwrap();
        assert_eq!(recognise(&files).map(|importer| importer.name), Some(format), "{directory}");
        // And by nobody else that comes later, where it is one file alone.
        for file in files.iter().filter(|file| !file.name.ends_with("summary.txt")) {
            let one = std::slice::from_ref(file);
            if let Some(importer) = recognise(one) {
                assert_eq!(importer.name, format, "{}", file.name);
            }
        }
    }
    assert!(recognise(&load(&place("csv/runs.csv")).unwrap()).is_none());
}

#[test]
fn picoshare_first_form() {
    let parsed = import("picoshare/v1");
    assert_eq!(
        ids(&parsed),
        ["imported/firecracker[file_size=500M,memory=1GiB]", "imported/firecracker[file_size=100M,memory=2GiB]"]
    );
    let good = samples(&parsed, "imported/firecracker[file_size=100M,memory=2GiB]");
    assert_eq!(metric(&good, "total_ns"), [Some(8e8)]);
    assert_eq!(metric(&good, "boot_ns"), [Some(1e8)]);
    assert_eq!(metric(&good, "throughput_bytes_per_s"), [Some(1.25e8)]);
    assert_eq!(metric(&good, "payload_bytes"), [Some(104_857_600.0)]);
    assert_eq!(metric(&good, "payload_stated_bytes"), [Some(1e8)]);
    assert_eq!(good[0].started_ns, Some(60_000_000_000));
    assert_eq!(good[0].accuracy, Accuracy::Kvm);
    let bad = samples(&parsed, "imported/firecracker[file_size=500M,memory=1GiB]");
    assert_eq!(classes(&bad), [Some(FailureClass::Http4xx)]);
    assert_eq!(parsed.created_at.as_deref(), Some("2026-03-01T10:14:00Z"));
    assert!(parsed.facts["boot_method"].contains("polling"));
    // Taken by the clock, not by name.
    assert!(parsed.samples[0].failure.is_some());
}

#[test]
fn picoshare_second_form() {
    let parsed = import("picoshare/v2");
    let all = samples(&parsed, "imported/firecracker[file_size=1G,memory=512MiB]");
    assert_eq!(classes(&all), [None, None, None, Some(FailureClass::Http5xx), Some(FailureClass::Timeout)]);
    assert_eq!(all.iter().map(|sample| sample.round).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(metric(&all, "boot_ns"), [Some(1e8), None, None, None, None]);
    assert_eq!(metric(&all, "payload_bytes")[0], Some(1_073_741_824.0));
    assert!(near(&claim(&parsed, "total_ns", Statistic::Mean), &[129.26e9]));
    assert!(near(&claim(&parsed, "throughput_bytes_per_s", Statistic::Median), &[67.57e6]));
    assert_eq!(claim(&parsed, "total_ns", Statistic::Failed), [2.0]);
    let median = parsed.claims.iter().find(|claim| claim.statistic == Statistic::Median).unwrap();
    assert_eq!((median.field.as_str(), median.n), ("stats.median_duration_seconds", Some(5)));
}

#[test]
fn picoshare_other_forms() {
    let vagrant = import("picoshare/vagrant");
    assert_eq!(ids(&vagrant).len(), 2);
    let oom: Vec<_> = vagrant.samples.iter().collect();
    assert_eq!(classes(&oom), [None, Some(FailureClass::OomGuest)]);
    assert_eq!(metric(&oom, "peak_memory_bytes"), [Some(3.4e8), Some(2.5e8)]);

    let matrix = import("picoshare/matrix");
    assert!(ids(&matrix).contains(&"imported/firecracker[branch=large-chunks,file_size=1G,memory=2GiB]"));
    assert_eq!(classes(&matrix.samples.iter().collect::<Vec<_>>()), [None, None, Some(FailureClass::Http5xx)]);
    assert!(matrix.remarks.iter().any(|remark| remark.contains("summary.txt")));

    let empty = import("picoshare/empty");
    let all: Vec<_> = empty.samples.iter().collect();
    assert_eq!(metric(&all, "total_ns"), [None, None]);
    assert_eq!(classes(&all), [None, Some(FailureClass::Reported)]);
    assert!(empty.facts["empty_columns"].starts_with("2 rows"));

    let oldest = import("picoshare/oldest");
    assert_eq!(oldest.facts["git_commit"], "0123abc");
    assert_eq!(classes(&oldest.samples.iter().collect::<Vec<_>>()), [None, Some(FailureClass::OomGuest)]);
    assert_eq!(oldest.created_at.as_deref(), Some("2026-01-20T08:00:00Z"));
}

#[test]
fn microbench_logs_times_and_figures() {
    let parsed = import("microbench");
    let logged = samples(&parsed, "imported/firecracker[tag=T2]");
    assert_eq!(metric(&logged, "kernel_boot_ns"), [Some(805.5e6), Some(167e6)]);
    assert_eq!(metric(&logged, "first_http_ns"), [Some(1.0281e9), Some(62.3e9)]);
    assert_eq!(metric(&logged, "hash_loop_ns"), [Some(58.2e6), Some(812e3)]);
    assert_eq!(metric(&logged, "shutdown_ns"), [Some(2.319e9), None]);
    assert_eq!(metric(&logged, "kernel_log_lines_count"), [Some(120.0), Some(119.0)]);
    assert_eq!(classes(&logged), [None, Some(FailureClass::Timeout)]);
    let together = samples(&parsed, "imported/qemu[concurrent=10]");
    assert_eq!(together.len(), 2);
    assert_eq!(together.iter().filter(|sample| sample.failure.is_some()).count(), 1);
    let hashed = samples(&parsed, "imported/qemu[command=sha256sum,tag=sha256]");
    assert_eq!(metric(&hashed, "total_ns"), [Some(20.4e9), Some(19.2e9)]);
    assert_eq!(metric(&hashed, "system_ns"), [Some(1.4e9), Some(1.3e9)]);
    assert!(near(&claim(&parsed, "throughput_bytes_per_s", Statistic::Mean), &[53_600.0 * 1024.0]));
    assert!(near(&claim(&parsed, "request_ns", Statistic::Mean), &[7.473e6]));
    assert!(near(&claim(&parsed, "request_ns", Statistic::Quantile(0.99)), &[14e6]));
    assert!(near(&claim(&parsed, "request_ns", Statistic::Max), &[31e6]));
}

#[test]
fn docker_cr_tables_report_and_checkpoint() {
    let parsed = import("docker_cr");
    let data: Vec<_> = ["alpine", "ubuntu", "nginx"]
        .iter()
        .flat_map(|name| samples(&parsed, &format!("imported/docker[container={name}]")))
        .collect();
    assert_eq!(metric(&data, "checkpoint_ns"), [Some(1.52e9), Some(4.75e9), None]);
    assert_eq!(metric(&data, "checkpoint_bytes"), [Some(12.0 * 1_048_576.0), Some(148.0 * 1_048_576.0), None]);
    assert_eq!(classes(&data), [None, None, Some(FailureClass::Reported)]);
    let monitor = samples(&parsed, "imported/docker[monitor=monitor]");
    assert_eq!(metric(&monitor, "cpu_ratio"), [Some(0.125), Some(0.11), None]);
    assert_eq!(monitor[2].started_ns, Some(2_000_000_000));
    assert!(near(&claim(&parsed, "basic_restore_ns", Statistic::Value), &[2e7]));
    assert_eq!(claim(&parsed, "external_mounts_count", Statistic::Value), [1.0]);
    assert_eq!(parsed.facts["image"], "nginx:alpine");
}

#[test]
fn ivshmem_both_versions() {
    let first = import("ivshmem/v1");
    let latency = samples(&first, "imported/qemu[test=latency]");
    assert_eq!(metric(&latency, "round_trip_ns")[..2], [Some(198_700.0), Some(210_300.0)]);
    assert_eq!(classes(&latency)[4], Some(FailureClass::Reported));
    assert_eq!(metric(&latency, "round_trip_ns")[4], None);
    let frames = samples(&first, "imported/qemu[frame=4K,test=bandwidth]");
    assert_eq!(classes(&frames), [None, Some(FailureClass::Integrity), Some(FailureClass::Integrity)]);
    assert_eq!(metric(&frames, "total_ns")[2], None);
    let small = samples(&first, "imported/qemu[frame=1080p,test=bandwidth]");
    let throughput = small[1].metrics["throughput_bytes_per_s"];
    assert!((throughput / (6_220_800.0 / 252e-6) - 1.0).abs() < 1e-3, "{throughput}");
    assert_eq!(first.facts["throughput_unit"], "bandwidth_mbps is MiB/s");
    assert_eq!(first.facts["unverified_count"], "2");
    assert!(near(&claim(&first, "latency_p99_ns", Statistic::Quantile(0.99)), &[987e3]));
    assert!(near(&claim(&first, "bandwidth_peak_bytes_per_s", Statistic::Max), &[98.03e9]));

    let second = import("ivshmem/v2");
    let latency = samples(&second, "imported/qemu[test=latency]");
    assert_eq!(classes(&latency), [None, Some(FailureClass::Integrity)]);
    assert_eq!(metric(&latency, "guest_hot_cache_ns"), [Some(60.2e6), None]);
    assert_eq!(metric(&latency, "guest_cached_verify_ns"), [None, None]);
    let frames = samples(&second, "imported/qemu[frame=4K,test=bandwidth]");
    assert!((frames[0].metrics["guest_memcpy_bytes_per_s"] - 95.7e6).abs() < 0.1e6);
    let counters = samples(&second, "imported/qemu[frame=4K,test=bandwidth_performance]");
    assert_eq!(metric(&counters, "host_l1_misses_count"), [Some(388_800.0)]);
}

#[test]
fn luminaguard_figures_agents_and_markers() {
    let parsed = import("luminaguard");
    assert!(near(&claim(&parsed, "vm_spawn_time_ns", Statistic::Median), &[110.2e6]));
    assert!(near(&claim(&parsed, "vm_spawn_time_ns", Statistic::Stddev), &[0.45e6]));
    assert_eq!(claim(&parsed, "vm_spawn_time_ns", Statistic::Met), [1.0]);
    assert_eq!(claim(&parsed, "cpu_ratio", Statistic::Max), [0.0]);
    assert!(near(&claim(&parsed, "mttr_ns", Statistic::Value), &[45.2e6]));
    assert!(near(&claim(&parsed, "success_ratio", Statistic::Value), &[0.788]));
    assert!(near(&claim(&parsed, "spawn_time_ns", Statistic::Mean), &[80e6]));
    let agents = samples(&parsed, "imported/imported[agents=3,file=concurrent_agents]");
    assert_eq!(metric(&agents, "spawn_time_ns"), [Some(55.1e6), Some(104.9e6), Some(0.0)]);
    assert_eq!(classes(&agents), [None, None, Some(FailureClass::Timeout)]);
    let simulated = &parsed.facts["simulated"];
    assert!(simulated.contains("synthetic") && simulated.contains("resources.simulated"), "{simulated}");
    assert_eq!(parsed.facts["iterations"], "100");
}

#[test]
fn any_csv_by_a_mapping_by_its_file_or_by_names() {
    let files = load(&place("csv/runs.csv")).unwrap();
    let line = Mapping::parse("total_ns=col:duration_ms*1e6,cell=col:name,ok=col:success,at=col:time").unwrap();
    let file = Mapping::parse_toml(&std::fs::read_to_string(place("csv/runs.toml")).unwrap()).unwrap();
    let parsed = parse_with(&files, &line).unwrap();
    assert_eq!(parsed.samples, parse_with(&files, &file).unwrap().samples);
    assert_eq!(
        ids(&parsed),
        ["imported/imported[name=fast]", "imported/imported[name=slow]", "imported/imported[name=\"with, comma\"]"]
    );
    let fast = samples(&parsed, "imported/imported[name=fast]");
    assert_eq!(metric(&fast, "total_ns"), [Some(1.5e6), Some(1.75e6)]);
    assert_eq!(classes(&fast), [None, Some(FailureClass::Reported)]);
    let guessed = parse(&files, Some("csv")).unwrap();
    assert_eq!(guessed.samples.len(), 4);
    assert!(guessed.remarks.iter().any(|remark| remark.contains("`duration_ms` was taken as `duration_ns`")));
}

#[test]
fn an_imported_run_is_read_as_any_other() {
    let place_of_run = temporary();
    let files = load(&place("picoshare/v2")).unwrap();
    let context =
        ImportContext { run_id: "1a2b".to_owned(), now: "2026-11-22T00:00:00Z".to_owned(), command: Vec::new() };
    let (record, samples) = into_run(parse(&files, None).unwrap(), &files, &context);
    let path = place_of_run.path().join("run");
    let mut run = RunDirectory::create(&path, &record).unwrap();
    assert_eq!(run.append_all(samples).unwrap(), 5);
    drop(run);
    let found = read(&path).unwrap();
    assert_eq!(found.record, record);
    assert!(found.notes.is_empty());
    assert!(found.samples.iter().all(|sample| sample.provenance == Provenance::Imported));
    assert_eq!(found.samples.iter().map(|sample| sample.sequence).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(found.record.imported.unwrap().files[0].1.len(), 64);
}

/// What a fuzzer does for hours, for a moment: every fixture, cut and changed, is imported or refused.
#[test]
fn cut_and_changed_files_are_imported_or_refused() {
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let context = ImportContext { run_id: String::new(), now: "2026-11-22T00:00:00Z".to_owned(), command: Vec::new() };
    let pieces: [&[u8]; 8] = [b"\0", b"NaN", b"1e999", b"\"", b"-1", b"[[[[", b"\xFF", b"999999999999999999999999"];
    let mapping = Mapping::parse("total_ns=col:duration_ms*1e6,cell=col:name,ok=col:success,at=col:time").unwrap();
    for file in load(&place("")).unwrap() {
        for round in 0..60 {
            let mut bytes = file.bytes.clone();
            let at = random(bytes.len());
            match round % 4 {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, pieces[random(pieces.len())].iter().copied())),
                2 => drop(bytes.drain(at..(at + random(9)).min(file.bytes.len()))),
                _ => bytes[at] = random(256) as u8,
            }
            let files = [SourceFile { name: file.name.clone(), bytes }];
            let parsers = IMPORTERS.iter().map(|importer| (importer.parse)(&files));
            for parsed in parsers.chain([parse_with(&files, &mapping)]) {
                match parsed {
                    Ok(parsed) => {
                        let (record, samples) = into_run(parsed, &files, &context);
                        let known: Vec<_> = record.cells.iter().map(|cell| &cell.id).collect();
                        assert!(samples.into_iter().all(|sample| known.contains(&&sample.cell)));
                    }
                    Err(error) => {
                        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
                        assert!(error.message.len() < 4_000, "{error:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn formats_are_found_by_name() {
    assert!(find("picoshare").is_some() && find("Picoshare").is_none());
}
