//! What a container has changed of its root: read from the upper directory of its overlay (or the whole root), kept as a
//! tar with OCI whiteouts, and put back.
//!
//! Entries come in the order of their names, a directory before what is in it, so that the same tree gives the same
//! bytes. Sockets are left out: CRIU makes them again when it binds them.

mod apply;
mod attributes;
mod fits;
mod write;

pub use apply::{Whiteouts, apply};
pub use fits::fits;
pub use write::{Freeze, LayerLimits, LayerSummary, write};

/// What hides a name of the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// What hides everything of the layers below in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The attribute of an overlay's directory that hides what is below.
const OVERLAY_OPAQUE: &str = "trusted.overlay.opaque";
/// How extended attributes are called in a tar.
const XATTR: &str = "SCHILY.xattr.";

#[cfg(test)]
mod tests;
