//! The keys of `[<benchmark>]`.

use super::unit::{GIB, HOUR, MIB, MICROSECOND, MILLISECOND, SECOND, TIB};
use super::{factor, setting};
use crate::plan::key::{DefaultValue, Key, Kind};

pub(super) const BOOT: &[Key] = &[
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

pub(super) const NETWORK: &[Key] = &[
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

pub(super) const SHM: &[Key] = &[
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
        "How a machine's guest maps the device's memory; a cell whose mapping cannot be had is skipped.",
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
        "rate",
        Kind::Count { min: 1, max: 100_000 },
        DefaultValue::Absent("no open loop"),
        "Also an open loop in the same sandbox: so many messages a second, each at its moment whether the answer before it \
         has come or not, and what the waiting costs both sides and the machine's monitor.",
    ),
    factor(
        "duration",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(3 * SECOND),
        "How long the open loop takes.",
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
