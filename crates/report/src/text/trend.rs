//! Trends for people: a small chart, and each change of level in words.

use super::{Style, paragraph};
use crate::SCRIPTED;
use crate::escape::plain;
use crate::value::{count, interval, metric};
use isodyne_core::sample::Provenance;
use isodyne_core::stats::Sorted;
use isodyne_core::trend::divisive::SIGNIFICANCE;
use isodyne_core::trend::{ChangePoint, Trend};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What marks the first run of a new level below the chart.
const MARK: char = '↑';
/// The date and the time in an RFC 3339 text.
const MINUTES: usize = 16;

/// Each trend: what it is, its chart, its range, its changes.
pub fn trend_text(trends: &[&Trend], style: Style) -> String {
    let width = style.columns();
    let mut lines = Vec::new();
    for trend in trends {
        let title = format!("{} of {}", plain(&trend.metric), plain(&trend.cell));
        lines.extend(paragraph("", &title, width).iter().map(|line| style.strong(line)));
        lines.extend(paragraph("  ", &circumstances(trend), width).iter().map(|line| style.quiet(line)));
        let (chart, marks, per_column) = chart(trend, width - 4);
        lines.push(format!("    {chart}"));
        if !marks.trim().is_empty() {
            lines.push(style.warning(&format!("    {}", marks.trim_end())));
        }
        lines.extend(paragraph("  ", &range(trend, per_column), width));
        for change in &trend.change_points {
            let color = change.change_ratio.is_some_and(|ratio| ratio.abs() >= 0.01);
            for line in paragraph("  ", &change_words(trend, change), width) {
                lines.push(if color { style.warning(&line) } else { line });
            }
        }
        if trend.change_points.is_empty() {
            lines.extend(paragraph("  ", &no_change(trend), width));
        }
        lines.push(String::new());
    }
    lines.extend(paragraph("  ", &method(), width).iter().map(|line| style.quiet(line)));
    lines.push(String::new());
    lines.join("\n")
}

/// The same for a pull request.
pub fn trend_markdown(trends: &[&Trend]) -> String {
    let escaped = |text: &str| plain(text).replace('|', "\\|").replace('`', "'").replace('<', "&lt;");
    let mut text = String::from("| metric | cell | host | runs | latest p50 | trend | changes |\n");
    text.push_str("| --- | --- | --- | ---: | ---: | --- | --- |\n");
    for trend in trends {
        let latest = trend.points.last().map(|point| metric(&trend.metric, point.p50, None)).unwrap_or_default();
        let changes: Vec<String> = trend.change_points.iter().map(|change| change_words(trend, change)).collect();
        let changes = if changes.is_empty() { no_change(trend) } else { changes.join("<br>") };
        text.push_str(&format!(
            "| {} | `{}` | `{}` | {} | {latest} | {} | {} |\n",
            escaped(&trend.metric),
            escaped(&trend.cell),
            escaped(&trend.host.id),
            trend.points.len(),
            chart(trend, 40).0,
            changes.split("<br>").map(escaped).collect::<Vec<_>>().join("<br>"),
        ));
    }
    text.push_str(&format!("\n{}\n", method()));
    text
}

pub(crate) fn circumstances(trend: &Trend) -> String {
    let mut parts = vec![format!("host {}: {}", plain(&trend.host.id), plain(&trend.host.line))];
    parts.extend(trend.accuracy.map(|accuracy| format!("accuracy {accuracy}")));
    match trend.provenance {
        Some(Provenance::Scripted) => parts.push(SCRIPTED.to_owned()),
        Some(Provenance::Measured) | None => {}
        Some(other) => parts.push(other.to_string()),
    }
    parts.join(" · ")
}

/// One character a run, or the median of as many runs as it takes to fit; the marks below; runs in a character.
fn chart(trend: &Trend, width: usize) -> (String, String, usize) {
    let values: Vec<f64> = trend.points.iter().map(|point| point.p50).collect();
    let per_column = values.len().div_ceil(width.max(1)).max(1);
    let columns: Vec<f64> =
        values.chunks(per_column).filter_map(|part| Sorted::new(part.iter().copied())?.quantile(0.5)).collect();
    let low = columns.iter().copied().fold(f64::INFINITY, f64::min);
    let high = columns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        BARS[((share * BARS.len() as f64) as usize).min(BARS.len() - 1)]
    };
    let mut marks = vec![' '; columns.len()];
    for change in &trend.change_points {
        if let Some(mark) = marks.get_mut(change.index / per_column) {
            *mark = MARK;
        }
    }
    (columns.iter().map(bar).collect(), marks.into_iter().collect(), per_column)
}

