//! The answer of a run in one sentence.

use crate::comparison::{Pair, Pairs};
use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell};
use crate::text::comparison::{signed, signed_interval, word};
use crate::value::{count, interval, metric};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::compare::{Change, MetricComparison};
use isodyne_core::sample::Accuracy;
use isodyne_core::summary::CellStatus;
use std::collections::BTreeSet;

/// What the total of a benchmark is in this run, for headings.
pub(crate) fn meaning(run: &Prepared<'_>, benchmark: BenchmarkName) -> &'static str {
    match benchmark {
        BenchmarkName::Boot if run.view.record.plan.app.is_some() => {
            "from before fork to the application inside being ready"
        }
        BenchmarkName::Boot => "from before fork to the first command's output inside",
        BenchmarkName::Network => "round trips between host and sandbox, closed loop",
        BenchmarkName::Shm => "round trips between host and sandbox through shared memory",
        BenchmarkName::Checkpoint => "from before the restore of a kept state to the first answer that proves it",
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
        benchmarks.iter().map(|benchmark| format!("{benchmark}, {}", meaning(run, *benchmark))).collect();
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

/// The answer of a comparison in one sentence of plain text.
pub(crate) fn verdicts(pairs: &Pairs<'_>) -> String {
    let headlines: Vec<(&Pair<'_>, &MetricComparison)> =
        pairs.pairs.iter().filter_map(|pair| Some((pair, pair.headline()?))).collect();
    if headlines.is_empty() {
        return "There is no answer: no metric has values on both sides.".to_owned();
    }
    let mut parts = Vec::new();
    for verdict in [Change::Worse, Change::Better, Change::Same, Change::Unclear] {
        let mut of: Vec<_> = headlines
            .iter()
            .filter(|(pair, one)| {
                one.verdict == verdict && pair.found.incomparable.is_empty() && !pair.is_void(&one.metric)
            })
            .collect();
        of.sort_by(|one, other| other.1.change.abs().total_cmp(&one.1.change.abs()));
        let Some((pair, one)) = of.first() else { continue };
        let figures =
            format!("{} {}, 95 %: {}", plain(&one.metric), signed(one.change), signed_interval(one.change_ci95));
        parts.push(match (of.len(), verdict) {
            (1, Change::Unclear) => format!("for {} the samples cannot tell: {figures}", pair.label),
            (many, Change::Unclear) => {
                format!(
                    "for {many} cells the samples cannot tell, the largest estimate being {} ({figures})",
                    pair.label
                )
            }
            (1, _) => format!("{} is {}: {figures}", pair.label, word(verdict)),
            (many, _) => format!("{many} cells are {}, most of all {} ({figures})", word(verdict), pair.label),
        });
    }
    let refused = headlines.iter().filter(|(pair, _)| !pair.found.incomparable.is_empty()).count() as u64;
    if refused > 0 {
        parts.push(format!("{} may not be compared", count(refused, "pair")));
    }
    let void =
        headlines.iter().filter(|(pair, one)| pair.found.incomparable.is_empty() && pair.is_void(&one.metric)).count()
            as u64;
    if void > 0 {
        parts.push(format!("{} rests on a number that is void", count(void, "pair")));
    }
    let text = parts.join("; ");
    // A sentence may begin with the name of a cell, which is written as it is.
    text.strip_prefix("for ").map_or_else(|| format!("{text}."), |rest| format!("For {rest}."))
}

/// How many headline metrics get a sentence; the table has all.
const MOST_SENTENCES: usize = 4;

/// The answer in one sentence of plain text for each headline metric.
pub(crate) fn answer(run: &Prepared<'_>) -> String {
    let measured = run.with_total().filter(|cell| cell.summary.status == CellStatus::Measured);
    let (void, mut cells): (Vec<&ShownCell<'_>>, Vec<_>) = measured.partition(|cell| run.is_void(cell));
    if cells.is_empty() && !void.is_empty() {
        return "There is no answer that could be believed: the auditor says that every cell is void.".to_owned();
    }
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
    let left_out = match &void[..] {
        [] => String::new(),
        [one] => format!(" {} is void, says the auditor, and not in this.", one.label),
        many => format!(" {} are void, says the auditor, and not in this.", count(many.len() as u64, "cell")),
    };
    sentences.join(" ") + &left_out
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
