//! The keys of backends that run a machine.

use super::common::{NAT, OWN_NETWORK, program};
use super::factor;
use super::unit::{GIB, KIB, MIB, TIB};
use crate::plan::key::{DefaultValue, Key, Kind};

pub(super) const QEMU: &[Key] = &[
    program("`qemu-system-x86_64` in PATH"),
    factor("machine", Kind::Choice(&["q35", "pc", "microvm"]), DefaultValue::Text("q35"), "The machine type."),
    factor(
        "accel",
        Kind::Choice(&["auto", "kvm", "tcg"]),
        DefaultValue::Text("auto"),
        "Hardware virtualisation (`kvm`) or emulation (`tcg`); `auto` takes KVM where it works.",
    ),
    GUEST_MEMORY,
    factor(
        "memory_file",
        Kind::Flag,
        DefaultValue::Flag(false),
        "The guest's memory is a file of its own, which a template can be made of: machines that share it until they \
         change it.",
    ),
    factor("cpus", Kind::Count { min: 1, max: 64 }, DefaultValue::Count(1), "The guest's processors."),
    PIN,
    factor("cpu", Kind::Text, DefaultValue::Absent("QEMU's own choice for the accelerator"), "The processor model."),
    kernel("The guest's kernel (bzImage or ELF): a path relative to the working directory, or `build:NAME`."),
    factor(
        "entry",
        Kind::Choice(&["auto", "pvh", "bzimage"]),
        DefaultValue::Text("auto"),
        "How the kernel is entered: unpacked on the host (`pvh`), or unpacking itself in the guest (`bzimage`); `auto` \
         takes PVH where the kernel has it.",
    ),
    GUEST_CMDLINE,
    factor(
        "vmgenid",
        Kind::Flag,
        DefaultValue::Flag(false),
        "The device that tells a guest that it came back from a kept state, so that its kernel takes new randomness.",
    ),
    factor(
        "channel",
        Kind::Choice(&["auto", "serial", "virtio-serial"]),
        DefaultValue::Text("auto"),
        "The agent's channel.",
    ),
    GUEST_CONSOLE,
    factor(
        "network",
        Kind::Choice(&["none", "own", "user", "passt"]),
        DefaultValue::Text("none"),
        "Loopback alone (`none`), a tap on a subnet of its own in a network namespace of its own (`own`, takes root), \
         QEMU's own network stack with a forwarded port (`user`), or the same by the program `passt` (`passt`).",
    ),
    NAT,
    factor(
        "ivshmem",
        Kind::Choice(&["none", "plain", "doorbell"]),
        DefaultValue::Text("none"),
        "A device that shares memory with the host: memory alone (`plain`), or with interrupts both ways (`doorbell`).",
    ),
    factor(
        "ivshmem_size",
        Kind::Bytes { min: 4 * KIB, max: 64 * GIB },
        DefaultValue::Bytes(128 * MIB),
        "The device's memory, a power of two; four slots of a 4K frame take 95 MiB.",
    ),
    factor(
        "ivshmem_vectors",
        Kind::Count { min: 1, max: 64 },
        DefaultValue::Count(1),
        "With `ivshmem = \"doorbell\"`: interrupts that a peer can tell apart.",
    ),
    factor(
        "ivshmem_server",
        Kind::Path,
        DefaultValue::Absent("a server of the sandbox's own"),
        "With `ivshmem = \"doorbell\"`: the socket of a server that is there already, to which other guests may be \
         connected.",
    ),
];

