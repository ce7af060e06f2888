//! Combinations that are known to be impossible before anything is started.

use crate::cell::BackendName;

/// Values that cannot stand in one cell.
#[derive(Clone, Copy, Debug)]
pub struct Conflict {
    /// The backend.
    pub backend: BackendName,
    /// One key with its value.
    pub one: (&'static str, &'static str),
    /// The other key with its value.
    pub other: (&'static str, &'static str),
    /// Why not.
    pub reason: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// All combinations that are known to be impossible before anything is started.
pub const CONFLICTS: &[Conflict] = &[
    Conflict {
        backend: BackendName::Qemu,
        one: ("machine", "microvm"),
        other: ("channel", "virtio-serial"),
        reason: "without ACPI a stock kernel cannot find the virtio devices of a microvm",
        hint: "leave `channel` at \"auto\" or \"serial\", or put the machines into plans of their own",
    },
    microvm_without_network("own"),
    microvm_without_network("user"),
    microvm_without_network("passt"),
    serial_without_console(BackendName::Firecracker),
    serial_without_console(BackendName::CloudHypervisor),
    Conflict {
        backend: BackendName::Process,
        one: ("isolation", "none"),
        other: ("network", "own"),
        reason: "a network of its own is a namespace of its own",
        hint: "leave `isolation` at \"auto\", or leave `network` at \"none\"",
    },
];

/// For monitors with one serial port.
const fn serial_without_console(backend: BackendName) -> Conflict {
    Conflict {
        backend,
        one: ("channel", "serial"),
        other: ("console", "full"),
        reason: "the one serial port is the agent's",
        hint: "leave `channel` at \"auto\" or \"vsock\", or leave `console` out",
    }
}

/// A microVM of QEMU has no card.
const fn microvm_without_network(kind: &'static str) -> Conflict {
    Conflict {
        backend: BackendName::Qemu,
        one: ("machine", "microvm"),
        other: ("network", kind),
        reason: "without ACPI a stock kernel cannot find the virtio devices of a microvm",
        hint: "use `machine = \"q35\"` with a network, or put the machines into plans of their own",
    }
}
