//! The report: one file that opens offline and reads from top to bottom like a short paper.
//!
//! No script, no request: a content security policy in the page forbids both, whatever a guest may have written.

mod comparison;
mod evidence;
mod filter;
mod findings;
mod host;
mod kept;
mod page;
mod table;
mod trend;

pub use comparison::comparison_html;
pub use trend::trend_html;

use crate::answer::{answer, question};
use crate::command::{again, has_one_order, quote, seed_text};
use crate::comparison::{Pairs, of_variants};
use crate::escape::{html_escape as e, html_sentences};
use crate::figure::{Paint, draw};
use crate::prepared::Prepared;
use crate::text::notes::{Topic, Weight, sentences};
use crate::{RunView, SCRIPTED};
use filter::Choice;

/// The report of a run.
pub fn html(view: RunView<'_>) -> String {
    let run = Prepared::new(view);
    let with_samples = run.cells.iter().filter(|cell| cell.has_samples());
    let choices: Vec<Choice<'_>> =
        with_samples.map(|cell| Choice { cell: cell.series, series: Some(cell.series), label: &cell.label }).collect();
    let mut body = head(&run);
    body.push_str(&filter::boxes("cells", &choices));
    body.push_str(&table::results(&run));
    body.push_str(&kept::section(&run));
    body.push_str(&remarks(&run));
    if let Some(comparison) = of_variants(&run) {
        body.push_str(&comparison::variants(&Pairs::of_run(&run, &comparison)));
    }
    for figure in &draw(&run, Paint::Themed) {
        body.push_str(&page::section(figure));
    }
    body.push_str(&findings::section(run.findings(), "", "What the auditor says", |id| {
        let shown = run.cells.iter().find(|cell| cell.summary.cell.id == *id);
        shown.map_or_else(
            || (id.to_string(), None),
            |cell| (cell.label.clone(), cell.has_samples().then_some(cell.series)),
        )
    }));
    body.push_str(&evidence::failures(&run));
    body.push_str(&evidence::skips(&run));
    body.push_str(&evidence::contamination(&run));
    body.push_str(&table::all_metrics(&run));
    body.push_str(&host::signals(&run));
    body.push_str(&host::host(&run));
    body.push_str(&host::tools(&run));
    body.push_str(&repeat(&run));
    page::page(&view.summary.title, &filter::rules(&choices), &body)
}

fn head(run: &Prepared<'_>) -> String {
    let (record, summary) = (run.view.record, run.view.summary);
    let mut out = format!(
        "<header>\n<p class=\"overline\">Isodyne {} · {} · run {}</p>\n<h1>{}</h1>\n<p class=\"host\">{}</p>\n",
        e(&record.isodyne_version),
        e(&readable_time(&record.created_at)),
        e(&record.run_id),
        e(&summary.title),
        e(&summary.host),
    );
    if run.is_scripted() {
        out.push_str(&format!(r#"<p class="scripted">{SCRIPTED}</p>"#));
    }
    if !summary.complete {
        out.push_str(r#"<p class="banner">Unfinished: this run has not ended. The figures are of what is there.</p>"#);
    }
    out.push_str(&format!(
        "<p class=\"question\">{}</p>\n<p class=\"answer\">{}</p>\n</header>\n",
        html_sentences(&question(run)),
        html_sentences(&answer(run))
    ));
    out
}

/// A wall-clock time without the letters of RFC 3339; as it was written if it cannot be read.
fn readable_time(stamp: &str) -> String {
    stamp
        .parse::<jiff::Timestamp>()
        .map_or_else(|_| stamp.to_owned(), |time| time.strftime("%-d %B %Y, %H:%M UTC").to_string())
}

fn remarks(run: &Prepared<'_>) -> String {
    let items: String = sentences(run)
        .iter()
        // These have sections of their own here.
        .filter(|note| !matches!(note.topic, Topic::Skipped | Topic::Signals | Topic::Finding))
        .map(|note| {
            let class = match note.weight {
                Weight::Note => "note",
                Weight::Warning => "warning",
                Weight::Bad => "bad",
            };
            format!("<li class=\"{class}\">{}</li>\n", e(&note.text))
        })
        .collect();
    let missing = run.view.streams.iter().flat_map(|streams| &streams.notes);
    let items = missing.fold(items, |items, note| format!("{items}<li class=\"warning\">{}</li>\n", e(note)));
    if items.is_empty() { items } else { format!("<ul class=\"remarks\">\n{items}</ul>\n") }
}

fn repeat(run: &Prepared<'_>) -> String {
    let record = run.view.record;
    let program = "isodyne";
    let how = if has_one_order(record) {
        format!("The same cells in the same order (seed {}):", seed_text(record.seed))
    } else {
        "The command that made this run of what was there:".to_owned()
    };
    let location = run.view.location.unwrap_or("RUN");
    let shown = quote(&crate::escape::plain(location));
    format!(
        "<section id=\"repeat\">\n<h2>How to repeat it</h2>\n<p>{}</p>\n<pre>{}</pre>\n\
         <p>The same figures again, from the raw samples of this run:</p>\n<pre>{program} show {shown}\n{program} show {shown} --csv\n{program} report {shown}</pre>\n\
         <details><summary>The plan as resolved</summary><pre>{}</pre></details>\n</section>\n",
        how,
        e(&again(&run.view)),
        plan(run),
        shown = e(&shown),
    )
}

fn plan(run: &Prepared<'_>) -> String {
    match serde_json::to_string_pretty(&run.view.record.plan) {
        // Line by line, for the escape makes one line of what it is given.
        Ok(text) => text
            .lines()
            .map(|line| {
                let indent = line.len() - line.trim_start().len();
                format!("{:indent$}{}", "", e(line))
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => e(&format!("the plan cannot be shown: {error}")),
    }
}
