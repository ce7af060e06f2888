//! `when`: the cells that a budget is for, by their factors.

use super::Table;
use crate::cell::{BackendName, BenchmarkName};
use crate::diagnostic::{hint_for, quoted};
use crate::factor::{FactorValue, Factors};
use crate::plan::app;
use crate::plan::findings::Findings;
use crate::plan::key::Key;
use crate::plan::table::{PLAN_KEYS, backend_keys, benchmark_keys};
use crate::plan::tree::{Entry, Raw};
use crate::plan::value;

impl Table<'_> {
    /// The factors of `when`, each read as its key of a benchmark or backend would be.
    pub(super) fn when(&self, benchmark: &str, findings: &mut Findings<'_>) -> Factors {
        let Some(entry) = self.entry("when") else { return Factors::new() };
        let path = self.key("when");
        let Raw::Section(entries) = &entry.node.raw else {
            let message = format!("`when` needs factors, not {}", entry.node.raw.noun());
            let hint = "write `when = { backend = \"runc\" }`".to_owned();
            findings.add(&entry.node.at, &path, message, Some(hint));
            return Factors::new();
        };
        let text = |name: &str| entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node.raw);
        let backend = match text("backend") {
            Some(Raw::Text(name)) => name.parse::<BackendName>().ok(),
            _ => None,
        };
        let known = known_keys(benchmark, backend);
        let mut factors = Factors::new();
        for entry in entries {
            let path = format!("{path}.{}", entry.key);
            if let "backend" | "variant" = entry.key.as_str() {
                factors.extend(named(entry, &path, findings).map(|value| (entry.key.clone(), value)));
                continue;
            }
            let of_app = app::key_of(&entry.key);
            let candidates: Vec<&Key> =
                known.iter().copied().filter(|key| key.name == entry.key).chain(of_app).collect();
            let Some(key) = candidates.first() else {
                let names = known.iter().map(|key| key.name).chain(["backend", "variant"]);
                let hint = hint_for(&entry.key, names.collect::<std::collections::BTreeSet<_>>());
                findings.add(&entry.at, &path, format!("unknown factor {}", quoted(&entry.key)), Some(hint));
                continue;
            };
            // The same key holds the same kind of value on all backends that have it.
            if matches!(entry.node.raw, Raw::List(_)) && key.factor {
                let hint = "write one [[budget]] for each value".to_owned();
                findings.add(&entry.node.at, &path, "`when` takes one value, not a list", Some(hint));
                continue;
            }
            let values = value::read(key, &path, &entry.node, findings).unwrap_or_default();
            factors.extend(values.into_iter().next().map(|(value, _)| (entry.key.clone(), value)));
        }
        factors
    }
}

fn named(entry: &Entry, path: &str, findings: &mut Findings<'_>) -> Option<FactorValue> {
    let Raw::Text(text) = &entry.node.raw else {
        let message = format!("`{}` needs text, not {}", entry.key, entry.node.raw.noun());
        findings.add(&entry.node.at, path, message, Some(format!("write `{} = \"name\"`", entry.key)));
        return None;
    };
    let known = || BackendName::ALL.iter().map(|name| name.as_str()).chain([BackendName::Imported.as_str()]);
    if entry.key == "backend" && !known().any(|name| name == text) {
        let hint = hint_for(text, known());
        findings.add(&entry.node.at, path, format!("unknown backend {}", quoted(text)), Some(hint));
        return None;
    }
    Some(FactorValue::Text(text.clone()))
}

/// The keys that can be factors of a cell; those of the backend that is named first.
fn known_keys(benchmark: &str, backend: Option<BackendName>) -> Vec<&'static Key> {
    let benchmarks = BenchmarkName::ALL.iter().filter(|name| benchmark.is_empty() || name.as_str() == benchmark);
    let backends = BackendName::ALL.iter().filter(|name| backend.is_none_or(|backend| backend == **name));
    let keys = backends.flat_map(|name| backend_keys(*name)).chain(benchmarks.flat_map(|name| benchmark_keys(*name)));
    keys.filter(|key| key.name != "on" && !PLAN_KEYS.iter().any(|top| top.name == key.name)).collect()
}
