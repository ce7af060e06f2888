//! `[app]`: a user's own application, which `boot` starts instead of the first command.

use super::StatedFactors;
use super::check::Stated;
use super::findings::{Findings, Place};
use super::key::{DefaultValue, Key, Kind};
use crate::cell::BenchmarkName;
use crate::factor::FactorValue;

/// What the keys of `[app]` begin with among the factors of a cell: `app.image`.
pub const APP_PREFIX: &str = "app.";

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// The signals that may end an application.
pub const STOP_SIGNALS: &[&str] =
    &["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"];

/// The keys of `[app]`.
pub const APP_KEYS: &[Key] = &[
    Key {
        factor: true,
        ..key(
            "image",
            Kind::Text,
            DefaultValue::Required,
            "A directory, tar, OCI layout, `docker save` archive or registry reference; `PATH#NAME` of several.",
        )
    },
    key("command", Kind::Words, DefaultValue::Absent("the image's own"), "Program and arguments."),
    key(
        "env",
        Kind::Words,
        DefaultValue::Absent("the image's own"),
        "Variables, each `NAME=VALUE`, beside or instead of the image's.",
    ),
    key("working_directory", Kind::Text, DefaultValue::Absent("the image's own, else `/`"), "Where it starts."),
    key(
        "user",
        Kind::Text,
        DefaultValue::Absent("the image's own, else root"),
        "Whom it runs as: a name or number, with a group behind a colon.",
    ),
    key(
        "ready",
        Kind::Ready,
        DefaultValue::Required,
        "What ends the total, looked at inside the sandbox: `http` with `port` (80) and `status` (200), `tcp`, `line` or \
         `file`.",
    ),
    key(
        "period",
        Kind::Duration { min_ns: 50 * MICROSECOND, max_ns: 10 * SECOND },
        DefaultValue::DurationNs(MILLISECOND),
        "From one look at `ready` to the next: the resolution of that time. A line is not looked for, it announces itself.",
    ),
    key(
        "stop_signal",
        Kind::Choice(STOP_SIGNALS),
        DefaultValue::Absent("the image's own, else `SIGTERM`"),
        "The signal that ends it.",
    ),
    key(
        "stop_timeout",
        Kind::Duration { min_ns: MILLISECOND, max_ns: 600 * SECOND },
        DefaultValue::DurationNs(10 * SECOND),
        "How long it may take to end before it is killed.",
    ),
    key(
        "disk",
        Kind::Bytes { min: MIB, max: 1 << 40 },
        DefaultValue::Absent("what the image needs and 64 MiB"),
        "The size of a virtual machine's disk.",
    ),
];

const fn key(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: false, doc }
}

/// The name of a key among the factors of a cell.
pub fn factor_name(key: &str) -> String {
    format!("{APP_PREFIX}{key}")
}

/// The key of a factor of a cell, if it is one of `[app]`.
pub fn key_of(factor: &str) -> Option<&'static Key> {
    let name = factor.strip_prefix(APP_PREFIX)?;
    APP_KEYS.iter().find(|key| key.name == name)
}

/// What the section states under the names of factors.
pub(super) fn as_factors(stated: &StatedFactors) -> StatedFactors {
    stated.iter().map(|(name, values)| (factor_name(name), values.clone())).collect()
}

/// Checks what the tables cannot say: that everything is there, that variables are variables, and that something starts it.
pub(super) fn check(at: &Place, stated: &Stated, written: &[&str], findings: &mut Findings<'_>) {
    for key in APP_KEYS.iter().filter(|key| key.default == DefaultValue::Required) {
        if !written.contains(&key.name) {
            let hint = match key.name {
                "image" => "add `image = \"app.tar\"`, or `--set app.image=app.tar`".to_owned(),
                _ => "add `ready = { http = \"/\" }`, or `--set app.ready.tcp=80`".to_owned(),
            };
            let path = format!("app.{}", key.name);
            findings.add(at, &path, format!("[app] does not state `{}`", key.name), Some(hint));
        }
    }
    for (value, at) in stated.get("env").into_iter().flatten() {
        let words = value.as_words().unwrap_or_default();
        if let Some(word) = words.iter().find(|word| word.find('=').is_none_or(|equals| equals == 0)) {
            let message = format!("`env` holds {}, which is no variable", crate::diagnostic::quoted(word));
            findings.add(at, "app.env", message, Some("write `env = [\"NAME=VALUE\"]`".to_owned()));
        }
    }
    for (value, at) in stated.get("working_directory").into_iter().flatten() {
        if value.as_text().is_some_and(|text| !text.starts_with('/')) {
            let message = "`working_directory` does not begin with a slash".to_owned();
            findings.add(at, "app.working_directory", message, Some("write `working_directory = \"/srv\"`".to_owned()));
        }
    }
}

/// Refuses an application that nothing starts, and a first command beside one.
pub(super) fn check_use(at: &Place, measured: &[(BenchmarkName, Option<Place>)], findings: &mut Findings<'_>) {
    if !measured.iter().any(|(name, _)| name.takes_app()) {
        let hint = "add [boot] with `on = [\"runc\"]`, or remove [app]".to_owned();
        findings.add(at, "app", "[app] is stated, but the plan does not measure `boot` or `checkpoint`", Some(hint));
        return;
    }
    let command = measured.iter().find(|(name, _)| *name == BenchmarkName::Boot).and_then(|(_, at)| at.as_ref());
    if let Some(at) = command {
        let hint = "remove it: `command` of [app] says what is started".to_owned();
        findings.add(at, "boot.command", "`boot.command` and [app] cannot be together", Some(hint));
    }
}

/// The value of a key of `[app]` among the factors of a cell.
pub fn value<'f>(factors: &'f crate::factor::Factors, key: &str) -> Option<&'f FactorValue> {
    factors.get(&factor_name(key))
}
