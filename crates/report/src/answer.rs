//! The answer of a run in one sentence.

use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{count, interval, metric};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::sample::Accuracy;
use isodyne_core::summary::CellStatus;
use std::collections::BTreeSet;

/// What the total of a benchmark is, for headings.
pub(crate) fn meaning(benchmark: BenchmarkName) -> &'static str {
    match benchmark {
        BenchmarkName::Boot => "from before fork to the first command's output inside",
        BenchmarkName::Imported => "as another tool measured it",
    }
}

/// What was asked, in one sentence of plain text.
pub(crate) fn question(run: &Prepared<'_>) -> String {
    let record = run.view.record;
    let cells = record.cells.len() + record.skipped.len();
    if let Some(imported) = &record.imported {
        let tool = imported.tool.as_deref().map(|tool| format!(" of {}", plain(tool))).unwrap_or_default();
        return format!(
            "What do the samples{tool} say? {}, {} of the format {}; not measured by Isodyne.",
            count(cells as u64, "cell"),
            count(imported.files.len() as u64, "file"),
            plain(&imported.format)
        );
    }
    let benchmarks: BTreeSet<BenchmarkName> = run.cells.iter().map(|cell| cell.summary.cell.benchmark).collect();
    let what: Vec<String> =
        benchmarks.iter().map(|benchmark| format!("{benchmark}, {}", meaning(*benchmark))).collect();
    let warmup = match record.plan.warmup {
        0 => "without a warm-up round".to_owned(),
        rounds => format!(
            "after {} that {} not count",
            count(rounds.into(), "warm-up round"),
            if rounds == 1 { "does" } else { "do" }
        ),
    };
    format!(
        "How long does it take: {}? Asked of {}, with {} wanted of each, taken in rounds of randomised order {warmup}.",
        what.join("; "),
        count(cells as u64, "cell"),
        count(record.plan.samples.into(), "valid sample"),
    )
}

/// How many headline metrics get a sentence; the table has all.
const MOST_SENTENCES: usize = 4;

/// The answer in one sentence of plain text for each headline metric.
pub(crate) fn answer(run: &Prepared<'_>) -> String {
    let mut cells: Vec<&ShownCell<'_>> =
        run.with_total().filter(|cell| cell.summary.status == CellStatus::Measured).collect();
    if cells.is_empty() {
        return if run.view.summary.complete {
            "There is no answer: no cell has a valid sample.".to_owned()
        } else {
            "There is no answer yet: no cell has a valid sample so far.".to_owned()
        };
    }
    cells.sort_by(|a, b| p50(a).total_cmp(&p50(b)));
    let mut groups: Vec<(&str, Vec<&ShownCell<'_>>)> = Vec::new();
    for cell in cells {
        match groups.iter_mut().find(|(metric, _)| *metric == cell.metric) {
            Some((_, members)) => members.push(cell),
            None => groups.push((cell.metric, vec![cell])),
        }
    }
    let sentences: Vec<String> =
        groups.into_iter().take(MOST_SENTENCES).map(|(_, members)| sentence(run, members)).collect();
    sentences.join(" ")
}

/// One sentence on cells with one headline metric, the least median first.
fn sentence(run: &Prepared<'_>, cells: Vec<&ShownCell<'_>>) -> String {
    let Some(first) = cells.first() else { return String::new() };
    let step = run.step();
    let benchmark = first.summary.cell.benchmark;
    let what = if benchmark == BenchmarkName::Imported {
        format!("{} was, as imported,", plain(first.metric))
    } else if run.is_scripted() {
        format!("{benchmark} was scripted to take")
    } else {
        format!("{benchmark} took")
    };
    let mut classes: Vec<(Option<Accuracy>, Vec<&ShownCell<'_>>)> = Vec::new();
    for cell in cells {
        match classes.iter_mut().find(|(class, _)| *class == cell.summary.accuracy) {
            Some((_, members)) => members.push(cell),
            None => classes.push((cell.summary.accuracy, vec![cell])),
        }
    }
    if let [(_, members)] = &classes[..] {
        return format!("At the median, with its 95 % interval, {what} {}.", range(members, step));
    }
    let parts: Vec<String> = classes
        .iter()
        .map(|(class, members)| {
            let class = class.map_or("unknown", |class| class.as_str());
            format!("in class {class} {}", range(members, step))
        })
        .collect();
    format!(
        "At the median, with its 95 % interval, {what} {}; the classes answer different questions and are not ranked \
         against each other.",
        parts.join("; ")
    )
}

/// The medians of cells of one class, shortest first, as part of a sentence.
fn range(cells: &[&ShownCell<'_>], step: Option<u64>) -> String {
    let named = |cell: &ShownCell<'_>| {
        let total = cell.total();
        let n = total.map_or(0, |total| total.n);
        let interval = match total.and_then(|total| total.ci95) {
            Some(ends) => format!("{}, n = {n}", interval(cell.metric, Some(ends), step)),
            None => format!("n = {n}, too few for an interval"),
        };
        format!("{} on {} ({interval})", metric(cell.metric, p50(cell), step), cell.label)
    };
    match cells {
        [] => String::new(),
        [only] => named(only),
        [first, .., last] => {
            let over = if cells.len() > 2 { format!(", over {} cells", cells.len()) } else { String::new() };
            format!("from {} to {}{over}", named(first), named(last))
        }
    }
}

fn p50(cell: &ShownCell<'_>) -> f64 {
    cell.total().map_or(f64::INFINITY, |total| total.p50)
}
