//! Keys that backends of every kind have.

use super::factor;
use crate::plan::key::{DefaultValue, Key, Kind};

pub(super) const OWN_NETWORK: Key = factor(
    "network",
    Kind::Choice(&["none", "own"]),
    DefaultValue::Text("none"),
    "Loopback alone (`none`), or a card on a subnet of its own in a network namespace of its own (`own`, takes root).",
);

pub(super) const NAT: Key = factor(
    "nat",
    Kind::Flag,
    DefaultValue::Flag(false),
    "With `network = \"own\"`: let the sandbox reach out through the host, by an nftables table of its own: by IPv4, \
     and by IPv6 where the host forwards it.",
);

/// The backend's own program; `by_name` is what stands for it otherwise.
pub(super) const fn program(by_name: &'static str) -> Key {
    factor(
        "program",
        Kind::Path,
        DefaultValue::Absent(by_name),
        "The program: a path relative to the working directory, a name that is looked up in PATH, or `build:NAME`.",
    )
}
