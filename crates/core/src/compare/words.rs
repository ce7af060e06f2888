//! A comparison in words.

use super::cells::HEADLINE;
use super::{CellComparison, Change, Design, MetricComparison, PhaseComparison};
use crate::unit::DisplayNs;

/// So many phases are spoken of; the table has all that moved.
const MOST_PHASES: usize = 3;
/// A phase with less than this share of the total's change is not spoken of.
const LEAST_SHARE: f64 = 0.05;

/// What happened to a cell: its headline metric, the phases that moved, and what else surely changed.
pub(super) fn words(cell: &CellComparison) -> String {
    let Some(headline) = cell.metrics.iter().find(|one| one.metric == HEADLINE).or(cell.metrics.first()) else {
        return "no metric has values on both sides".to_owned();
    };
    let mut sentences = vec![sentence(headline)];
    // A phase can surely have moved where the total is too noisy to show it.
    if headline.verdict != Change::Same && headline.metric == HEADLINE {
        let phases = cell.phases.iter().filter(|phase| phase.share.is_none_or(|share| share.abs() >= LEAST_SHARE));
        sentences.extend(phases.take(MOST_PHASES).map(phase));
    }
    let changed = |one: &&MetricComparison| matches!(one.verdict, Change::Better | Change::Worse);
    let others = cell.metrics.iter().filter(|one| one.metric != headline.metric && is_of_interest(&one.metric));
    sentences.extend(others.filter(changed).map(sentence));
    let incomplete = headline.incomplete;
    if incomplete > 0 {
        let noun = if incomplete == 1 { "round has" } else { "rounds have" };
        sentences.push(format!("{incomplete} {noun} a sample on one side only and count for neither"));
    }
    sentences.join("; ")
}

/// What follows from the headline by itself is not said again.
fn is_of_interest(metric: &str) -> bool {
    !matches!(metric, "lifecycle_ns" | "residue_ns")
}

fn sentence(one: &MetricComparison) -> String {
    let name = &one.metric;
    let Some([low, high]) = one.change_ci95 else {
        return format!("{name}: {} cannot carry an interval", count(one));
    };
    let interval = format!("95 %: {} to {}, {}", signed_percent(low), signed_percent(high), count(one));
    match one.verdict {
        Change::Better | Change::Worse => {
            let word = if one.verdict == Change::Better { "better" } else { "worse" };
            let way = if one.change > 0.0 { "rose" } else { "fell" };
            format!("{name} {way} by {}, which is {word} ({interval})", percent(one.change.abs()))
        }
        Change::Same => {
            format!("{name} has not changed by more than {} ({interval})", percent(one.margin))
        }
        Change::Unclear => {
            let seen = one.minimum_detectable.map_or_else(String::new, |effect| {
                format!("; a change of {} would have been found in 9 of 10 cases", percent(effect))
            });
            format!("{name}: cannot tell ({interval}){seen}")
        }
    }
}

fn phase(phase: &PhaseComparison) -> String {
    let way = if phase.change_ns > 0.0 { "longer" } else { "shorter" };
    let change = DisplayNs(phase.change_ns.abs());
    let interval = phase.change_ci95_ns.map_or_else(String::new, |[low, high]| {
        let ends = if phase.change_ns > 0.0 { [low, high] } else { [-high, -low] };
        format!(" (95 %: {} to {})", DisplayNs(ends[0]), DisplayNs(ends[1]))
    });
    let share = phase.share.map_or_else(String::new, |share| {
        if share >= 0.0 {
            format!(", {:.0} % of the change", share * 100.0)
        } else {
            ", against the change of the total".to_owned()
        }
    });
    format!("{} took {change} {way}{interval}{share}", phase.phase)
}

fn count(one: &MetricComparison) -> String {
    match one.design {
        Design::Paired if one.n == 1 => "1 pair".to_owned(),
        Design::Paired => format!("{} pairs", one.n),
        Design::Separate => format!("{} samples a side", one.n),
    }
}

/// A share as people read it: `5.1 %`, `0.42 %`, `120 %`.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value.abs() {
        size if size >= 99.5 => format!("{value:.0} %"),
        size if size >= 0.995 => format!("{value:.1} %"),
        _ => format!("{value:.2} %"),
    }
}

/// The same with its sign.
pub(crate) fn signed_percent(share: f64) -> String {
    if share < 0.0 { format!("−{}", percent(-share)) } else { format!("+{}", percent(share)) }
}
