//! The messages of the images, with the fields that are shown. Names and numbers are CRIU's.

pub(crate) mod file;
pub(crate) mod memory;
pub(crate) mod mount;
pub(crate) mod socket;
pub(crate) mod task;
