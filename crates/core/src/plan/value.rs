//! Values: what stands in a plan, checked against what its key can hold.

mod quantity;
mod ready;

use super::findings::{Findings, Place};
use super::key::{Key, Kind};
use super::tree::{Node, Raw};
use crate::cell::BackendName;
use crate::diagnostic::{hint_for, quoted};
use crate::factor::FactorValue;
use crate::failure::FailureClass;
use quantity::{quantity, without_unit};
use std::collections::BTreeSet;

/// The longest text a plan can hold, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// The most words of a command.
const MAX_WORDS: usize = 1024;

/// The values stated for a key, in the order stated and each with its place; `None` if anything is wrong.
pub(super) fn read(
    key: &Key,
    path: &str,
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<Vec<(FactorValue, Place)>> {
    let many = key.factor || key.kind == Kind::Backends;
    let cut: Vec<Node>;
    let items = match &node.raw {
        Raw::List(words) if key.kind == Kind::Words => {
            return read_words(key, path, words, node, findings).map(|value| vec![(value, node.at.clone())]);
        }
        Raw::List(items) if many => items.as_slice(),
        Raw::Word(word) if many && key.kind.splits_at_commas() => {
            let part = |part: &str| Node { raw: Raw::Word(part.trim().to_owned()), at: node.at.clone() };
            cut = word.split(',').map(part).collect();
            cut.as_slice()
        }
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        let hint = Some(format!("write `{} = {}`", key.name, key.kind.example()));
        findings.add(&node.at, path, format!("`{}` is an empty list", key.name), hint);
        return None;
    }
    let (mut values, mut seen, mut sound) = (Vec::with_capacity(items.len()), BTreeSet::new(), true);
    for item in items {
        if many && !std::ptr::eq(item, node) && matches!(item.raw, Raw::List(_)) {
            let hint = Some(format!("write `{} = [{}, …]`", key.name, key.kind.example().replace(['[', ']'], "")));
            findings.add(&item.at, path, format!("`{}` holds a list within a list", key.name), hint);
            sound = false;
            continue;
        }
        let Some(value) = read_one(key, path, item, findings) else {
            sound = false;
            continue;
        };
        if seen.insert(value.clone()) {
            values.push((value, item.at.clone()));
        } else {
            let message = format!("`{}` holds {} twice", key.name, quoted(&value.as_plan_text().replace('"', "")));
            findings.add(&item.at, path, message, Some("remove one of them".to_owned()));
            sound = false;
        }
    }
    sound.then_some(values)
}

/// One value of a key.
fn read_one(key: &Key, path: &str, node: &Node, findings: &mut Findings<'_>) -> Option<FactorValue> {
    if key.kind == Kind::Ready {
        return ready::read(path, node, findings);
    }
    let problem = match (&node.raw, key.kind) {
        (Raw::Word(text), kind) if text.is_empty() && kind.splits_at_commas() => {
            Err((format!("`{}` has an empty value", key.name), bare_example(kind)))
        }
        (Raw::Text(text) | Raw::Word(text), Kind::Text | Kind::Path) => checked_text(key, text).map(FactorValue::Text),
        (Raw::Text(text) | Raw::Word(text), Kind::Choice(words)) => match words.iter().find(|word| *word == text) {
            Some(word) => Ok(FactorValue::Text((*word).to_owned())),
            None => Err((format!("`{}` cannot be {}", key.name, quoted(text)), hint_for(text, words.iter().copied()))),
        },
        (Raw::Text(text) | Raw::Word(text), Kind::Backends) => backend(text),
        (Raw::Text(text) | Raw::Word(text), Kind::FailureShare) => failure_share(text),
        (Raw::Text(text) | Raw::Word(text), Kind::Share) => share(key, text),
        (Raw::Text(text) | Raw::Word(text), Kind::Bytes { .. } | Kind::Duration { .. }) => quantity(key, text),
        (Raw::Integer(number), Kind::Bytes { .. } | Kind::Duration { .. }) => {
            Err(without_unit(key, &number.map_or_else(|| "?".to_owned(), |number| number.to_string())))
        }
        (Raw::Float(number), Kind::Bytes { .. } | Kind::Duration { .. }) => Err(without_unit(key, number)),
        (Raw::Integer(number), Kind::Count { min, max }) => count(key, *number, min, max),
        (Raw::Word(text), Kind::Count { min, max }) if is_integer(text) => {
            count(key, text.replace('_', "").parse().ok(), min, max)
        }
        (Raw::Flag(flag), Kind::Flag) => Ok(FactorValue::Flag(*flag)),
        (Raw::Word(text), Kind::Flag) if text == "true" || text == "false" => Ok(FactorValue::Flag(text == "true")),
        (Raw::Word(text), _) => {
            Err((format!("`{}` needs {}, not {}", key.name, key.kind.noun(), quoted(text)), bare_example(key.kind)))
        }
        (Raw::List(_), _) => Err((
            format!("`{}` takes one value, not a list", key.name),
            format!("write `{} = {}`", key.name, key.kind.example()),
        )),
        (raw, kind) => Err((
            format!("`{}` needs {}, not {}", key.name, kind.noun(), raw.noun()),
            format!("write `{} = {}`", key.name, corrected(raw, kind)),
        )),
    };
    problem.map_err(|(message, hint)| findings.add(&node.at, path, message, Some(hint))).ok()
}

/// What is wrong and what to do.
type Problem = (String, String);

fn checked_text(key: &Key, text: &str) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err((format!("`{}` is empty", key.name), "remove the key, or say something".to_owned()));
    }
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("`{}` is {} bytes long", key.name, text.len());
        return Err((message, format!("at most {MAX_TEXT_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err((
            format!("`{}` holds a control character", key.name),
            "write it in one line, without tabs and escapes".to_owned(),
        ));
    }
    Ok(text.to_owned())
}

