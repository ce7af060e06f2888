//! One entry of a mapping: its target, its source, and the words they are written in.

use super::{MappingError, Part, Source, Target};
use crate::import::number::finite;
use crate::import::units::has_unit;
use isodyne_core::cell::BackendName;
use isodyne_core::sample::Accuracy;

pub(super) fn target(name: &str) -> Result<Target, MappingError> {
    Ok(match name {
        "cell" => Target::Cell(None),
        "backend" => Target::Backend,
        "accuracy" => Target::Accuracy,
        "ok" => Target::Ok,
        "failure" => Target::Failure,
        "at" => Target::At,
        "round" => Target::Round,
        "warmup" => Target::Warmup,
        _ => {
            if let Some(key) = name.strip_prefix("cell.") {
                return plain(key).map(|key| Target::Cell(Some(key)));
            }
            let name = plain(name)?;
            if !has_unit(&name) {
                let message = "is no target: a metric's name ends in its unit (_ns, _bytes, _per_s, _bytes_per_s, _ratio, \
                               _count); the others are cell, cell.KEY, backend, accuracy, ok, failure, at, round, warmup, \
                               delimiter, title and tool";
                return Err(MappingError(format!("{} {message}", shown(&name))));
            }
            Target::Metric(name)
        }
    })
}

pub(super) fn source(text: &str) -> Result<Source, MappingError> {
    if text == "file" {
        return Ok(Source::File);
    }
    if let Some(rest) = text.strip_prefix("text:") {
        return Ok(Source::Text(unquoted(rest.trim())));
    }
    let Some(rest) = text.strip_prefix("col:") else {
        return Err(MappingError(format!(
            "{} is no source: write col:NAME, col:NAME*NUMBER, col:NAME==WORD, text:WORDS or file",
            shown(text)
        )));
    };
    for (operator, equal) in [("==", true), ("!=", false)] {
        if let Some((column, word)) = split_once_outside(rest, operator) {
            let equals = Some((equal, unquoted(word.trim())));
            return Ok(Source::Column { column: name(column)?, factor: None, equals });
        }
    }
    for (operator, invert) in [("*", false), ("/", true)] {
        if let Some((column, number)) = split_once_outside(rest, operator) {
            let number = finite(number).filter(|number| *number != 0.0).ok_or_else(|| {
                MappingError(format!(
                    "{} is no number to multiply with; put a column's name with {operator} in quotes",
                    shown(number)
                ))
            })?;
            let factor = if invert { 1.0 / number } else { number };
            return Ok(Source::Column { column: name(column)?, factor: Some(factor), equals: None });
        }
    }
    Ok(Source::column(name(rest)?))
}

/// What makes no sense together.
pub(super) fn check(part: &Part, target: &str) -> Result<(), MappingError> {
    let wrong = |why: &str| Err(MappingError(format!("{}: {why}", shown(target))));
    match (&part.target, &part.source) {
        (Target::Metric(_), Source::Column { equals: Some(_), .. }) => wrong("a metric is a number, not a comparison"),
        (Target::Metric(_) | Target::At | Target::Round, Source::Text(_) | Source::File) => wrong("it needs a column"),
        (Target::Cell(_) | Target::Backend | Target::Failure, Source::Column { factor: Some(_), .. }) => {
            wrong("it is a text and cannot be multiplied")
        }
        (Target::Cell(None), Source::Text(_)) => wrong("a text needs a key: cell.KEY=text:WORDS"),
        (Target::Backend, Source::Text(name)) if backend(name).is_none() => wrong("this is no backend"),
        (Target::Accuracy, Source::Text(name)) if name.parse::<Accuracy>().is_err() => {
            wrong("it is kvm, tcg, nested, container or process")
        }
        _ => Ok(()),
    }
}

/// A backend's name; `imported` where it is none of ours.
pub(in crate::import::csv) fn backend(name: &str) -> Option<BackendName> {
    name.trim().to_ascii_lowercase().parse().ok()
}

pub(super) fn delimiter(text: &str) -> Result<u8, MappingError> {
    match text.trim().trim_start_matches("text:") {
        "comma" | "," => Ok(b','),
        "semicolon" | ";" => Ok(b';'),
        "tab" | "\t" => Ok(b'\t'),
        "pipe" | "|" => Ok(b'|'),
        other => Err(MappingError(format!("delimiter {}: it is comma, semicolon, tab or pipe", shown(other)))),
    }
}

/// Text without the marks around it.
pub(super) fn words(text: &str) -> String {
    unquoted(text.strip_prefix("text:").unwrap_or(text).trim())
}

fn name(text: &str) -> Result<String, MappingError> {
    let name = unquoted(text.trim());
    if name.is_empty() { Err(MappingError("a column needs a name: col:NAME".to_owned())) } else { Ok(name) }
}

fn plain(text: &str) -> Result<String, MappingError> {
    let good =
        !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if good {
        Ok(text.to_owned())
    } else {
        Err(MappingError(format!("{} is no name of letters, digits and _", shown(text))))
    }
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// The pieces between a separator that stands outside quotes.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        quoted ^= character == '"';
        if character == separator && !quoted {
            pieces.push(&text[begin..at]);
            begin = at + character.len_utf8();
        }
    }
    pieces.push(&text[begin..]);
    pieces
}

fn split_once_outside<'t>(text: &'t str, operator: &str) -> Option<(&'t str, &'t str)> {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        quoted ^= character == '"';
        if !quoted && text[at..].starts_with(operator) {
            return Some((&text[..at], &text[at + operator.len()..]));
        }
    }
    None
}

pub(super) fn no_text(key: &str) -> MappingError {
    MappingError(format!("{}: a source is a text such as \"col:duration_ms*1e6\"", shown(key)))
}

pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    format!("`{}`", cut.escape_debug())
}
