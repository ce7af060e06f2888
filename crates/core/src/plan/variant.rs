//! `[[variant]]`: other values for some keys, measured beside what the plan states elsewhere.
//!
//! A variant names keys by their paths (`"backend.qemu.cmdline" = "+quiet"`), and each value is checked by the table of
//! the key it stands for.

use super::app::{APP_KEYS, factor_name};
use super::build::{Build, check_reference};
use super::findings::{Findings, Place};
use super::key::{Key, Kind};
use super::table::{CONFLICTS, PLAN_KEYS, backend_keys, benchmark_keys};
use super::tree::{Entry, Node, Raw};
use super::{Plan, Variant, unknown, value};
use crate::cell::{BackendName, BenchmarkName};
use crate::diagnostic::{did_you_mean, hint_for, quoted};
use crate::factor::{FactorValue, Factors};
use std::collections::BTreeMap;

/// The name of what the plan states outside its variants.
pub const BASE: &str = "base";
/// The longest name of a variant, in characters.
pub const MAX_NAME: usize = 40;
/// The most variants of a plan.
const MAX_VARIANTS: usize = 1_000;
/// The deepest that a key's path goes: `backend.qemu.cmdline`.
const PATH_DEPTH: usize = 3;
const EXAMPLE: &str = "set = { \"backend.qemu.cmdline\" = \"+quiet\" }";

/// What a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    Backend(BackendName),
    Benchmark(BenchmarkName),
    App,
}

/// One value of a variant as stated.
#[derive(Debug)]
struct StatedValue {
    home: Home,
    key: &'static Key,
    value: FactorValue,
    at: Place,
}

/// A variant as stated.
#[derive(Debug)]
pub(super) struct StatedVariant {
    name: String,
    values: Vec<StatedValue>,
}

/// Whether a text can name a variant: 1 to 40 of letters, digits, spaces and `._+-`, no space at its ends.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ._+-".contains(&byte);
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed) && text.trim() == text
}

/// Checks all variants of a plan.
pub(super) fn check(entry: &Entry, findings: &mut Findings<'_>) -> Vec<StatedVariant> {
    let Some(sections) = sections(entry, "variant", findings) else { return Vec::new() };
    if sections.len() > MAX_VARIANTS {
        let message = format!("the plan has {} variants, more than {MAX_VARIANTS}", sections.len());
        findings.add(&entry.at, "variant", message, None);
        return Vec::new();
    }
    let mut variants: Vec<StatedVariant> = Vec::new();
    for (at, entries) in sections {
        let Some(name) = name(at, entries, findings) else { continue };
        if variants.iter().any(|known| known.name == name) {
            let message = format!("there are two variants {}", quoted(&name));
            findings.add(at, "variant.name", message, Some("give each a name of its own".to_owned()));
            continue;
        }
        let values = values(at, entries, findings);
        variants.push(StatedVariant { name, values });
    }
    variants
}

/// The sections of `[[key]]`, each with its place; an error if something else stands there.
pub(super) fn sections<'t>(
    entry: &'t Entry,
    key: &str,
    findings: &mut Findings<'_>,
) -> Option<Vec<(&'t Place, &'t [Entry])>> {
    let section = |node: &'t Node| match &node.raw {
        Raw::Section(entries) => Some((&node.at, entries.as_slice())),
        _ => None,
    };
    let found = match &entry.node.raw {
        Raw::List(items) => items.iter().map(section).collect(),
        _ => None,
    };
    if found.is_none() {
        let message = format!("`{key}` needs [[{key}]] sections, not {}", entry.node.raw.noun());
        findings.add(&entry.at, key, message, Some(format!("write [[{key}]] and its keys below it")));
    }
    found
}

