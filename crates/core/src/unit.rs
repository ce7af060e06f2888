//! Quantities with units: parsing what people write, printing what people read.
//!
//! MB is 10^6 bytes and MiB is 2^20; a bare number is never a quantity.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One reading of the host's monotonic clock, in nanoseconds since an arbitrary origin of that host's boot.
///
/// Stamps from different hosts, boots or guests are never subtracted; within one run they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostInstant(pub u64);

impl HostInstant {
    /// Nanoseconds from `earlier` to `self`; 0 if `self` is not later.
    pub fn ns_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// A number without a unit.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that is not known for this kind of quantity.
    #[error("`{unit}` is not a unit of {kind}")]
    UnknownUnit {
        /// What was written.
        unit: String,
        /// "time" or "memory".
        kind: &'static str,
    },
    /// The number itself cannot be read, is negative, or is out of range.
    #[error("`{0}` is not a number that fits here")]
    BadNumber(String),
}

const TIME_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

const BYTE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Parses a time such as `200 ms` into nanoseconds.
pub fn parse_duration_ns(text: &str) -> Result<u64, QuantityError> {
    parse_with(text, TIME_UNITS, "time")
}

/// Parses an amount of memory such as `256 MiB` into bytes.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    parse_with(text, BYTE_UNITS, "memory")
}

fn parse_with(text: &str, units: &[(&str, u64)], kind: &'static str) -> Result<u64, QuantityError> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = (text[..split].replace('_', ""), text[split..].trim());
    if number.is_empty() {
        return Err(QuantityError::BadNumber(text.to_owned()));
    }
    if unit.is_empty() {
        return Err(QuantityError::NoUnit(text.to_owned()));
    }
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or_else(|| QuantityError::UnknownUnit { unit: unit.to_owned(), kind })?;
    let bad = || QuantityError::BadNumber(text.to_owned());
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(bad);
    }
    let value = number.parse::<f64>().map_err(|_| bad())? * factor as f64;
    if value.is_finite() && value < 9.0e18 { Ok(value.round() as u64) } else { Err(bad()) }
}

/// A time for people: three significant digits and the unit that fits.
#[derive(Clone, Copy, Debug)]
pub struct DisplayNs(pub f64);

impl fmt::Display for DisplayNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
        let size = self.0.abs();
        // The thresholds sit a little below the unit so that rounding never prints "1000 ms".
        match steps.iter().find(|(step, _)| size >= step * 0.9995) {
            Some((step, unit)) => write!(f, "{} {unit}", significant(self.0 / step)),
            None => write!(f, "{:.0} ns", self.0),
        }
    }
}

/// An amount of memory for people, in binary units.
#[derive(Clone, Copy, Debug)]
pub struct DisplayBytes(pub f64);

impl fmt::Display for DisplayBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [(f64::from(1 << 30), "GiB"), (f64::from(1 << 20), "MiB"), (f64::from(1 << 10), "KiB")];
        let size = self.0.abs();
        match steps.iter().find(|(step, _)| size >= step * 0.9995) {
            Some((step, unit)) => write!(f, "{} {unit}", significant(self.0 / step)),
            None => write!(f, "{:.0} B", self.0),
        }
    }
}

/// Three significant digits without an exponent, for values in [1, 1000) and beyond.
fn significant(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The unit that a metric's name carries, by its suffix (`total_ns` → `ns`).
pub fn unit_of_metric(name: &str) -> &'static str {
    const SUFFIXES: &[(&str, &str)] = &[
        ("_bytes_per_s", "B/s"),
        ("_per_s", "1/s"),
        ("_ns", "ns"),
        ("_bytes", "B"),
        ("_ratio", "ratio"),
        ("_count", "count"),
    ];
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map_or("count", |(_, unit)| unit)
}

/// Metrics of which the engine gives shares only: one long span, divided by how often something happened in it.
const DIVIDED: [&str; 7] = [
    "train_per_trip_ns",
    "ask_cpu_per_trip_ns",
    "answer_cpu_per_trip_ns",
    "monitor_cpu_per_trip_ns",
    "open_loop_ask_cpu_per_message_ns",
    "open_loop_answer_cpu_per_message_ns",
    "open_loop_monitor_cpu_per_message_ns",
];

/// Whether a metric is a share of a long span, which is given only where the clock can tell the whole span. Such a value may
/// be shorter than what the clock can tell. Nothing else may, whatever its name says: how others made theirs is not known.
pub fn is_divided(metric: &str) -> bool {
    DIVIDED.contains(&metric)
}

/// A metric's value for people, by the unit in its name.
pub fn display_metric(name: &str, value: f64) -> String {
    match unit_of_metric(name) {
        "ns" => DisplayNs(value).to_string(),
        "B" => DisplayBytes(value).to_string(),
        "B/s" => format!("{}/s", DisplayBytes(value)),
        "1/s" => format!("{}/s", significant(value)),
        "ratio" => format!("{:.1} %", value * 100.0),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_carry_units() {
        assert_eq!(parse_bytes("256 MiB"), Ok(256 << 20));
        assert_eq!(parse_bytes("256MB"), Ok(256_000_000));
        assert_eq!(parse_duration_ns("1.5 s"), Ok(1_500_000_000));
        assert_eq!(parse_duration_ns("200"), Err(QuantityError::NoUnit("200".into())));
        assert!(matches!(parse_bytes("12 ms"), Err(QuantityError::UnknownUnit { .. })));
        assert!(matches!(parse_bytes("-1 MiB"), Err(QuantityError::BadNumber(_))));
        assert!(matches!(parse_bytes("99999999999999999999 GiB"), Err(QuantityError::BadNumber(_))));
    }

    #[test]
    fn only_our_own_shares_are_divided() {
        assert!(is_divided("train_per_trip_ns"));
        assert!(
            ["call_per_item_ns", "train_per_trip", "control_train_per_trip_ns", "ns_per_op_ns"]
                .iter()
                .all(|name| !is_divided(name))
        );
    }

    #[test]
    fn display_never_overflows_its_unit() {
        assert_eq!(DisplayNs(999_999_999.0).to_string(), "1.00 s");
        assert_eq!(DisplayNs(12_345_678.0).to_string(), "12.3 ms");
        assert_eq!(DisplayNs(512.0).to_string(), "512 ns");
        assert_eq!(DisplayBytes(1_048_576.0).to_string(), "1.00 MiB");
    }
}
