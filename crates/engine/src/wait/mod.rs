//! Waiting for what the kernel announces, with deadlines on the one clock: descriptors that become ready, directories that
//! change.

mod descriptor;
mod directory;

pub(crate) use descriptor::{either_readable, left, readable, ready};
pub(crate) use directory::Changes;
