//! Round trips between every two processors: a box for each pair, darker where it takes longer.

use super::cells;
use crate::escape::shorten;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::prepared::{Prepared, ShownCell};
use crate::value::{count, metric};
use isodyne_core::unit::DisplayNs;
use std::collections::{BTreeMap, BTreeSet};

const LEFT: f64 = 74.0;
const TOP: f64 = 44.0;
/// The largest side of a box, and the smallest in which its value is written.
const LARGEST: f64 = 56.0;
const WRITTEN: f64 = 34.0;
/// What is drawn, without its pair: a time divided over many trips has the resolution of the whole.
const TRAIN: &str = "train_per_trip_ns";
/// How many shades there are: as many as can be told apart.
const SHADES: usize = 7;
/// More processors are not drawn.
const MOST: usize = 128;

/// The median of each pair, with the processor that asked and the one that answered.
type Pairs = BTreeMap<(u32, u32), (f64, u64)>;

pub(super) fn cores(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let with_pairs: Vec<(&ShownCell<'_>, Pairs)> =
        cells(run).map(|cell| (cell, pairs(cell))).filter(|(_, pairs)| !pairs.is_empty()).collect();
    if with_pairs.is_empty() {
        return None;
    }
    let mut drawing = Drawing::new(paint);
    for (cell, pairs) in &with_pairs {
        let height = panel(&mut drawing, run, cell, pairs);
        drawing.panel(Some(cell.series), height);
    }
    let explanation = format!(
        "The time of a round trip between two processors, asked on the one at the left, answered on the one above, in trains \
         of trips between two stamps: the median of the samples' own medians. Darker took longer; the shades are equal steps from the shortest to the longest of the \
         cell. Pairs without a box were not measured. The first {MOST} processors are drawn."
    );
    Some(drawing.finish("shm-cores", "Round trips by pair of processors", explanation, 0.0, run.is_scripted()))
}

/// The pairs of a cell, from the names of its metrics: of trains, since a single trip may be too short for the clock.
fn pairs(cell: &ShownCell<'_>) -> Pairs {
    let named = cell.summary.metrics.iter().filter_map(|(name, found)| {
        let (one, other) = name.strip_prefix("train_cpu")?.strip_suffix("_per_trip_ns")?.split_once("_cpu")?;
        Some(((one.parse().ok()?, other.parse().ok()?), (found.p50, found.n)))
    });
    named.collect()
}

/// The shade of a value, from 0 for the shortest.
fn shade(value: f64, least: f64, most: f64) -> usize {
    let share = if most > least { (value - least) / (most - least) } else { 0.0 };
    ((share * SHADES as f64) as usize).min(SHADES - 1)
}

/// Light enough for text on it, in light and dark.
fn opacity(shade: usize) -> f64 {
    0.08 + 0.44 * shade as f64 / (SHADES - 1) as f64
}

fn panel(drawing: &mut Drawing, run: &Prepared<'_>, cell: &ShownCell<'_>, pairs: &Pairs) -> f64 {
    let all: BTreeSet<u32> = pairs.keys().flat_map(|(one, other)| [*one, *other]).collect();
    let processors: Vec<u32> = all.into_iter().take(MOST).collect();
    let place = |processor: u32| processors.iter().position(|one| *one == processor);
    let drawn: Vec<_> =
        pairs.iter().filter_map(|((one, other), found)| Some((place(*one)?, place(*other)?, *found))).collect();
    let least = drawn.iter().map(|(_, _, (value, _))| *value).fold(f64::INFINITY, f64::min);
    let most = drawn.iter().map(|(_, _, (value, _))| *value).fold(0.0, f64::max);
    let side = ((WIDTH - LEFT - 150.0) / processors.len().max(1) as f64).min(LARGEST);
    let ink = Ink::Series(0);
    let void = run.is_void(cell);
    let label = if void { format!("✕ void: {}", cell.label) } else { cell.label.clone() };
    let words = Words::new(if void { Ink::Bad } else { Ink::Text }, Anchor::Start).bold();
    drawing.words((0.0, 14.0), Words { size: 12.5, ..words }, &shorten(&label, 70));
    let n = drawn.iter().map(|(_, _, (_, n))| *n).max().unwrap_or(0);
    let head = format!("{}, n = {} each", count(drawn.len() as u64, "pair"), count(n, "sample"));
    drawing.words((WIDTH, 14.0), Words::new(Ink::Muted, Anchor::End), &head);
    // Names of processors, as many as there is room for.
    let step = (14.0 / side).ceil().max(1.0) as usize;
    for (index, processor) in processors.iter().enumerate().step_by(step) {
        let middle = (index as f64 + 0.5) * side;
        let size = if side < 12.0 { 9.0 } else { 10.0 };
        let name = processor.to_string();
        drawing.words((LEFT + middle, TOP - 6.0), Words { size, ..Words::new(Ink::Muted, Anchor::Middle) }, &name);
        drawing.words((LEFT - 6.0, TOP + middle + 3.5), Words { size, ..Words::new(Ink::Muted, Anchor::End) }, &name);
    }
    let quiet = Words { size: 9.5, ..Words::new(Ink::Muted, Anchor::Start) };
    drawing.words((0.0, TOP - 6.0), quiet, "asked on");
    drawing.words((LEFT, TOP - 17.0), quiet, "answered on processor");
    let gap = if side > 8.0 { 1.0 } else { 0.0 };
    for level in 0..SHADES {
        let of_level = drawn.iter().filter(|(_, _, (value, _))| shade(*value, least, most) == level);
        let corners: Vec<(f64, f64)> =
            of_level.map(|(one, other, _)| (LEFT + *other as f64 * side, TOP + *one as f64 * side)).collect();
        if !corners.is_empty() {
            drawing.boxes(&corners, side - gap, ink, opacity(level));
        }
    }
    if side >= WRITTEN {
        for (one, other, (value, _)) in &drawn {
            let at = (LEFT + (*other as f64 + 0.5) * side, TOP + (*one as f64 + 0.5) * side + 3.5);
            let size = if side < 48.0 { 9.0 } else { 10.0 };
            drawing.words(
                at,
                Words { size, ..Words::new(Ink::Text, Anchor::Middle) },
                &metric(TRAIN, *value, run.step()),
            );
        }
    }
    let bottom = TOP + side * processors.len() as f64;
    key(drawing, (least, most), ink);
    (bottom + 14.0).max(TOP + 18.0 * SHADES as f64 + 14.0)
}

/// What the shades mean.
fn key(drawing: &mut Drawing, (least, most): (f64, f64), ink: Ink) {
    let x = WIDTH - 130.0;
    // One shade is enough where all take as long.
    let shades = if most > least { SHADES } else { 1 };
    for level in 0..shades {
        let y = TOP + 18.0 * level as f64;
        drawing.boxes(&[(x, y)], 14.0, ink, opacity(level));
        let from = least + (most - least) * level as f64 / SHADES as f64;
        let words = Words { size: 10.0, ..Words::new(Ink::Text, Anchor::Start) };
        drawing.words((x + 20.0, y + 11.0), words, &format!("from {}", DisplayNs(from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_are_equal_steps() {
        assert_eq!((shade(100.0, 100.0, 200.0), shade(200.0, 100.0, 200.0), shade(150.0, 100.0, 200.0)), (0, 6, 3));
        assert_eq!(shade(5.0, 5.0, 5.0), 0);
        assert!(opacity(SHADES - 1) <= 0.52 && opacity(0) > 0.0);
    }
}
