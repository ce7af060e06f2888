//! What no machine can do: bounds that hold without a calibration.
//!
//! The bounds are far from what is known of the fastest machines, because they must hold for all of them. One thread
//! copies some 25 GB/s from main memory on fast servers and up to about 100 GB/s on the widest desktop processors; one core
//! with instructions for SHA-256 hashes about 2.2 GB/s. A kernel that boots in 2 ms has never been published; a fork and an
//! exec take some 0.3 ms to 1 ms. Two cores of one socket pass a cache line there and back in 50 ns to 200 ns.

use crate::audit::case::{Case, is_start, is_through_memory, is_virtual_machine};
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::audit::word::{has_word, is_round_trip};

struct Bound {
    what: &'static str,
    applies: fn(&Series<'_>) -> bool,
    /// Whether the bound is from above.
    above: bool,
    suspect: f64,
    void: f64,
}

const BOUNDS: &[Bound] = &[
    Bound {
        what: "one core that hashes with SHA-256 reaches about 2.2 GB/s",
        applies: |series| series.kind == Kind::ByteRate && has_word(series.metric, &["sha256", "hash", "verify"]),
        above: true,
        suspect: 4e9,
        void: 40e9,
    },
    Bound {
        what: "one thread copies some 25 GB/s from main memory",
        applies: |series| series.kind == Kind::ByteRate && series.size().is_some_and(|(_, bytes)| bytes >= 4e6),
        above: true,
        suspect: 30e9,
        void: 1e12,
    },
    Bound {
        what: "one thread copies some 25 GB/s from main memory, more only from its nearest cache",
        applies: |series| series.kind == Kind::ByteRate,
        above: true,
        suspect: 60e9,
        void: 1e12,
    },
    Bound {
        what: "no virtual machine has started in 2 ms, and its restore takes more than 0.3 ms",
        applies: |series| is_start(series) && is_virtual_machine(series),
        above: false,
        suspect: 2e6,
        void: 0.3e6,
    },
    Bound {
        what: "a fork and an exec alone take about 0.3 ms to 1 ms",
        applies: is_start,
        above: false,
        suspect: 0.3e6,
        void: 0.05e6,
    },
    Bound {
        what: "two cores pass a cache line there and back in 50 ns at best",
        applies: |series| {
            is_through_memory(series) || (round_trip(series) && has_word(series.metric, &["shm", "line", "memory"]))
        },
        above: false,
        suspect: 40.0,
        void: 20.0,
    },
    Bound {
        what: "a notification of another process or guest takes more than 1 µs there and back",
        applies: |series| {
            round_trip(series)
                && has_word(series.metric, &["vsock", "doorbell", "eventfd", "unix", "tcp", "http", "rpc", "call"])
        },
        above: false,
        suspect: 1e3,
        void: 200.0,
    },
    Bound {
        what: "a process occupies at least a page of 4096 B, a virtual machine's process some 100 KiB",
        applies: |series| {
            series.kind == Kind::Bytes && has_word(series.metric, &["memory", "rss", "pss", "uss"]) && !counted(series)
        },
        above: false,
        suspect: 65_536.0,
        void: 4_096.0,
    },
];

fn round_trip(series: &Series<'_>) -> bool {
    series.kind == Kind::Time && (is_round_trip(series.metric) || has_word(series.metric, &["latency"]))
}

/// Our own accounting may count a very small cgroup, and 0 where a page cache belongs to another.
fn counted(series: &Series<'_>) -> bool {
    series.columns.rows.iter().all(|row| row.provenance == crate::sample::Provenance::Measured)
}

/// A value that no machine can reach.
pub(super) fn beyond_physics(case: &Case<'_>) -> Vec<Finding> {
    let bound_of = |series: &Series<'_>| BOUNDS.iter().find(|bound| (bound.applies)(series));
    case.series.iter().filter_map(|series| held(series, bound_of(series)?)).collect()
}

fn held(series: &Series<'_>, bound: &Bound) -> Option<Finding> {
    let extreme = if bound.above { series.max() } else { series.min() };
    let beyond = |limit: f64| if bound.above { extreme > limit } else { extreme < limit && extreme != 0.0 };
    let (weight, limit) = match () {
        () if beyond(bound.void) => (Weight::Void, bound.void),
        () if beyond(bound.suspect) => (Weight::Suspect, bound.suspect),
        () => return None,
    };
    let side = if bound.above { "above" } else { "below" };
    let message = format!("{} is {side} {}: {}", series.show(extreme), series.show(limit), bound.what);
    let count =
        series.values.iter().filter(|value| if bound.above { **value > limit } else { **value < limit }).count();
    Some(Finding::of(series, weight, message).because(format!("{count} of {} values", series.n())))
}

#[cfg(test)]
mod tests {
    use crate::audit::finding::Weight;
    use crate::audit::testing::Made;

    fn said(metric: &str, value: f64) -> Option<Weight> {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, metric, &[value, value * 1.01]);
        made.says("beyond-physics")
    }

    #[test]
    fn absurd_values_are_void_and_doubtful_ones_suspect() {
        assert_eq!(said("copy_bytes_per_s", 98e9), Some(Weight::Suspect));
        assert_eq!(said("copy_bytes_per_s", 2e12), Some(Weight::Void));
        assert_eq!(said("copy_bytes_per_s", 24e9), None);
        assert_eq!(said("vm_spawn_ns", 1e6), Some(Weight::Suspect));
        assert_eq!(said("vm_spawn_ns", 180.0), Some(Weight::Void));
        assert_eq!(said("startup_ns", 0.8e6), None);
        assert_eq!(said("shm_latency_ns", 15.0), Some(Weight::Void));
        assert_eq!(said("memory_bytes", 20.97), Some(Weight::Void));
        assert_eq!(said("memory_bytes", 5e6), None);
    }
}
