//! Trends: one metric of one cell over many runs on one kind of host, and where its level changed.
//!
//! A point is the median of a run. Points of different hosts, accuracy classes or provenances are never put into one
//! trend. Change points are found by E-divisive means with a permutation test ([`divisive`]); what a change amounts to
//! is said by the ratio of the levels around it ([`shift`]).

pub mod divisive;
pub mod shift;

use crate::sample::{Accuracy, Provenance};
use divisive::change_points;
use serde::Serialize;
use shift::ratio_interval;

/// The name of the format of `isodyne trend --json`.
pub const TREND_SCHEMA: &str = "isodyne-trend";
/// The version of that format.
pub const TREND_VERSION: u32 = 1;

/// One metric of one cell over the runs on one kind of host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The metric; its name carries the unit.
    pub metric: String,
    /// The cell's id.
    pub cell: String,
    /// The kind of host.
    pub host: TrendHost,
    /// What stood between sandbox and hardware.
    pub accuracy: Option<Accuracy>,
    /// Where the values come from.
    pub provenance: Option<Provenance>,
    /// The runs, the oldest first.
    pub points: Vec<Point>,
    /// Where the level changed, the oldest first.
    pub change_points: Vec<ChangePoint>,
}

/// A kind of host: all that agree in what changes speed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrendHost {
    /// [`crate::fingerprint::Fingerprint::id`].
    pub id: String,
    /// In one line, for people.
    pub line: String,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// The run's name.
    pub run_id: String,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// The version of Isodyne that made it.
    pub isodyne_version: String,
    /// The median of its valid samples.
    pub p50: f64,
    /// An interval of at least 95 % for that median; `None` where the samples could not carry one.
    pub ci95: Option<[f64; 2]>,
    /// How many samples.
    pub n: u64,
    /// Programs that took part, as `name version`, sorted.
    pub tools: Vec<String>,
}

/// A place where the level changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangePoint {
    /// The first point of the new level, from 0.
    pub index: usize,
    /// That run's name.
    pub run_id: String,
    /// When that run was begun.
    pub created_at: String,
    /// How often a series without this change would have shown one as clear: the p-value of the permutation test.
    pub p_value: f64,
    /// The level since the change before this one.
    pub before: Level,
    /// The level until the next change.
    pub after: Level,
    /// The new level over the old one, less 1: 0.05 is 5 % more. `None` unless both are above 0.
    pub change_ratio: Option<f64>,
    /// An interval of at least 95 % for it, as if the place of the change had been known; `None` where the runs are too
    /// few to carry one.
    pub change_ci95: Option<[f64; 2]>,
    /// What else was not the same in the first run of the new level and the last run before it, one line each.
    pub changed: Vec<String>,
}

/// A stretch of runs without a change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    /// The median of its runs' medians.
    pub p50: f64,
    /// How many runs.
    pub n: u64,
}

impl Trend {
    /// Looks for changes in points that are in the order of time.
    pub fn of(
        metric: &str,
        cell: &str,
        host: TrendHost,
        kind: (Option<Accuracy>, Option<Provenance>),
        points: Vec<Point>,
    ) -> Self {
        let values: Vec<f64> = points.iter().map(|point| point.p50).collect();
        let splits = change_points(&values);
        let mut bounds: Vec<usize> = splits.iter().map(|split| split.index).collect();
        bounds.insert(0, 0);
        bounds.push(values.len());
        let mut found = Vec::new();
        for (split, around) in splits.iter().zip(bounds.windows(3)) {
            let (before, after) = (&values[around[0]..around[1]], &values[around[1]..around[2]]);
            let (Some(old), Some(new)) = (Level::of(before), Level::of(after)) else { continue };
            let first = &points[split.index];
            found.push(ChangePoint {
                index: split.index,
                run_id: first.run_id.clone(),
                created_at: first.created_at.clone(),
                p_value: split.p_value,
                before: old,
                after: new,
                change_ratio: (old.p50 > 0.0 && new.p50 > 0.0).then(|| new.p50 / old.p50 - 1.0),
                change_ci95: ratio_interval(before, after).map(|ends| ends.map(|end| end - 1.0)),
                changed: differences(&points[split.index - 1], first),
            });
        }
        let (accuracy, provenance) = kind;
        Self {
            metric: metric.to_owned(),
            cell: cell.to_owned(),
            host,
            accuracy,
            provenance,
            points,
            change_points: found,
        }
    }
}

impl Level {
    fn of(values: &[f64]) -> Option<Self> {
        let p50 = crate::stats::Sorted::new(values.iter().copied())?.quantile(0.5)?;
        Some(Self { p50, n: values.len() as u64 })
    }
}

/// What is known to be different between two runs, beside the value.
fn differences(before: &Point, after: &Point) -> Vec<String> {
    let mut found = Vec::new();
    if before.isodyne_version != after.isodyne_version {
        found.push(format!("isodyne {} before, {} after", before.isodyne_version, after.isodyne_version));
    }
    let without = |these: &[String], those: &[String]| {
        these.iter().filter(|tool| !those.contains(tool)).cloned().collect::<Vec<_>>()
    };
    let (gone, come) = (without(&before.tools, &after.tools), without(&after.tools, &before.tools));
    if !gone.is_empty() || !come.is_empty() {
        let words = |tools: Vec<String>| if tools.is_empty() { "nothing".to_owned() } else { tools.join(", ") };
        found.push(format!("{} before, {} after", words(gone), words(come)));
    }
    found
}

/// Whether a text is as a pattern says: `*` stands for any characters, `?` for one, everything else for itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stands and what it has taken so far: only the last one ever needs to take more.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match &mut star {
                Some((place, taken)) => {
                    *taken += 1;
                    at = *place + 1;
                    seen = *taken;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|left| *left == '*')
}

#[cfg(test)]
mod tests;
