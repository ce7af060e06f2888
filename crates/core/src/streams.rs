//! Streams: the many short times that one sample holds (round trips through shared memory), put together by cell.
//!
//! A sample's metrics say little of a hundred thousand round trips. Their counts and how they went over time are in the
//! sample's log; `store` reads it into these, and figures are drawn from them.

use crate::cell::CellId;
use crate::stats::Histogram;
use std::collections::BTreeMap;

/// Significant digits of every histogram here, as the logs have them.
pub const STREAM_DIGITS: u8 = 3;

/// What the logs of a run's valid samples hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStreams {
    /// By cell; one without a readable log is absent.
    pub cells: BTreeMap<CellId, CellStreams>,
    /// What is missing and why, in words for people; empty is usual.
    pub notes: Vec<String>,
}

/// What the logs of the valid samples of one cell hold together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellStreams {
    /// How many logs there are in it.
    pub logs: u64,
    /// By what was timed (`round_trip`, `received`).
    pub latencies: BTreeMap<String, Latencies>,
    /// The phases of single frames, by name (`copy_in_ns`), in nanoseconds.
    pub frames: BTreeMap<String, Histogram>,
}

/// Times of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// All of them, in nanoseconds.
    pub histogram: Histogram,
    /// How they went, sample by sample in the order in which the samples were taken.
    pub series: Vec<SampleSeries>,
}

/// How the times of one sample went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSeries {
    /// The sample's number in the run.
    pub sequence: u64,
    /// One after the other.
    pub windows: Vec<Window>,
}

/// Times that followed each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first of them began, from the first of the sample.
    pub at_ns: u64,
    /// How many.
    pub count: u64,
    /// The median, or the least of the medians of the windows that became this one.
    pub least_p50_ns: u64,
    /// The same, the greatest.
    pub most_p50_ns: u64,
    /// The longest time.
    pub max_ns: u64,
}

impl CellStreams {
    /// Adds what another log of the cell holds. `false`, and nothing is added, if a histogram has another layout.
    pub fn add(&mut self, other: Self) -> bool {
        let histograms = other.latencies.values().map(|found| &found.histogram).chain(other.frames.values());
        if histograms.clone().any(|histogram| histogram.digits() != STREAM_DIGITS || histogram.lowest() != 1) {
            return false;
        }
        self.logs += other.logs;
        for (name, found) in other.latencies {
            match self.latencies.get_mut(&name) {
                None => drop(self.latencies.insert(name, found)),
                Some(own) => {
                    own.histogram.merge(&found.histogram);
                    own.series.extend(found.series);
                }
            }
        }
        for (name, found) in other.frames {
            match self.frames.get_mut(&name) {
                None => drop(self.frames.insert(name, found)),
                Some(own) => drop(own.merge(&found)),
            }
        }
        true
    }
}

/// Joins windows that follow each other until there are at most `most`. No extreme is lost, and nothing is averaged.
pub fn join_windows(windows: Vec<Window>, most: usize) -> Vec<Window> {
    let length = windows.len().div_ceil(most.max(1)).max(1);
    if length == 1 {
        return windows;
    }
    let joined = windows.chunks(length).map(|part| {
        part.iter().skip(1).fold(part[0], |all, one| Window {
            at_ns: all.at_ns,
            count: all.count.saturating_add(one.count),
            least_p50_ns: all.least_p50_ns.min(one.least_p50_ns),
            most_p50_ns: all.most_p50_ns.max(one.most_p50_ns),
            max_ns: all.max_ns.max(one.max_ns),
        })
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64], sequence: u64) -> CellStreams {
        let mut histogram = Histogram::new(STREAM_DIGITS).unwrap();
        values.iter().for_each(|value| histogram.record(*value));
        let windows = values.iter().map(|value| Window {
            at_ns: 0,
            count: 1,
            least_p50_ns: *value,
            most_p50_ns: *value,
            max_ns: *value,
        });
        let series = vec![SampleSeries { sequence, windows: windows.collect() }];
        CellStreams {
            logs: 1,
            latencies: BTreeMap::from([("round_trip".to_owned(), Latencies { histogram: histogram.clone(), series })]),
            frames: BTreeMap::from([("copy_in_ns".to_owned(), histogram)]),
        }
    }

    #[test]
    fn logs_of_a_cell_add_up() {
        let mut all = of(&[200, 300], 4);
        assert!(all.add(of(&[250], 9)));
        let found = &all.latencies["round_trip"];
        assert_eq!((all.logs, found.histogram.len(), found.histogram.quantile(0.5)), (2, 3, Some(250)));
        assert_eq!(found.series.iter().map(|one| one.sequence).collect::<Vec<_>>(), [4, 9]);
        assert_eq!(all.frames["copy_in_ns"].max(), Some(300));
        let mut other = of(&[], 1);
        other.frames.insert("x".to_owned(), Histogram::new(2).unwrap());
        assert!(!all.add(other) && all.logs == 2);
    }

    #[test]
    fn joined_windows_keep_their_extremes() {
        let windows: Vec<Window> = (0..1_000)
            .map(|at| Window {
                at_ns: at,
                count: 2,
                least_p50_ns: if at == 700 { 1 } else { 200 },
                most_p50_ns: 200,
                max_ns: if at == 333 { 9_999 } else { 400 },
            })
            .collect();
        let joined = join_windows(windows.clone(), 64);
        assert!(joined.len() <= 64 && joined.iter().map(|window| window.count).sum::<u64>() == 2_000);
        assert!(joined.iter().any(|window| window.least_p50_ns == 1) && joined.iter().any(|one| one.max_ns == 9_999));
        assert_eq!(join_windows(windows.clone(), 1_000), windows);
    }
}
