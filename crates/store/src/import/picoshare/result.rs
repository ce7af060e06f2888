//! One result file: a virtual machine, and one upload (first form) or several (second form) into it.

use super::{Reading, failure, payload_bytes};
use crate::import::json::{self, Node};
use crate::import::{ImportError, ParsedSample, SourceFile, text, text_factor, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

/// What the time until "booted" is in the Firecracker form of these tests.
const BOOT_METHOD: &str = "until the API socket's file exists, seen by polling every 100 ms; no guest has run by then";

pub(super) fn read(file: &SourceFile, reading: &mut Reading) -> Result<(), ImportError> {
    let value = json::parse(file)?;
    let root = Node::root(&file.name, &value);
    let platform = root.text_of("platform")?.unwrap_or_default();
    let lower = platform.to_ascii_lowercase();
    let is_vagrant = lower.contains("vagrant") || lower.contains("libvirt") || root.get("peak_memory_mb").is_some();
    let is_firecracker =
        !is_vagrant && (lower.contains("firecracker") || text::base_name(file).starts_with("result-fc"));
    let (backend, accuracy) = match (is_firecracker, is_vagrant) {
        // Firecracker has no other way than KVM.
        (true, _) => (BackendName::Firecracker, Accuracy::Kvm),
        (_, true) => (BackendName::Qemu, Accuracy::Process),
        _ => (BackendName::Imported, Accuracy::Process),
    };
    let size = root.need("file_size")?.text()?;
    let mut factors = Factors::from([
        ("memory".to_owned(), memory(&root.need("ram_mb")?)?),
        ("file_size".to_owned(), text_factor(size)),
    ]);
    if !platform.is_empty() && !is_firecracker {
        factors.insert("platform".to_owned(), text_factor(&platform));
    }
    if is_firecracker && root.get("boot_time_seconds").is_some() {
        reading.parsed.fact("boot_method", BOOT_METHOD);
        reading.parsed.fact("boot_poll_ns", "100000000");
    }
    if is_vagrant {
        reading.parsed.fact("boot_method", "until `vagrant up` returned: with provisioning of packages");
    }
    let cell = reading.parsed.cell(&file.name, backend, factors)?;
    let at = root.text_of("timestamp")?.as_deref().and_then(when::unix_ns);
    let template = |upload: &Node<'_>| -> Result<ParsedSample, ImportError> {
        let mut sample = ParsedSample::new(cell, accuracy);
        sample.failure = failure(
            &upload.text_of("http_status")?.unwrap_or_default(),
            &upload.text_of("exit_reason")?.unwrap_or_default(),
            upload.get("success").map(|flag| flag.flag()).transpose()?,
        );
        set(&mut sample, upload, "duration_seconds", "total_ns", 1e9)?;
        set(&mut sample, upload, "throughput_mbps", "throughput_bytes_per_s", 1e6)?;
        if let Some(bytes) = payload_bytes(size) {
            sample.set("payload_bytes", bytes);
        }
        set(&mut sample, &root, "file_size_mb", "payload_stated_bytes", 1e6)?;
        Ok(sample)
    };
    let Some(iterations) = root.get("iterations") else {
        let mut sample = template(&root)?;
        set(&mut sample, &root, "boot_time_seconds", "boot_ns", 1e9)?;
        set(&mut sample, &root, "initial_memory_bytes", "initial_memory_bytes", 1.0)?;
        set(&mut sample, &root, "peak_memory_bytes", "peak_memory_bytes", 1.0)?;
        return reading.add(&file.name, sample, at);
    };
    for (index, upload) in iterations.items()?.enumerate() {
        let mut sample = template(&upload)?;
        if index == 0 {
            // One machine, one boot, many uploads.
            set(&mut sample, &root, "boot_time_seconds", "boot_ns", 1e9)?;
        }
        reading.add(&file.name, sample, at)?;
    }
    if root.text_of("exit_reason")?.as_deref() == Some("all_failed") {
        reading.parsed.remark(format!("{}: all uploads failed", file.name));
    }
    claims(&root, cell, reading)
}

fn claims(root: &Node<'_>, cell: usize, reading: &mut Reading) -> Result<(), ImportError> {
    let Some(stats) = root.get("stats") else { return Ok(()) };
    let n = root.get("num_iterations").map(|count| count.count()).transpose()?;
    for (prefix, statistic) in
        [("median_", Statistic::Median), ("avg_", Statistic::Mean), ("stddev_", Statistic::Stddev)]
    {
        for (field, metric, factor) in
            [("duration_seconds", "total_ns", 1e9), ("throughput_mbps", "throughput_bytes_per_s", 1e6)]
        {
            let key = format!("{prefix}{field}");
            if let Some(value) = stats.number_of(&key)? {
                reading.parsed.claim(cell, metric, statistic, value * factor, n, &stats.path_of(&key));
            }
        }
    }
    for (key, statistic) in [("success_count", Statistic::Succeeded), ("failure_count", Statistic::Failed)] {
        if let Some(value) = stats.number_of(key)? {
            reading.parsed.claim(cell, "total_ns", statistic, value, n, &stats.path_of(key));
        }
    }
    Ok(())
}

fn set(sample: &mut ParsedSample, node: &Node<'_>, key: &str, metric: &str, factor: f64) -> Result<(), ImportError> {
    if let Some(value) = node.number_of(key)? {
        sample.set(metric, value * factor);
    }
    Ok(())
}

/// The guest's memory: the tests say MB, Firecracker takes MiB.
fn memory(node: &Node<'_>) -> Result<FactorValue, ImportError> {
    let mib = node.count()?;
    mib.checked_mul(1 << 20).map(FactorValue::Bytes).ok_or_else(|| node.fail("it is more memory than there can be"))
}
