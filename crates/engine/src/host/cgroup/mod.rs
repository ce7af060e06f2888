//! Cgroups of sandboxes: made, entered, read, killed and removed, in all three layouts.

mod counters;
mod layout;
mod own;
mod tree;
mod usage;

pub(crate) use counters::Counters;
pub use counters::{CgroupReading, exists, path_in_hierarchies};
#[cfg(any(test, fuzzing))]
pub(crate) use counters::{io_of_v1, io_of_v2};
pub use layout::{CgroupKind, CgroupLayout, Hierarchy, cgroup_of_process};
pub use own::{Cgroup, Entry, PARENT};
pub use tree::{hold_parents, kill_path, list_with_prefix, processes_of, remove_empty_parents, remove_path};
pub use usage::{CgroupUsage, usage_of_path};
