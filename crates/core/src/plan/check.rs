//! The check: from the tree of a plan to the plan, or to everything that is wrong with it.

use super::app::{self, APP_KEYS};
use super::findings::{Findings, Place};
use super::key::{DefaultValue, Key, Kind};
use super::quick::QUICK_KEYS;
use super::stop::{self, STOP_KEYS};
use super::table::{CONFLICTS, PLAN_KEYS, backend_keys, benchmark_keys};
use super::tree::{Entry, Node, Raw};
use super::variant::{self, StatedVariant};
use super::{BenchmarkPlan, MAX_CELLS, Plan, StatedFactors, budget, build, cells, unknown, value};
use crate::cell::{BackendName, BenchmarkName};
use crate::diagnostic::{hint_for, quoted};
use crate::factor::FactorValue;
use std::collections::BTreeMap;

/// The values of a section by key, with their places.
pub(super) type Stated = BTreeMap<&'static str, Vec<(FactorValue, Place)>>;

/// A benchmark as stated.
struct Benchmark {
    name: BenchmarkName,
    at: Place,
    on: Vec<(BackendName, Place)>,
    stated: Stated,
}

/// A backend's section as stated.
struct Backend {
    name: BackendName,
    at: Place,
    stated: Stated,
}

/// Checks the whole tree. `None`, or findings, if anything is wrong.
pub(super) fn check(root: &[Entry], findings: &mut Findings<'_>) -> Option<Plan> {
    let (mut top, mut benchmarks, mut backends) = (Stated::new(), Vec::new(), Vec::new());
    let (mut budgets, mut builds, mut variants, mut all_known) = (Vec::new(), Vec::new(), Vec::new(), true);
    let (mut stop, mut application) = (None, None);
    for entry in root {
        if let Some(key) = PLAN_KEYS.iter().find(|key| key.name == entry.key) {
            top.extend(value::read(key, key.name, &entry.node, findings).map(|values| (key.name, values)));
        } else if let Ok(name) = entry.key.parse::<BenchmarkName>() {
            benchmarks.extend(check_benchmark(name, entry, findings));
        } else if entry.key == "backend" {
            backends = check_backends(entry, findings);
        } else if entry.key == "budget" {
            budgets = budget::read(entry, findings);
        } else if entry.key == "build" {
            builds = build::check(entry, findings);
        } else if entry.key == "variant" {
            variants = variant::check(entry, findings);
        } else if entry.key == "app" {
            application = check_app(entry, findings).map(|stated| (entry, stated));
        } else if entry.key == "quick" {
            section(&entry.node, "quick", findings).map(|keys| check_keys(QUICK_KEYS, "quick", keys, findings));
        } else if entry.key == "stop" {
            let stated =
                section(&entry.node, "stop", findings).map(|keys| check_keys(STOP_KEYS, "stop", keys, findings));
            stop = stated.map(|stated| (entry, stated));
        } else {
            unknown::top(entry, findings);
            all_known = false;
        }
    }
    // A misspelt benchmark has been reported: it would be no help to say that there is none.
    if all_known && !root.iter().any(|entry| entry.key.parse::<BenchmarkName>().is_ok()) {
        let hint = "add a benchmark: [boot] with `on = [\"process\", \"runc\"]`".to_owned();
        findings.add(&Place::Whole, "", "the plan measures nothing", Some(hint));
    }
    check_use(&benchmarks, &mut backends, &mut variants, application.is_some(), findings);
    if let Some((entry, _)) = &application {
        let command = |benchmark: &Benchmark| benchmark.stated.get("command")?.first().map(|(_, at)| at.clone());
        let measured: Vec<_> = benchmarks.iter().map(|one| (one.name, command(one))).collect();
        app::check_use(&entry.at, &measured, findings);
    }
    if !findings.is_empty() {
        return None;
    }
    check_builds(&backends, &variants, &builds, findings);
    let app = application.map(|(_, stated)| without_places(&stated));
    let mut plan = Plan { budgets, builds, app, ..assemble(&top, &benchmarks, &backends, &variants) };
    if let Some((entry, stated)) = &stop {
        stop::apply(&mut plan, &entry.at, stated, top.get("samples"), findings);
    }
    variant::check_conflicts(&variants, &plan, findings);
    check_size(&plan, &benchmarks, findings);
    Some(plan)
}

