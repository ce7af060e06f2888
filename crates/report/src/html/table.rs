//! The tables of figures.

use super::findings;
use super::page::class as class_of;
use crate::answer::meaning;
use crate::escape::html_escape as e;
use crate::imported;
use crate::prepared::{Prepared, ShownCell, names_metrics};
use crate::value::{BELOW, NONE, count, median_interval, metric, optional};
use isodyne_core::summary::CellStatus;

/// The metric of the column of memory.
const MEMORY: &str = "peak_memory_bytes";

/// A row: HTML of each column, escaped where it was made.
pub(super) struct Row {
    columns: Vec<String>,
    /// The place of the cell with which it is hidden.
    cell: Option<usize>,
}

impl Row {
    /// A row that belongs to a cell.
    pub fn of(cell: &ShownCell<'_>, columns: Vec<String>) -> Self {
        Self { columns, cell: cell.has_samples().then_some(cell.series) }
    }
}

impl From<Vec<String>> for Row {
    fn from(columns: Vec<String>) -> Self {
        Self { columns, cell: None }
    }
}

/// A table within a frame that scrolls where the window is narrow.
pub(super) fn table(headings: &[(&str, bool)], rows: impl IntoIterator<Item = impl Into<Row>>) -> String {
    let class = |right: bool| if right { " class=\"r\"" } else { "" };
    let mut out = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for (heading, right) in headings {
        out.push_str(&format!("<th{}>{}</th>", class(*right), e(heading)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows.into_iter().map(Into::<Row>::into) {
        out.push_str(&format!("<tr{}>", class_of(row.cell)));
        for (cell, (_, right)) in row.columns.iter().zip(headings) {
            // The longest thing that stands in place of a number may break into two lines.
            let cell = if cell == BELOW { "<small>below resolution</small>" } else { cell };
            out.push_str(&format!("<td{}>{cell}</td>", class(*right)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// The headline table of each benchmark, every cell in it.
pub(super) fn results(run: &Prepared<'_>) -> String {
    let mut out = String::new();
    for (benchmark, cells) in run.benchmarks() {
        let mut headings = vec![
            ("cell", false),
            ("class", false),
            ("n", true),
            ("p50", true),
            ("95 % interval", true),
            ("p90", true),
            ("p99", true),
            ("worst", true),
            ("peak memory", true),
            ("failed", false),
        ];
        let mut rows: Vec<Vec<String>> = cells.iter().map(|cell| row(run, cell)).collect();
        if names_metrics(&cells) {
            headings.insert(1, ("metric", false));
            rows.iter_mut().zip(&cells).for_each(|(row, cell)| row.insert(1, e(cell.metric)));
        }
        let rows = rows.into_iter().zip(&cells).map(|(columns, cell)| Row::of(cell, columns));
        out.push_str(&format!(
            "<section id=\"result-{benchmark}\">\n<h2>{benchmark}: {}</h2>\n{}</section>\n",
            e(meaning(run, benchmark)),
            table(&headings, rows)
        ));
    }
    if let Some(rows) = imported::claims(run) {
        let cells: Vec<Vec<String>> = rows.rows.iter().map(|row| row.iter().map(|cell| e(cell)).collect()).collect();
        let rest = rows.rest().map(|rest| format!("<p>{}</p>", e(&rest))).unwrap_or_default();
        out.push_str(&format!(
            "<section>\n<h2>{}</h2>\n{}{rest}</section>\n",
            imported::STATED,
            table(&rows.headings, cells)
        ));
    }
    out
}

fn row(run: &Prepared<'_>, cell: &ShownCell<'_>) -> Vec<String> {
    let (step, id) = (run.step(), &cell.summary.cell.id);
    let (void, memory_void) = (run.is_void(cell), run.findings().is_void(id, MEMORY));
    let number = |shown: String| findings::number(void, shown);
    let marks = findings::marks(run.findings(), "", id, cell.metric);
    let total = cell.total();
    let memory = cell.summary.metrics.get(MEMORY);
    let class = match cell.summary.status {
        CellStatus::Skipped => "<span class=\"tag\">skipped</span>".to_owned(),
        CellStatus::Pending => "<span class=\"tag\">pending</span>".to_owned(),
        CellStatus::Failed => format!("<span class=\"tag bad\">failed</span> {}", e(&cell.class())),
        CellStatus::Measured if cell.is_scripted() => "<span class=\"tag warning\">scripted</span>".to_owned(),
        CellStatus::Measured => e(&cell.class()),
    };
    let name = if !cell.has_samples() {
        e(&cell.label)
    } else {
        format!("<i class=\"swatch s{}\"></i>{}", cell.series % 8, e(&cell.label))
    };
    let reason = cell.summary.reason.as_deref().map(|reason| format!("<br><small>{}</small>", e(reason)));
    let failed = if cell.summary.samples_failed.is_empty() {
        if matches!(cell.summary.status, CellStatus::Skipped | CellStatus::Pending) { NONE } else { "0" }.to_owned()
    } else {
        format!("<span class=\"bad\">{}</span>", e(&cell.failed()))
    };
    vec![
        format!("<span title=\"{}\">{name}</span>{}", e(cell.summary.cell.id.as_str()), reason.unwrap_or_default()),
        class,
        if !cell.has_samples() { NONE.to_owned() } else { cell.summary.samples_valid.to_string() },
        total.map_or_else(
            || NONE.to_owned(),
            |found| format!("{}{marks}", number(format!("<b>{}</b>", metric(cell.metric, found.p50, step)))),
        ),
        total.map_or_else(|| NONE.to_owned(), |found| number(median_interval(cell.metric, found, step))),
        number(optional(cell.metric, total.and_then(|found| found.p90), step)),
        number(optional(cell.metric, total.and_then(|found| found.p99), step)),
        number(optional(cell.metric, total.map(|found| found.max), step)),
        memory.map_or_else(
            || NONE.to_owned(),
            |found| {
                let marks = findings::marks(run.findings(), "", id, MEMORY);
                format!("{}{marks}", findings::number(memory_void, metric(MEMORY, found.p50, step)))
            },
        ),
        failed,
    ]
}

/// Every metric of every cell, folded.
pub(super) fn all_metrics(run: &Prepared<'_>) -> String {
    let step = run.step();
    let headings = [
        ("metric", false),
        ("n", true),
        ("least", true),
        ("p50", true),
        ("95 % interval", true),
        ("p90", true),
        ("p95", true),
        ("p99", true),
        ("worst", true),
        ("mean", true),
        ("std. dev.", true),
    ];
    let mut out = String::new();
    for cell in run.cells.iter().filter(|cell| !cell.summary.metrics.is_empty()) {
        let rows: Vec<Vec<String>> = cell
            .summary
            .metrics
            .iter()
            .map(|(name, found)| {
                let id = &cell.summary.cell.id;
                let void = run.findings().is_void(id, name);
                let marks = findings::marks(run.findings(), "", id, name);
                let number = |shown: String| findings::number(void, shown);
                let show = |value: f64| number(metric(name, value, step));
                vec![
                    format!("{}{marks}", e(name)),
                    found.n.to_string(),
                    show(found.min),
                    show(found.p50),
                    number(median_interval(name, found, step)),
                    number(optional(name, found.p90, step)),
                    number(optional(name, found.p95, step)),
                    number(optional(name, found.p99, step)),
                    show(found.max),
                    show(found.mean),
                    number(optional(name, found.stddev, step)),
                ]
            })
            .collect();
        let factors: Vec<String> =
            cell.summary.cell.factors.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        out.push_str(&format!(
            "<details{}><summary>{}{}: {}</summary><p class=\"host\"><code>{}</code> {}</p>{}</details>\n",
            class_of(cell.has_samples().then_some(cell.series)),
            e(&cell.label),
            if cell.is_scripted() { " (scripted)" } else { "" },
            count(cell.summary.metrics.len() as u64, "metric"),
            e(cell.summary.cell.id.as_str()),
            e(&factors.join(", ")),
            table(&headings, rows)
        ));
    }
    if out.is_empty() {
        return out;
    }
    format!(
        "<section id=\"metrics\">\n<h2>All metrics</h2>\n<p>Over the valid samples of each cell. Quantiles are of type {} \
         (Hyndman and Fan); the interval is for the median, of at least 95 %, from order statistics; the standard deviation \
         is the sample's (n − 1). A dash stands where n cannot carry the figure.</p>\n{out}</section>\n",
        run.view.summary.quantile_type
    )
}
