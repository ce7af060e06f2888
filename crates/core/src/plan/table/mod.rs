//! The keys of a plan, as data: the loader, the JSON schema and the reference are all made from these tables.
//!
//! To add a key: add a line to the table of its benchmark (`benchmarks`) or backend (`containers`, `machines`), then run
//! `cargo xtask schemas`. To add a backend or a benchmark: add its table and name it in [`backend_keys`] or
//! [`benchmark_keys`].

mod benchmarks;
mod checkpoint;
mod common;
mod conflicts;
mod containers;
mod machines;
mod scripted;
mod unit;

pub use conflicts::{CONFLICTS, Conflict};

use super::key::{DefaultValue, Key, Kind};
use crate::cell::{BackendName, BenchmarkName};

/// The keys at the top of a plan, above its sections.
pub const PLAN_KEYS: &[Key] = &[
    setting(
        "title",
        Kind::Text,
        DefaultValue::Absent("the benchmarks and their backends"),
        "What the plan is for, in one line.",
    ),
    setting("samples", Kind::Count { min: 1, max: 1_000_000 }, DefaultValue::Count(20), "Valid samples per cell."),
    setting(
        "warmup",
        Kind::Count { min: 0, max: 10_000 },
        DefaultValue::Count(2),
        "Rounds in front that are kept but not counted.",
    ),
    setting(
        "seed",
        Kind::Count { min: 0, max: i64::MAX as u64 },
        DefaultValue::Absent("drawn at random and recorded"),
        "Seed of the random order of the cells.",
    ),
    setting(
        "monitor_hz",
        Kind::Count { min: 1, max: 1_000 },
        DefaultValue::Absent("not monitored"),
        "Looks a second at everything of the sandbox; the series is a file of the sample, peaks and the monitor's cost are metrics.",
    ),
];

/// Sections and keys that later versions will have: named so that the error can be honest.
pub const LATER: &[(&str, &str)] = &[
    ("upload", "the benchmark of a server inside a sandbox"),
    ("memory", "the benchmark of a sandbox's footprint"),
    ("pool", "the benchmark of a warm pool"),
    ("rpc", "the benchmark of calls between host and guest"),
    ("density", "the benchmark of many sandboxes at once"),
    ("chaos", "the benchmark of what happens when things break"),
];

/// The keys of `[backend.<name>]`.
pub fn backend_keys(backend: BackendName) -> &'static [Key] {
    match backend {
        BackendName::Process => containers::PROCESS,
        BackendName::Runc => containers::RUNC,
        BackendName::Crun => containers::CRUN,
        BackendName::Runsc => containers::RUNSC,
        BackendName::Podman => containers::PODMAN,
        BackendName::Docker => containers::DOCKER,
        BackendName::Qemu => machines::QEMU,
        BackendName::Firecracker => machines::FIRECRACKER,
        BackendName::CloudHypervisor => machines::CLOUD_HYPERVISOR,
        BackendName::Imported => &[],
        BackendName::Scripted => scripted::SCRIPTED,
    }
}

/// The keys of `[<benchmark>]`.
pub fn benchmark_keys(benchmark: BenchmarkName) -> &'static [Key] {
    match benchmark {
        BenchmarkName::Boot => benchmarks::BOOT,
        BenchmarkName::Network => benchmarks::NETWORK,
        BenchmarkName::Shm => benchmarks::SHM,
        BenchmarkName::Checkpoint => checkpoint::CHECKPOINT,
        BenchmarkName::Imported => &[],
    }
}

/// A key whose list of values makes cells.
const fn factor(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: true, doc }
}

/// A key that has one value.
const fn setting(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: false, doc }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_also_where_benchmark_and_backend_meet_in_a_cell() {
        for benchmark in BenchmarkName::ALL {
            for backend in BackendName::ALL {
                let keys = benchmark_keys(*benchmark).iter().chain(backend_keys(*backend));
                let names: Vec<&str> = keys.map(|key| key.name).collect();
                let unique: BTreeSet<&str> = names.iter().copied().collect();
                assert_eq!(unique.len(), names.len(), "[{benchmark}] and [backend.{backend}] share a key");
            }
        }
    }

    #[test]
    fn conflicts_name_keys_and_words_that_exist() {
        for conflict in CONFLICTS {
            for (name, word) in [conflict.one, conflict.other] {
                let key = backend_keys(conflict.backend).iter().find(|key| key.name == name);
                assert!(key.is_some_and(|key| matches!(key.kind, Kind::Choice(words) if words.contains(&word))));
            }
        }
    }

    #[test]
    fn the_default_of_a_choice_is_one_of_its_words() {
        for key in BackendName::ALL.iter().flat_map(|backend| backend_keys(*backend)) {
            if let (Kind::Choice(words), DefaultValue::Text(word)) = (key.kind, key.default) {
                assert!(words.contains(&word), "{}", key.name);
            }
        }
    }
}