fn name(at: &Place, entries: &[Entry], findings: &mut Findings<'_>) -> Option<String> {
    for entry in entries.iter().filter(|entry| entry.key != "name" && entry.key != "set") {
        let hint = match did_you_mean(&entry.key, ["name", "set"]) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known: name, set; keys of the plan stand in `{EXAMPLE}`"),
        };
        let message = format!("unknown key {} in [[variant]]", quoted(&entry.key));
        findings.add(&entry.at, &format!("variant.{}", entry.key), message, Some(hint));
    }
    let Some(entry) = entries.iter().find(|entry| entry.key == "name") else {
        findings.add(at, "variant.name", "the variant has no `name`", Some("add `name = \"quiet\"`".to_owned()));
        return None;
    };
    let (Raw::Text(text) | Raw::Word(text)) = &entry.node.raw else {
        let message = format!("`name` needs text, not {}", entry.node.raw.noun());
        findings.add(&entry.node.at, "variant.name", message, Some("write `name = \"quiet\"`".to_owned()));
        return None;
    };
    if text == BASE {
        let hint = "it is the name of what the plan states outside its variants: choose another".to_owned();
        findings.add(&entry.node.at, "variant.name", format!("no variant can be named `{BASE}`"), Some(hint));
        return None;
    }
    if !is_name(text) {
        let message = format!("{} cannot be the name of a variant", quoted(text));
        let hint = format!("1 to {MAX_NAME} of letters, digits, spaces within, and `.`, `_`, `+`, `-`");
        findings.add(&entry.node.at, "variant.name", message, Some(hint));
        return None;
    }
    Some(text.clone())
}

fn values(at: &Place, entries: &[Entry], findings: &mut Findings<'_>) -> Vec<StatedValue> {
    let set = entries.iter().find(|entry| entry.key == "set");
    let paths = match set.map(|entry| &entry.node.raw) {
        Some(Raw::Section(set)) => flattened("", set, 1),
        Some(other) => {
            let message = format!("`set` needs keys with values, not {}", other.noun());
            findings.add(
                set.map_or(at, |set| &set.node.at),
                "variant.set",
                message,
                Some(format!("write `{EXAMPLE}`")),
            );
            return Vec::new();
        }
        None => Vec::new(),
    };
    if paths.is_empty() {
        let at = set.map_or(at, |set| &set.node.at);
        findings.add(at, "variant.set", "the variant changes nothing", Some(format!("add `{EXAMPLE}`")));
    }
    let mut values: Vec<StatedValue> = Vec::new();
    for (path, entry) in paths {
        let Some(value) = read(&path, entry, findings) else { continue };
        let same = |known: &&mut StatedValue| known.home == value.home && known.key.name == value.key.name;
        match values.iter_mut().find(same) {
            None => values.push(value),
            // As everywhere, an argument wins over the file and a later one over an earlier one.
            Some(known) if matches!(value.at, Place::Argument(_)) => *known = value,
            Some(_) => {
                let hint = Some("remove one of them".to_owned());
                findings.add(&entry.at, &path, format!("the variant sets `{path}` twice"), hint);
            }
        }
    }
    values
}

/// The keys of `set` by their whole paths: written in quotes (`"boot.timeout"`), bare (`boot.timeout`), or nested.
fn flattened<'t>(prefix: &str, entries: &'t [Entry], depth: usize) -> Vec<(String, &'t Entry)> {
    let one = |entry: &'t Entry| {
        let path = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        match &entry.node.raw {
            // A condition is one value that looks like a section.
            Raw::Section(inner) if depth < PATH_DEPTH && path != "app.ready" => flattened(&path, inner, depth + 1),
            _ => vec![(path, entry)],
        }
    };
    entries.iter().flat_map(one).collect()
}

