//! The result for a pull request: a table, what is missing and why, and details to unfold.

use crate::answer::{answer, meaning};
use crate::command::{again, seed_words};
use crate::escape::{html_escape, plain};
use crate::imported;
use crate::prepared::{Prepared, ShownCell, names_metrics};
use crate::text::notes::{Topic, sentences};
use crate::value::{NONE, median_interval, metric, optional, percent, time};
use crate::{RunView, SCRIPTED};
use isodyne_core::audit::Finding;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::summary::CellStatus;
use std::fmt::Write;

/// How many failures are listed; the report and the raw samples have all.
const MOST_FAILURES: usize = 20;

/// The run as GitHub-flavoured Markdown.
pub fn markdown(view: RunView<'_>) -> String {
    let run = Prepared::new(view);
    let mut out = String::new();
    let _ = writeln!(out, "### Isodyne: {}\n", text(&view.summary.title));
    if run.is_scripted() {
        let _ = writeln!(out, "> **{SCRIPTED}**\n");
    }
    let _ = writeln!(out, "{}\n", text(&answer(&run)));
    for (benchmark, cells) in run.benchmarks() {
        table(&mut out, &run, benchmark, &cells);
    }
    claims(&mut out, &run);
    phases(&mut out, &run);
    for note in sentences(&run).iter().filter(|note| note.topic != Topic::Skipped) {
        let _ = writeln!(out, "- {}", text(&note.text));
    }
    out.push('\n');
    skips(&mut out, &run);
    failures(&mut out, &run);
    details(&mut out, &run);
    out
}

/// What the auditor says of a run or a file, as GitHub-flavoured Markdown.
pub fn audit_markdown(title: &str, findings: &[Finding]) -> String {
    let mut out = format!("### Audit: {}\n\n", text(title));
    if findings.is_empty() {
        out.push_str("No rule found anything.\n");
    }
    for finding in findings {
        let place = code(&crate::text::subject(finding));
        let _ = writeln!(
            out,
            "- **{}** {} {place}: {}",
            finding.weight.as_str(),
            code(&finding.rule),
            text(&finding.message)
        );
        for evidence in &finding.evidence {
            let _ = writeln!(out, "  - {}", text(evidence));
        }
    }
    out
}

fn table(out: &mut String, run: &Prepared<'_>, benchmark: BenchmarkName, cells: &[&ShownCell<'_>]) {
    let step = run.step();
    let _ = writeln!(out, "**{benchmark}**: {}\n", meaning(run, benchmark));
    let named = names_metrics(cells);
    out.push_str(if named { "| cell | metric |" } else { "| cell |" });
    out.push_str(" class | n | p50 | 95 % interval | p90 | p99 | worst | peak memory | failed |\n");
    out.push_str(if named { "|:--|:--|" } else { "|:--|" });
    out.push_str(":--|--:|--:|--:|--:|--:|--:|--:|:--|\n");
    for cell in cells.iter().filter(|cell| cell.summary.status != CellStatus::Skipped) {
        let total = cell.total();
        let memory = cell.summary.metrics.get("peak_memory_bytes");
        let _ = writeln!(
            out,
            "| {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            text(&cell.label),
            if named { format!(" | {}", text(cell.metric)) } else { String::new() },
            if cell.summary.status == CellStatus::Pending { "pending".to_owned() } else { cell.class() },
            cell.summary.samples_valid,
            optional(cell.metric, total.map(|found| found.p50), step),
            total.map_or_else(|| NONE.to_owned(), |found| median_interval(cell.metric, found, step)),
            optional(cell.metric, total.and_then(|found| found.p90), step),
            optional(cell.metric, total.and_then(|found| found.p99), step),
            optional(cell.metric, total.map(|found| found.max), step),
            memory.map_or_else(|| NONE.to_owned(), |found| metric("peak_memory_bytes", found.p50, step)),
            cell.failed(),
        );
    }
    out.push('\n');
}

/// The figures that the files of an import state.
fn claims(out: &mut String, run: &Prepared<'_>) {
    let Some(rows) = imported::claims(run) else { return };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let _ = writeln!(out, "**{}**\n", imported::STATED);
    out.push_str(&line(rows.headings.iter().map(|(heading, _)| (*heading).to_owned()).collect()));
    out.push_str(&line(rows.headings.iter().map(|(_, right)| if *right { "--:" } else { ":--" }.to_owned()).collect()));
    rows.rows.iter().for_each(|row| out.push_str(&line(row.iter().map(|cell| text(cell)).collect())));
    let _ = writeln!(out, "\n{}", rows.rest().unwrap_or_default());
}

