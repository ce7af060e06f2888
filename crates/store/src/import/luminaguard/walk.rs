//! Figures wherever they stand in a value: by key path.

use crate::import::json::Node;
use crate::import::units::{named, plain};
use crate::import::{ImportError, Parsed};
use isodyne_core::imported::Statistic;
use serde_json::Value;

/// What keys of figures mean.
const FIGURES: &[(&str, Statistic)] = &[
    ("median", Statistic::Median),
    ("p50", Statistic::Median),
    ("mean", Statistic::Mean),
    ("avg", Statistic::Mean),
    ("p90", Statistic::Quantile(0.9)),
    ("p95", Statistic::Quantile(0.95)),
    ("p99", Statistic::Quantile(0.99)),
    ("min", Statistic::Min),
    ("max", Statistic::Max),
    ("std_dev", Statistic::Stddev),
    ("stddev", Statistic::Stddev),
];
/// Words that say that a value was not measured.
const MARKERS: [&str; 6] = ["simulat", "synthetic", "mock", "placeholder", "dummy", "fake"];

/// Makes claims and facts of everything in a value. Its depth is limited by the parser.
pub(super) fn walk(node: &Node<'_>, cell: usize, parsed: &mut Parsed) -> Result<(), ImportError> {
    let n = node.get("iterations").and_then(|count| count.count().ok());
    visit(node, "", cell, n, parsed)
}

/// `name` is what the value is about: its nearest key that is no figure.
fn visit(node: &Node<'_>, name: &str, cell: usize, n: Option<u64>, parsed: &mut Parsed) -> Result<(), ImportError> {
    match node.value() {
        Value::Object(_) => {
            for (key, child) in node.entries()? {
                mark(key, &child, parsed);
                let figure = FIGURES.iter().find(|(known, _)| *known == key).map(|(_, statistic)| *statistic);
                match (figure, child.value()) {
                    (Some(statistic), Value::Number(_)) => claim(&child, name, statistic, cell, n, parsed)?,
                    (_, Value::Bool(met)) if key.contains("meets_target") || key == "passed" || key == "pass" => {
                        let metric = metric(name, parsed, child.path())
                            .map_or_else(|| "target_count".to_owned(), |found| found.0);
                        parsed.claim(cell, &metric, Statistic::Met, f64::from(u8::from(*met)), n, child.path());
                    }
                    (_, Value::Bool(_)) if name.contains("meets_target") => {
                        visit_flag(&child, key, cell, n, parsed)?;
                    }
                    _ => visit(&child, key, cell, n, parsed)?,
                }
            }
            Ok(())
        }
        Value::Array(_) => node.items()?.try_for_each(|child| visit(&child, name, cell, n, parsed)),
        Value::Number(_) => match name {
            "iterations" | "warmup_iterations" => Ok(()),
            _ => claim(node, name, Statistic::Value, cell, n, parsed),
        },
        _ => Ok(()),
    }
}

fn visit_flag(node: &Node<'_>, key: &str, cell: usize, n: Option<u64>, parsed: &mut Parsed) -> Result<(), ImportError> {
    let metric = metric(key, parsed, node.path()).map_or_else(|| "target_count".to_owned(), |found| found.0);
    parsed.claim(cell, &metric, Statistic::Met, f64::from(u8::from(node.flag()?)), n, node.path());
    Ok(())
}

fn claim(
    node: &Node<'_>,
    name: &str,
    statistic: Statistic,
    cell: usize,
    n: Option<u64>,
    parsed: &mut Parsed,
) -> Result<(), ImportError> {
    let value = node.number()?;
    let counted = match name {
        "successful" | "succeeded" | "success_count" | "passed" => Some(Statistic::Succeeded),
        "failed" | "failures" | "failure_count" => Some(Statistic::Failed),
        _ => None,
    };
    if let Some(counted) = counted.filter(|_| statistic == Statistic::Value) {
        parsed.claim(cell, "tests_count", counted, value, n, node.path());
    } else if let Some((metric, factor)) = metric(name, parsed, node.path()) {
        parsed.claim(cell, &metric, statistic, value * factor, n, node.path());
    }
    Ok(())
}

/// The metric of a name, and the factor; a name without a unit counts something.
fn metric(name: &str, parsed: &mut Parsed, path: &str) -> Option<(String, f64)> {
    if let Some(rate) = name.strip_suffix("_rate").and_then(plain) {
        parsed.remark(format!("`{path}` was read as a percentage"));
        return Some((format!("{rate}_ratio"), 0.01));
    }
    if let Some(found) = named(name) {
        if name.to_ascii_lowercase().ends_with("_mb") {
            parsed.remark("MB was read as 10^6 bytes, as it is written");
        }
        return Some((found.metric, found.factor));
    }
    let name = plain(name)?;
    parsed.remark(format!("`{path}` has no unit: it was read as a count"));
    Some((format!("{name}_count"), 1.0))
}

/// Notes a key or text that says that something is not real.
pub(super) fn mark(key: &str, node: &Node<'_>, parsed: &mut Parsed) {
    let lower = key.to_ascii_lowercase();
    let text = node.value().as_str().unwrap_or_default();
    let said = text.to_ascii_lowercase();
    let is_marker = |text: &str| MARKERS.iter().any(|marker| text.contains(marker));
    if is_marker(&said) {
        parsed.fact("simulated", format!("{}: {}", node.path(), text.chars().take(120).collect::<String>()));
    } else if is_marker(&lower) && !matches!(node.value(), Value::Bool(false) | Value::Null) {
        parsed.fact("simulated", node.path());
    }
}
