//! `[[budget]]`: limits that the gate holds, in a plan or in a file of their own.
//!
//! One table is one metric with one or more figures of it; each figure becomes a [`Budget`].

mod bound;
mod grades;
mod when;

use super::findings::{Findings, Place};
use super::tree::{Entry, Raw, parse_document};
use crate::cell::BenchmarkName;
use crate::diagnostic::{Diagnostic, hint_for, quoted};
use crate::factor::Factors;
use crate::gate::{Budget, Figure, Limit};
use bound::{Bound, Holder, Side};

/// The most budgets of a plan or file.
const MAX_BUDGETS: usize = 1_000;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The keys of a `[[budget]]` with what they hold, for the reference and for "did you mean".
pub const BUDGET_KEYS: &[(&str, &str)] = &[
    (
        "metric",
        "The benchmark and the metric, `boot.total_ns`; without the benchmark, for all of them. Must be stated.",
    ),
    ("p50", "A limit for the median: `< 200 ms`, `> 100 MB/s`, or relative: `< +5 %`."),
    ("p90", "The same for the quantile 0.90."),
    ("p95", "The same for the quantile 0.95."),
    ("p99", "The same for the quantile 0.99."),
    ("max", "A limit for the largest value that was seen; never relative."),
    ("failures", "The share of samples that may fail: `< 1 %`; `0 %` allows none."),
    ("than", "The variant that a relative limit is held against; without it the run given with `--against`."),
    ("grades", "Grades from the best to the worst with their bounds: `{ excellent = \"100 ms\", good = \"150 ms\" }`."),
    ("when", "Only cells with these factors: `{ backend = \"runc\", variant = \"new\" }`."),
    ("name", "Its name in results; made from the rest if not stated."),
];

/// Reads a file that holds budgets only.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
pub fn parse_budgets(file_name: &str, text: &str) -> Result<Vec<Budget>, Vec<Diagnostic>> {
    let mut findings = Findings::new(file_name, text);
    let mut budgets = Vec::new();
    for entry in parse_document(text, &mut findings).unwrap_or_default() {
        if entry.key == "budget" {
            budgets = read(&entry, &mut findings);
        } else {
            let message = format!("{} is not a key of a file of budgets", quoted(&entry.key));
            findings.add(&entry.at, &entry.key, message, Some("it holds only [[budget]] tables".to_owned()));
        }
    }
    if findings.is_empty() && budgets.is_empty() {
        let hint = "add [[budget]] with `metric = \"boot.total_ns\"` and `p50 = \"< 200 ms\"`".to_owned();
        findings.add(&Place::Whole, "", "the file holds no budget", Some(hint));
    }
    if findings.is_empty() { Ok(budgets) } else { Err(findings.into_diagnostics()) }
}

/// Reads the tables of `[[budget]]`; what is wrong is in the findings.
pub(super) fn read(entry: &Entry, findings: &mut Findings<'_>) -> Vec<Budget> {
    let Raw::List(tables) = &entry.node.raw else {
        let message = format!("`budget` needs tables, not {}", entry.node.raw.noun());
        findings.add(&entry.node.at, "budget", message, Some("write [[budget]], with two brackets".to_owned()));
        return Vec::new();
    };
    let mut budgets = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let path = format!("budget[{index}]");
        match &table.raw {
            Raw::Section(entries) => budgets.extend(Table { path, at: &table.at, entries }.read(findings)),
            other => {
                let message = format!("`budget` needs tables, not {}", other.noun());
                findings.add(&table.at, &path, message, Some("write [[budget]] and its keys below it".to_owned()));
            }
        }
    }
    if budgets.len() > MAX_BUDGETS {
        let message = format!("there are {} budgets, more than {MAX_BUDGETS}", budgets.len());
        findings.add(&entry.at, "budget", message, Some("use `when` to let one budget hold for many cells".to_owned()));
    }
    budgets
}

/// One `[[budget]]`.
struct Table<'t> {
    path: String,
    at: &'t Place,
    entries: &'t [Entry],
}

