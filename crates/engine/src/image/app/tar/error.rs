//! What is wrong with an entry of a tar, or with the tar as a whole.

use std::io;

/// Why a tar cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It is no tar, or a damaged one.
    #[error("the tar is damaged at byte {at}: {problem}")]
    Damaged {
        /// Where the header lies.
        at: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An entry is refused.
    #[error("`{path}` {problem}")]
    Entry {
        /// Its path as it stands in the tar.
        path: String,
        /// Why.
        problem: EntryProblem,
    },
    /// A limit on all entries together.
    #[error("there are more than {limit} {what}, which is the most that is taken")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: u64,
    },
}

/// Why an entry is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// `..` in a path or in the target of a hard link.
    #[error("leaves the image by `..`")]
    Escape,
    /// A path from the root of the host.
    #[error("is an absolute path")]
    Absolute,
    /// A part of the path is not a directory.
    #[error("goes through `{through}`, which is {what} and no directory")]
    Through {
        /// The part.
        through: String,
        /// A symbolic link, a file.
        what: &'static str,
    },
    /// Nothing but dots and slashes.
    #[error("names nothing")]
    Empty,
    /// A file, or a directory on its way, with the name of a whiteout.
    #[error("has a name that begins with `.wh.`, which an image keeps for what its layers remove")]
    Reserved,
    /// A name that no file system has.
    #[error("has a name of more than 255 bytes")]
    NameTooLong,
    /// A path that Linux does not take.
    #[error("is a path of more than 4095 bytes")]
    PathTooLong,
    /// Names are shown and given to tools.
    #[error("has a control character in its name")]
    Control,
    /// The root is no file.
    #[error("would put something else in the place of the root directory")]
    Root,
    /// The place of the agent.
    #[error("is a directory in the image, and it is where the agent is put")]
    AgentIsDirectory,
    /// A device node.
    #[error("is a {kind} device ({major}:{minor}); device nodes are not taken, a sandbox has its own `/dev`")]
    Device {
        /// Block or character.
        kind: &'static str,
        /// Its major number.
        major: u64,
        /// Its minor number.
        minor: u64,
    },
    /// The whiteout of overlayfs, which is not the one of OCI.
    #[error(
        "is a whiteout as overlayfs keeps it on disk (character device 0:0), not as an image has it \
         (`.wh.` before the name); export the merged tree instead"
    )]
    OverlayWhiteout,
    /// A hard link to nothing.
    #[error("is a hard link to `{0}`, which is not there")]
    LinkTarget(String),
    /// A hard link to a directory.
    #[error("is a hard link to `{0}`, which is a directory")]
    LinkToDirectory(String),
    /// A symbolic link without or with a strange target.
    #[error("is a symbolic link with an empty target, one of more than 4095 bytes, or one with a control character")]
    Symlink,
    /// An owner that Linux does not have.
    #[error("belongs to user or group {0}, and there are none beyond 4294967294")]
    Owner(u64),
    /// Extended attributes.
    #[error("has extended attributes of {0} bytes, more than 2048")]
    Xattrs(usize),
    /// A type of entry.
    #[error("is an entry of type {0:?}, which is not known here")]
    Type(char),
    /// A sparse map that contradicts itself.
    #[error("is a sparse file whose map is damaged: {0}")]
    Sparse(&'static str),
    /// A sparse map that is too long.
    #[error("is a sparse file of more than {0} pieces")]
    Pieces(usize),
}

/// A path for people: short, and without anything that a terminal would obey.
pub(crate) fn shown(path: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(path)
        .chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().count() <= 200 { text } else { text.chars().take(199).chain(['…']).collect() }
}