pub(super) const FIRECRACKER: &[Key] = &[
    program("`firecracker` in PATH"),
    factor(
        "setup",
        Kind::Choice(&["api", "file"]),
        DefaultValue::Text("api"),
        "Describe the machine request by request, or in one configuration file.",
    ),
    GUEST_MEMORY,
    factor("cpus", Kind::Count { min: 1, max: 32 }, DefaultValue::Count(1), "The guest's processors."),
    PIN,
    factor("smt", Kind::Flag, DefaultValue::Flag(false), "Two processors are threads of one core."),
    factor(
        "cpu_template",
        Kind::Text,
        DefaultValue::Absent("the host's processor"),
        "A static CPU template (C3, T2, T2S, T2CL, T2A, V1N1).",
    ),
    factor(
        "huge_pages",
        Kind::Choice(&["none", "transparent", "2M"]),
        DefaultValue::Text("none"),
        "What the guest's memory is made of.",
    ),
    factor("pci", Kind::Flag, DefaultValue::Flag(false), "Devices on PCI instead of at addresses (1.13 or newer)."),
    factor("jailer", Kind::Flag, DefaultValue::Flag(false), "Start it by its jailer, in a root of its own (as root)."),
    SECCOMP,
    factor(
        "track_dirty_pages",
        Kind::Flag,
        DefaultValue::Flag(false),
        "Keep account of changed memory, for snapshots of what has changed.",
    ),
    factor(
        "boot_timer",
        Kind::Flag,
        DefaultValue::Flag(true),
        "The device by which the guest's first program tells that it runs.",
    ),
    kernel(
        "The guest's kernel (ELF; a bzImage from 1.17 on): a path relative to the working directory, or `build:NAME`.",
    ),
    GUEST_CMDLINE,
    VSOCK_CHANNEL,
    GUEST_CONSOLE,
    ENTROPY,
    BALLOON,
    OWN_NETWORK,
    NAT,
    factor(
        "mmds",
        Kind::Path,
        DefaultValue::Absent("no metadata"),
        "With `network = \"own\"`: a JSON file that the guest finds in Firecracker's metadata service (MMDS V2).",
    ),
];

pub(super) const CLOUD_HYPERVISOR: &[Key] = &[
    program("`cloud-hypervisor` in PATH"),
    GUEST_MEMORY,
    factor("cpus", Kind::Count { min: 1, max: 254 }, DefaultValue::Count(1), "The guest's processors."),
    PIN,
    factor(
        "huge_pages",
        Kind::Choice(&["none", "transparent", "reserved"]),
        DefaultValue::Text("transparent"),
        "What the guest's memory is made of.",
    ),
    factor("prefault", Kind::Flag, DefaultValue::Flag(false), "Make all of the guest's memory at its start."),
    SECCOMP,
    kernel("The guest's kernel (ELF or bzImage): a path relative to the working directory, or `build:NAME`."),
    GUEST_CMDLINE,
    VSOCK_CHANNEL,
    GUEST_CONSOLE,
    ENTROPY,
    BALLOON,
    OWN_NETWORK,
    NAT,
];

const GUEST_MEMORY: Key = factor(
    "memory",
    Kind::Bytes { min: 16 * MIB, max: 16 * TIB },
    DefaultValue::Bytes(128 * MIB),
    "The guest's memory.",
);

const PIN: Key = factor(
    "pin",
    Kind::Text,
    DefaultValue::Absent("they run anywhere"),
    "The host's processors that the guest's run on, in their order (`0,1`, `2-3`), or one for all of them.",
);

const GUEST_CMDLINE: Key = factor(
    "cmdline",
    Kind::Text,
    DefaultValue::Absent("nothing more"),
    "Words added to the guest kernel's command line.",
);

const GUEST_CONSOLE: Key = factor(
    "console",
    Kind::Choice(&["phases", "full", "off"]),
    DefaultValue::Text("phases"),
    "How much the guest's kernel writes: enough to see its phases, everything, or nothing.",
);

const VSOCK_CHANNEL: Key = factor(
    "channel",
    Kind::Choice(&["auto", "vsock", "serial"]),
    DefaultValue::Text("auto"),
    "The agent's channel; `auto` takes vsock, and the serial port with a kernel of one's own.",
);

const SECCOMP: Key =
    factor("seccomp", Kind::Flag, DefaultValue::Flag(true), "The monitor's own filter of system calls.");

const ENTROPY: Key = factor("entropy", Kind::Flag, DefaultValue::Flag(false), "A device with the host's entropy.");

const BALLOON: Key = factor(
    "balloon",
    Kind::Bytes { min: 0, max: 16 * TIB },
    DefaultValue::Absent("no balloon"),
    "A balloon that takes this much of the guest's memory at its start.",
);

/// A kernel that is not the one of the setup.
const fn kernel(doc: &'static str) -> Key {
    factor("kernel", Kind::Path, DefaultValue::Absent("the kernel of `isodyne setup`"), doc)
}
