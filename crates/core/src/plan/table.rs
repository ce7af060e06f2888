//! The keys of a plan, as data: the loader, the JSON schema and the reference are all made from these tables.
//!
//! To add a key: add a line here, then run `cargo xtask schemas`. To add a backend or a benchmark: add its table to
//! [`backend_keys`] or [`benchmark_keys`].

use super::key::{DefaultValue, Key, Kind};
use crate::cell::{BackendName, BenchmarkName};

const KIB: u64 = 1 << 10;
const MIB: u64 = KIB << 10;
const GIB: u64 = MIB << 10;
const TIB: u64 = GIB << 10;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// The keys at the top of a plan, above its sections.
pub const PLAN_KEYS: &[Key] = &[
    setting(
        "title",
        Kind::Text,
        DefaultValue::Absent("the benchmarks and their backends"),
        "What the plan is for, in one line.",
    ),
    setting("samples", Kind::Count { min: 1, max: 1_000_000 }, DefaultValue::Count(20), "Valid samples per cell."),
    setting(
        "warmup",
        Kind::Count { min: 0, max: 10_000 },
        DefaultValue::Count(2),
        "Rounds in front that are kept but not counted.",
    ),
    setting(
        "seed",
        Kind::Count { min: 0, max: i64::MAX as u64 },
        DefaultValue::Absent("drawn at random and recorded"),
        "Seed of the random order of the cells.",
    ),
];

/// Sections and keys that later versions will have: named so that the error can be honest.
pub const LATER: &[(&str, &str)] = &[
    ("upload", "the benchmark of a server inside a sandbox"),
    ("memory", "the benchmark of a sandbox's footprint"),
    ("checkpoint", "the benchmark of checkpoint and restore"),
    ("pool", "the benchmark of a warm pool"),
    ("rpc", "the benchmark of calls between host and guest"),
    ("density", "the benchmark of many sandboxes at once"),
    ("chaos", "the benchmark of what happens when things break"),
];

const BOOT: &[Key] = &[
    setting("on", Kind::Backends, DefaultValue::Required, "The backends to measure."),
    factor(
        "timeout",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(60 * SECOND),
        "Deadline of the agent's hello, and then of the first command.",
    ),
    setting(
        "command",
        Kind::Words,
        DefaultValue::Absent("the agent's own echo of a nonce, whose output must be the nonce"),
        "The first command; it must end with exit code 0.",
    ),
];

const NETWORK: &[Key] = &[
    setting("on", Kind::Backends, DefaultValue::Required, "The backends to measure; each needs a `network`."),
    factor(
        "timeout",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(60 * SECOND),
        "Deadline of the agent's hello, and then of the traffic.",
    ),
    factor("family", Kind::Choice(&["ipv4", "ipv6"]), DefaultValue::Text("ipv4"), "The family of the addresses."),
    factor(
        "message",
        Kind::Bytes { min: 1, max: MIB },
        DefaultValue::Bytes(64),
        "The size of a message of the round trips and of the open loop.",
    ),
    factor(
        "round_trips",
        Kind::Count { min: 1, max: 10_000_000 },
        DefaultValue::Count(1_000),
        "Round trips of the closed loop: each message waits for the answer to the one before.",
    ),
    factor(
        "rate",
        Kind::Count { min: 1, max: 1_000_000 },
        DefaultValue::Count(1_000),
        "Messages per second of the open loop, sent whether answers have come or not.",
    ),
    factor(
        "duration",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(SECOND),
        "How long the open loop takes.",
    ),
    factor(
        "bytes",
        Kind::Bytes { min: 1, max: TIB },
        DefaultValue::Bytes(32 * MIB),
        "Bytes of the bulk transfer, in each direction.",
    ),
];

