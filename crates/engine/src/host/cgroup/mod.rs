//! Cgroups of sandboxes: made, entered, read, killed and removed, in all three layouts.

mod layout;
mod own;
mod tree;
mod usage;

pub use layout::{CgroupKind, CgroupLayout, Hierarchy};
pub use own::{Cgroup, Entry, PARENT};
pub use tree::{hold_parents, kill_path, list_with_prefix, processes_of, remove_empty_parents, remove_path};
pub use usage::{CgroupUsage, usage_of_path};
