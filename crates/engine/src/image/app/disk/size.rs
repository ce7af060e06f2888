//! How large an ext4 file system has to be for a tree.
//!
//! Counted, not tried: data by the block, directories by their entries, the table of inodes, and what each group of
//! blocks keeps for itself. The count is on the safe side, and the same for the same tree.

use crate::image::app::store::BLOCK;
use crate::image::app::tree::{Kind, Tree};
use std::collections::{HashMap, HashSet};
use std::io;

const BLOCK_BYTES: u64 = BLOCK as u64;
pub(super) const INODE_BYTES: u64 = 256;
/// A group has as many blocks as one block has bits.
const GROUP_BLOCKS: u64 = 8 * BLOCK_BYTES;
/// Extents that fit into an inode, and into a block.
const EXTENTS_INSIDE: u64 = 4;
const EXTENTS_PER_BLOCK: u64 = 340;
/// A target that is shorter lies in the inode itself.
const SYMLINK_INSIDE: usize = 60;
/// What of extended attributes has room in the inode.
const XATTRS_INSIDE: usize = 80;
/// An entry of a directory has no part in the next block, so that up to its largest size is lost in each.
const DIRECTORY_ROOM: u64 = BLOCK_BYTES - 12 - 264;

/// What a tree needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) inodes: u64,
    pub(super) bytes: u64,
}

/// Counts what a tree needs. Its data is read, since what is zero takes no space.
pub(super) fn needs(tree: &Tree) -> io::Result<Needs> {
    let mut blocks = 0_u64;
    let mut seen = HashSet::new();
    let mut directories: HashMap<&[u8], u64> = HashMap::new();
    for (path, number, inode) in tree.iter() {
        if !path.is_empty() {
            let (directory, name) = crate::image::app::path::split(path);
            *directories.entry(directory).or_default() += (8 + name.len() as u64).next_multiple_of(4);
        }
        if !seen.insert(number) {
            continue;
        }
        let xattrs: usize = inode.meta.xattrs.iter().map(|(name, value)| 16 + name.len() + value.len() + 8).sum();
        blocks += u64::from(xattrs > XATTRS_INSIDE);
        match &inode.kind {
            Kind::Directory => {
                directories.entry(path).or_default();
            }
            Kind::Symlink(target) => blocks += u64::from(target.len() >= SYMLINK_INSIDE),
            Kind::Fifo => {}
            Kind::File(content) => {
                let (mut extents, mut behind) = (0_u64, u64::MAX);
                content.data(|offset, run| {
                    extents += u64::from(offset != behind);
                    behind = offset + run.len() as u64;
                    blocks += (run.len() as u64).div_ceil(BLOCK_BYTES);
                    Ok(())
                })?;
                if extents > EXTENTS_INSIDE {
                    // The leaves, and what points to them.
                    blocks += extents.div_ceil(EXTENTS_PER_BLOCK) * 2 + 1;
                }
            }
        }
    }
    // Entries for the directory itself and the one above it take 24 bytes.
    blocks += directories.values().map(|bytes| (24 + bytes).div_ceil(DIRECTORY_ROOM)).sum::<u64>();
    // lost+found has four blocks from the start.
    blocks += 4;
    let inodes = (seen.len() as u64 + 11 + 64).next_multiple_of(16) + seen.len() as u64 / 8;
    blocks += (inodes * INODE_BYTES).div_ceil(BLOCK_BYTES);
    Ok(Needs { inodes, bytes: with_groups(blocks, inodes) * BLOCK_BYTES })
}

/// Adds what the groups take for themselves: two bitmaps each, and superblock and descriptors in some.
fn with_groups(blocks: u64, inodes: u64) -> u64 {
    let mut total = blocks + 32;
    loop {
        let groups = total.div_ceil(GROUP_BLOCKS);
        let descriptors = (groups * 64).div_ceil(BLOCK_BYTES);
        // Every group has a whole number of blocks of inodes.
        let rounding = groups * (1 + inodes / groups.max(1) / 512);
        let needed = blocks + 32 + groups * (3 + descriptors) + rounding + blocks / 100;
        if needed <= total {
            return total;
        }
        total = needed;
    }
}
