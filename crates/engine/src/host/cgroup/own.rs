//! The lab's own cgroups: one per sandbox, under `isodyne/`.

use super::layout::{CgroupKind, CgroupLayout, Hierarchy};
use super::tree::{kill_path, processes_of, remove_path};
use super::usage::{CgroupUsage, Directories};
use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use rustix::fs::Access;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory that holds all cgroups of the lab.
pub const PARENT: &str = "isodyne";
/// What the lab reads, limits or kills by.
const CONTROLLERS: [&str; 5] = ["memory", "cpuacct", "cpu", "pids", "freezer"];
const NAME_LIMIT: usize = 120;

/// A cgroup that the lab made. Dropped, it is killed and removed.
#[derive(Debug)]
pub struct Cgroup {
    name: String,
    directories: Vec<PathBuf>,
    by_purpose: Directories,
}

/// The way into a cgroup for a process that has been forked and not yet executed its program.
#[derive(Debug)]
pub struct Entry {
    files: Vec<File>,
}

impl Entry {
    /// Moves the calling process. Only `write(2)` on files that are open already, so it may be called between fork and
    /// exec.
    ///
    /// # Errors
    /// The host's answer.
    pub fn enter(&self) -> io::Result<()> {
        for mut file in &self.files {
            file.write_all(b"0")?;
        }
        Ok(())
    }
}

impl Cgroup {
    /// Makes `isodyne/<name>` in every hierarchy that this user may write to.
    ///
    /// # Errors
    /// If there is none, with what would help; or if the name cannot be one or is taken.
    pub fn create(layout: &CgroupLayout, name: &str) -> io::Result<Self> {
        check_name(name)?;
        let mut group = Self { name: name.to_owned(), directories: Vec::new(), by_purpose: Directories::default() };
        let mut refusal = None;
        for (hierarchy, is_v2) in usable(layout) {
            let Some(base) = base_of(hierarchy, is_v2) else { continue };
            let directory = base.join(PARENT).join(name);
            match make(&base, name, is_v2) {
                Ok(()) => group.adopt(layout, hierarchy, is_v2, directory),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("cgroup `{}` exists already", directory.display()),
                    ));
                }
                Err(error) => refusal = Some((directory, error)),
            }
        }
        if group.directories.is_empty() {
            return Err(refused(layout.kind, refusal));
        }
        Ok(group)
    }

    fn adopt(&mut self, layout: &CgroupLayout, hierarchy: &Hierarchy, is_v2: bool, directory: PathBuf) {
        if is_v2 {
            self.by_purpose.v2 = Some(directory.clone());
        } else {
            let has = |controller: &str| {
                let same = layout.v1.get(controller).is_some_and(|known| known.mount == hierarchy.mount);
                same.then(|| directory.clone())
            };
            let known = &mut self.by_purpose;
            known.v1_memory = known.v1_memory.take().or_else(|| has("memory"));
            known.v1_cpuacct = known.v1_cpuacct.take().or_else(|| has("cpuacct"));
            known.v1_cpu = known.v1_cpu.take().or_else(|| has("cpu"));
        }
        self.directories.push(directory);
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directories, one per hierarchy.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The files that a forked process must write `0` to in order to be in it.
    pub fn entry_paths(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.join("cgroup.procs")).collect()
    }

    /// The same files, opened: to be entered between fork and exec without looking up a path there.
    ///
    /// # Errors
    /// Names the file that does not open.
    pub fn entry(&self) -> io::Result<Entry> {
        let open =
            |path: PathBuf| OpenOptions::new().write(true).open(&path).map_err(|error| named(&path, "open", &error));
        Ok(Entry { files: self.entry_paths().into_iter().map(open).collect::<io::Result<_>>()? })
    }

    /// Limits the memory that it may be charged, swap not included.
    ///
    /// # Errors
    /// If no memory controller is here, or it refuses.
    pub fn set_memory_limit(&self, bytes: u64) -> io::Result<()> {
        let files = [
            self.by_purpose.v1_memory.as_ref().map(|directory| directory.join("memory.limit_in_bytes")),
            self.by_purpose.v2.as_ref().map(|directory| directory.join("memory.max")),
        ];
        let file = files.into_iter().flatten().find(|file| file.exists()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                format!("cgroup `{}` has no memory controller: it is not delegated to this user", self.name),
            )
        })?;
        std::fs::write(&file, bytes.to_string()).map_err(|error| named(&file, "write", &error))
    }

    /// What it has used so far.
    pub fn usage(&self) -> CgroupUsage {
        self.by_purpose.usage()
    }

    /// The processes in it and below it.
    pub fn processes(&self) -> Vec<u32> {
        let found: BTreeSet<u32> = self.directories.iter().flat_map(|directory| processes_of(directory)).collect();
        found.into_iter().collect()
    }

    /// Kills every process in it; true once none is left.
    pub fn kill(&self, deadline: HostInstant) -> bool {
        // v2 first: one write there kills all at once. Then the one that can freeze; the others only for what escaped.
        let rank =
            |directory: &&PathBuf| (!directory.join("cgroup.kill").exists(), !directory.join("freezer.state").exists());
        let mut directories: Vec<&PathBuf> = self.directories.iter().collect();
        directories.sort_by_key(rank);
        let mut empty = true;
        for directory in directories {
            empty &= kill_path(directory, deadline);
        }
        empty
    }

    /// Removes it. Its processes must have ended.
    ///
    /// # Errors
    /// Names the first directory that stays, and what is in it. What stays is tried again when it is dropped.
    pub fn remove(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        self.directories.retain(|directory| match remove_path(directory) {
            Ok(()) => {
                // The last one out: the parent goes too, unless another sandbox is in it.
                let _ = directory.parent().map(std::fs::remove_dir);
                false
            }
            Err(error) => {
                if outcome.is_ok() {
                    outcome = Err(error);
                }
                true
            }
        });
        outcome
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !self.directories.is_empty() && self.remove().is_err() {
            self.kill(Clock.after(Duration::from_secs(2)));
            let _ = self.remove();
        }
    }
}