fn check_benchmark(name: BenchmarkName, entry: &Entry, findings: &mut Findings<'_>) -> Option<Benchmark> {
    let keys = benchmark_keys(name);
    let entries = section(&entry.node, name.as_str(), findings)?;
    let mut stated = check_keys(keys, name.as_str(), entries, findings);
    for key in keys.iter().filter(|key| key.default == DefaultValue::Required) {
        if !entries.iter().any(|entry| entry.key == key.name) {
            let hint = match &entry.at {
                Place::Whole => format!("say where: `--{} process,runc`", key.name),
                _ => format!("add `{} = {}`", key.name, key.kind.example()),
            };
            let path = format!("{name}.{}", key.name);
            findings.add(&entry.at, &path, format!("[{name}] does not state `{}`", key.name), Some(hint));
        }
    }
    let on = stated.remove("on").unwrap_or_default().into_iter();
    let on = on.filter_map(|(value, at)| Some((value.as_text()?.parse().ok()?, at))).collect();
    Some(Benchmark { name, at: entry.at.clone(), on, stated })
}

/// `[app]`, with what must be in it.
fn check_app(entry: &Entry, findings: &mut Findings<'_>) -> Option<Stated> {
    let entries = section(&entry.node, "app", findings)?;
    let stated = check_keys(APP_KEYS, "app", entries, findings);
    let written: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    app::check(&entry.at, &stated, &written, findings);
    Some(stated)
}

fn check_backends(entry: &Entry, findings: &mut Findings<'_>) -> Vec<Backend> {
    let Some(entries) = section(&entry.node, "backend", findings) else { return Vec::new() };
    let mut backends = Vec::new();
    for entry in entries {
        let path = format!("backend.{}", entry.key);
        let Ok(name) = entry.key.parse::<BackendName>() else {
            let known = BackendName::ALL.iter().map(|name| name.as_str());
            let message = format!("unknown backend {}", quoted(&entry.key));
            findings.add(&entry.at, &path, message, Some(hint_for(&entry.key, known)));
            continue;
        };
        let Some(keys) = section(&entry.node, &path, findings) else { continue };
        let stated = check_keys(backend_keys(name), &path, keys, findings);
        check_conflicts(name, &stated, findings);
        backends.push(Backend { name, at: entry.at.clone(), stated });
    }
    backends
}

/// The entries of a section, or an error if something else stands there.
fn section<'t>(node: &'t Node, path: &str, findings: &mut Findings<'_>) -> Option<&'t [Entry]> {
    if let Raw::Section(entries) = &node.raw {
        return Some(entries);
    }
    let example = if path == "backend" { "backend.qemu" } else { path };
    let message = format!("`{path}` needs a section, not {}", node.raw.noun());
    findings.add(&node.at, path, message, Some(format!("write [{example}] and its keys below it")));
    None
}

fn check_keys(keys: &'static [Key], section: &str, entries: &[Entry], findings: &mut Findings<'_>) -> Stated {
    let mut stated = Stated::new();
    for entry in entries {
        match keys.iter().find(|key| key.name == entry.key) {
            Some(key) => {
                let path = format!("{section}.{}", key.name);
                stated.extend(value::read(key, &path, &entry.node, findings).map(|values| (key.name, values)));
            }
            None => unknown::key(entry, section, keys, findings),
        }
    }
    stated
}

/// Finds values that cannot stand in one cell. A default counts like a stated value.
fn check_conflicts(backend: BackendName, stated: &Stated, findings: &mut Findings<'_>) {
    let find = |(name, word): (&str, &str)| -> Option<Option<Place>> {
        if let Some(values) = stated.get(name) {
            return values.iter().find(|(value, _)| value.as_text() == Some(word)).map(|(_, at)| Some(at.clone()));
        }
        let key = backend_keys(backend).iter().find(|key| key.name == name)?;
        matches!(key.default, DefaultValue::Text(default) if default == word).then_some(None)
    };
    for conflict in CONFLICTS.iter().filter(|conflict| conflict.backend == backend) {
        let (Some(one), Some(other)) = (find(conflict.one), find(conflict.other)) else { continue };
        let Some(at) = one.max(other) else { continue };
        let ((one_key, one_word), (other_key, other_word)) = (conflict.one, conflict.other);
        let message = format!(
            "`{one_key} = \"{one_word}\"` and `{other_key} = \"{other_word}\"` cannot be together: {}",
            conflict.reason
        );
        findings.add(&at, &format!("backend.{backend}.{other_key}"), message, Some(conflict.hint.to_owned()));
    }
}

