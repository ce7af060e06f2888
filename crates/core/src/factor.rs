//! Factors: the dimensions of a cell, as values with units.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// All factors of a cell by key, defaults included (`memory` → 256 MiB).
pub type Factors = BTreeMap<String, FactorValue>;

/// The value of one factor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorValue {
    /// Words, a choice or a path.
    Text(String),
    /// A list of words that is one value (a command and its arguments).
    Words(Vec<String>),
    /// A whole number without a unit.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// An amount of memory.
    Bytes(u64),
    /// A time, in nanoseconds.
    DurationNs(u64),
}

impl fmt::Display for FactorValue {
    /// The canonical short form that cell ids use: exact, and different for different values of one kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&plain_or_quoted(text)),
            Self::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| plain_or_quoted(word)).collect();
                f.write_str(&words.join(" "))
            }
            Self::Count(count) => write!(f, "{count}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Bytes(_) | Self::DurationNs(_) => {
                let (number, unit) = self.number_and_unit().unwrap_or((0, ""));
                write!(f, "{number}{unit}")
            }
        }
    }
}

impl FactorValue {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    /// The list of words, if it is one.
    pub fn as_words(&self) -> Option<&[String]> {
        if let Self::Words(words) = self { Some(words) } else { None }
    }
    /// The count, if it is one.
    pub fn as_count(&self) -> Option<u64> {
        if let Self::Count(count) = self { Some(*count) } else { None }
    }
    /// The flag, if it is one.
    pub fn as_flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }
    /// The bytes, if it is an amount of memory.
    pub fn as_bytes(&self) -> Option<u64> {
        if let Self::Bytes(bytes) = self { Some(*bytes) } else { None }
    }
    /// The nanoseconds, if it is a time.
    pub fn as_duration_ns(&self) -> Option<u64> {
        if let Self::DurationNs(ns) = self { Some(*ns) } else { None }
    }

    /// The value as a plan would state it (`"256 MiB"`, `["echo", "hi"]`, `4`).
    pub fn as_plan_text(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Words(words) => format!("{words:?}"),
            Self::Count(_) | Self::Flag(_) => self.to_string(),
            Self::Bytes(_) | Self::DurationNs(_) => {
                let (number, unit) = self.number_and_unit().unwrap_or((0, ""));
                format!("\"{number} {unit}\"")
            }
        }
    }

    /// The value as JSON in the form in which a plan would state it (`"256 MiB"`, `4`).
    pub fn to_plan_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Words(words) => words.clone().into(),
            Self::Count(count) => (*count).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Bytes(_) | Self::DurationNs(_) => {
                let (number, unit) = self.number_and_unit().unwrap_or((0, ""));
                format!("{number} {unit}").into()
            }
        }
    }

    /// A quantity in the unit in which it is a whole number and the smallest one; binary before decimal.
    fn number_and_unit(&self) -> Option<(u64, &'static str)> {
        const BYTES: &[(u64, &str)] = &[
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "kB"),
            (1, "B"),
        ];
        const TIMES: &[(u64, &str)] = &[(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
        let (value, units, zero) = match self {
            Self::Bytes(bytes) => (*bytes, BYTES, "B"),
            Self::DurationNs(ns) => (*ns, TIMES, "s"),
            _ => return None,
        };
        if value == 0 {
            return Some((0, zero));
        }
        units.iter().find(|(size, _)| value.is_multiple_of(*size)).map(|(size, unit)| (value / size, *unit))
    }
}

/// The word itself, or in quotes with escapes if it could be misread within a cell's id.
fn plain_or_quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+:@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("{word:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{parse_bytes, parse_duration_ns};
    use proptest::prelude::*;

    #[test]
    fn quantities_are_exact_and_canonical() {
        assert_eq!(FactorValue::Bytes(128 << 20).to_string(), "128MiB");
        assert_eq!(FactorValue::Bytes(256_000_000).to_string(), "256MB");
        assert_eq!(FactorValue::Bytes((128 << 20) + 1024).to_string(), "131073KiB");
        assert_eq!(FactorValue::DurationNs(1_500_000_000).to_string(), "1500ms");
        assert_eq!(FactorValue::DurationNs(0).as_plan_text(), "\"0 s\"");
        assert_eq!(FactorValue::Bytes(96 << 20).as_plan_text(), "\"96 MiB\"");
    }

    #[test]
    fn words_that_could_be_misread_are_quoted() {
        assert_eq!(FactorValue::Text("/boot/vmlinuz-6.1".into()).to_string(), "/boot/vmlinuz-6.1");
        assert_eq!(FactorValue::Text("quiet panic=-1".into()).to_string(), "\"quiet panic=-1\"");
        assert_eq!(FactorValue::Text("a,b".into()).to_string(), "\"a,b\"");
        assert_eq!(FactorValue::Words(vec!["echo".into(), "a b".into()]).to_string(), "echo \"a b\"");
        assert_eq!(FactorValue::Text(String::new()).to_string(), "\"\"");
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back_as_the_same_value(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(parse_bytes(&FactorValue::Bytes(value).to_string()), Ok(value));
            prop_assert_eq!(parse_duration_ns(&FactorValue::DurationNs(value).to_string()), Ok(value));
        }

        #[test]
        fn different_texts_have_different_forms(one in ".{0,12}", other in ".{0,12}") {
            let same = FactorValue::Text(one.clone()).to_string() == FactorValue::Text(other.clone()).to_string();
            prop_assert_eq!(same, one == other);
        }
    }
}
