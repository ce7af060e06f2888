//! What parsers share when they build up what they found.

use super::{Parsed, ParsedSample, SourceFile};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::Accuracy;
use std::collections::BTreeMap;

/// No import makes more remarks; one more says that there would be.
const REMARKS_LIMIT: usize = 100;

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

/// Adds a remark, once, as long as there are not too many.
pub(super) fn remark(parsed: &mut Parsed, text: impl Into<String>) {
    let text = text.into();
    if parsed.remarks.len() < REMARKS_LIMIT {
        if !parsed.remarks.contains(&text) {
            parsed.remarks.push(text);
        }
    } else if parsed.remarks.len() == REMARKS_LIMIT {
        parsed.remarks.push("more remarks are left out".to_owned());
    }
}

/// Adds what keys nobody read, once each.
pub(super) fn unread<'a>(parsed: &mut Parsed, place: &str, keys: impl Iterator<Item = &'a str>, known: &[&str]) {
    for key in keys.filter(|key| !known.contains(key)) {
        remark(parsed, format!("`{place}{}` is not understood and was left out", super::tree::short(key)));
    }
}

/// A whole number of nanoseconds where only the conversion from seconds kept it from being one.
pub(super) fn ns_of_seconds(seconds: f64) -> f64 {
    let ns = seconds * 1e9;
    if (ns - ns.round()).abs() < 1e-3 { ns.round() } else { ns }
}

/// A moment as RFC 3339 in UTC, from milliseconds since 1970; `None` outside the years 1970 to 9999.
///
/// The calendar is Howard Hinnant's `civil_from_days`.
pub(super) fn rfc3339_of_ms(ms: f64) -> Option<String> {
    let ms = (0.0..253_402_300_800_000.0).contains(&ms).then_some(ms as u64)?;
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1_000))
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
        // From `date -u -d @… +%FT%T`.
        assert_eq!(rfc3339_of_ms(0.0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(rfc3339_of_ms(951_782_400_000.0).as_deref(), Some("2000-02-29T00:00:00.000Z"));
        assert_eq!(rfc3339_of_ms(1_541_591_155_180.0).as_deref(), Some("2018-11-07T11:45:55.180Z"));
        assert_eq!(rfc3339_of_ms(253_402_300_799_999.0).as_deref(), Some("9999-12-31T23:59:59.999Z"));
        assert_eq!(rfc3339_of_ms(253_402_300_800_000.0), None);
        assert_eq!(rfc3339_of_ms(-1.0), None);
        assert_eq!(rfc3339_of_ms(f64::NAN), None);
    }

    #[test]
    fn remarks_do_not_grow_without_end() {
        let mut parsed = Parsed::default();
        (0..1_000).for_each(|index| remark(&mut parsed, index.to_string()));
        assert_eq!(parsed.remarks.len(), REMARKS_LIMIT + 1);
    }
}