/// Refuses sections of backends that no benchmark runs on, and drops those that an argument has put aside.
fn check_use(
    benchmarks: &[Benchmark],
    backends: &mut Vec<Backend>,
    variants: &mut Vec<StatedVariant>,
    has_app: bool,
    findings: &mut Findings<'_>,
) {
    // With `on` missing or wrong there is an error already, and no saying what is used.
    if benchmarks.iter().any(|benchmark| benchmark.on.is_empty()) || benchmarks.is_empty() {
        return;
    }
    let argued = |at: &Place| matches!(at, Place::Argument(_));
    let narrowed = benchmarks.iter().any(|benchmark| benchmark.on.iter().any(|(_, at)| argued(at)));
    backends.retain(|backend| {
        let used = benchmarks.iter().any(|benchmark| benchmark.on.iter().any(|(name, _)| *name == backend.name));
        let places = backend.stated.values().flatten().map(|(_, at)| at).chain([&backend.at]);
        let argument = places.max().filter(|at| argued(at));
        // A file's section is left aside in silence when `--on` has narrowed the plan.
        if !used && (argument.is_some() || !narrowed) {
            let name = backend.name;
            let message = format!("[backend.{name}] is stated, but no benchmark runs on `{name}`");
            let hint = format!("add \"{name}\" to `on`, or remove the section");
            findings.add(argument.unwrap_or(&backend.at), &format!("backend.{name}"), message, Some(hint));
        }
        used
    });
    let names = |benchmark: &Benchmark| benchmark.on.iter().map(|(name, _)| *name).collect();
    let measured: Vec<_> = benchmarks.iter().map(|benchmark| (benchmark.name, names(benchmark))).collect();
    variant::check_use(variants, &measured, has_app, narrowed, findings);
}

/// Finds values that name builds which the plan has not.
fn check_builds(
    backends: &[Backend],
    variants: &[StatedVariant],
    builds: &[build::Build],
    findings: &mut Findings<'_>,
) {
    for backend in backends {
        for (key, values) in &backend.stated {
            let path = format!("backend.{}.{key}", backend.name);
            for (value, at) in values.iter().filter(|_| is_path(backend_keys(backend.name), key)) {
                build::check_reference(value, &path, at, builds, findings);
            }
        }
    }
    variant::check_builds(variants, builds, findings);
}

fn is_path(keys: &[Key], name: &str) -> bool {
    keys.iter().any(|key| key.name == name && key.kind == Kind::Path)
}

fn check_size(plan: &Plan, benchmarks: &[Benchmark], findings: &mut Findings<'_>) {
    let count = cells::count(plan);
    if count > MAX_CELLS {
        let at = benchmarks.first().map_or(Place::Whole, |benchmark| benchmark.at.clone());
        let message = format!("the plan has {count} cells, more than {MAX_CELLS}");
        let hint = if plan.variants.is_empty() {
            "shorten the lists: cells are the product of all of them"
        } else {
            "shorten the lists or drop variants: cells are the product of all lists, and once more for each variant"
        };
        findings.add(&at, "", message, Some(hint.to_owned()));
    }
}

fn assemble(top: &Stated, benchmarks: &[Benchmark], backends: &[Backend], variants: &[StatedVariant]) -> Plan {
    let first = |name: &str| -> Option<FactorValue> {
        let stated = top.get(name).and_then(|values| values.first()).map(|(value, _)| value.clone());
        stated.or_else(|| PLAN_KEYS.iter().find(|key| key.name == name).and_then(|key| key.default.value()))
    };
    let number = |name: &str| first(name).and_then(|value| value.as_count());
    // The tables keep both within 32 bits.
    let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
    let title = first("title").and_then(|value| value.as_text().map(str::to_owned));
    Plan {
        title: title.unwrap_or_else(|| default_title(benchmarks)),
        samples: small("samples"),
        warmup: small("warmup"),
        seed: number("seed"),
        monitor_hz: number("monitor_hz").and_then(|number| u32::try_from(number).ok()),
        benchmarks: benchmarks
            .iter()
            .map(|benchmark| BenchmarkPlan {
                benchmark: benchmark.name,
                on: benchmark.on.iter().map(|(name, _)| *name).collect(),
                factors: without_places(&benchmark.stated),
            })
            .collect(),
        backends: backends.iter().map(|backend| (backend.name, without_places(&backend.stated))).collect(),
        app: None,
        variants: variant::without_places(variants),
        stop: None,
        builds: Vec::new(),
        budgets: Vec::new(),
    }
}

fn default_title(benchmarks: &[Benchmark]) -> String {
    let one = |benchmark: &Benchmark| {
        let names: Vec<&str> = benchmark.on.iter().map(|(name, _)| name.as_str()).collect();
        format!("{} on {}", benchmark.name, names.join(", "))
    };
    benchmarks.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn without_places(stated: &Stated) -> StatedFactors {
    let values = |values: &[(FactorValue, Place)]| values.iter().map(|(value, _)| value.clone()).collect();
    stated.iter().map(|(name, list)| ((*name).to_owned(), values(list))).collect()
}
