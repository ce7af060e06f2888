//! Comparisons: the page of two runs, and the section of a run with variants.

use super::filter::{Choice, boxes, rules};
use super::findings;
use super::page::{page, section};
use super::readable_time;
use super::table::{Row, table};
use crate::answer::verdicts;
use crate::comparison::{ComparisonView, Pair, Pairs};
use crate::escape::{html_escape as e, html_sentences};
use crate::figure::{Paint, draw_pairs};
use crate::findings::Findings;
use crate::text::comparison::{p_value, signed, signed_interval, signed_time, word};
use crate::value::{NONE, count, metric, percent};
use crate::{RunView, SCRIPTED};
use isodyne_core::compare::{Change, Design, MetricComparison};

/// The page of two runs that were compared.
pub fn comparison_html(view: &ComparisonView<'_>) -> String {
    let found = [view.baseline, view.candidate].map(|run| Findings::of(run.record, run.columns, run.runner));
    let pairs = Pairs::of_runs(view, [&found[0], &found[1]]);
    let choices: Vec<Choice<'_>> =
        pairs.pairs.iter().map(|pair| Choice { cell: pair.cell, series: None, label: &pair.label }).collect();
    let mut body = format!(
        "<header>\n<p class=\"overline\">Isodyne · comparison of two runs</p>\n<h1>{} → {}</h1>\n",
        e(&view.baseline.summary.title),
        e(&view.candidate.summary.title)
    );
    for (role, run) in [("baseline", view.baseline), ("candidate", view.candidate)] {
        body.push_str(&who(role, run));
    }
    if pairs.scripted {
        body.push_str(&format!(r#"<p class="scripted">{SCRIPTED}</p>"#));
    }
    body.push_str(&format!(
        "<p class=\"question\">What changed from the baseline to the candidate, by how much, and how sure is \
         that?</p>\n<p class=\"answer\">{}</p>\n</header>\n",
        html_sentences(&verdicts(&pairs))
    ));
    body.push_str(&boxes("cells", &choices));
    body.push_str(&tables(&pairs, ["baseline-", "candidate-"]));
    for figure in draw_pairs(&pairs, Paint::Themed) {
        body.push_str(&section(&figure));
    }
    let name = |id: &isodyne_core::cell::CellId| {
        let pair = pairs.pairs.iter().find(|pair| pair.found.candidate == *id || pair.found.baseline == *id);
        pair.map_or_else(|| (id.to_string(), None), |pair| (pair.label.clone(), Some(pair.cell)))
    };
    for ((findings, role), prefix) in found.iter().zip(["baseline", "candidate"]).zip(["baseline-", "candidate-"]) {
        body.push_str(&findings::section(findings, prefix, &format!("What the auditor says of the {role}"), name));
    }
    body.push_str(&method(&pairs));
    let title = format!("{} → {}", view.baseline.summary.title, view.candidate.summary.title);
    page(&title, &rules(&choices), &body)
}

fn who(role: &str, run: RunView<'_>) -> String {
    let location = run.location.map_or_else(String::new, |location| format!(" · {location}"));
    let text = format!(
        "{role}: run {} of {}{location} · {}",
        run.record.run_id,
        readable_time(&run.record.created_at),
        run.summary.host
    );
    format!("<p class=\"host\">{}</p>\n", e(&text))
}

/// The section of a run's own variants.
pub(super) fn variants(pairs: &Pairs<'_>) -> String {
    let mut out = format!(
        "<section id=\"comparison\">\n<h2>Variants, against {}</h2>\n<p class=\"answer\">{}</p>\n{}{}</section>\n",
        e(&pairs.comparison.baseline),
        html_sentences(&verdicts(pairs)),
        tables(pairs, ["", ""]),
        method(pairs)
    );
    for figure in draw_pairs(pairs, Paint::Themed) {
        out.push_str(&section(&figure));
    }
    out
}

fn method(pairs: &Pairs<'_>) -> String {
    // One margin is for all metrics.
    let margin = pairs.pairs.iter().find_map(Pair::headline).map(|one| one.margin);
    let paired = pairs.pairs.iter().filter_map(Pair::headline).any(|one| one.design == Design::Paired);
    let design = if paired {
        "Pairs are samples of one round, in random order: drift of the host cancels. Estimates and intervals are Hodges and \
         Lehmann's by signed ranks"
    } else {
        "The runs were not interleaved: drift of the host between them is part of the difference. Estimates and intervals \
         are Hodges and Lehmann's by rank sums"
    };
    format!(
        "<p class=\"host\">{design}, on logarithms where all values are positive. p-values are corrected for all metrics and \
         cells (Benjamini and Hochberg). “Can see” is the change that would have been found in 9 of 10 cases. “Same” means \
         that the whole interval lies within the margin{}.</p>\n",
        margin.map_or_else(String::new, |margin| format!(" of {}", percent(margin)))
    )
}

fn tables(pairs: &Pairs<'_>, prefixes: [&str; 2]) -> String {
    let mut out = String::new();
    for warning in &pairs.comparison.warnings {
        out.push_str(&format!("<p class=\"warning\">▲ {}</p>\n", e(warning)));
    }
    for pair in &pairs.pairs {
        out.push_str(&one(pairs, pair, prefixes));
    }
    if !pairs.comparison.unmatched.is_empty() {
        let list: String = pairs.comparison.unmatched.iter().map(|text| format!("<li>{}</li>\n", e(text))).collect();
        out.push_str(&format!("<h3>Not compared</h3>\n<ul class=\"remarks\">\n{list}</ul>\n"));
    }
    out
}

/// The tables of a pair of cells.
fn one(pairs: &Pairs<'_>, pair: &Pair<'_>, prefixes: [&str; 2]) -> String {
    let headings = [
        ("metric", false),
        ("before", true),
        ("after", true),
        ("effect", true),
        ("95 % interval", true),
        ("p adjusted", true),
        ("can see", true),
        ("n", true),
        ("verdict", false),
    ];
    let mut rows: Vec<Row> = pair.found.metrics.iter().map(|one| row(pairs, pair, one, prefixes).into()).collect();
    let mut out = format!(
        "<div class=\"pair cell-{}\">\n<h3>{}</h3>\n<p class=\"host\"><code>{}</code></p>\n<p>{}</p>\n",
        pair.cell,
        e(&pair.label),
        e(pair.found.candidate.as_str()),
        // Parts are joined by semicolons, and there may be one for each metric.
        pair.found.words.split("; ").map(e).collect::<Vec<_>>().join("; ")
    );
    for reason in &pair.found.incomparable {
        out.push_str(&format!("<p class=\"bad\">✕ not comparable: {}</p>\n", e(reason)));
    }
    // The headline stands open, the rest is folded where there is much of it.
    let rest = rows.split_off(rows.len().min(1));
    out.push_str(&table(&headings, rows));
    if !rest.is_empty() {
        let further = count(rest.len() as u64, "further metric");
        out.push_str(&format!("<details><summary>{further}</summary>{}</details>\n", table(&headings, rest)));
    }
    if !pair.found.phases.is_empty() {
        let headings =
            [("phase that moved", false), ("change", true), ("95 % interval", true), ("share of the total's", true)];
        let rows: Vec<Row> = pair
            .found
            .phases
            .iter()
            .map(|phase| {
                let ends = phase.change_ci95_ns.map_or_else(
                    || NONE.to_owned(),
                    |[low, high]| format!("{} to {}", signed_time(low), signed_time(high)),
                );
                let share = phase.share.map_or_else(|| NONE.to_owned(), |share| format!("{:.0} %", share * 100.0));
                vec![e(&phase.phase), signed_time(phase.change_ns), ends, share].into()
            })
            .collect();
        out.push_str(&table(&headings, rows));
    }
    out.push_str("</div>\n");
    out
}

fn row(pairs: &Pairs<'_>, pair: &Pair<'_>, one: &MetricComparison, prefixes: [&str; 2]) -> Vec<String> {
    let ids = [&pair.found.baseline, &pair.found.candidate];
    let value = |side: usize, value: f64| {
        let void = pair.sides[side].findings.is_void(ids[side], &one.metric);
        let marks = findings::marks(pair.sides[side].findings, prefixes[side], ids[side], &one.metric);
        format!("{}{marks}", findings::number(void, metric(&one.metric, value, pairs.step)))
    };
    let void = pair.is_void(&one.metric);
    vec![
        e(&one.metric),
        value(0, one.baseline_p50),
        value(1, one.candidate_p50),
        findings::number(void, format!("<b>{}</b>", signed(one.change))),
        findings::number(void, signed_interval(one.change_ci95)),
        one.p_adjusted.map_or_else(|| NONE.to_owned(), |p| e(&p_value(p))),
        one.minimum_detectable.map_or_else(|| NONE.to_owned(), |seen| signed(seen).replace('+', "±")),
        one.n.to_string(),
        verdict(one.verdict),
    ]
}

/// A verdict as word, shape and colour.
fn verdict(change: Change) -> String {
    let (shape, class) = match change {
        Change::Better => ("✓", "good"),
        Change::Worse => ("▲", "bad"),
        Change::Same => ("=", "same"),
        Change::Unclear => ("?", "unclear"),
    };
    format!("<span class=\"verdict {class}\">{shape} {}</span>", word(change))
}
