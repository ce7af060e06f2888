//! `ready = { http = "/", port = 80, status = 200 }`: a condition, which is one value although it looks like a section.

use crate::diagnostic::{hint_for, quoted};
use crate::factor::FactorValue;
use crate::plan::findings::Findings;
use crate::plan::tree::{Entry, Node, Raw};
use crate::ready::{DEFAULT_PORT, DEFAULT_STATUS, NoReady, Ready};

const EXAMPLE: &str = "write `ready = { http = \"/\", port = 80, status = 200 }`, `{ tcp = 80 }`, `{ line = \"ready\" }` or \
                       `{ file = \"/run/app.pid\" }`";
const KINDS: [&str; 4] = ["http", "tcp", "line", "file"];

/// Reads it from a section or from its short form; the value is the short form, in full.
pub(super) fn read(path: &str, node: &Node, findings: &mut Findings<'_>) -> Option<FactorValue> {
    let ready = match &node.raw {
        Raw::Text(text) | Raw::Word(text) => text.parse::<Ready>(),
        Raw::Section(entries) => return section(path, entries, node, findings),
        other => Err(NoReady { message: format!("`ready` needs a condition, not {}", other.noun()), hint: EXAMPLE }),
    };
    match ready {
        Ok(ready) => Some(FactorValue::Text(ready.to_string())),
        Err(problem) => {
            findings.add(&node.at, path, problem.message, Some(problem.hint.to_owned()));
            None
        }
    }
}

fn section(path: &str, entries: &[Entry], node: &Node, findings: &mut Findings<'_>) -> Option<FactorValue> {
    let stated = |name: &str| entries.iter().find(|entry| entry.key == name);
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| stated(kind).is_some()).collect();
    let allowed: &[&str] = match kinds.as_slice() {
        ["http"] => &["http", "port", "status"],
        [one] => &KINDS[KINDS.iter().position(|kind| kind == one)?..][..1],
        [] if entries.iter().all(|entry| ["port", "status"].contains(&entry.key.as_str())) => {
            findings.add(&node.at, path, "`ready` does not say what ready means", Some(EXAMPLE.to_owned()));
            return None;
        }
        [] => &["http", "tcp", "line", "file", "port", "status"],
        several => {
            let message = format!("`ready` holds several conditions: {}", several.join(", "));
            findings.add(&node.at, path, message, Some("leave one of them".to_owned()));
            return None;
        }
    };
    let mut sound = true;
    for entry in entries.iter().filter(|entry| !allowed.contains(&entry.key.as_str())) {
        let message = format!("unknown key {} in `ready`", quoted(&entry.key));
        let hint = hint_for(&entry.key, allowed.iter().copied());
        findings.add(&entry.at, &format!("{path}.{}", entry.key), message, Some(hint));
        sound = false;
    }
    if !sound {
        return None;
    }
    let number = |name: &str, default: Option<u16>, findings: &mut Findings<'_>| {
        let Some(entry) = stated(name) else { return default };
        let read = match &entry.node.raw {
            Raw::Integer(Some(number)) => u16::try_from(*number).ok(),
            Raw::Word(word) => word.parse().ok(),
            _ => None,
        };
        if read.is_none() {
            let message = format!("`{name}` needs a whole number from 1 to 65535");
            findings.add(&entry.node.at, &format!("{path}.{name}"), message, Some(EXAMPLE.to_owned()));
        }
        read
    };
    let text = |name: &str, findings: &mut Findings<'_>| {
        let entry = stated(name)?;
        if let Raw::Text(text) | Raw::Word(text) = &entry.node.raw {
            return Some(text.clone());
        }
        let message = format!("`{name}` needs text, not {}", entry.node.raw.noun());
        findings.add(&entry.node.at, &format!("{path}.{name}"), message, Some(EXAMPLE.to_owned()));
        None
    };
    let ready = match kinds.first().copied()? {
        "http" => {
            let (port, status) =
                (number("port", Some(DEFAULT_PORT), findings), number("status", Some(DEFAULT_STATUS), findings));
            Ready::Http { path: text("http", findings)?, port: port?, status: status? }
        }
        "tcp" => Ready::Tcp { port: number("tcp", None, findings)? },
        "line" => Ready::Line(text("line", findings)?),
        _ => Ready::File(text("file", findings)?),
    };
    match ready.checked() {
        Ok(ready) => Some(FactorValue::Text(ready.to_string())),
        Err(problem) => {
            findings.add(&node.at, path, problem.message, Some(problem.hint.to_owned()));
            None
        }
    }
}
