//! `isodyne list`: benchmarks and backends with their keys, ready plans, runs.

use crate::arguments::{ListOptions, Listed};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::cell::{BackendName, BenchmarkName};
use isodyne_core::plan::Plan;
use isodyne_core::plan::key::Key;
use isodyne_core::plan::table::{backend_keys, benchmark_keys};
use isodyne_core::summary::{CellStatus, summarise};
use isodyne_report::{ListedRun, Style, list_table, runs_table};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Lists.
pub fn list(options: &ListOptions, output: &Output) -> Result<Exit, Trouble> {
    let style = Style { color: output.color(), width: output.width() };
    let (name, value, text) = match options.what {
        Listed::Benchmarks => {
            let named = BenchmarkName::ALL.iter().map(|name| (name.as_str(), benchmark_keys(*name)));
            keys("benchmark", named.collect(), style)
        }
        Listed::Backends => {
            let named = BackendName::ALL.iter().map(|name| (name.as_str(), backend_keys(*name)));
            keys("backend", named.collect(), style)
        }
        Listed::Plans => plans(style),
        Listed::Runs => runs(style),
    };
    if options.json {
        return output.json(&json!({ "schema": "isodyne-list", "version": 1, name: value }));
    }
    output.data(&text)
}

fn keys(what: &'static str, named: Vec<(&'static str, &'static [Key])>, style: Style) -> (&'static str, Value, String) {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (name, keys) in named {
        let described: Vec<Value> = keys
            .iter()
            .map(
                |key| json!({ "key": key.name, "kind": value_of(key), "default": key.default.words(), "doc": key.doc }),
            )
            .collect();
        values.push(json!({ "name": name, "keys": described }));
        if keys.is_empty() {
            rows.push(vec![name.to_owned(), String::new(), String::new(), String::new(), String::new()]);
        }
        for (index, key) in keys.iter().enumerate() {
            let first = if index == 0 { name } else { "" };
            rows.push([first, key.name, &value_of(key), &key.default.words(), key.doc].map(str::to_owned).to_vec());
        }
    }
    let text = list_table(&[what, "key", "value", "default", "meaning"], &rows, style);
    (if what == "benchmark" { "benchmarks" } else { "backends" }, Value::Array(values), text)
}

/// What may be written: the range or the words where there are such, else the kind.
fn value_of(key: &Key) -> String {
    key.kind.range().unwrap_or_else(|| key.kind.noun().to_owned())
}

/// Ready plans lie in `plans/` of the working directory or beside the program's installation.
fn plans(style: Style) -> (&'static str, Value, String) {
    let mut found: Vec<(String, String)> = plan_directories()
        .iter()
        .flat_map(|directory| files_of(directory))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.display().to_string();
            let title = std::fs::read_to_string(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| Plan::parse(&name, &text, &[]).map_err(|_| "invalid: see isodyne check".to_owned()))
                .map_or_else(|wrong| wrong, |plan| plan.title);
            (name, title)
        })
        .collect();
    found.sort();
    let value = found.iter().map(|(file, title)| json!({ "file": file, "title": title })).collect();
    let rows: Vec<Vec<String>> = found.into_iter().map(|(file, title)| vec![file, title]).collect();
    let text =
        if rows.is_empty() { "  no plans here\n".to_owned() } else { list_table(&["plan", "title"], &rows, style) };
    ("plans", value, text)
}

fn plan_directories() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("share/isodyne/plans")));
    std::iter::once(PathBuf::from("plans")).chain(beside).collect()
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn runs(style: Style) -> (&'static str, Value, String) {
    let mut found: Vec<ListedRun> = files_of(&paths::runs())
        .iter()
        .filter_map(|path| {
            let contents = isodyne_store::read_columns(path).ok()?;
            let summary = summarise(&contents.record, &contents.columns);
            let count = |status| summary.cells.iter().filter(|cell| cell.status == status).count() as u64;
            Some(ListedRun {
                location: path.display().to_string(),
                title: contents.record.plan.title.clone(),
                created_at: contents.record.created_at.clone(),
                complete: contents.record.ended.is_some(),
                measured: count(CellStatus::Measured),
                failed: count(CellStatus::Failed),
                skipped: count(CellStatus::Skipped),
            })
        })
        .collect();
    found.sort_by(|a, b| a.created_at.cmp(&b.created_at));
    let value = found
        .iter()
        .map(|run| {
            json!({
                "location": run.location, "title": run.title, "created_at": run.created_at, "complete": run.complete,
                "measured": run.measured, "failed": run.failed, "skipped": run.skipped,
            })
        })
        .collect();
    ("runs", value, runs_table(&found, style))
}