/// Finds the key of a path and reads its value.
fn read(path: &str, entry: &Entry, findings: &mut Findings<'_>) -> Option<StatedValue> {
    let parts: Vec<&str> = path.split('.').map(str::trim).collect();
    let (home, name) = match parts.as_slice() {
        ["backend", backend, name] => match backend.parse() {
            Ok(backend) => (Home::Backend(backend), *name),
            Err(_) => {
                let known = BackendName::ALL.iter().map(|name| name.as_str());
                let message = format!("unknown backend {}", quoted(backend));
                findings.add(&entry.at, path, message, Some(hint_for(backend, known)));
                return None;
            }
        },
        ["app", name] => (Home::App, *name),
        [benchmark, name] if benchmark.parse::<BenchmarkName>().is_ok() => {
            (Home::Benchmark(benchmark.parse().ok()?), *name)
        }
        _ => {
            let (message, hint) = if PLAN_KEYS.iter().any(|key| key.name == path) {
                (format!("a variant cannot change `{path}`"), "it holds for the whole plan".to_owned())
            } else {
                let hint = format!("name a key of a benchmark or a backend by its path: `{EXAMPLE}`");
                (format!("{} is not the path of a key", quoted(path)), hint)
            };
            findings.add(&entry.at, path, message, Some(hint));
            return None;
        }
    };
    let (section, keys) = match home {
        Home::Backend(backend) => (format!("backend.{backend}"), backend_keys(backend)),
        Home::Benchmark(benchmark) => (benchmark.to_string(), benchmark_keys(benchmark)),
        Home::App => ("app".to_owned(), APP_KEYS),
    };
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let last = Entry { key: name.to_owned(), at: entry.at.clone(), node: entry.node.clone() };
        unknown::key(&last, &section, keys, findings);
        return None;
    };
    if key.kind == Kind::Backends {
        let hint = "its cells run where those of the plan do".to_owned();
        findings.add(&entry.at, path, format!("a variant cannot change `{path}`"), Some(hint));
        return None;
    }
    let value = read_value(key, path, &entry.node, findings)?;
    Some(StatedValue { home, key, value, at: entry.at.clone() })
}

/// One value; for a text, `+more` adds to what the plan states.
fn read_value(key: &'static Key, path: &str, node: &Node, findings: &mut Findings<'_>) -> Option<FactorValue> {
    let one = Key { factor: false, ..*key };
    if let (Raw::Text(text) | Raw::Word(text), Kind::Text) = (&node.raw, key.kind)
        && let Some(added) = text.strip_prefix('+')
    {
        let added = Node { raw: Raw::Text(added.to_owned()), at: node.at.clone() };
        let read = value::read(&one, path, &added, findings)?;
        let (value, _) = read.into_iter().next()?;
        return Some(FactorValue::Text(format!("+{}", value.as_text()?)));
    }
    value::read(&one, path, node, findings)?.into_iter().next().map(|(value, _)| value)
}

/// The value of a key in a variant's cell, from what the plan states there.
pub(super) fn applied(key: &Key, stated: Option<&FactorValue>, variant: &FactorValue) -> FactorValue {
    let added = if key.kind == Kind::Text { variant.as_text().and_then(|text| text.strip_prefix('+')) } else { None };
    match (added, stated.and_then(FactorValue::as_text).filter(|text| !text.is_empty())) {
        (None, _) => variant.clone(),
        (Some(added), None) => FactorValue::Text(added.trim_start_matches(',').to_owned()),
        // `cpu = "+,+svm"` goes on with a list of features; words of a command line stand apart.
        (Some(added), Some(stated)) if added.starts_with(',') => FactorValue::Text(format!("{stated}{added}")),
        (Some(added), Some(stated)) => FactorValue::Text(format!("{stated} {added}")),
    }
}

impl Variant {
    /// Whether the variant changes anything of a benchmark on a backend.
    pub fn touches(&self, benchmark: BenchmarkName, backend: BackendName) -> bool {
        self.backends.contains_key(&backend)
            || self.benchmarks.contains_key(&benchmark)
            || benchmark.takes_app() && !self.app.is_empty()
    }
}

