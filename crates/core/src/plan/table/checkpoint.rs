//! The keys of `[checkpoint]`.

use super::unit::{GIB, HOUR, KIB, MIB, MILLISECOND, SECOND, TIB};
use super::{factor, setting};
use crate::plan::key::{DefaultValue, Key, Kind};

pub(super) const CHECKPOINT: &[Key] = &[
    setting("on", Kind::Backends, DefaultValue::Required, "The backends to measure."),
    factor(
        "timeout",
        Kind::Duration { min_ns: MILLISECOND, max_ns: HOUR },
        DefaultValue::DurationNs(120 * SECOND),
        "Deadline of each step: boot, filling, keeping, bringing back, proving.",
    ),
    factor(
        "resident",
        Kind::Bytes { min: 4 * KIB, max: TIB },
        DefaultValue::Bytes(32 * MIB),
        "Resident memory of the subject inside, every byte of it known, in whole pages of 4 KiB.",
    ),
    percent("zero_percent", "Of the resident pages, those that hold zero bytes."),
    percent("duplicate_percent", "Of the resident pages, those that are all the same."),
    percent(
        "compressible_percent",
        "Of the resident pages, those that pack to about a quarter. What is left is random bytes.",
    ),
    factor(
        "dirty_rate",
        Kind::Count { min: 0, max: 10_000_000 },
        DefaultValue::Count(0),
        "Pages per second that are written to while the state is kept, in a quarter of the memory.",
    ),
    factor(
        "processes",
        Kind::Count { min: 1, max: 1_000 },
        DefaultValue::Count(1),
        "Processes of the subject, which share its memory out between them.",
    ),
    factor(
        "threads",
        Kind::Count { min: 1, max: 1_000 },
        DefaultValue::Count(1),
        "Threads of each process; the first process has two to four more that tick, write and answer.",
    ),
    factor(
        "areas",
        Kind::Count { min: 1, max: 30_000 },
        DefaultValue::Count(1),
        "Areas (VMAs) of each process's share of the memory.",
    ),
    counted("files", 100_000, "Open files, each at an offset of its own."),
    counted("pipes", 10_000, "Pipes with bytes in them."),
    counted(
        "connections",
        10_000,
        "Established TCP connections within the sandbox, with bytes on their way. A sandbox with a network has one more, to \
         a client on the host that goes on asking.",
    ),
    counted("locks", 1_000, "Locks of files."),
    counted("layer_files", 1_000_000, "Files that the sandbox has written into its own layer."),
    factor(
        "layer_file",
        Kind::Bytes { min: 0, max: 64 * GIB },
        DefaultValue::Bytes(4 * KIB),
        "The size of each of them.",
    ),
    counted(
        "bind_mounts",
        1_000,
        "Directories of the host that are mounted in the sandbox (containers), each with a file that the subject holds open.",
    ),
    factor(
        "leave_running",
        Kind::Flag,
        DefaultValue::Flag(false),
        "Whether the sandbox runs on when its state has been kept; it is then proved as well, and ended before the restore.",
    ),
    factor(
        "rounds",
        Kind::Count { min: 0, max: 3 },
        DefaultValue::Count(0),
        "Rounds before the freeze that write what has changed since the one before (containers; takes soft-dirty bits).",
    ),
    factor(
        "pack",
        Kind::Choice(&["none", "zstd", "lz4"]),
        DefaultValue::Text("none"),
        "How the kept files are packed (containers).",
    ),
    factor(
        "engine",
        Kind::Choice(&["runtime", "native"]),
        DefaultValue::Text("runtime"),
        "Whose way of keeping a container is measured: the OCI runtime's under podman and Docker, called by the lab \
         (`runtime`), or their own (`native`): podman's export and import, Docker's checkpoints.",
    ),
    factor(
        "form",
        Kind::Choice(&["full", "template", "difference", "mapped-ram"]),
        DefaultValue::Text("full"),
        "All of the state in files of the engine's own (`full`), or the memory in a file that any number of restored \
         machines map, each with copies of what it changes (`template`), or what has changed since a whole state that is kept \
         before and not counted (`difference`: Firecracker, with `track_dirty_pages`), or one file in which each page has a place of its \
         own (`mapped-ram`: QEMU 9.0 and newer).",
    ),
    factor(
        "channels",
        Kind::Count { min: 0, max: 255 },
        DefaultValue::Count(0),
        "With `mapped-ram`: threads that write and read the memory beside each other (QEMU's `multifd`); 0 leaves it to the one \
         that does the rest.",
    ),
    factor(
        "direct_io",
        Kind::Flag,
        DefaultValue::Flag(false),
        "With `mapped-ram`: whether these threads, or then one, go past the host's page cache (QEMU 9.1 and newer).",
    ),
    factor(
        "memory_by",
        Kind::Choice(&["file", "userfault"]),
        DefaultValue::Text("file"),
        "Who brings the memory of a restored machine: the engine, from the file, or the lab, page by page as it is touched.",
    ),
    factor(
        "page_cache",
        Kind::Choice(&["as-is", "warm", "cold"]),
        DefaultValue::Text("as-is"),
        "The kept files before the restore: as the keeping left them, read once (`warm`), or dropped from the page cache \
         (`cold`). How much of them is cached is looked at page by page, and a sample that is not as asked has failed.",
    ),
    factor(
        "kept_on",
        Kind::Choice(&["disk", "tmpfs"]),
        DefaultValue::Text("disk"),
        "Where the state is kept. The time until it is durable counts the syncing of every file and directory.",
    ),
    factor(
        "clones",
        Kind::Count { min: 0, max: 1_000 },
        DefaultValue::Count(0),
        "Restores at once from the one kept state, after the single one: each is proved.",
    ),
    factor(
        "touch_percent",
        Kind::Count { min: 0, max: 100 },
        DefaultValue::Count(100),
        "Of the restored memory, what is touched to see the page faults that are still to come.",
    ),
];

/// A share of the memory.
const fn percent(name: &'static str, doc: &'static str) -> Key {
    factor(name, Kind::Count { min: 0, max: 100 }, DefaultValue::Count(0), doc)
}

/// A number of things, by default none.
const fn counted(name: &'static str, max: u64, doc: &'static str) -> Key {
    factor(name, Kind::Count { min: 0, max }, DefaultValue::Count(0), doc)
}
