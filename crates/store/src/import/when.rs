//! Times of the wall clock as tools write them.

use super::number::finite;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Nanoseconds since 1970 in UTC: RFC 3339; date and time without a zone (`2026-01-29 12:00:00`, `20260129_120000`,
/// `20260129-120000`), taken as UTC; or a number since 1970 in seconds, milliseconds, microseconds or nanoseconds, told
/// apart by its size.
pub fn unix_ns(text: &str) -> Option<i128> {
    let text = text.trim();
    if text.len() > 64 || text.is_empty() {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_nanosecond());
    }
    if let Some(number) = finite(text) {
        // 1e8 s is 1973; anything below is a count of something, not a date.
        let factor = match number {
            n if (1e8..1e11).contains(&n) => 1_000_000_000.0,
            n if (1e11..1e14).contains(&n) => 1_000_000.0,
            n if (1e14..1e17).contains(&n) => 1_000.0,
            n if (1e17..1e19).contains(&n) => 1.0,
            _ => return None,
        };
        let whole = text.parse::<i128>().ok().map(|whole| whole * factor as i128);
        return whole.or(Some((number * factor) as i128));
    }
    let compact = text.replace(['_', '-'], "T");
    let civil = text.parse::<DateTime>().or_else(|_| compact.parse::<DateTime>()).ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_nanosecond())
}

/// The same as RFC 3339.
pub fn rfc3339(text: &str) -> Option<String> {
    let time = Timestamp::from_nanosecond(unix_ns(text)?).ok()?;
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_forms_are_one_time() {
        for text in [
            "2026-01-29T12:00:00Z",
            "2026-01-29T13:00:00+01:00",
            "2026-01-29 12:00:00",
            "20260129_120000",
            "20260129-120000",
            "1769688000",
            "1769688000.000",
            "1769688000000",
            "1769688000000000",
            "1769688000000000000",
        ] {
            assert_eq!(rfc3339(text).as_deref(), Some("2026-01-29T12:00:00Z"), "{text}");
        }
        for wrong in ["", "yesterday", "12", "-5", "2026-13-01T00:00:00Z", "1e300"] {
            assert_eq!(unix_ns(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:. _+-]{0,30}") {
            let _ = rfc3339(&text);
        }
    }
}