fn phases(out: &mut String, run: &Prepared<'_>) {
    if run.with_total().all(|cell| cell.summary.phases.is_empty()) {
        return;
    }
    out.push_str("Where the time goes (median of each phase, residue last):\n\n");
    for cell in run.with_total().filter(|cell| !cell.summary.phases.is_empty()) {
        let sum: f64 = cell.summary.phases.iter().map(|phase| phase.p50_ns).sum();
        let list: Vec<String> = cell
            .summary
            .phases
            .iter()
            .map(|phase| {
                let share = if sum > 0.0 { format!(" ({})", percent(phase.p50_ns / sum)) } else { String::new() };
                format!("{} {}{share}", text(&phase.name), time(phase.p50_ns, run.step()))
            })
            .collect();
        let _ = writeln!(out, "- {}: {}", text(&cell.label), list.join(" · "));
    }
    out.push('\n');
}

fn skips(out: &mut String, run: &Prepared<'_>) {
    if run.skipped().next().is_none() {
        return;
    }
    let _ = writeln!(out, "<details><summary>{} skipped</summary>\n", run.skipped().count());
    for cell in run.skipped() {
        let reason = cell.summary.reason.as_deref().unwrap_or("no reason given");
        let hint = cell.summary.hint.as_deref().map(|hint| format!(" · {}", text(hint))).unwrap_or_default();
        let _ = writeln!(out, "- {}: {}{hint}", text(&cell.label), text(reason));
    }
    out.push_str("\n</details>\n\n");
}

fn failures(out: &mut String, run: &Prepared<'_>) {
    let number: u64 = run.cells.iter().map(ShownCell::failed_count).sum();
    if number == 0 {
        return;
    }
    let _ = writeln!(out, "<details><summary>{number} failed</summary>\n");
    let mut listed = 0;
    let all = run.cells.iter().flat_map(|cell| cell.failures().map(move |(row, failure)| (cell, row, failure)));
    for (cell, row, failure) in all.take(MOST_FAILURES) {
        listed += 1;
        let evidence: Vec<String> = failure.evidence.iter().map(|file| code(file)).collect();
        let evidence = if evidence.is_empty() { String::new() } else { format!(" · {}", evidence.join(", ")) };
        let warmup = if row.warmup { ", warm-up" } else { "" };
        let _ = writeln!(
            out,
            "- {}, sample {}{warmup}: {}: {}{evidence}",
            text(&cell.label),
            row.sequence,
            failure.class,
            code(&failure.message)
        );
    }
    if number > listed {
        let _ = writeln!(out, "- … and {} more, all in the raw samples", number - listed);
    }
    out.push_str("\n</details>\n\n");
}

fn details(out: &mut String, run: &Prepared<'_>) {
    let (record, summary) = (run.view.record, run.view.summary);
    out.push_str("<details><summary>Host, order, how to repeat it</summary>\n\n");
    let _ = writeln!(out, "- host: {}", text(&summary.host));
    let _ = writeln!(
        out,
        "- run {} of {}, Isodyne {}{}",
        code(&record.run_id),
        text(&record.created_at),
        text(&record.isodyne_version),
        seed_words(record)
    );
    let _ = writeln!(out, "- quantiles of type {}; intervals from order statistics", summary.quantile_type);
    let _ = writeln!(out, "- again: {}", code(&again(&run.view)));
    out.push_str("\n</details>\n");
}

/// Foreign text as Markdown text: nothing in it is markup, a mention, or the end of a table's cell.
pub(crate) fn text(foreign: &str) -> String {
    let mut out = String::new();
    let foreign = plain(foreign);
    let mut characters = foreign.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Mentions, references and bare links are found after entities are resolved; an empty comment parts them.
            ':' if characters.peek() != Some(&'/') => out.push(character),
            '@' | '#' | ':' => {
                out.push(character);
                out.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// Foreign text as code: HTML, so that no number of backticks in it can end it.
pub(crate) fn code(foreign: &str) -> String {
    let escaped = html_escape(foreign);
    let mut out = String::from("<code>");
    for character in escaped.chars() {
        match character {
            '`' | '*' | '_' | '[' | ']' | '|' | '~' | '@' | '\\' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push_str("</code>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(text("a|b @team <b> `x` [l](u)"), r"a\|b @<!-- -->team &lt;b&gt; \`x\` \[l\](u)");
        assert_eq!(code("`a`|@b<"), "<code>&#96;a&#96;&#124;&#64;b&lt;</code>");
    }
}