const SHM: &[Key] = &[
    setting("on", Kind::Backends, DefaultValue::Required, "The backends to measure; QEMU needs an `ivshmem`."),
    factor(
        "timeout",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(60 * SECOND),
        "Deadline of the agent's hello, and then of each session.",
    ),
    factor(
        "protocol",
        Kind::Choice(&["sequence", "two-phase"]),
        DefaultValue::Text("sequence"),
        "Numbered words on lines of their own and frames in a ring (`sequence`), or one header that is acknowledged as \
         received and as processed, with SHA-256 (`two-phase`).",
    ),
    factor(
        "waiting",
        Kind::Choice(&["spin", "pause", "yield", "poll", "futex", "eventfd", "doorbell"]),
        DefaultValue::Text("spin"),
        "How both sides wait: by looking (`spin`, with the processor's hint `pause`, with `yield`), asleep for a period \
         (`poll`), or asleep until the other side rings (`futex`, `eventfd`; a device's `doorbell`).",
    ),
    factor(
        "poll_period",
        Kind::Duration { min_ns: 1, max_ns: SECOND },
        DefaultValue::DurationNs(10 * MICROSECOND),
        "The period of `poll`, which is the resolution of what it measures.",
    ),
    factor(
        "transport",
        Kind::Choice(&["auto", "memfd", "file"]),
        DefaultValue::Text("auto"),
        "What processes and containers share: memory without a name (`memfd`, `auto`), or a file on tmpfs (`file`). A \
         machine has its device.",
    ),
    factor(
        "mapping",
        Kind::Choice(&["uncached", "write-combining", "write-back"]),
        DefaultValue::Text("uncached"),
        "How a machine's guest maps the device's memory; a mapping that cannot be had fails the sample.",
    ),
    factor(
        "cores",
        Kind::Text,
        DefaultValue::Text("auto"),
        "The processors of the two sides (`0-1`); `auto` takes two cores where there are two, `every` takes every pair \
         one after the other.",
    ),
    factor(
        "round_trips",
        Kind::Count { min: 1, max: 100_000_000 },
        DefaultValue::Count(100_000),
        "Round trips that count, or messages of `two-phase`; a tenth more, at most 10,000, go before them.",
    ),
    factor(
        "beside",
        Kind::Choice(&["none", "two-phase"]),
        DefaultValue::Text("none"),
        "Also the protocol in two phases with its sleeps of `poll_period`, 500 messages in the same sandbox right after.",
    ),
    factor(
        "message",
        Kind::Bytes { min: 0, max: GIB },
        DefaultValue::Bytes(0),
        "The size of a message of `two-phase`.",
    ),
    factor(
        "frame",
        Kind::Bytes { min: 1, max: GIB },
        DefaultValue::Bytes(3840 * 2160 * 3),
        "The size of a frame. With 24 bits a pixel: 1080p 6_220_800 B, 1440p 11_059_200 B, 4K 24_883_200 B.",
    ),
    factor(
        "frames",
        Kind::Count { min: 0, max: 100_000 },
        DefaultValue::Count(10),
        "Frames sent one by one, phase by phase; one more goes before them.",
    ),
    factor(
        "stream",
        Kind::Count { min: 0, max: 100_000 },
        DefaultValue::Count(10),
        "Frames sent as a stream, as many under way as there are slots.",
    ),
    factor("slots", Kind::Count { min: 1, max: 1024 }, DefaultValue::Count(4), "Slots of the ring of frames."),
    factor(
        "check",
        Kind::Choice(&["fast", "sha256"]),
        DefaultValue::Text("fast"),
        "The keyed proof over every byte of a frame.",
    ),
    factor(
        "cache",
        Kind::Choice(&["hot", "cold"]),
        DefaultValue::Text("hot"),
        "Frame and slot as the work before left them (`hot`), or taken out of all caches before each copy (`cold`).",
    ),
];

const OWN_NETWORK: Key = factor(
    "network",
    Kind::Choice(&["none", "own"]),
    DefaultValue::Text("none"),
    "Loopback alone (`none`), or a card on a subnet of its own in a network namespace of its own (`own`, takes root).",
);

const NAT: Key = factor(
    "nat",
    Kind::Flag,
    DefaultValue::Flag(false),
    "With `network = \"own\"`: let the sandbox reach out through the host, by an nftables table of its own: by IPv4, \
     and by IPv6 where the host forwards it.",
);

const MEMORY_LIMIT: Key = factor(
    "memory",
    Kind::Bytes { min: 4 * MIB, max: 16 * TIB },
    DefaultValue::Absent("no limit"),
    "Limit of the sandbox's memory (cgroup).",
);

/// The backend's own program; `by_name` is what stands for it otherwise.
const fn program(by_name: &'static str) -> Key {
    factor(
        "program",
        Kind::Path,
        DefaultValue::Absent(by_name),
        "The program: a path relative to the working directory, a name that is looked up in PATH, or `build:NAME`.",
    )
}

