//! `isodyne trend`: a metric over all runs that are kept, and where its level changed.

use super::history::{nothing, trouble};
use super::report::{write, write_figures};
use crate::arguments::TrendOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::trend::{TREND_SCHEMA, TREND_VERSION, Trend};
use isodyne_engine::host::HostFacts;
use isodyne_report::{Style, trend_figure_files, trend_html, trend_markdown, trend_text};
use isodyne_store::history::History;
use serde_json::json;

/// Shows trends.
pub fn trend(options: &TrendOptions, output: &Output) -> Result<Exit, Trouble> {
    let path = paths::history();
    let history = History::open_if_there(&path).map_err(trouble)?.ok_or_else(|| nothing(&path))?;
    let this = (options.host == "this").then(|| HostFacts::gather().fingerprint.id());
    let host = match options.host.as_str() {
        "all" => None,
        "this" => this.as_deref(),
        id => Some(id),
    };
    let trends = history.trends(&options.metric, &options.cell, host).map_err(trouble)?;
    if trends.is_empty() {
        return Err(nothing_found(&history, options, host)?);
    }
    let refs: Vec<&Trend> = trends.iter().collect();
    if let Some(file) = &options.html {
        write(file, trend_html(&refs).as_bytes())?;
        output.say(&format!("report  {}", file.display()));
    }
    if let Some(directory) = &options.figures {
        let figures = trend_figure_files(&refs).map_err(Trouble::unexpected)?;
        write_figures(directory, &figures, output)?;
    }
    if options.json {
        return output.json(&json!({ "schema": TREND_SCHEMA, "version": TREND_VERSION, "trends": trends }));
    }
    let style = Style { color: output.color(), width: output.width() };
    output.data(&if options.markdown { trend_markdown(&refs) } else { trend_text(&refs, style) })
}

/// What there would have been.
fn nothing_found(history: &History, options: &TrendOptions, host: Option<&str>) -> Result<Trouble, Trouble> {
    let metrics = history.metrics().map_err(trouble)?;
    let elsewhere = history.trends(&options.metric, &options.cell, None).map_err(trouble)?;
    let on = host.map(|host| format!(" on host {}", host.escape_debug())).unwrap_or_default();
    let of =
        format!("no run of `{}` in the history has `{}`", options.cell.escape_debug(), options.metric.escape_debug());
    let hint = if !elsewhere.is_empty() {
        let mut hosts: Vec<String> = elsewhere.iter().map(|trend| trend.host.id.escape_debug().to_string()).collect();
        hosts.sort();
        hosts.dedup();
        format!("other hosts have ({}): --host ID, or --host all", hosts.join(", "))
    } else if metrics.contains(&options.metric) {
        "--cell takes a pattern such as 'boot/qemu*'; `isodyne show RUN` prints the cells of a run".to_owned()
    } else if metrics.is_empty() {
        "`isodyne history add RUN…` adds runs".to_owned()
    } else {
        let few: Vec<String> = metrics.iter().take(12).map(|metric| metric.escape_debug().to_string()).collect();
        format!("it has {}", few.join(", "))
    };
    Ok(Trouble::usage(format!("{of}{on}"), hint))
}