/// Refuses values for what the plan does not measure; what an argument has put aside is left out.
pub(super) fn check_use(
    variants: &mut Vec<StatedVariant>,
    measured: &[(BenchmarkName, Vec<BackendName>)],
    has_app: bool,
    narrowed: bool,
    findings: &mut Findings<'_>,
) {
    let used = |home: Home| match home {
        Home::Backend(backend) => measured.iter().any(|(_, on)| on.contains(&backend)),
        Home::Benchmark(benchmark) => measured.iter().any(|(name, _)| *name == benchmark),
        Home::App => has_app,
    };
    for variant in variants.iter_mut() {
        for value in variant.values.iter().filter(|value| !used(value.home)) {
            if narrowed && !matches!(value.at, Place::Argument(_)) {
                continue;
            }
            let (path, what, hint) = match value.home {
                Home::Backend(backend) => (
                    format!("backend.{backend}.{}", value.key.name),
                    format!("no benchmark runs on `{backend}`"),
                    format!("add \"{backend}\" to `on`, or remove the key"),
                ),
                Home::Benchmark(benchmark) => (
                    format!("{benchmark}.{}", value.key.name),
                    format!("the plan does not measure `{benchmark}`"),
                    format!("add [{benchmark}], or remove the key"),
                ),
                Home::App => (
                    format!("app.{}", value.key.name),
                    "the plan has no [app]".to_owned(),
                    "add [app], or remove the key".to_owned(),
                ),
            };
            let message = format!("variant `{}` sets `{path}`, but {what}", variant.name);
            findings.add(&value.at, &path, message, Some(hint));
        }
        variant.values.retain(|value| used(value.home));
    }
    variants.retain(|variant| !variant.values.is_empty());
}

/// Finds values of variants that cannot stand in one cell with what the plan states.
pub(super) fn check_conflicts(variants: &[StatedVariant], plan: &Plan, findings: &mut Findings<'_>) {
    for (variant, conflict) in variants.iter().flat_map(|variant| CONFLICTS.iter().map(move |c| (variant, c))) {
        let own = |name: &str| {
            let of = |value: &&StatedValue| value.home == Home::Backend(conflict.backend) && value.key.name == name;
            variant.values.iter().find(of)
        };
        let has = |(name, word): (&str, &str)| match own(name) {
            Some(value) => value.value.as_text() == Some(word),
            None => match plan.backends.get(&conflict.backend).and_then(|stated| stated.get(name)) {
                Some(values) => values.iter().any(|value| value.as_text() == Some(word)),
                None => {
                    let key = backend_keys(conflict.backend).iter().find(|key| key.name == name);
                    key.and_then(|key| key.default.value()).is_some_and(|value| value.as_text() == Some(word))
                }
            },
        };
        let Some(value) = own(conflict.one.0).or_else(|| own(conflict.other.0)) else { continue };
        if has(conflict.one) && has(conflict.other) {
            let ((one, one_word), (other, other_word)) = (conflict.one, conflict.other);
            let message = format!(
                "in variant `{}`, `{one} = \"{one_word}\"` and `{other} = \"{other_word}\"` cannot be together: {}",
                variant.name, conflict.reason
            );
            let path = format!("backend.{}.{}", conflict.backend, value.key.name);
            findings.add(&value.at, &path, message, Some(conflict.hint.to_owned()));
        }
    }
}

/// Finds values that name builds which the plan has not.
pub(super) fn check_builds(variants: &[StatedVariant], builds: &[Build], findings: &mut Findings<'_>) {
    for value in variants.iter().flat_map(|variant| &variant.values).filter(|value| value.key.kind == Kind::Path) {
        let path = match value.home {
            Home::Backend(backend) => format!("backend.{backend}.{}", value.key.name),
            Home::Benchmark(benchmark) => format!("{benchmark}.{}", value.key.name),
            Home::App => format!("app.{}", value.key.name),
        };
        check_reference(&value.value, &path, &value.at, builds, findings);
    }
}

/// The variants without their places.
pub(super) fn without_places(variants: &[StatedVariant]) -> Vec<Variant> {
    let one = |variant: &StatedVariant| {
        let (mut backends, mut benchmarks) = (BTreeMap::<_, Factors>::new(), BTreeMap::<_, Factors>::new());
        let mut app = Factors::new();
        for StatedValue { home, key, value, .. } in &variant.values {
            let (factors, name) = match home {
                Home::Backend(backend) => (backends.entry(*backend).or_default(), key.name.to_owned()),
                Home::Benchmark(benchmark) => (benchmarks.entry(*benchmark).or_default(), key.name.to_owned()),
                Home::App => (&mut app, factor_name(key.name)),
            };
            factors.insert(name, value.clone());
        }
        Variant { name: variant.name.clone(), backends, benchmarks, app }
    };
    variants.iter().map(one).collect()
}
