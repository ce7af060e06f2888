//! The page of trends.

use super::filter::{Choice, boxes, rules};
use super::page::{page, section};
use super::table::{Row, table};
use crate::SCRIPTED;
use crate::escape::{html_escape as e, plain};
use crate::figure::{Paint, trend_figures};
use crate::text::comparison::{signed, signed_interval};
use crate::text::trend::{change_words, circumstances, letter, method, no_change, when};
use crate::value::{NONE, count, interval, metric};
use isodyne_core::sample::Provenance;
use isodyne_core::trend::Trend;

/// So many of the latest runs are listed one by one.
const MOST_RUNS: usize = 500;

/// The page of a metric over runs.
pub fn trend_html(trends: &[&Trend]) -> String {
    let labels: Vec<String> =
        trends.iter().map(|trend| format!("{} on {}", plain(&trend.cell), plain(&trend.host.id))).collect();
    let choices: Vec<Choice<'_>> =
        labels.iter().enumerate().map(|(cell, label)| Choice { cell, series: None, label }).collect();
    let mut names: Vec<String> = trends.iter().map(|trend| plain(&trend.metric)).collect();
    names.dedup();
    let title = format!("{} over time", names.join(", "));
    let mut body = format!(
        "<header>\n<p class=\"overline\">Isodyne · trend</p>\n<h1>{}</h1>\n<p class=\"question\">Did its level change from \
         run to run, when, and by how much?</p>\n<p class=\"answer\">{}</p>\n</header>\n",
        e(&title),
        e(&answer(trends))
    );
    body.push_str(&boxes("trends", &choices));
    let figures = trend_figures(trends, Paint::Themed);
    for (place, trend) in trends.iter().enumerate() {
        body.push_str(&format!("<div class=\"cell-{place}\">\n"));
        match figures.iter().find(|figure| figure.cell == Some(place)) {
            Some(figure) => body.push_str(&section(figure)),
            None => body.push_str(&format!("<h2>{}: no runs</h2>\n", e(&trend.cell))),
        }
        body.push_str(&format!(
            "<p class=\"host\">{}</p>\n{}{}</div>\n",
            e(&circumstances(trend)),
            changes(trend),
            runs(trend)
        ));
    }
    body.push_str(&format!(
        "<section id=\"method\">\n<h2>How changes are found</h2>\n<p>{}</p>\n</section>\n",
        e(&method())
    ));
    page(&title, &rules(&choices), &body)
}

/// One sentence for all trends, the largest change first.
fn answer(trends: &[&Trend]) -> String {
    let scripted = trends.iter().any(|trend| trend.provenance == Some(Provenance::Scripted));
    let scripted = if scripted { format!(" ({SCRIPTED})") } else { String::new() };
    let mut all: Vec<(&Trend, usize)> =
        trends.iter().flat_map(|trend| (0..trend.change_points.len()).map(move |place| (*trend, place))).collect();
    let size =
        |(trend, place): &(&Trend, usize)| trend.change_points[*place].change_ratio.map_or(f64::INFINITY, f64::abs);
    all.sort_by(|one, other| size(other).total_cmp(&size(one)));
    let Some((trend, place)) = all.first() else {
        let few = trends.iter().filter(|trend| trend.points.len() < 6).count() as u64;
        let few = if few > 0 { format!("; {} had too few runs to tell", count(few, "trend")) } else { String::new() };
        return format!("No change of level was found in {}{few}{scripted}.", count(trends.len() as u64, "trend"));
    };
    let change = &trend.change_points[*place];
    let by = change.change_ratio.map_or_else(|| "changed".to_owned(), |ratio| format!("changed by {}", signed(ratio)));
    format!(
        "{} found in {}; at the largest, {} {by} with the run of {}{scripted}.",
        if all.len() == 1 {
            "1 change of level was".to_owned()
        } else {
            format!("{} changes of level were", all.len())
        },
        count(trends.len() as u64, "trend"),
        plain(&trend.cell),
        when(&change.created_at),
    )
}

fn changes(trend: &Trend) -> String {
    if trend.change_points.is_empty() {
        return format!("<p>{}.</p>\n", e(&no_change(trend)));
    }
    let headings = [
        ("", false),
        ("first run", false),
        ("begun", false),
        ("level before", true),
        ("after", true),
        ("change", true),
        ("95 % interval", true),
        ("p", true),
        ("what else changed", false),
    ];
    let show = |value| metric(&trend.metric, value, None);
    let rows: Vec<Row> = trend
        .change_points
        .iter()
        .enumerate()
        .map(|(place, change)| {
            let level = |level: isodyne_core::trend::Level| {
                format!("{}<br><small>{}</small>", show(level.p50), count(level.n, "run"))
            };
            let other: Vec<String> = change.changed.iter().map(|line| e(line)).collect();
            vec![
                format!("<b class=\"warning\" title=\"{}\">{}</b>", e(&change_words(trend, change)), letter(place)),
                format!("<code class=\"id\">{}</code>", e(&change.run_id)),
                e(&when(&change.created_at)),
                level(change.before),
                level(change.after),
                change.change_ratio.map_or_else(|| NONE.to_owned(), |ratio| format!("<b>{}</b>", signed(ratio))),
                signed_interval(change.change_ci95),
                format!("{:.3}", change.p_value),
                if other.is_empty() { NONE.to_owned() } else { other.join("<br>") },
            ]
            .into()
        })
        .collect();
    table(&headings, rows)
}

fn runs(trend: &Trend) -> String {
    let headings =
        [("run", false), ("begun", false), ("n", true), ("median", true), ("95 % interval", true), ("with", false)];
    let latest = trend.points.iter().rev().take(MOST_RUNS);
    let rows: Vec<Row> = latest
        .map(|point| {
            vec![
                format!("<code class=\"id\">{}</code>", e(&point.run_id)),
                e(&when(&point.created_at)),
                point.n.to_string(),
                metric(&trend.metric, point.p50, None),
                interval(&trend.metric, point.ci95, None),
                e(&point.tools.join(", ")),
            ]
            .into()
        })
        .collect();
    let more = trend.points.len().saturating_sub(MOST_RUNS);
    let more = if more > 0 { format!("<p>… and {more} older ones.</p>") } else { String::new() };
    format!(
        "<details><summary>{}, the latest first</summary>{}{more}</details>\n",
        count(trend.points.len() as u64, "run"),
        table(&headings, rows)
    )
}
