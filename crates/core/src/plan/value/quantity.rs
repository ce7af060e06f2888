//! Quantities: amounts of memory and times, and the ways in which they are misspelt.

use super::Problem;
use crate::diagnostic::quoted;
use crate::factor::FactorValue;
use crate::plan::key::{BYTE_UNITS, Key, Kind, TIME_UNITS};
use crate::unit::{QuantityError, parse_bytes, parse_duration_ns};

/// A number without a unit.
pub(super) fn without_unit(key: &Key, number: &str) -> Problem {
    if number.starts_with('-') {
        return (format!("`{}` is negative", key.name), format!("write it {}", key.kind.range().unwrap_or_default()));
    }
    let unit = if matches!(key.kind, Kind::Bytes { .. }) { "MiB" } else { "s" };
    let kept = if number.len() <= 6 && number.starts_with(|c: char| c.is_ascii_digit()) { number } else { "256" };
    (
        format!("`{}` has no unit: {} is a bare number", key.name, quoted(number)),
        format!("write `{} = \"{kept} {unit}\"`", key.name),
    )
}

/// An amount of memory or a time, from its text.
pub(super) fn quantity(key: &Key, text: &str) -> Result<FactorValue, Problem> {
    let (parsed, units) = match key.kind {
        Kind::Bytes { .. } => (parse_bytes(text).map(FactorValue::Bytes), BYTE_UNITS),
        _ => (parse_duration_ns(text).map(FactorValue::DurationNs), TIME_UNITS),
    };
    let value = parsed.map_err(|error| match error {
        QuantityError::NoUnit(number) => without_unit(key, &number),
        QuantityError::UnknownUnit { unit, .. } => wrong_unit(key, &unit, units),
        QuantityError::BadNumber(_) if text.trim_start().starts_with('-') => {
            (format!("`{}` is negative", key.name), format!("write it {}", key.kind.range().unwrap_or_default()))
        }
        QuantityError::BadNumber(_) => (
            format!("{} is not {}", quoted(text), key.kind.noun()),
            format!("write `{} = {}`", key.name, key.kind.example()),
        ),
    })?;
    let inside = match (&value, key.kind) {
        (FactorValue::Bytes(bytes), Kind::Bytes { min, max }) => (min..=max).contains(bytes),
        (FactorValue::DurationNs(ns), Kind::Duration { min_ns, max_ns }) => (min_ns..=max_ns).contains(ns),
        _ => false,
    };
    if inside {
        return Ok(value);
    }
    let message = format!("`{}` is {}, out of range", key.name, text.trim());
    Err((message, format!("write it {}", key.kind.range().unwrap_or_default())))
}

/// A unit of another kind, of another spelling, or of no kind at all.
fn wrong_unit(key: &Key, unit: &str, units: &[&str]) -> Problem {
    const SPELLINGS: &[(&str, &str)] = &[
        ("sec", "s"),
        ("secs", "s"),
        ("second", "s"),
        ("seconds", "s"),
        ("msec", "ms"),
        ("usec", "us"),
        ("m", "min"),
        ("mins", "min"),
        ("minute", "min"),
        ("minutes", "min"),
        ("hour", "h"),
        ("hours", "h"),
        ("k", "KiB"),
        ("ki", "KiB"),
        ("m", "MiB"),
        ("mi", "MiB"),
        ("g", "GiB"),
        ("gi", "GiB"),
    ];
    let noun = key.kind.noun();
    let others = if units == BYTE_UNITS { TIME_UNITS } else { BYTE_UNITS };
    if others.contains(&unit) {
        let what = if units == BYTE_UNITS { "time" } else { "memory" };
        let message = format!("`{}` needs {noun}, and {} is a unit of {what}", key.name, quoted(unit));
        return (message, format!("units: {}", units.join(", ")));
    }
    let lowered = unit.to_lowercase();
    let meant = units.iter().find(|known| known.to_lowercase() == lowered).or_else(|| {
        let spelling = |(spelling, meant): &&(&str, &str)| *spelling == lowered && units.contains(meant);
        SPELLINGS.iter().find(spelling).map(|(_, meant)| meant)
    });
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("units: {}", units.join(", ")),
    };
    (format!("`{}` needs {noun}, and {} is not a unit", key.name, quoted(unit)), hint)
}
