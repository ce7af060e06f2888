//! Keys and sections that are not known: what was probably meant, and where that belongs.

use super::app::APP_KEYS;
use super::findings::Findings;
use super::key::Key;
use super::table::{LATER, PLAN_KEYS, backend_keys, benchmark_keys};
use super::tree::{Entry, Raw};
use crate::cell::{BackendName, BenchmarkName};
use crate::diagnostic::{did_you_mean, quoted};

/// Reports an unknown key within a section.
pub(super) fn key(entry: &Entry, section: &str, keys: &[Key], findings: &mut Findings<'_>) {
    let path = format!("{section}.{}", entry.key);
    let message = format!("unknown key {} in [{section}]", quoted(&entry.key));
    let hint = did_you_mean(&entry.key, keys.iter().map(|key| key.name))
        .map(|meant| format!("did you mean `{meant}`?"))
        .or_else(|| elsewhere(&entry.key))
        .unwrap_or_else(|| match keys {
            [] => format!("[{section}] has no keys in this version"),
            _ => format!("known: {}", keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
        });
    findings.add(&entry.at, &path, message, Some(hint));
}

/// Reports an unknown key or section at the top of a plan.
pub(super) fn top(entry: &Entry, findings: &mut Findings<'_>) {
    let name = entry.key.as_str();
    if let Some((_, what)) = LATER.iter().find(|(later, _)| *later == name) {
        let message = format!("`{name}` is not in this version: {what} comes later");
        findings.add(&entry.at, name, message, Some("remove it for now".to_owned()));
        return;
    }
    let is_section = match &entry.node.raw {
        Raw::Section(_) => true,
        Raw::List(items) => items.iter().any(|item| matches!(item.raw, Raw::Section(_))),
        _ => false,
    };
    let message = if is_section {
        format!("unknown section {}", quoted(&format!("[{name}]")))
    } else {
        format!("unknown key {} at the top of the plan", quoted(name))
    };
    let sections = BenchmarkName::ALL
        .iter()
        .map(|name| name.as_str())
        .chain(["backend", "app", "variant", "stop", "quick", "build", "budget"]);
    let keys = PLAN_KEYS.iter().map(|key| key.name);
    let known: Vec<&str> = if is_section { sections.collect() } else { keys.chain(sections).collect() };
    let hint = if let Ok(backend) = name.parse::<BackendName>() {
        format!("did you mean [backend.{backend}]?")
    } else if let Some(meant) = did_you_mean(name, known.iter().copied()) {
        if is_section { format!("did you mean [{meant}]?") } else { format!("did you mean `{meant}`?") }
    } else {
        elsewhere(name).unwrap_or_else(|| format!("known: {}", known.join(", ")))
    };
    findings.add(&entry.at, name, message, Some(hint));
}

/// The hint for a key that another section has.
fn elsewhere(name: &str) -> Option<String> {
    if let Some(meant) = did_you_mean(name, PLAN_KEYS.iter().map(|key| key.name)) {
        let home = "it belongs at the top of the plan, above all sections";
        return Some(if meant == name { home.to_owned() } else { format!("did you mean `{meant}`? {home}") });
    }
    let benchmarks = BenchmarkName::ALL.iter().map(|name| (name.as_str().to_owned(), benchmark_keys(*name)));
    let backends = BackendName::ALL.iter().map(|name| (format!("backend.{name}"), backend_keys(*name)));
    let app = ("app".to_owned(), APP_KEYS);
    let sections: Vec<(String, &[Key])> = benchmarks.chain(backends).chain([app]).collect();
    let keys = sections.iter().flat_map(|(_, keys)| keys.iter().map(|key| key.name));
    let meant = did_you_mean(name, keys)?;
    let has = |keys: &[Key]| keys.iter().any(|key| key.name == meant);
    let homes: Vec<&str> = sections.iter().filter(|(_, keys)| has(keys)).map(|(section, _)| section.as_str()).collect();
    let home = match homes.as_slice() {
        [home] => format!("[{home}]"),
        [home, rest @ ..] => format!("[{home}] (or {})", rest.join(", ")),
        [] => return None,
    };
    Some(if meant == name { format!("it belongs in {home}") } else { format!("did you mean `{meant}` of {home}?") })
}
