//! Cgroups of sandboxes: made, entered, read, killed and removed, in all three layouts.

mod layout;

pub use layout::{CgroupKind, CgroupLayout, Hierarchy};
