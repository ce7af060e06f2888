//! Overrides: arguments of the command line that are laid over a plan.

use super::findings::{Findings, Place};
use super::tree::{Entry, parse_argument, set};
use crate::cell::BenchmarkName;
use crate::diagnostic::{Diagnostic, quoted};

/// One argument that states a key of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The argument as messages name it: `--on`, `-n`, `--set`.
    argument: &'static str,
    target: Target,
    value: String,
}

/// What an argument states.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// The key at this path.
    Key(Vec<String>),
    /// `on` of every benchmark of the plan.
    EveryOn,
}

impl Override {
    /// `--set KEY=VALUE`: any key by its path (`boot.timeout=5s`); the value is a bare word, words with commas between
    /// them where a list makes cells, or any TOML value.
    ///
    /// # Errors
    /// If there is no `=` or the path is not one.
    pub fn set(text: &str) -> Result<Self, Diagnostic> {
        let wrong = |message: String| Diagnostic {
            file: "--set".to_owned(),
            line: None,
            column: None,
            key: String::new(),
            message,
            hint: Some("write `--set KEY=VALUE`, such as `--set backend.qemu.memory=96MiB`".to_owned()),
        };
        let (path, value) = text.split_once('=').ok_or_else(|| wrong(format!("{} has no value", quoted(text))))?;
        let path: Vec<String> = path.split('.').map(|key| key.trim().to_owned()).collect();
        if path.len() > 3 || path.iter().any(String::is_empty) {
            return Err(wrong(format!("{} is not the path of a key", quoted(&path.join(".")))));
        }
        Ok(Self { argument: "--set", target: Target::Key(path), value: value.to_owned() })
    }

    /// `--on A,B`: the backends, for every benchmark of the plan.
    pub fn on(backends: &str) -> Self {
        Self { argument: "--on", target: Target::EveryOn, value: backends.to_owned() }
    }

    /// `-n COUNT`: the number of samples.
    pub fn samples(count: &str) -> Self {
        Self { argument: "-n", target: Target::Key(vec!["samples".to_owned()]), value: count.to_owned() }
    }

    /// `--quick`: few samples, one warm-up round. Put it in front of the others, so that they win.
    pub fn quick() -> [Self; 2] {
        [("samples", "3"), ("warmup", "1")].map(|(key, value)| Self {
            argument: "--quick",
            target: Target::Key(vec![key.to_owned()]),
            value: value.to_owned(),
        })
    }

    /// States its key in the plan's tree; what stood there no longer matters.
    pub(super) fn lay_over(&self, root: &mut Vec<Entry>, findings: &mut Findings<'_>) {
        let paths: Vec<Vec<String>> = match &self.target {
            Target::Key(path) => vec![path.clone()],
            Target::EveryOn => root
                .iter()
                .filter(|entry| entry.key.parse::<BenchmarkName>().is_ok())
                .map(|entry| vec![entry.key.clone(), "on".to_owned()])
                .collect(),
        };
        for path in paths {
            let key = path.join(".");
            let place = Place::Argument(if self.argument == "--set" {
                format!("--set {key}")
            } else {
                self.argument.to_owned()
            });
            if let Some(node) = parse_argument(&self.value, &place, &key, findings) {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                set(root, &path, &place, node);
            }
        }
    }
}
