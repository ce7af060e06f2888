//! What open files have in images of their own: what is inside of pipes, the state of terminals, paths.

use crate::checkpoint::reader::Reader;
use crate::checkpoint::socket;
use crate::image::Kind;
use crate::message::Message;
use crate::messages::file::{FileEntry, MemoryInode, PipeData, TerminalState};
use std::collections::HashMap;

/// What lies in images of its own.
pub(super) struct Beside {
    pub(super) pipes: HashMap<u32, u64>,
    pub(super) fifos: HashMap<u32, u64>,
    pub(super) queued: HashMap<u32, u64>,
    pub(super) inodes: HashMap<u64, MemoryInode>,
    pub(super) terminals: HashMap<u32, TerminalState>,
    pub(super) paths: HashMap<u32, String>,
}

impl Beside {
    /// Reads all of them.
    pub(super) fn read(reader: &mut Reader<'_>, entries: &[FileEntry]) -> Self {
        let paths = entries.iter().filter_map(|entry| entry.regular.0.as_ref());
        let inodes: Vec<MemoryInode> = reader.messages("memfd.img", Kind::MemoryFiles).unwrap_or_default();
        let terminals: Vec<TerminalState> = reader.messages("tty-info.img", Kind::TerminalStates).unwrap_or_default();
        Self {
            pipes: buffered(reader, "pipes-data.img", Kind::PipesData),
            fifos: buffered(reader, "fifo-data.img", Kind::FifosData),
            queued: socket::queued(reader),
            inodes: inodes.into_iter().map(|inode| (inode.inode, inode)).collect(),
            terminals: terminals.into_iter().map(|terminal| (terminal.id, terminal)).collect(),
            paths: paths.map(|file| (file.id, file.name.clone())).collect(),
        }
    }
}

/// How many bytes are inside of each pipe.
fn buffered(reader: &mut Reader<'_>, name: &str, kind: Kind) -> HashMap<u32, u64> {
    let mut buffered = HashMap::new();
    reader.walk(name, kind, &mut |entry| {
        let data = PipeData::read(entry)?;
        *buffered.entry(data.pipe).or_default() += u64::from(data.bytes);
        Ok(data.bytes.into())
    });
    buffered
}
