//! What is monitored: a tree of processes, a cgroup, or both.

use crate::host::accounting::CpuClock;
use crate::host::cgroup::{CgroupLayout, path_in_hierarchies};
use std::path::Path;

/// The longest name of a subject: it becomes a part of metric names.
const NAME_LIMIT: usize = 40;

/// Something that is monitored under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name, the front of its metrics' names: small letters, digits and `_`.
    pub name: String,
    /// Its processes.
    pub roots: Roots,
    /// The path of its cgroup from the root of the hierarchies (`/isodyne/NAME`). It need not be there yet.
    pub cgroup: Option<String>,
}

/// Where a tree of processes begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Nowhere: only the cgroup counts.
    Absent,
    /// At these processes, with all their descendants.
    Processes(Vec<u32>),
    /// At every child that this process gets after the monitoring began, with all their descendants; the process itself is
    /// not in it. For a process that is the reaper of orphans, as the lab is, what became an orphan is in it too.
    NewChildrenOf(u32),
}

/// Why a subject cannot be monitored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is no such process.
    #[error("no process has the id {0}")]
    NoProcess(u32),
    /// The path leads out of the hierarchies, or is their root.
    #[error("`{0}` is no path of a cgroup: give it from the root of the hierarchies (/user.slice/x) or below a mount")]
    NoPath(String),
    /// There is neither a process nor a cgroup.
    #[error("nothing is named: give processes, a cgroup or both")]
    Nothing,
    /// The name does not fit into names of metrics.
    #[error("`{0}` does not fit as a name: use up to 40 small letters, digits and `_`")]
    Name(String),
}

impl Subject {
    /// Processes and all their descendants.
    pub fn tree(name: &str, roots: impl Into<Vec<u32>>) -> Self {
        Self { name: name.to_owned(), roots: Roots::Processes(roots.into()), cgroup: None }
    }

    /// Every child that `process` gets from now on, with its descendants.
    pub fn new_children_of(name: &str, process: u32) -> Self {
        Self { name: name.to_owned(), roots: Roots::NewChildrenOf(process), cgroup: None }
    }

    /// A cgroup with all that is below it.
    pub fn cgroup(name: &str, path: &str) -> Self {
        Self { name: name.to_owned(), roots: Roots::Absent, cgroup: Some(path.to_owned()) }
    }

    /// The same, with a cgroup whose processes count too.
    pub fn with_cgroup(self, path: &str) -> Self {
        Self { cgroup: Some(path.to_owned()), ..self }
    }

    /// Checks it, and makes its path one from the root of the hierarchies.
    pub(super) fn checked(mut self, layout: &CgroupLayout) -> Result<Self, SubjectError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.name.is_empty() || self.name.len() > NAME_LIMIT || !self.name.bytes().all(fits) {
            return Err(SubjectError::Name(self.name.chars().take(NAME_LIMIT).collect()));
        }
        let named: &[u32] = match &self.roots {
            Roots::Absent if self.cgroup.is_none() => return Err(SubjectError::Nothing),
            Roots::Processes(pids) if pids.is_empty() => return Err(SubjectError::Nothing),
            Roots::Absent => &[],
            Roots::Processes(pids) => pids,
            Roots::NewChildrenOf(pid) => std::slice::from_ref(pid),
        };
        if let Some(gone) = named.iter().find(|pid| CpuClock::of(**pid).is_none()) {
            return Err(SubjectError::NoProcess(*gone));
        }
        if let Some(given) = &self.cgroup {
            let path = path_in_hierarchies(layout, Path::new(given));
            self.cgroup = Some(path.ok_or_else(|| SubjectError::NoPath(given.clone()))?);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_monitored_is_refused_with_a_reason() {
        let layout = CgroupLayout::default();
        let own = std::process::id();
        let check = |subject: Subject| subject.checked(&layout);
        assert_eq!(check(Subject::tree("a", [own])), Ok(Subject::tree("a", [own])));
        assert_eq!(check(Subject::tree("a", [own, u32::MAX])), Err(SubjectError::NoProcess(u32::MAX)));
        assert_eq!(check(Subject::tree("a", [])), Err(SubjectError::Nothing));
        assert_eq!(check(Subject::cgroup("a", "/x/../y")), Err(SubjectError::NoPath("/x/../y".into())));
        assert_eq!(check(Subject::cgroup("a", "x")).unwrap().cgroup.as_deref(), Some("/x"));
        assert_eq!(check(Subject::tree("a b", [own])), Err(SubjectError::Name("a b".into())));
    }
}
