//! What parsers share when they build up what they found.

use super::json::Node;
use super::{ImportError, Parsed, ParsedSample, SourceFile};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::Accuracy;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A sample of a cell with its values; what is not a finite number is left out.
pub(super) fn sample<'a>(
    cell: usize,
    round: usize,
    accuracy: Accuracy,
    metrics: impl IntoIterator<Item = (&'a str, f64)>,
) -> ParsedSample {
    let metrics: BTreeMap<String, f64> =
        metrics.into_iter().filter(|(_, value)| value.is_finite()).map(|(name, value)| (name.into(), value)).collect();
    ParsedSample {
        cell,
        round: u32::try_from(round).unwrap_or(u32::MAX),
        warmup: false,
        started_ns: None,
        failure: None,
        accuracy,
        metrics,
    }
}

/// A failure that the tool reports.
pub(super) fn reported(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Reported, message)
}

/// Adds what keys nobody read, once each.
pub(super) fn unread<'a>(parsed: &mut Parsed, place: &str, keys: impl Iterator<Item = &'a str>, known: &[&str]) {
    for key in keys.filter(|key| !known.contains(key)) {
        parsed.remark(format!("`{place}{}` is not understood and was left out", short(key)));
    }
}

/// Foreign text for a message: one line, without control characters, not long.
pub(super) fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(120).collect::<String>().escape_debug().to_string();
    if text.chars().nth(120).is_some() {
        cut.push('…');
    }
    cut
}

/// The text at a key; anything else counts as absent.
pub(super) fn text_at<'a>(node: &Node<'a>, key: &str) -> Option<&'a str> {
    node.value().get(key)?.as_str()
}

/// The whole number at a key, for a factor; anything else counts as absent.
pub(super) fn count_at(node: &Node<'_>, key: &str) -> Option<u64> {
    node.value().get(key)?.as_u64()
}

/// How many items the array has that stands here.
pub(super) fn length(node: &Node<'_>) -> Result<usize, ImportError> {
    node.value().as_array().map(Vec::len).ok_or_else(|| node.fail("expected an array"))
}

/// The numbers of the array that stands here. There may be millions: no path is made for each.
pub(super) fn numbers(node: &Node<'_>) -> Result<Vec<f64>, ImportError> {
    let items = node.value().as_array().ok_or_else(|| node.fail("expected an array of numbers"))?;
    let number = |(index, item): (usize, &Value)| {
        let number = item.as_f64().filter(|number| number.is_finite());
        number.ok_or_else(|| node.fail(format_args!("item {index} is no number")))
    };
    items.iter().enumerate().map(number).collect()
}

/// Counts the samples of cells: rounds within each.
#[derive(Debug, Default)]
pub(super) struct Rounds(HashMap<usize, usize>);

impl Rounds {
    /// The next round of a cell.
    pub fn next(&mut self, cell: usize) -> usize {
        let count = self.0.entry(cell).or_insert(0);
        *count += 1;
        *count - 1
    }
}

/// A whole number of nanoseconds where only the conversion from seconds kept it from being one.
pub(super) fn ns_of_seconds(seconds: f64) -> f64 {
    let ns = seconds * 1e9;
    if (ns - ns.round()).abs() < 1e-3 { ns.round() } else { ns }
}

/// A moment as RFC 3339 in UTC, from milliseconds since 1970; `None` for what is no date of these centuries.
pub(super) fn rfc3339_of_ms(ms: f64) -> Option<String> {
    let ms = (0.0..253_402_207_200_000.0).contains(&ms).then_some(ms as i64)?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// The first bytes of a file, for a cheap look.
pub(super) fn head(file: &SourceFile) -> &[u8] {
    &file.bytes[..file.bytes.len().min(64 << 10)]
}

/// Whether bytes hold a text.
pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The last part of a path with slashes.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(rfc3339_of_ms(1_541_591_155_180.0).as_deref(), Some("2018-11-07T11:45:55.18Z"));
        assert_eq!([-1.0, f64::NAN, 1e300].map(rfc3339_of_ms), [None, None, None]);
    }

    #[test]
    fn seconds_become_whole_nanoseconds_where_they_were() {
        assert_eq!(ns_of_seconds(0.01120435), 11_204_350.0);
        assert_eq!(ns_of_seconds(0.000_000_000_25), 0.25);
    }
}