impl Table<'_> {
    fn read(&self, findings: &mut Findings<'_>) -> Vec<Budget> {
        for entry in self.entries {
            if !BUDGET_KEYS.iter().any(|(key, _)| *key == entry.key) {
                let hint = hint_for(&entry.key, BUDGET_KEYS.iter().map(|(key, _)| *key));
                let path = self.key(&entry.key);
                findings.add(&entry.at, &path, format!("unknown key {} in [[budget]]", quoted(&entry.key)), Some(hint));
            }
        }
        let Some((benchmark, metric)) = self.metric(findings) else { return Vec::new() };
        let name = self.text("name", findings);
        let than = self.text("than", findings);
        let when = self.when(&benchmark, findings);
        let figures: Vec<(&Entry, Figure)> =
            self.entries.iter().filter_map(|entry| Some((entry, figure(&entry.key)?))).collect();
        if figures.is_empty() {
            let hint = "add a figure and its limit: `p50 = \"< 200 ms\"`".to_owned();
            findings.add(self.at, &self.path, "the budget states no limit", Some(hint));
            return Vec::new();
        }
        let shared = self.entry("grades").map(|entry| (entry, self.grades(&metric, &entry.node, "grades", findings)));
        if let Some((entry, _)) = shared.as_ref().filter(|_| figures.len() > 1) {
            let hint =
                "write them for each figure: `p50 = { excellent = \"< 100 ms\", good = \"< 150 ms\" }`".to_owned();
            findings.add(&entry.at, &self.key("grades"), "`grades` of more than one figure", Some(hint));
        }
        let many = figures.len() > 1;
        let mut budgets = Vec::new();
        for (entry, figure) in figures {
            let Some((bound, own_grades)) = self.limit(&metric, entry, figure, findings) else { continue };
            let mut grades = own_grades;
            if let (true, Some((at, stated))) = (grades.is_empty(), &shared) {
                grades = self.checked_grades(&bound, stated, &at.at, findings);
            }
            let Some(limit) = self.against(&bound, than.as_deref(), entry, findings) else { continue };
            let name = match &name {
                Some(name) if many => format!("{name} {}", entry.key),
                Some(name) => name.clone(),
                None => made_name(&benchmark, &metric, &entry.key, &limit, &when),
            };
            let (benchmark, metric, when) = (benchmark.clone(), metric.clone(), when.clone());
            budgets.push(Budget { name, benchmark, metric, figure, limit, grades, when });
        }
        let relative = budgets.iter().any(|budget| budget.limit.is_relative());
        if let Some(entry) = self.entry("than").filter(|_| !budgets.is_empty() && !relative) {
            let hint = "write a relative limit such as `p50 = \"< +5 %\"`, or remove `than`".to_owned();
            findings.add(&entry.at, &self.key("than"), "`than` is stated, but no limit is relative", Some(hint));
        }
        budgets
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// A text of one line that says something.
    fn text(&self, key: &str, findings: &mut Findings<'_>) -> Option<String> {
        let entry = self.entry(key)?;
        let problem = match &entry.node.raw {
            Raw::Text(text) if text.trim().is_empty() => format!("`{key}` is empty"),
            Raw::Text(text) if text.len() > MAX_NAME_BYTES => format!("`{key}` is longer than {MAX_NAME_BYTES} bytes"),
            Raw::Text(text) if text.chars().any(char::is_control) => format!("`{key}` holds a control character"),
            Raw::Text(text) => return Some(text.trim().to_owned()),
            other => format!("`{key}` needs text, not {}", other.noun()),
        };
        findings.add(&entry.node.at, &self.key(key), problem, Some(format!("write `{key} = \"text\"`")));
        None
    }

    /// Benchmark (empty for all) and metric.
    fn metric(&self, findings: &mut Findings<'_>) -> Option<(String, String)> {
        if self.entry("metric").is_none() {
            let hint = "add `metric = \"boot.total_ns\"`".to_owned();
            findings.add(self.at, &self.path, "the budget does not state `metric`", Some(hint));
            return None;
        }
        let text = self.text("metric", findings)?;
        let at = &self.entry("metric")?.node.at;
        let (benchmark, metric) = text.split_once('.').unwrap_or(("", &text));
        let imported = BenchmarkName::Imported.as_str();
        if !benchmark.is_empty() && benchmark != imported && benchmark.parse::<BenchmarkName>().is_err() {
            let hint = hint_for(benchmark, BenchmarkName::ALL.iter().map(|name| name.as_str()));
            findings.add(at, &self.key("metric"), format!("unknown benchmark {}", quoted(benchmark)), Some(hint));
            return None;
        }
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if metric.is_empty() || !metric.chars().all(sound) || text.starts_with('.') {
            let message = format!("{} is not the name of a metric", quoted(&text));
            let hint = "write benchmark and metric: `boot.total_ns`".to_owned();
            findings.add(at, &self.key("metric"), message, Some(hint));
            return None;
        }
        Some((benchmark.to_owned(), metric.to_owned()))
    }

    /// The limit of a figure: text, or a table of grades of which the last is the limit.
    fn limit(
        &self,
        metric: &str,
        entry: &Entry,
        figure: Figure,
        findings: &mut Findings<'_>,
    ) -> Option<(Bound, Vec<(String, f64)>)> {
        let path = self.key(&entry.key);
        if matches!(entry.node.raw, Raw::Section(_)) && figure != Figure::FailureShare {
            let grades = self.grades(metric, &entry.node, &entry.key, findings)?;
            let last = grades.last()?.1;
            let numbers = self.checked_grades(&last, &Some(grades), &entry.at, findings);
            return Some((last, numbers));
        }
        let Raw::Text(text) = &entry.node.raw else {
            let message = format!("`{}` needs a limit as text, not {}", entry.key, entry.node.raw.noun());
            let hint = format!("write `{} = \"< {}\"`", entry.key, Holder::of(metric, figure).example());
            findings.add(&entry.node.at, &path, message, Some(hint));
            return None;
        };
        match bound::read(&entry.key, Holder::of(metric, figure), text) {
            Ok(bound) => Some((bound, Vec::new())),
            Err((message, hint)) => {
                findings.add(&entry.node.at, &path, message, Some(hint));
                None
            }
        }
    }

    fn against(&self, bound: &Bound, than: Option<&str>, entry: &Entry, findings: &mut Findings<'_>) -> Option<Limit> {
        if bound.relative && entry.key == "max" {
            let hint = "the largest of n values is no property of what is measured; use a quantile".to_owned();
            findings.add(&entry.node.at, &self.key("max"), "`max` cannot be relative", Some(hint));
            return None;
        }
        Some(match (bound.relative, than, bound.side) {
            (true, Some(variant), _) => Limit::AgainstVariant { variant: variant.to_owned(), share: bound.value },
            (true, None, _) => Limit::AgainstRun(bound.value),
            (false, _, Side::Below) => Limit::Ceiling(bound.value),
            (false, _, Side::Above) => Limit::Floor(bound.value),
        })
    }
}

/// The figure that a key names.
fn figure(key: &str) -> Option<Figure> {
    Some(match key {
        "p50" => Figure::Quantile(0.5),
        "p90" => Figure::Quantile(0.9),
        "p95" => Figure::Quantile(0.95),
        "p99" => Figure::Quantile(0.99),
        "max" => Figure::Max,
        "failures" => Figure::FailureShare,
        _ => return None,
    })
}

/// The name of a budget that the user gave none: `boot.total_ns p95 (backend=runc) than base`.
fn made_name(benchmark: &str, metric: &str, figure: &str, limit: &Limit, when: &Factors) -> String {
    let mut name = if benchmark.is_empty() { metric.to_owned() } else { format!("{benchmark}.{metric}") };
    name.push_str(&format!(" {figure}"));
    if !when.is_empty() {
        let list: Vec<String> = when.iter().map(|(key, value)| format!("{key}={value}")).collect();
        name.push_str(&format!(" ({})", list.join(", ")));
    }
    if let Limit::AgainstVariant { variant, .. } = limit {
        name.push_str(&format!(" than {variant}"));
    }
    name
}

#[cfg(test)]
mod tests;
