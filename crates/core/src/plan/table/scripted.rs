//! The keys of the scripted backend.

use super::factor;
use super::unit::{HOUR, MICROSECOND, MILLISECOND};
use crate::plan::key::{DefaultValue, Key, Kind};

pub(super) const SCRIPTED: &[Key] = &[
    factor(
        "total",
        Kind::Duration { min_ns: MICROSECOND, max_ns: HOUR },
        DefaultValue::DurationNs(100 * MILLISECOND),
        "The scripted total.",
    ),
    factor(
        "spread",
        Kind::Duration { min_ns: 0, max_ns: HOUR },
        DefaultValue::DurationNs(5 * MILLISECOND),
        "How far the total strays.",
    ),
    factor(
        "fail",
        Kind::FailureShare,
        DefaultValue::Absent("no failures"),
        "A class of failure and the share of samples that end in it.",
    ),
    factor("hang", Kind::Flag, DefaultValue::Flag(false), "Never say hello, and run into the deadline."),
];
