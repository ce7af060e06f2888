//! The keys of backends that share the host's kernel.

use super::common::{NAT, OWN_NETWORK, program};
use super::factor;
use super::unit::{MIB, TIB};
use crate::plan::key::{DefaultValue, Key, Kind};

const MEMORY_LIMIT: Key = factor(
    "memory",
    Kind::Bytes { min: 4 * MIB, max: 16 * TIB },
    DefaultValue::Absent("no limit"),
    "Limit of the sandbox's memory (cgroup).",
);

const LIFECYCLE: Key = factor(
    "lifecycle",
    Kind::Choice(&["run", "split"]),
    DefaultValue::Text("run"),
    "One call of the runtime (`run`), or `create` and `start` apart (`split`).",
);

pub(super) const PROCESS: &[Key] = &[
    factor(
        "isolation",
        Kind::Choice(&["auto", "namespaces", "none"]),
        DefaultValue::Text("auto"),
        "Own namespaces where permitted (`auto`), always, or never.",
    ),
    OWN_NETWORK,
    NAT,
    MEMORY_LIMIT,
];

pub(super) const RUNC: &[Key] = &[program("`runc` in PATH"), LIFECYCLE, OWN_NETWORK, NAT, MEMORY_LIMIT];

pub(super) const CRUN: &[Key] = &[program("`crun` in PATH"), LIFECYCLE, OWN_NETWORK, NAT, MEMORY_LIMIT];

pub(super) const RUNSC: &[Key] = &[
    program("`runsc` in PATH"),
    factor(
        "platform",
        Kind::Choice(&["auto", "ptrace", "systrap", "kvm"]),
        DefaultValue::Text("auto"),
        "How gVisor intercepts system calls.",
    ),
    LIFECYCLE,
    OWN_NETWORK,
    NAT,
    MEMORY_LIMIT,
];

pub(super) const PODMAN: &[Key] = &[
    program("`podman` in PATH"),
    factor(
        "runtime",
        Kind::Choice(&["auto", "runc", "crun"]),
        DefaultValue::Text("auto"),
        "The OCI runtime under Podman; `auto` takes one that works here.",
    ),
    factor(
        "network",
        Kind::Choice(&["none", "own", "user"]),
        DefaultValue::Text("none"),
        "Loopback alone (`none`), a card on a subnet of its own in a network namespace of its own (`own`, takes root), or \
         Podman's way for users without root, `slirp4netns` with a forwarded port (`user`).",
    ),
    NAT,
    MEMORY_LIMIT,
];

pub(super) const DOCKER: &[Key] = &[
    factor(
        "network",
        Kind::Choice(&["none", "bridge"]),
        DefaultValue::Text("none"),
        "Loopback alone (`none`), or a network of Docker's for each container (`bridge`): a bridge in the host's namespace \
         with a subnet of its own and without a way out.",
    ),
    MEMORY_LIMIT,
];
