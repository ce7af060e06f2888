//! `[[build]]`: a program or kernel made from a revision of a git repository, for `program` and `kernel` to name.

use super::findings::{Findings, Place};
use super::key::{DefaultValue, Key, Kind};
use super::tree::Entry;
use super::value;
use super::variant::{is_name, sections};
use crate::diagnostic::{did_you_mean, hint_for, quoted};
use crate::factor::FactorValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// What a value begins with that names a build: `program = "build:new"`.
pub const BUILD_PREFIX: &str = "build:";
/// The most builds of a plan.
const MAX_BUILDS: usize = 100;
const HOUR_NS: u64 = 3_600_000_000_000;

/// The keys of `[[build]]`.
pub const BUILD_KEYS: &[Key] = &[
    key("name", Kind::Text, DefaultValue::Required, "Values name it: `program = \"build:NAME\"`."),
    key("repository", Kind::Text, DefaultValue::Required, "Path or URL of a git repository."),
    key("revision", Kind::Text, DefaultValue::Text("HEAD"), "Branch, tag or commit; the commit is recorded."),
    key("command", Kind::Words, DefaultValue::Required, "What is run in a clean work tree of that commit."),
    key("output", Kind::Path, DefaultValue::Required, "The file that it makes, within the work tree."),
    key(
        "timeout",
        Kind::Duration { min_ns: 1_000_000_000, max_ns: 24 * HOUR_NS },
        DefaultValue::DurationNs(HOUR_NS),
        "How long the command may take.",
    ),
];

const fn key(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: false, doc }
}

/// A file that is made from a revision of a git repository before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its name.
    pub name: String,
    /// Path or URL of the repository.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The command that makes it, run at the top of the work tree.
    pub command: Vec<String>,
    /// The file that it makes, relative to the work tree.
    pub output: String,
    /// How long the command may take, in nanoseconds.
    pub timeout_ns: u64,
    /// The commit that the revision stood for when the run was begun; a run that goes on keeps to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The name of the build that a value stands for.
pub fn build_of(value: &FactorValue) -> Option<&str> {
    value.as_text()?.strip_prefix(BUILD_PREFIX)
}

/// Checks all builds of a plan.
pub(super) fn check(entry: &Entry, findings: &mut Findings<'_>) -> Vec<Build> {
    let Some(sections) = sections(entry, "build", findings) else { return Vec::new() };
    if sections.len() > MAX_BUILDS {
        let message = format!("the plan has {} builds, more than {MAX_BUILDS}", sections.len());
        findings.add(&entry.at, "build", message, None);
        return Vec::new();
    }
    let mut builds: Vec<Build> = Vec::new();
    for (at, entries) in sections {
        let Some(build) = one(at, entries, findings) else { continue };
        if builds.iter().any(|known| known.name == build.name) {
            let hint = Some("give each a name of its own".to_owned());
            findings.add(at, "build.name", format!("there are two builds {}", quoted(&build.name)), hint);
        } else {
            builds.push(build);
        }
    }
    builds
}

fn one(at: &Place, entries: &[Entry], findings: &mut Findings<'_>) -> Option<Build> {
    let mut stated: BTreeMap<&str, (FactorValue, Place)> = BTreeMap::new();
    for entry in entries {
        let path = format!("build.{}", entry.key);
        let Some(key) = BUILD_KEYS.iter().find(|key| key.name == entry.key) else {
            let names = BUILD_KEYS.iter().map(|key| key.name);
            let message = format!("unknown key {} in [[build]]", quoted(&entry.key));
            findings.add(&entry.at, &path, message, Some(hint_for(&entry.key, names)));
            continue;
        };
        let read = value::read(key, &path, &entry.node, findings);
        stated.extend(read.and_then(|values| values.into_iter().next()).map(|value| (key.name, value)));
    }
    for key in BUILD_KEYS.iter().filter(|key| key.default == DefaultValue::Required) {
        if !entries.iter().any(|entry| entry.key == key.name) {
            let hint = Some(format!("add `{} = {}`", key.name, key.kind.example()));
            findings.add(at, &format!("build.{}", key.name), format!("the build has no `{}`", key.name), hint);
        }
    }
    let mut wrong = |name: &str, message: String, hint: &str| {
        let at = stated.get(name).map_or(at, |(_, at)| at);
        findings.add(at, &format!("build.{name}"), message, Some(hint.to_owned()));
    };
    let text = |name: &str| stated.get(name).and_then(|(value, _)| value.as_text());
    if let Some(name) = text("name").filter(|name| !is_name(name) || name.contains(' ')) {
        let message = format!("{} cannot be the name of a build", quoted(name));
        wrong("name", message, "1 to 40 of letters, digits, and `.`, `_`, `+`, `-`");
    }
    for name in ["repository", "revision"] {
        // Git would take it for an option, or pass it to something else.
        if let Some(text) = text(name).filter(|text| text.starts_with('-') || text.chars().any(char::is_control)) {
            wrong(
                name,
                format!("`{name}` cannot be {}", quoted(text)),
                "do not begin it with `-`, and leave control characters out",
            );
        }
    }
    if let Some(output) = text("output").filter(|output| !stays_within(output)) {
        let message = format!("`output` is {}, which leads out of the work tree", quoted(output));
        wrong("output", message, "name a file by its path within the work tree, such as `bin/runc`");
    }
    let value = |name: &str| {
        let default = || BUILD_KEYS.iter().find(|key| key.name == name).and_then(|key| key.default.value());
        stated.get(name).map(|(value, _)| value.clone()).or_else(default)
    };
    let owned = |name: &str| value(name).and_then(|value| value.as_text().map(str::to_owned));
    Some(Build {
        name: owned("name")?,
        repository: owned("repository")?,
        revision: owned("revision")?,
        command: value("command")?.as_words()?.to_vec(),
        output: owned("output")?,
        timeout_ns: value("timeout")?.as_duration_ns()?,
        commit: None,
    })
}

fn stays_within(path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    components.peek().is_some() && components.all(|component| matches!(component, Component::Normal(_)))
}

/// Checks that a value which names a build names one of the plan.
pub(super) fn check_reference(
    value: &FactorValue,
    path: &str,
    at: &Place,
    builds: &[Build],
    findings: &mut Findings<'_>,
) {
    let Some(name) = build_of(value).filter(|name| !builds.iter().any(|build| build.name == *name)) else { return };
    let hint = match did_you_mean(name, builds.iter().map(|build| build.name.as_str())) {
        Some(meant) => format!("did you mean `{BUILD_PREFIX}{meant}`?"),
        None => format!("add [[build]] with `name = \"{name}\"`; a file of that name is `./{BUILD_PREFIX}{name}`"),
    };
    findings.add(at, path, format!("the plan has no build {}", quoted(name)), Some(hint));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_stays_within_the_work_tree() {
        for good in ["runc", "bin/runc", "a/b/c.elf"] {
            assert!(stays_within(good), "{good}");
        }
        for bad in ["", "/bin/sh", "../x", "a/../../x", ".", "a/.."] {
            assert!(!stays_within(bad), "{bad}");
        }
    }
}
