//! Factors: the dimensions of a cell, as values with units.

use crate::unit::{DisplayBytes, DisplayNs};
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
    /// The canonical short form that cell ids use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Bytes(bytes) => {
                f.write_str(&DisplayBytes(*bytes as f64).to_string().replace(".00", "").replace(' ', ""))
            }
            Self::DurationNs(ns) => f.write_str(&DisplayNs(*ns as f64).to_string().replace(".00", "").replace(' ', "")),
        }
    }
}

impl FactorValue {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
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
}
