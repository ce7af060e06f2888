//! `cargo xtask layers`: data flows one way, and this check holds it.
//!
//! The allowed edges between crates are the table below. Besides, `core` and `criu` do no I/O, and no crate reaches into
//! another's sources around its manifest.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Which crates a crate may use, in builds and tests alike. A crate that is not listed is an error.
const ALLOWED: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("shm", &[]),
    ("subject", &[]),
    ("core", &[]),
    ("criu", &[]),
    ("agent", &["proto", "shm", "subject"]),
    ("engine", &["core", "criu", "proto", "shm", "subject"]),
    ("store", &["core", "criu"]),
    ("report", &["core", "criu"]),
    ("cli", &["core", "criu", "proto", "shm", "agent", "engine", "store", "report"]),
];

/// What a pure crate must not touch: files, network, processes, environment, clocks, threads, terminals.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::io",
    "std::os",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// The crates that are pure.
const PURE: &[&str] = &["core", "criu"];

/// Checks all crates of the workspace.
pub fn run(root: &Path) -> Result<()> {
    let problems = check(root)?;
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the layers do not hold:\n  {}", problems.join("\n  "));
}

fn check(root: &Path) -> Result<Vec<String>> {
    let workspace = manifest(&root.join("Cargo.toml"))?;
    let shared = workspace.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    let mut problems = Vec::new();
    let mut directories: Vec<_> = fs::read_dir(root.join("crates"))?.collect::<Result<Vec<_>, _>>()?;
    directories.sort_by_key(fs::DirEntry::file_name);
    for directory in directories {
        let name = directory.file_name().to_string_lossy().into_owned();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            problems.push(format!("crates/{name} is not in the table of xtask/src/layers.rs"));
            continue;
        };
        let manifest = manifest(&directory.path().join("Cargo.toml"))?;
        for dependency in dependencies(&manifest, shared) {
            if !allowed.contains(&dependency.as_str()) {
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                problems
                    .push(format!("crates/{name}/Cargo.toml: may not use isodyne-{dependency} (allowed: {allowed})"));
            }
        }
        sources(&directory.path(), &mut |path, text| {
            let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
            let depth = path.strip_prefix(directory.path()).unwrap_or(path).components().count().saturating_sub(1);
            problems.extend(side_doors(text, depth).into_iter().map(|(line, what)| format!("{shown}:{line}: {what}")));
            if PURE.contains(&name.as_str()) {
                let found = impurities(text).into_iter();
                problems.extend(found.map(|(line, what)| format!("{shown}:{line}: {name} may not use {what}")));
            }
        })?;
    }
    Ok(problems)
}

fn manifest(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot parse {}", path.display()))
}

/// The crates of this workspace that a manifest names, in any of its tables of dependencies, renamed or not.
fn dependencies(manifest: &Table, shared: Option<&Table>) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let mut found: Vec<String> = places
        .flat_map(|place| tables.iter().filter_map(|table| place.get(*table)?.as_table()))
        .flatten()
        .filter_map(|(key, value)| {
            let package = |value: &Value| value.get("package").and_then(Value::as_str).map(str::to_owned);
            let inherited = || package(shared?.get(key)?);
            let package = package(value).or_else(inherited).unwrap_or_else(|| key.clone());
            package.strip_prefix("isodyne-").map(str::to_owned)
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Calls `each` with every Rust source below a directory.
fn sources(directory: &Path, each: &mut dyn FnMut(&Path, &str)) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() && entry.file_name() != "target" {
            sources(&path, each)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}

/// Sources of another crate that are compiled in by their path. `depth` is how many directories of its crate the source
/// lies in: so many steps up stay within the crate.
fn side_doors(text: &str, depth: usize) -> Vec<(usize, &'static str)> {
    let outside = |line: &str| {
        let line = without_comment(line).replace(' ', "");
        let door = ["#[path=\"", "include!(\""].iter().any(|door| line.contains(door));
        door && line.matches("../").count() > depth
    };
    let lines = text.lines().enumerate().filter(|(_, line)| outside(line));
    lines.map(|(number, _)| (number + 1, "sources outside of the crate are compiled in by their path")).collect()
}

/// Impure parts of `std` that a source names, with their lines. Works on the text: comments are left out, groups
/// (`use std::{fs, io}`) are seen, macros and renamed imports of `std` itself are not.
fn impurities(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut statement = (0, String::new());
    for (number, line) in text.lines().enumerate() {
        if statement.1.is_empty() {
            statement.0 = number + 1;
        }
        statement.1.extend(without_comment(line).chars().filter(|c| !c.is_whitespace()));
        // A `use` with braces can go over several lines; everything else is looked at line by line.
        let open = statement.1.contains("use") && statement.1.matches('{').count() > statement.1.matches('}').count();
        if open && statement.1.contains("std::") && !statement.1.contains(';') {
            continue;
        }
        let paths = expanded(&statement.1);
        let named = |impure: &&&str| paths.iter().any(|path| starts_with_path(path, impure));
        found.extend(IMPURE.iter().filter(named).map(|impure| (statement.0, *impure)));
        statement.1.clear();
    }
    found
}

/// The paths that begin with `std::` in a text without white space, groups in braces written out.
fn expanded(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in text.match_indices("std::") {
        // `isodyne_std::` and the like are other crates.
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') && !text[..at].ends_with("use") {
            continue;
        }
        expand("", &text[at..], &mut paths);
    }
    paths
}

/// Writes out one tree of a `use`: `std::{a, b::{c, d}}` → `std::a`, `std::b::c`, `std::b::d`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(tree.len());
    let path = format!("{prefix}{}", &tree[..end]);
    let Some(group) = tree[end..].strip_prefix('{').filter(|_| path.ends_with("::")) else {
        paths.push(path);
        return;
    };
    let (mut depth, mut begin) = (0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                expand(&path, &group[begin..at], paths);
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

fn starts_with_path(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
