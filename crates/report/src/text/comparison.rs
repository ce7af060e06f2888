//! A comparison as a terminal shows it.

use super::grid::{Heading, grid, natural_width};
use super::{Style, paragraph};
use crate::escape::plain;
use crate::value::NONE;
use isodyne_core::compare::{CellComparison, Change, Comparison, Design, MetricComparison};
use isodyne_core::unit::{DisplayNs, display_metric};

/// The tables of a comparison, cell by cell, with what they mean in words.
pub fn comparison_table(comparison: &Comparison, style: Style) -> String {
    let width = style.columns();
    let mut lines = vec![style.strong(&format!("{} → {}", plain(&comparison.baseline), plain(&comparison.candidate)))];
    for cell in &comparison.cells {
        lines.push(String::new());
        lines.push(style.strong(&plain(cell.candidate.as_str())));
        if cell.baseline != cell.candidate {
            lines.push(style.quiet(&format!("  against {}", plain(cell.baseline.as_str()))));
        }
        lines.extend(metrics(cell, style));
        lines.extend(phases(cell, style));
        lines.extend(paragraph("  ", &plain(&cell.words), width));
        for reason in &cell.incomparable {
            lines.extend(warned("  not comparable: ", reason, style));
        }
    }
    if !comparison.unmatched.is_empty() || !comparison.warnings.is_empty() {
        lines.push(String::new());
    }
    for warning in &comparison.warnings {
        lines.extend(warned("  warning: ", warning, style));
    }
    for unmatched in &comparison.unmatched {
        lines.extend(paragraph("  not compared: ", &plain(unmatched), width));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The word for a verdict.
pub(crate) fn word(change: Change) -> &'static str {
    match change {
        Change::Better => "better",
        Change::Worse => "worse",
        Change::Same => "same",
        Change::Unclear => "cannot tell",
    }
}

/// A relative change with its sign: `+5.1 %`.
pub(crate) fn signed(share: f64) -> String {
    let percent = share.abs() * 100.0;
    let digits = if percent >= 99.5 { 0 } else { 1 + usize::from(percent < 0.995) };
    let sign = match format!("{percent:.digits$}") {
        // What is shown as nothing has no direction.
        text if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) => return "0 %".to_owned(),
        _ if share < 0.0 => '−',
        _ => '+',
    };
    format!("{sign}{percent:.digits$} %")
}

/// The ends of a relative interval: `+4.2 to +6.0 %`.
pub(crate) fn signed_interval(ends: Option<[f64; 2]>) -> String {
    let Some([low, high]) = ends else { return NONE.to_owned() };
    format!("{} to {}", signed(low).trim_end_matches(" %"), signed(high))
}

/// A change of a time with its sign: `+5.10 ms`.
pub(crate) fn signed_time(ns: f64) -> String {
    format!("{}{}", if ns < 0.0 { "−" } else { "+" }, DisplayNs(ns.abs()))
}

fn metrics(cell: &CellComparison, style: Style) -> Vec<String> {
    let paired = cell.metrics.first().is_none_or(|one| one.design == Design::Paired);
    let headings = [
        Heading::left("metric"),
        Heading::right("before"),
        Heading::right("after"),
        Heading::right("change"),
        Heading::right("95 % interval"),
        Heading::right("p adj."),
        Heading::right("can see"),
        Heading::right(if paired { "pairs" } else { "n" }),
        Heading::left("verdict"),
    ];
    let row = |one: &MetricComparison| {
        vec![
            plain(&one.metric),
            display_metric(&one.metric, one.baseline_p50),
            display_metric(&one.metric, one.candidate_p50),
            signed(one.change),
            signed_interval(one.change_ci95),
            one.p_adjusted.map_or_else(|| NONE.to_owned(), p_value),
            one.minimum_detectable.map_or_else(|| NONE.to_owned(), |seen| signed(seen).replace('+', "±")),
            one.n.to_string(),
            word(one.verdict).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = cell.metrics.iter().map(row).collect();
    // In a narrow place the p-values go first, then what could have been seen; the JSON has all.
    let (mut headings, mut rows) = (headings.to_vec(), rows);
    for expendable in ["p adj.", "can see", "before"] {
        if natural_width(&headings, &rows) <= style.columns() {
            break;
        }
        if let Some(place) = headings.iter().position(|heading| heading.text == expendable) {
            headings.remove(place);
            rows.iter_mut().for_each(|row| drop(row.remove(place)));
        }
    }
    let mut lines = grid(&headings, &rows, style.columns());
    if let Some(heading) = lines.first_mut() {
        *heading = style.quiet(heading);
    }
    lines
}

fn phases(cell: &CellComparison, style: Style) -> Vec<String> {
    if cell.phases.is_empty() {
        return Vec::new();
    }
    let headings = [
        Heading::left("phase that moved"),
        Heading::right("change"),
        Heading::right("95 % interval"),
        Heading::right("share of the total's"),
    ];
    let rows: Vec<Vec<String>> = cell
        .phases
        .iter()
        .map(|phase| {
            vec![
                plain(&phase.phase),
                signed_time(phase.change_ns),
                phase.change_ci95_ns.map_or_else(
                    || NONE.to_owned(),
                    |[low, high]| format!("{} to {}", signed_time(low), signed_time(high)),
                ),
                phase.share.map_or_else(|| NONE.to_owned(), |share| format!("{:.0} %", share * 100.0)),
            ]
        })
        .collect();
    let mut lines = grid(&headings, &rows, style.columns());
    if let Some(heading) = lines.first_mut() {
        *heading = style.quiet(heading);
    }
    lines
}

/// A p-value with the digits it deserves.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

fn warned(first: &str, text: &str, style: Style) -> Vec<String> {
    paragraph(first, &plain(text), style.columns()).iter().map(|line| style.warning(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!([signed(-1e-9), signed(0.0), signed(1e-9)], ["0 %"; 3]);
        assert_eq!([signed(-0.0213), signed(0.002), signed(2.58)], ["−2.1 %", "+0.20 %", "+258 %"]);
    }
}
