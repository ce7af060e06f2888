//! What a key of a plan can hold: the terms in which the tables of keys are written.

use crate::factor::FactorValue;

/// Units of memory, as [`crate::unit::parse_bytes`] reads them.
pub const BYTE_UNITS: &[&str] = &["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"];
/// Units of time, as [`crate::unit::parse_duration_ns`] reads them (`µs` is read too).
pub const TIME_UNITS: &[&str] = &["ns", "us", "ms", "s", "min", "h"];

/// One key of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What holds if the plan does not state it.
    pub default: DefaultValue,
    /// Whether a list of values makes cells.
    pub factor: bool,
    /// One line for the reference.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// The path of a file, relative to the working directory.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number without a unit.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// An amount of memory with its unit.
    Bytes {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A time with its unit.
    Duration {
        /// The shortest, in nanoseconds.
        min_ns: u64,
        /// The longest, in nanoseconds.
        max_ns: u64,
    },
    /// A list of words that is one value.
    Words,
    /// A list of backends.
    Backends,
    /// A class of failure and how often it strikes (`timeout:5%`).
    FailureShare,
    /// A share in percent, above 0 and below 100 (`2 %`).
    Share,
    /// When an application is ready.
    Ready,
}

/// What holds for a key that is not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// It must be stated.
    Required,
    /// Nothing; these words say what happens then.
    Absent(&'static str),
    /// This text.
    Text(&'static str),
    /// This number.
    Count(u64),
    /// This flag.
    Flag(bool),
    /// This much memory.
    Bytes(u64),
    /// This time, in nanoseconds.
    DurationNs(u64),
}

impl DefaultValue {
    /// The value, if there is one.
    pub fn value(self) -> Option<FactorValue> {
        match self {
            Self::Required | Self::Absent(_) => None,
            Self::Text(text) => Some(FactorValue::Text(text.to_owned())),
            Self::Count(count) => Some(FactorValue::Count(count)),
            Self::Flag(flag) => Some(FactorValue::Flag(flag)),
            Self::Bytes(bytes) => Some(FactorValue::Bytes(bytes)),
            Self::DurationNs(ns) => Some(FactorValue::DurationNs(ns)),
        }
    }

    /// The default for the reference: a value as a plan would state it, or words.
    pub fn words(self) -> String {
        match (self, self.value()) {
            (_, Some(value)) => format!("`{}`", value.as_plan_text()),
            (Self::Absent(words), None) => words.to_owned(),
            (_, None) => "must be stated".to_owned(),
        }
    }
}

impl Kind {
    /// What is needed, for people: "a whole number", "an amount of memory such as `\"256 MiB\"`".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "a path",
            Self::Choice(_) => "one of its words",
            Self::Count { .. } => "a whole number",
            Self::Flag => "`true` or `false`",
            Self::Bytes { .. } => "an amount of memory",
            Self::Duration { .. } => "a time",
            Self::Words => "a list of words",
            Self::Backends => "a list of backends",
            Self::FailureShare => "a class of failure with its share",
            Self::Share => "a share in percent",
            Self::Ready => "a condition",
        }
    }

    /// An example of a value, as a plan would state it.
    pub fn example(self) -> String {
        match self {
            Self::Text => "\"text\"".to_owned(),
            Self::Path => "\"path/to/file\"".to_owned(),
            Self::Choice(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
            Self::Count { min, max } => 20.clamp(min, max).to_string(),
            Self::Flag => "true".to_owned(),
            Self::Bytes { min, max } => FactorValue::Bytes((256 << 20).clamp(min, max)).as_plan_text(),
            Self::Duration { min_ns, max_ns } => {
                FactorValue::DurationNs(60_000_000_000.clamp(min_ns, max_ns)).as_plan_text()
            }
            Self::Words => "[\"echo\", \"hi\"]".to_owned(),
            Self::Backends => "[\"process\", \"runc\"]".to_owned(),
            Self::FailureShare => "\"timeout:5%\"".to_owned(),
            Self::Share => "\"2 %\"".to_owned(),
            Self::Ready => "{ http = \"/\", port = 80, status = 200 }".to_owned(),
        }
    }

    /// The range or the words that are allowed, for people; `None` where there is no such limit.
    pub fn range(self) -> Option<String> {
        let between = |min: FactorValue, max: FactorValue| {
            format!("from {} to {}", min.as_plan_text().replace('"', ""), max.as_plan_text().replace('"', ""))
        };
        match self {
            Self::Choice(words) => Some(format!("one of {}", words.join(", "))),
            Self::Count { min, max } => Some(between(FactorValue::Count(min), FactorValue::Count(max))),
            Self::Bytes { min, max } => Some(between(FactorValue::Bytes(min), FactorValue::Bytes(max))),
            Self::Duration { min_ns, max_ns } => {
                Some(between(FactorValue::DurationNs(min_ns), FactorValue::DurationNs(max_ns)))
            }
            _ => None,
        }
    }

    /// Whether a bare word of `--set KEY=A,B` is cut at its commas. Texts and paths may hold commas themselves.
    pub fn splits_at_commas(self) -> bool {
        !matches!(self, Self::Text | Self::Path | Self::Words | Self::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{parse_bytes, parse_duration_ns};

    #[test]
    fn the_units_named_here_are_the_units_that_are_read() {
        assert!(BYTE_UNITS.iter().all(|unit| parse_bytes(&format!("1 {unit}")).is_ok()));
        assert!(TIME_UNITS.iter().all(|unit| parse_duration_ns(&format!("1 {unit}")).is_ok()));
    }
}