fn read_words(key: &Key, path: &str, words: &[Node], list: &Node, findings: &mut Findings<'_>) -> Option<FactorValue> {
    let mut read = Vec::with_capacity(words.len());
    for word in words {
        let Raw::Text(text) = &word.raw else {
            let hint = Some(format!("write `{} = {}`", key.name, key.kind.example()));
            findings.add(&word.at, path, format!("`{}` holds {}, not text", key.name, word.raw.noun()), hint);
            continue;
        };
        if text.contains('\0') || text.len() > MAX_TEXT_BYTES {
            let message = format!("a word of `{}` cannot be passed to a program", key.name);
            let hint = format!("at most {MAX_TEXT_BYTES} bytes, none of them zero");
            findings.add(&word.at, path, message, Some(hint));
            continue;
        }
        read.push(text.clone());
    }
    if words.len() > MAX_WORDS {
        let message = format!("`{}` has {} words", key.name, words.len());
        findings.add(&list.at, path, message, Some(format!("at most {MAX_WORDS}")));
        return None;
    }
    if words.first().is_none_or(|word| matches!(&word.raw, Raw::Text(text) if text.is_empty())) {
        let hint = Some(format!("write `{} = {}`", key.name, key.kind.example()));
        findings.add(&list.at, path, format!("`{}` names no program", key.name), hint);
        return None;
    }
    (read.len() == words.len()).then_some(FactorValue::Words(read))
}

fn backend(text: &str) -> Result<FactorValue, Problem> {
    match text.parse::<BackendName>() {
        Ok(name) => Ok(FactorValue::Text(name.as_str().to_owned())),
        Err(unknown) => {
            Err((format!("unknown backend {}", quoted(text)), hint_for(text, unknown.known.iter().copied())))
        }
    }
}

/// `class:percent`, in the canonical form `timeout:5%`.
fn failure_share(text: &str) -> Result<FactorValue, Problem> {
    let wrong = |message: String| (message, "write a class and a share, such as `\"timeout:5%\"`".to_owned());
    let (class, share) = text
        .split_once(':')
        .ok_or_else(|| wrong(format!("{} is not a class of failure with its share", quoted(text))))?;
    let class: FailureClass = class.trim().parse().map_err(|unknown: crate::cell::UnknownName| {
        (format!("unknown class of failure {}", quoted(class)), hint_for(class, unknown.known.iter().copied()))
    })?;
    let number = share.trim().strip_suffix('%').unwrap_or(share).trim();
    let percent: f64 = number.parse().map_err(|_| wrong(format!("{} is not a share in percent", quoted(share))))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(wrong(format!("{} is not from 0 % to 100 %", quoted(share))));
    }
    Ok(FactorValue::Text(format!("{class}:{percent}%")))
}

/// A share above 0 % and below 100 %, in the canonical form `2 %`.
fn share(key: &Key, text: &str) -> Result<FactorValue, Problem> {
    let hint = format!("write `{} = {}`", key.name, key.kind.example());
    let Some(number) = text.trim().strip_suffix('%').map(str::trim) else {
        return Err((format!("`{}` needs a share in percent, not {}", key.name, quoted(text)), hint));
    };
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent < 100.0 => Ok(FactorValue::Text(format!("{percent} %"))),
        Ok(_) => Err((format!("`{}` is {}, which is not above 0 % and below 100 %", key.name, quoted(text)), hint)),
        Err(_) => Err((format!("`{}` is {}, which is not a share", key.name, quoted(text)), hint)),
    }
}

/// The number of a share as it was read: 0.02 of `2 %`.
pub(super) fn share_of(value: &FactorValue) -> Option<f64> {
    let percent: f64 = value.as_text()?.strip_suffix(" %")?.parse().ok()?;
    Some(percent / 100.0)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '_')
}

fn count(key: &Key, number: Option<i128>, min: u64, max: u64) -> Result<FactorValue, Problem> {
    let range = key.kind.range().unwrap_or_default();
    match number {
        Some(number) if number < 0 => {
            Err((format!("`{}` is negative", key.name), format!("write a whole number {range}")))
        }
        Some(number) => match u64::try_from(number) {
            Ok(count) if (min..=max).contains(&count) => Ok(FactorValue::Count(count)),
            _ => Err((format!("`{}` is {number}, out of range", key.name), format!("write a whole number {range}"))),
        },
        None => Err((format!("`{}` is out of range", key.name), format!("write a whole number {range}"))),
    }
}

/// The hint for a bare word of an argument: an example as `--set` takes it.
fn bare_example(kind: Kind) -> String {
    let example = kind.example();
    let bare = if kind.splits_at_commas() { example.replace(['[', ']', '"'], "") } else { example };
    format!("write it as `{bare}`")
}

/// The value as it was probably meant, or an example.
fn corrected(raw: &Raw, kind: Kind) -> String {
    match (raw, kind) {
        (Raw::Text(text), Kind::Count { .. }) if is_integer(text) => text.clone(),
        (Raw::Text(text), Kind::Flag) if text == "true" || text == "false" => text.clone(),
        _ => kind.example(),
    }
}