/// The hierarchies that matter, and whether each is v2. In a hybrid host v2 has no controllers, but it can kill.
fn usable(layout: &CgroupLayout) -> impl Iterator<Item = (&Hierarchy, bool)> {
    let v1 = layout.v1_hierarchies(&CONTROLLERS).into_iter().map(|hierarchy| (hierarchy, false));
    v1.chain(layout.v2.iter().map(|hierarchy| (hierarchy, true)))
}

/// Where `isodyne/` may be made in a hierarchy: at its root, or in the highest cgroup above this program's own that is
/// delegated to this user.
fn base_of(hierarchy: &Hierarchy, is_v2: bool) -> Option<PathBuf> {
    let may_write = |directory: &Path| {
        rustix::fs::access(directory, Access::WRITE_OK).is_ok()
            // Moving a process into a v2 cgroup takes the right to write here too.
            && (!is_v2 || rustix::fs::access(directory.join("cgroup.procs"), Access::WRITE_OK).is_ok())
    };
    if may_write(&hierarchy.mount) {
        return Some(hierarchy.mount.clone());
    }
    let above = hierarchy.own.ancestors().take_while(|directory| directory.starts_with(&hierarchy.mount));
    above.take_while(|directory| may_write(directory)).last().map(Path::to_owned)
}

/// Lets the cgroups below `base` have the memory and pids controllers, where the host permits it.
///
/// The cpu controller stays as it is: turning it on changes how the host's other cgroups share the processors, and CPU
/// time is counted without it.
fn offer_controllers(base: &Path) {
    for controller in ["memory", "pids"] {
        for directory in [base.to_owned(), base.join(PARENT)] {
            let control = directory.join("cgroup.subtree_control");
            let enabled = std::fs::read_to_string(&control).unwrap_or_default();
            if directory.is_dir() && !enabled.split_whitespace().any(|known| known == controller) {
                let _ = std::fs::write(&control, format!("+{controller}"));
            }
        }
    }
}

fn make(base: &Path, name: &str, is_v2: bool) -> io::Result<()> {
    let parent = base.join(PARENT);
    let mut attempts = 0;
    loop {
        match std::fs::create_dir(&parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if is_v2 {
            // Each time: whoever has just made the parent may not have come to this yet.
            offer_controllers(base);
        }
        match std::fs::create_dir(parent.join(name)) {
            // Another sandbox, the last one out, has just removed the parent.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 10 => attempts += 1,
            outcome => return outcome,
        }
    }
}

fn check_name(name: &str) -> io::Result<()> {
    let fits = !name.is_empty()
        && name.len() <= NAME_LIMIT
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` cannot be the name of a cgroup")))
}

fn refused(kind: CgroupKind, refusal: Option<(PathBuf, io::Error)>) -> io::Error {
    if kind == CgroupKind::Absent {
        return io::Error::new(
            io::ErrorKind::Unsupported,
            "no cgroup hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup",
        );
    }
    let way_out = "run as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes isodyne …";
    match refusal {
        Some((path, error)) => {
            io::Error::new(error.kind(), format!("failed to create cgroup `{}`: {error}; {way_out}", path.display()))
        }
        None => io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("this user may not create cgroups ({kind} layout); {way_out}"),
        ),
    }
}

fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {what} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_parent_are_refused() {
        for name in ["", ".", "..", "a/b", "a\0b", "über", &"x".repeat(121)] {
            assert_eq!(check_name(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(check_name("isodyne-1a2b-17").is_ok());
    }

    #[test]
    fn without_cgroups_the_way_out_is_named() {
        let error = Cgroup::create(&CgroupLayout::default(), "x").unwrap_err();
        assert!(error.to_string().contains("mount -t cgroup2"), "{error}");
    }

    #[test]
    fn a_delegated_cgroup_above_ones_own_is_the_base() {
        // Plain directories stand for cgroups: only the rights on them matter here. Root may write anywhere, so the
        // rights are made of what is there: without a `cgroup.procs` a directory is not writable as a v2 cgroup.
        let root = tempfile::tempdir().unwrap();
        let user = root.path().join("user.slice/user@1000.service");
        let own = user.join("app.slice/run-1.scope");
        std::fs::create_dir_all(&own).unwrap();
        for directory in [&own, &user.join("app.slice"), &user] {
            std::fs::write(directory.join("cgroup.procs"), "").unwrap();
        }
        let hierarchy = Hierarchy { mount: root.path().to_owned(), own };
        assert_eq!(base_of(&hierarchy, true), Some(user));
        let outside = Hierarchy { mount: root.path().to_owned(), own: root.path().to_owned() };
        assert_eq!(base_of(&outside, true), None);
    }
}
