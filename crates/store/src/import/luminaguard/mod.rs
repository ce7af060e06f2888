//! LuminaGuard's performance files: baselines, concurrent agents, chaos summaries.
//!
//! They hold figures and few samples. Figures become claims, verdicts become the claim "met", agents become samples, and
//! every word that says "simulated" becomes a fact.

mod agents;
mod walk;

use super::json::{self, Node};
use super::{ImportError, Importer, Parsed, SourceFile, text, text_factor, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;

pub(super) const IMPORTER: Importer = Importer {
    name: "luminaguard",
    summary: "LuminaGuard metrics: agent_*.json, rust_baseline_*.json, concurrent agents, chaos summaries",
    recognise,
    parse,
};

/// What the names of these files begin with.
const NAMES: [&str; 4] = ["agent_baseline", "rust_baseline", "agent_memory", "agent_cpu"];

fn is_one(file: &SourceFile) -> bool {
    let name = text::base_name(file);
    let has = |keys: &[&str]| text::is_json_with(file, keys);
    (NAMES.iter().any(|start| name.starts_with(start)) && has(&["timestamp"]))
        || has(&["iterations", "meets_target", "std_dev"])
        || has(&["agent_count", "agent_results"])
        || has(&["agent_count", "avg_spawn_time_ms"])
        || (has(&["timestamp"]) && name.contains("chaos"))
        || (has(&["success_rate"]) && (has(&["mttr_ms"]) || name.contains("chaos")))
}

fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(is_one)
}

fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed =
        Parsed { title: "LuminaGuard".to_owned(), tool: Some("luminaguard".to_owned()), ..Parsed::default() };
    for file in files {
        if !is_one(file) {
            parsed.remark(format!("{}: not of this format, left out", file.name));
            continue;
        }
        let value = json::parse(file)?;
        let root = Node::root(&file.name, &value);
        // A file of several tests is a list of what others are one of.
        let tests: Vec<Node<'_>> = match root.value() {
            serde_json::Value::Array(_) => root.items()?.collect(),
            _ => vec![root],
        };
        for test in tests {
            read(file, &test, &mut parsed)?;
        }
    }
    Ok(parsed)
}

fn read(file: &SourceFile, test: &Node<'_>, parsed: &mut Parsed) -> Result<(), ImportError> {
    if let Some(time) = test.text_of("timestamp")?.as_deref().and_then(when::rfc3339) {
        let earlier = parsed.created_at.as_ref().is_none_or(|known| time < *known);
        if earlier {
            parsed.created_at = Some(time);
        }
    }
    if let Some(iterations) = test.get("iterations") {
        parsed.fact("iterations", iterations.count()?.to_string());
    }
    let name = name_of(file);
    if test.get("agent_results").is_some() || test.get("agent_count").is_some() {
        return agents::read(file, test, &name, parsed);
    }
    let factors = Factors::from([("file".to_owned(), text_factor(&name))]);
    let cell = parsed.cell(&file.name, BackendName::Imported, factors)?;
    walk::walk(test, cell, parsed)
}

/// The file's name without the time in it: the same test of another day is the same cell.
fn name_of(file: &SourceFile) -> String {
    let stem = text::stem(file);
    let name = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "-_TZ:.+".contains(c));
    if name.is_empty() { stem.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_no_part_of_the_name() {
        let name = |name: &str| name_of(&SourceFile { name: name.to_owned(), bytes: Vec::new() });
        assert_eq!(name("x/rust_baseline_20260220_101500.json"), "rust_baseline");
        assert_eq!(name("agent_cpu_2026-02-20T10:15:00Z.json"), "agent_cpu");
        assert_eq!(name("2026.json"), "2026");
    }
}