const LIFECYCLE: Key = factor(
    "lifecycle",
    Kind::Choice(&["run", "split"]),
    DefaultValue::Text("run"),
    "One call of the runtime (`run`), or `create` and `start` apart (`split`).",
);

const PROCESS: &[Key] = &[
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

const RUNC: &[Key] = &[program("`runc` in PATH"), LIFECYCLE, OWN_NETWORK, NAT, MEMORY_LIMIT];

const CRUN: &[Key] = &[program("`crun` in PATH"), LIFECYCLE, OWN_NETWORK, NAT, MEMORY_LIMIT];

const RUNSC: &[Key] = &[
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

const PODMAN: &[Key] = &[
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

const DOCKER: &[Key] = &[
    factor(
        "network",
        Kind::Choice(&["none", "bridge"]),
        DefaultValue::Text("none"),
        "Loopback alone (`none`), or a network of Docker's for each container (`bridge`): a bridge in the host's namespace \
         with a subnet of its own and without a way out.",
    ),
    MEMORY_LIMIT,
];

const QEMU: &[Key] = &[
    program("`qemu-system-x86_64` in PATH"),
    factor("machine", Kind::Choice(&["q35", "pc", "microvm"]), DefaultValue::Text("q35"), "The machine type."),
    factor(
        "accel",
        Kind::Choice(&["auto", "kvm", "tcg"]),
        DefaultValue::Text("auto"),
        "Hardware virtualisation (`kvm`) or emulation (`tcg`); `auto` takes KVM where it works.",
    ),
    GUEST_MEMORY,
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
        DefaultValue::Bytes(16 * MIB),
        "The device's memory, a power of two.",
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

const FIRECRACKER: &[Key] = &[
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

const CLOUD_HYPERVISOR: &[Key] = &[
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

/// A kernel that is not the one of the setup.
const fn kernel(doc: &'static str) -> Key {
    factor("kernel", Kind::Path, DefaultValue::Absent("the kernel of `isodyne setup`"), doc)
}

const SCRIPTED: &[Key] = &[
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

/// The keys of `[backend.<name>]`.
pub fn backend_keys(backend: BackendName) -> &'static [Key] {
    match backend {
        BackendName::Process => PROCESS,
        BackendName::Runc => RUNC,
        BackendName::Crun => CRUN,
        BackendName::Runsc => RUNSC,
        BackendName::Podman => PODMAN,
        BackendName::Docker => DOCKER,
        BackendName::Qemu => QEMU,
        BackendName::Firecracker => FIRECRACKER,
        BackendName::CloudHypervisor => CLOUD_HYPERVISOR,
        BackendName::Imported => &[],
        BackendName::Scripted => SCRIPTED,
    }
}

/// The keys of `[<benchmark>]`.
pub fn benchmark_keys(benchmark: BenchmarkName) -> &'static [Key] {
    match benchmark {
        BenchmarkName::Boot => BOOT,
        BenchmarkName::Network => NETWORK,
        BenchmarkName::Shm => SHM,
        BenchmarkName::Imported => &[],
    }
}

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

/// A key whose list of values makes cells.
const fn factor(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: true, doc }
}

/// A key that has one value.
const fn setting(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: false, doc }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_also_where_benchmark_and_backend_meet_in_a_cell() {
        for benchmark in BenchmarkName::ALL {
            for backend in BackendName::ALL {
                let keys = benchmark_keys(*benchmark).iter().chain(backend_keys(*backend));
                let names: Vec<&str> = keys.map(|key| key.name).collect();
                let unique: BTreeSet<&str> = names.iter().copied().collect();
                assert_eq!(unique.len(), names.len(), "[{benchmark}] and [backend.{backend}] share a key");
            }
        }
    }

    #[test]
    fn conflicts_name_keys_and_words_that_exist() {
        for conflict in CONFLICTS {
            for (name, word) in [conflict.one, conflict.other] {
                let key = backend_keys(conflict.backend).iter().find(|key| key.name == name);
                assert!(key.is_some_and(|key| matches!(key.kind, Kind::Choice(words) if words.contains(&word))));
            }
        }
    }

    #[test]
    fn the_default_of_a_choice_is_one_of_its_words() {
        for key in BackendName::ALL.iter().flat_map(|backend| backend_keys(*backend)) {
            if let (Kind::Choice(words), DefaultValue::Text(word)) = (key.kind, key.default) {
                assert!(words.contains(&word), "{}", key.name);
            }
        }
    }
}
