//! Samples: one measurement each, with everything needed to believe it or not.

use crate::cell::{CellId, UnknownName, named};
use crate::failure::{Failure, FailureClass};
use crate::ledger::{Ledger, MilestoneName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

named! {
    /// Where a sample's values come from. Only `measured` can pass a budget.
    Provenance {
        /// Observed on this host, on a real sandbox.
        Measured = "measured",
        /// Made by the scripted backend for tests of the machinery.
        Scripted = "scripted",
        /// Read from another tool's file.
        Imported = "imported",
        /// Computed from other samples.
        Derived = "derived",
    }
}

named! {
    /// What stood between the sandbox and the hardware. Samples of different classes are never compared by a gate.
    Accuracy {
        /// Hardware virtualisation on a host that is not itself virtual.
        Kvm = "kvm",
        /// Software emulation of the processor.
        Tcg = "tcg",
        /// KVM inside a virtual machine.
        Nested = "nested",
        /// A container on the host's kernel.
        Container = "container",
        /// A process of the host.
        Process = "process",
    }
}

/// The state of the host around one sample, as differences from before to after it.
///
/// A missing value is `None`: the host does not tell. It is never 0 for that reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contamination {
    /// Time the hypervisor took from this host's processors, summed over them, in nanoseconds.
    pub steal_ns: Option<u64>,
    /// Growth of "some" CPU pressure (PSI), in nanoseconds.
    pub pressure_cpu_ns: Option<u64>,
    /// Growth of "some" memory pressure, in nanoseconds.
    pub pressure_memory_ns: Option<u64>,
    /// Growth of "some" I/O pressure, in nanoseconds.
    pub pressure_io_ns: Option<u64>,
    /// Involuntary context switches of the measuring thread.
    pub involuntary_switches_count: Option<u64>,
    /// CPU time used by anything but the lab and the sandbox, summed over processors, in nanoseconds.
    pub other_cpu_ns: Option<u64>,
    /// Times the processor was throttled.
    pub throttled_count: Option<u64>,
    /// Runnable tasks in the last minute before the sample (load average).
    pub load_1min: Option<f64>,
    /// What is known of the page cache: `warm` (a warm-up round ran before), `cold` (dropped and verified), `unknown`.
    pub page_cache: Option<String>,
}

impl Contamination {
    /// The names of its numbers, in the order of the fields.
    pub const NUMBERS: [&'static str; 8] = [
        "steal_ns",
        "pressure_cpu_ns",
        "pressure_memory_ns",
        "pressure_io_ns",
        "involuntary_switches_count",
        "other_cpu_ns",
        "throttled_count",
        "load_1min",
    ];

    /// Its numbers, in the order of [`Contamination::NUMBERS`].
    pub fn numbers(&self) -> [Option<f64>; Self::NUMBERS.len()] {
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        [
            whole(self.steal_ns),
            whole(self.pressure_cpu_ns),
            whole(self.pressure_memory_ns),
            whole(self.pressure_io_ns),
            whole(self.involuntary_switches_count),
            whole(self.other_cpu_ns),
            whole(self.throttled_count),
            self.load_1min,
        ]
    }

    /// The numbers that are known, by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        Self::NUMBERS.into_iter().zip(self.numbers()).filter_map(|(name, value)| Some((name, value?)))
    }
}

/// One measurement: a line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The cell it belongs to.
    pub cell: CellId,
    /// Its number in the run, in the order in which samples were taken.
    pub sequence: u64,
    /// The round; warm-up rounds come first and count from 0 with the others.
    pub round: u32,
    /// Whether it is a declared warm-up: kept, not counted.
    pub warmup: bool,
    /// When it began, by the wall clock, for people only (RFC 3339, UTC).
    pub started_at: String,
    /// When it began on the host's monotonic clock, in nanoseconds since the run began; orders samples of one session.
    pub started_ns: u64,
    /// The invocation of the program that took it; a resumed run has more than one.
    pub session: u32,
    /// Where the values come from.
    pub provenance: Provenance,
    /// What stood between sandbox and hardware.
    pub accuracy: Accuracy,
    /// Why it is not valid; absent for a valid sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The milestones, as far as they were reached.
    pub ledger: Ledger,
    /// Values by metric name; the name carries the unit. A value that could not be had is absent, never 0.
    pub metrics: BTreeMap<String, f64>,
    /// The host around the sample.
    pub contamination: Contamination,
    /// What was proved before the time counted, in words (`nonce echoed`, `exit code 0`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<String>,
    /// Files of this sample, relative to the run directory (consoles, runtime logs).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

impl Sample {
    /// The milestone that ends the total of its benchmark.
    pub fn last_milestone(&self) -> Option<MilestoneName> {
        self.cell.benchmark()?.last_milestone(&self.ledger)
    }

    /// Whether the sample counts: not a warm-up and not failed.
    pub fn counts(&self) -> bool {
        !self.warmup && self.failure.is_none()
    }

    /// Whether it ended because the user stopped the run: no failure of its cell, and measured again.
    pub fn is_interrupted(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Interrupted)
    }

    /// Whether it failed by itself, so that it says something of its cell.
    pub fn is_failed(&self) -> bool {
        self.failure.is_some() && !self.is_interrupted()
    }
}
