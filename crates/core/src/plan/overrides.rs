//! Overrides: arguments of the command line that are laid over a plan.

use super::findings::{Findings, Place};
use super::quick;
use super::tree::{Entry, Node, Raw, parse_argument, set};
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
    /// The key at this path, in the variant with this name.
    Variant { name: String, path: String },
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

    /// `--variant 'NAME: KEY=VALUE'`: the key of a benchmark or a backend, in the variant with this name, which is made if
    /// the plan has none. Given again with the same name it sets another key of that variant.
    ///
    /// # Errors
    /// If there is no name or no value.
    pub fn variant(text: &str) -> Result<Self, Diagnostic> {
        let parts = text.split_once(':').and_then(|(name, set)| Some((name, set.split_once('=')?)));
        let (name, (path, value)) = parts.ok_or_else(|| Diagnostic {
            file: "--variant".to_owned(),
            line: None,
            column: None,
            key: String::new(),
            message: format!("{} is not a variant", quoted(text)),
            hint: Some(
                "write `--variant 'NAME: KEY=VALUE'`, such as `--variant 'new: backend.runc.program=./runc'`".into(),
            ),
        })?;
        let target = Target::Variant { name: name.trim().to_owned(), path: path.trim().to_owned() };
        Ok(Self { argument: "--variant", target, value: value.to_owned() })
    }

    /// `--on A,B`: the backends, for every benchmark of the plan.
    pub fn on(backends: &str) -> Self {
        Self { argument: "--on", target: Target::EveryOn, value: backends.to_owned() }
    }

    /// `-n COUNT`: the number of samples.
    pub fn samples(count: &str) -> Self {
        Self { argument: "-n", target: Target::Key(vec!["samples".to_owned()]), value: count.to_owned() }
    }

    /// `--until-precision SHARE`: the run may stop when the median of every cell is known so well.
    pub fn until_precision(share: &str) -> Self {
        let target = Target::Key(vec!["stop".to_owned(), "precision".to_owned()]);
        Self { argument: "--until-precision", target, value: share.to_owned() }
    }

    /// `--quick`: few samples, one warm-up round, or what the plan's `[quick]` says. Put it in front of the others, so that
    /// they win.
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
            Target::Variant { name, path } => return self.lay_over_variant(name, path, root, findings),
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
            let own = if self.argument == "--quick" { quick::stated(root, &key) } else { None };
            let own = own.map(|node| Node { raw: node.raw.clone(), at: place.clone() });
            if let Some(node) = own.or_else(|| parse_argument(&self.value, &place, &key, findings)) {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                set(root, &path, &place, node);
            }
        }
    }

    /// States a key of a variant; the variant is added if there is none with its name.
    fn lay_over_variant(&self, name: &str, path: &str, root: &mut Vec<Entry>, findings: &mut Findings<'_>) {
        let place = Place::Argument(format!("{} {name}", self.argument));
        let Some(value) = parse_argument(&self.value, &place, path, findings) else { return };
        let node = |raw| Node { raw, at: place.clone() };
        let entry = |key: &str, raw| Entry { key: key.to_owned(), at: place.clone(), node: node(raw) };
        if !root.iter().any(|entry| entry.key == "variant") {
            root.push(entry("variant", Raw::List(Vec::new())));
        }
        let variants = root.iter_mut().find(|entry| entry.key == "variant").map(|entry| &mut entry.node.raw);
        // What stands there instead of a list is reported by the check.
        let Some(Raw::List(variants)) = variants else { return };
        let is_it = |node: &Node| match &node.raw {
            Raw::Section(entries) => entries.iter().any(|entry| {
                entry.key == "name" && matches!(&entry.node.raw, Raw::Text(text) | Raw::Word(text) if text == name)
            }),
            _ => false,
        };
        let index = variants.iter().position(is_it).unwrap_or_else(|| {
            variants.push(node(Raw::Section(vec![entry("name", Raw::Word(name.to_owned()))])));
            variants.len() - 1
        });
        let Raw::Section(variant) = &mut variants[index].raw else { return };
        if !variant.iter().any(|entry| entry.key == "set") {
            variant.push(entry("set", Raw::Section(Vec::new())));
        }
        let values = variant.iter_mut().find(|entry| entry.key == "set").map(|entry| &mut entry.node.raw);
        if let Some(Raw::Section(values)) = values {
            values.push(Entry { key: path.to_owned(), at: place.clone(), node: value });
        }
    }
}
