//! How fast frames go through shared memory, by their size, with what the host can copy.

use super::ceilings::{Ceiling, RATES, RATES_SAID, ceilings, key, rate_label, said, size_label, ticks, with_rates};
use crate::escape::{plain, shorten};
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::figure::ticks::Ticks;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{count, metric};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::FactorValue;
use std::collections::{BTreeMap, BTreeSet};

const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 116.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 206.0;
const HEIGHT: f64 = 246.0;
/// More groups are not drawn.
const MOST_GROUPS: usize = 24;

/// What cells have in common that differ in the size of their frames only.
type Group = (BackendName, Option<String>, BTreeMap<String, FactorValue>);

/// Cells by what they have in common, each with the size of its frames, in ascending order.
pub(super) fn groups<'r, 'a>(run: &'r Prepared<'a>) -> Vec<Vec<(&'r ShownCell<'a>, u64)>> {
    let mut found: Vec<(Group, Vec<(&ShownCell<'_>, u64)>)> = Vec::new();
    for (cell, bytes) in with_rates(run) {
        let stated = &cell.summary.cell;
        let others = stated.factors.iter().filter(|(key, _)| *key != "frame");
        let others = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        let group = (stated.backend, stated.variant.clone(), others);
        match found.iter_mut().find(|(known, _)| *known == group) {
            Some((_, cells)) => cells.push((cell, bytes)),
            None => found.push((group, vec![(cell, bytes)])),
        }
    }
    let mut groups: Vec<_> = found.into_iter().map(|(_, cells)| cells).collect();
    groups.iter_mut().for_each(|cells| cells.sort_by_key(|(_, bytes)| *bytes));
    groups
}

/// Curves for every group with frames of more than one size.
pub(super) fn bandwidth(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let mut groups: Vec<_> = groups(run).into_iter().filter(|cells| cells.len() > 1).collect();
    let there = groups.len();
    groups.truncate(MOST_GROUPS);
    if groups.is_empty() {
        return None;
    }
    let ceilings = ceilings(run);
    let names = names(&groups);
    // One scale for all: what is higher is faster.
    let found = groups.iter().flatten().flat_map(|(cell, _)| RATES.iter().filter_map(|rate| rate.of(cell)));
    let ends = found.flat_map(|found| [found.min, found.max]);
    let ends = ends.chain(ceilings.iter().flat_map(|one| [one.best, one.typical]));
    let (least, most) = ends.fold((f64::INFINITY, 0.0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
    let rates = Axis::log(least, most);
    let mut drawing = Drawing::new(paint);
    key(&mut drawing, 14.0);
    drawing.panel(None, 22.0);
    for (cells, name) in groups.iter().zip(names) {
        panel(&mut drawing, run, cells, &name, &ceilings, &rates);
        drawing.panel(None, HEIGHT);
    }
    let left_out = if there > MOST_GROUPS {
        format!(" {MOST_GROUPS} of {there} groups of cells are drawn.")
    } else {
        String::new()
    };
    let explanation = format!(
        "Bytes a second (vertical, logarithmic) by the size of a frame (horizontal, logarithmic), a drawing for cells that \
         differ in nothing else. {RATES_SAID}{}{left_out}",
        said(&ceilings)
    );
    Some(drawing.finish("shm-bandwidth", "Bandwidth by frame size", explanation, 0.0, run.is_scripted()))
}

/// What tells the groups apart: the backend, the factors in which groups differ, the variant.
fn names(groups: &[Vec<(&ShownCell<'_>, u64)>]) -> Vec<String> {
    let mut values: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let firsts = || groups.iter().filter_map(|cells| Some(&cells.first()?.0.summary.cell));
    for cell in firsts() {
        for (key, value) in cell.factors.iter().filter(|(key, _)| *key != "frame") {
            values.entry(key).or_default().insert(value.to_string());
        }
    }
    let name = |cell: &isodyne_core::cell::Cell| {
        let differing =
            cell.factors.iter().filter(|(key, _)| values.get(key.as_str()).is_some_and(|all| all.len() > 1));
        let words: Vec<String> =
            std::iter::once(cell.backend.to_string()).chain(differing.map(|(_, value)| value.to_string())).collect();
        let variant = cell.variant.as_ref().map(|variant| format!(" · {variant}")).unwrap_or_default();
        plain(&format!("{}{variant}", words.join(" ")))
    };
    firsts().map(name).collect()
}

fn panel(
    drawing: &mut Drawing,
    run: &Prepared<'_>,
    cells: &[(&ShownCell<'_>, u64)],
    name: &str,
    ceilings: &[Ceiling],
    rates: &Axis,
) {
    drawing.words((0.0, 16.0), Words { size: 12.5, ..Words::new(Ink::Text, Anchor::Start).bold() }, &shorten(name, 80));
    let all = || cells.iter().flat_map(|(cell, _)| RATES.iter().filter_map(|rate| rate.of(cell)));
    let sizes = Axis::log(cells[0].1 as f64, cells[cells.len() - 1].1 as f64);
    let y = |rate: f64| BOTTOM - rates.place(rate) * (BOTTOM - TOP);
    let x = |bytes: u64| LEFT + sizes.place(bytes as f64) * (RIGHT - LEFT);
    for rate in ticks(rates.ends(), 10) {
        drawing.line((LEFT, y(rate)), (RIGHT, y(rate)), Ink::Grid, 1.0, "");
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((LEFT - 6.0, y(rate) + 3.5), words, &rate_label(rate));
    }
    let ticks = Ticks::new((TOP, BOTTOM + 3.0), BOTTOM + 15.0, 46.0);
    ticks.draw(drawing, cells.iter().map(|(_, bytes)| (x(*bytes), size_label(*bytes as f64))));
    let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::Middle) };
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 30.0), words, "size of a frame");
    limits(drawing, ceilings, y);
    for rate in RATES {
        let mut before: Option<(f64, f64)> = None;
        for (cell, bytes) in cells {
            let Some(found) = rate.of(cell) else { continue };
            let at = (x(*bytes), y(found.p50));
            drawing.open(cell.series);
            if let Some(from) = before {
                drawing.line(from, at, Ink::Series(rate.series), 1.2, Ink::dash(rate.series));
            }
            drawing.line((at.0, y(found.max)), (at.0, y(found.min)), Ink::Series(rate.series), 1.0, "");
            let void = if run.is_void(cell) { "✕ void: " } else { "" };
            let title = format!(
                "{void}{}, {}: {}, {}",
                cell.label,
                rate.name,
                metric(rate.metric, found.p50, None),
                count(found.n, "sample")
            );
            rate.mark(drawing, at, &title);
            drawing.close();
            before = Some(at);
        }
    }
    void_marks(drawing, run, cells, x);
    let n: BTreeSet<u64> = all().map(|found| found.n).collect();
    let n: Vec<String> = n.into_iter().map(|n| n.to_string()).collect();
    let (fewest, most) = (n.first().cloned().unwrap_or_default(), n.last().cloned().unwrap_or_default());
    let n = if fewest == most { fewest } else { format!("{fewest} to {most}") };
    drawing.words((WIDTH, 16.0), Words::new(Ink::Muted, Anchor::End), &format!("n = {n} samples at each size"));
}

/// A cross above each size whose cell cannot be believed.
fn void_marks(drawing: &mut Drawing, run: &Prepared<'_>, cells: &[(&ShownCell<'_>, u64)], x: impl Fn(u64) -> f64) {
    for (cell, bytes) in cells.iter().filter(|(cell, _)| run.is_void(cell)) {
        drawing.open(cell.series);
        drawing.cross((x(*bytes), TOP - 4.0), 3.6, Ink::Bad, &format!("✕ void: {}", cell.label));
        drawing.close();
    }
}

/// The ceilings as lines, their labels apart from each other at the right.
fn limits(drawing: &mut Drawing, ceilings: &[Ceiling], y: impl Fn(f64) -> f64) {
    let mut order: Vec<&Ceiling> = ceilings.iter().collect();
    order.sort_by(|a, b| b.best.total_cmp(&a.best));
    let mut free_from = f64::NEG_INFINITY;
    for one in order {
        let at = y(one.best);
        drawing.band((LEFT, at), (RIGHT - LEFT, y(one.typical.min(one.best)) - at), Ink::Muted);
        drawing.line((LEFT, at), (RIGHT, at), Ink::Text, 1.1, "6 4");
        let label_at = (at + 3.5).max(free_from);
        let words = Words { size: 10.0, ..Words::new(Ink::Text, Anchor::Start) };
        drawing.words((RIGHT + 5.0, label_at), words, &format!("{} {}", one.level, rate_label(one.best)));
        free_from = label_at + 11.5;
    }
}
