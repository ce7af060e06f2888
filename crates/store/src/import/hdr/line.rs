//! One line of a log.

use super::super::parts::short;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing, or the legend.
    Nothing,
    /// When the log was begun, in seconds since 1970.
    StartTime(f64),
    /// The version of the log's format.
    Version(&'a str),
    /// Any other comment.
    Comment(&'a str),
    /// An interval.
    Interval(Interval<'a>),
}

/// One interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval<'a> {
    /// Its tag; empty if it has none.
    pub tag: &'a str,
    /// When it began, in seconds.
    pub start_s: f64,
    /// Its greatest value as the column has it.
    pub max: f64,
    /// Its histogram.
    pub bytes: Vec<u8>,
}

/// Reads a line; errors are in words that follow its place.
pub(super) fn read(line: &str) -> Result<Line<'_>, String> {
    let line = line.trim();
    if let Some(comment) = line.strip_prefix('#') {
        if let Some(rest) = comment.strip_prefix("[StartTime:") {
            let number = rest.trim_start().split([' ', ']', ',']).next().unwrap_or_default();
            return finite(number).map(Line::StartTime).ok_or_else(|| "the start time is no number".to_owned());
        }
        if let Some(rest) = comment.strip_prefix("[Histogram log format version") {
            return Ok(Line::Version(rest.trim().trim_end_matches(']').trim()));
        }
        return Ok(Line::Comment(comment));
    }
    if line.is_empty() || line.starts_with("\"StartTimestamp\"") {
        return Ok(Line::Nothing);
    }
    let (tag, rest) = match line.strip_prefix("Tag=") {
        Some(rest) => rest.split_once(',').ok_or("nothing follows the tag")?,
        None => ("", line),
    };
    let fields: Vec<&str> = rest.splitn(5, ',').map(str::trim).collect();
    let [start, length, max, histogram] = fields[..] else {
        return Err(format!("expected start, length, greatest value and histogram, found {} fields", fields.len()));
    };
    let number =
        |name: &str, text: &str| finite(text).ok_or_else(|| format!("the {name} `{}` is no number", short(text)));
    let start_s = number("start", start)?;
    number("length", length)?;
    let max = number("greatest value", max)?;
    let bytes = STANDARD.decode(histogram).map_err(|_| "the histogram is not base 64")?;
    Ok(Line::Interval(Interval { tag, start_s, max, bytes }))
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A tag of ours without its percent escapes; what is none stays.
pub(super) fn unescape(tag: &str) -> String {
    let mut bytes = Vec::with_capacity(tag.len());
    let mut rest = tag.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
