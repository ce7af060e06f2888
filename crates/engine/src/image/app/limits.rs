//! What an image may be at most. An image is foreign: whatever it says of itself, it takes no more than this.

/// The limits that an image is read within. What is beyond one is an error that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Layers of an image.
    pub layers: usize,
    /// Entries of all layers together.
    pub entries: usize,
    /// Bytes of all names, link targets and attributes together.
    pub names_bytes: usize,
    /// Bytes of all layers together once they are unpacked; what is zero takes no space on disk.
    pub unpacked_bytes: u64,
    /// Bytes of all files together as a guest would see them, holes included.
    pub content_bytes: u64,
    /// Pieces of one sparse file.
    pub pieces: usize,
}

/// The longest name of a file, as Linux has it.
pub(super) const NAME_LIMIT: usize = 255;
/// The longest path, as Linux has it, without the zero at its end.
pub(super) const PATH_LIMIT: usize = 4095;
/// The largest index or manifest that is read.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;
/// What all extended attributes of a file may take, names included; ext4 has no more room for them either.
pub(super) const XATTR_LIMIT: usize = 2048;

impl Limits {
    /// For what was written here.
    pub(super) fn unlimited() -> Self {
        Self {
            layers: usize::MAX,
            entries: usize::MAX,
            names_bytes: usize::MAX,
            unpacked_bytes: u64::MAX,
            content_bytes: u64::MAX,
            pieces: usize::MAX,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layers: 128,
            entries: 1 << 20,
            names_bytes: 256 << 20,
            unpacked_bytes: 32 << 30,
            content_bytes: 1 << 40,
            pieces: 1 << 16,
        }
    }
}