fn range(trend: &Trend, per_column: usize) -> String {
    let (Some(first), Some(last)) = (trend.points.first(), trend.points.last()) else { return "no runs".to_owned() };
    let show = |value: f64| metric(&trend.metric, value, None);
    let low = trend.points.iter().map(|point| point.p50).fold(f64::INFINITY, f64::min);
    let high = trend.points.iter().map(|point| point.p50).fold(f64::NEG_INFINITY, f64::max);
    let within = match last.ci95 {
        Some(ends) => format!(" (95 %: {})", interval(&trend.metric, Some(ends), None)),
        None => String::new(),
    };
    let columns = if per_column > 1 { format!(", {per_column} in each column") } else { String::new() };
    format!(
        "{}{columns}, {} to {}; medians from {} to {}; latest {}{within}, run {}",
        count(trend.points.len() as u64, "run"),
        when(&first.created_at),
        when(&last.created_at),
        show(low),
        show(high),
        show(last.p50),
        plain(&last.run_id),
    )
}

/// One change as a sentence.
pub(crate) fn change_words(trend: &Trend, change: &ChangePoint) -> String {
    let show = |value: f64| metric(&trend.metric, value, None);
    let signed = |ratio: f64| format!("{:+.1} %", ratio * 100.0);
    let size = match (change.change_ratio, change.change_ci95) {
        (Some(ratio), Some([low, high])) => format!("{} (95 %: {} to {})", signed(ratio), signed(low), signed(high)),
        (Some(ratio), None) => format!("{} (too few runs for an interval)", signed(ratio)),
        (None, _) => "changed".to_owned(),
    };
    let changed = if change.changed.is_empty() {
        String::new()
    } else {
        format!("; also {}", change.changed.iter().map(|line| plain(line)).collect::<Vec<_>>().join("; "))
    };
    format!(
        "{} with run {} ({}): {size}, from {} over {} to {} over {}, p = {:.3}{changed}",
        when(&change.created_at),
        plain(&change.run_id),
        format_args!("the {} of {}", ordinal(change.index + 1), trend.points.len()),
        show(change.before.p50),
        count(change.before.n, "run"),
        show(change.after.p50),
        count(change.after.n, "run"),
        change.p_value,
    )
}

pub(crate) fn no_change(trend: &Trend) -> String {
    match trend.points.len() {
        0..=5 => "too few runs to tell a change: 6 are the least".to_owned(),
        6..=9 => "no change of level is found; with so few runs only a clear one would be".to_owned(),
        _ => "no change of level is found".to_owned(),
    }
}

pub(crate) fn method() -> String {
    format!(
        "Changes of level: E-divisive means on the runs' medians, permutation test at {} %; a series without any change \
         shows one that often. Intervals are as if the place had been known.",
        SIGNIFICANCE * 100.0
    )
}

/// `1st`, `2nd`, `13th`.
fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The letter of a change, by its place: `A`, … `Z`, `A2`, …
pub(crate) fn letter(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    if place < 26 { letter.to_string() } else { format!("{letter}{}", place / 26 + 1) }
}

pub(crate) fn when(time: &str) -> String {
    plain(&time.chars().take(MINUTES).collect::<String>()).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::sample::Accuracy;
    use isodyne_core::trend::{Point, TrendHost};

    fn trend(runs: usize, step_at: usize) -> Trend {
        let point = |index: usize| Point {
            run_id: format!("{index:08x}"),
            created_at: format!("2026-11-{:02}T04:12:33Z", index % 28 + 1),
            isodyne_version: "0.1.0".into(),
            p50: 1e6 + (index * 7 % 5) as f64 * 2e3 + if index >= step_at { 2e5 } else { 0.0 },
            ci95: Some([0.99e6, 1.21e6]),
            n: 20,
            tools: vec![if index >= step_at { "runc 1.2.0" } else { "runc 1.1.5" }.into()],
        };
        let host = TrendHost { id: "ce1e6a1d485744a2".into(), line: "Debian 12, 2 × Xeon".into() };
        let kind = (Some(Accuracy::Container), Some(Provenance::Measured));
        Trend::of("total_ns", "boot/runc", host, kind, (0..runs).map(point).collect())
    }

    #[test]
    fn a_change_is_told_in_80_columns() {
        let text = trend_text(&[&trend(14, 8)], Style { color: false, width: 80 });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn many_runs_fit_and_few_say_so() {
        let text = trend_text(&[&trend(500, 250), &trend(4, 9)], Style { color: false, width: 60 });
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains("9 in each column") && text.contains("too few runs"), "{text}");
    }

    #[test]
    fn markdown_cannot_be_broken_out_of() {
        let mut hostile = trend(14, 8);
        hostile.cell = "boot/x`|<script>\u{1b}".into();
        let text = trend_markdown(&[&hostile]);
        assert!(!text.contains("<script") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(text.lines().nth(2).map(|line| line.replace("\\|", "").matches('|').count()), Some(8), "{text}");
    }

    #[test]
    fn ordinals() {
        let all: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].into_iter().map(ordinal).collect();
        assert_eq!(all.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th");
    }
}
