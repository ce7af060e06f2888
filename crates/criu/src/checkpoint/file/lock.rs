//! Locks of files.

use crate::checkpoint::reader::Reader;
use crate::image::Kind;
use crate::messages::file::FileLock;
use serde::Serialize;

/// A lock of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// `posix`, `flock`, `ofd` or `lease`.
    pub kind: &'static str,
    /// `read` or `write`.
    pub mode: &'static str,
    /// Who holds it.
    pub pid: i32,
    /// By which descriptor.
    pub descriptor: i32,
}

/// Reads `filelocks.img`.
pub(in crate::checkpoint) fn locks(reader: &mut Reader<'_>) -> Vec<Lock> {
    let entries: Vec<FileLock> = reader.messages("filelocks.img", Kind::FileLocks).unwrap_or_default();
    let lock = |entry: FileLock| Lock {
        // CRIU's own FL_*.
        kind: match entry.flag {
            1 => "posix",
            2 => "flock",
            4 => "ofd",
            8 => "lease",
            _ => "unknown",
        },
        // F_RDLCK and F_WRLCK, for locks of all kinds.
        mode: match entry.kind & 3 {
            0 => "read",
            1 => "write",
            _ => "unknown",
        },
        pid: entry.pid,
        descriptor: entry.descriptor,
    };
    entries.into_iter().map(lock).collect()
}
