//! Bundles of containers that were brought back into runc. The command that makes one ends, and the container lives on with
//! it: so each says which container it is for, and whoever comes next removes those whose container is gone.

use super::find::default_root;
use crate::checkpoint::CheckpointError;
use isodyne_core::checkpoint::CheckpointClass;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The file in a bundle that says whose it is.
const OWNER: &str = "isodyne.json";
/// No owner's description is longer.
const LIMIT_BYTES: u64 = 64 << 10;
const SCHEMA: &str = "isodyne.bundle";
const VERSION: u32 = 1;
/// What the name of a bundle gets at its end for the directory with what stands in for mounts.
const STAND_INS: &str = ".stand-ins";

/// Whose a bundle is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    schema: String,
    version: u32,
    /// Where runc keeps its state.
    root: PathBuf,
    /// The container's id there.
    container: String,
}

/// Held as long as a container is being brought back: its bundle has no container yet.
pub(super) struct UnderWork(#[expect(dead_code, reason = "open, it holds the lock")] OwnedFd);

/// Where bundles of restored containers go, if nobody says.
pub(super) fn default_bundles() -> PathBuf {
    PathBuf::from("/var/lib/isodyne/bundles")
}

/// Where what stands in for mounts lies, beside a bundle.
pub(super) fn stand_ins(bundle: &Path) -> PathBuf {
    let mut beside = bundle.as_os_str().to_owned();
    beside.push(STAND_INS);
    beside.into()
}

/// Says of a new bundle whose it is, and takes its lock.
pub(super) fn own(bundle: &Path, root: &Path, container: &str) -> Result<UnderWork, CheckpointError> {
    let failed = |error: &io::Error| CheckpointError::host("take over", bundle, error);
    let held = lock(bundle).map_err(|error| failed(&error))?;
    let (root, container) = (root.to_owned(), container.to_owned());
    let owner = Owner { schema: SCHEMA.to_owned(), version: VERSION, root, container };
    let text = serde_json::to_vec(&owner).map_err(io::Error::other);
    text.and_then(|text| std::fs::write(bundle.join(OWNER), text)).map_err(|error| failed(&error))?;
    Ok(UnderWork(held))
}

/// Makes place for a bundle. One that nobody says anything of was made by an older version, whose containers were all under
/// runc's ordinary state directory.
pub(super) fn clear(bundle: &Path, config: &str) -> Result<(), CheckpointError> {
    let removed = match owner(bundle) {
        Some(owner) => remove_if_gone(bundle, &owner).map(|_| ()),
        None if bundle.join(config).is_file() && !is_there(&default_root(), bundle) => std::fs::remove_dir_all(bundle),
        None => Ok(()),
    };
    removed.map_err(|error| CheckpointError::host("remove", bundle, &error))?;
    if !bundle.exists() {
        return Ok(());
    }
    let message = match owner(bundle) {
        Some(owner) => format!(
            "{} is the bundle of the container `{}` of {}",
            bundle.display(),
            owner.container,
            owner.root.display()
        ),
        None => format!("{} is there already", bundle.display()),
    };
    Err(CheckpointError::new(CheckpointClass::NameInUse, message).hint("name another directory with `--bundle`"))
}

/// Whether runc has a container of the bundle's own name. What cannot be looked at may be one.
fn is_there(root: &Path, bundle: &Path) -> bool {
    bundle.file_name().is_none_or(|name| root.join(name).try_exists().unwrap_or(true))
}

/// Removes the bundles whose container is gone, and gives what was removed. What is not ours, not allowed, or under work
/// stays.
pub fn remove_orphans() -> Vec<PathBuf> {
    remove_orphans_of(&default_bundles())
}

fn remove_orphans_of(bundles: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bundles).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut removed: Vec<PathBuf> = directories
        .map(|entry| entry.path())
        .filter(|bundle| owner(bundle).is_some_and(|owner| remove_if_gone(bundle, &owner).unwrap_or(false)))
        .collect();
    removed.sort();
    removed
}

fn owner(bundle: &Path) -> Option<Owner> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(open(bundle.join(OWNER), flags, Mode::empty()).ok()?);
    let mut text = Vec::new();
    file.take(LIMIT_BYTES).read_to_end(&mut text).ok()?;
    let owner: Owner = serde_json::from_slice(&text).ok()?;
    let is_name = !owner.container.is_empty() && !owner.container.contains('/') && !owner.container.starts_with('.');
    ((owner.schema.as_str(), owner.version) == (SCHEMA, VERSION) && is_name).then_some(owner)
}

/// Whether it was removed.
fn remove_if_gone(bundle: &Path, owner: &Owner) -> io::Result<bool> {
    // Whoever brings the container back has the lock, from before the bundle says whose it is.
    let Ok(_held) = lock(bundle) else { return Ok(false) };
    if owner.root.join(&owner.container).try_exists().unwrap_or(true) {
        return Ok(false);
    }
    std::fs::remove_dir_all(bundle)?;
    match std::fs::remove_dir_all(stand_ins(bundle)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

fn lock(bundle: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let directory = open(bundle, flags, Mode::empty())?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle, and the state directory of a runc that has its container.
    fn bundle(bundles: &Path, root: &Path, name: &str) -> PathBuf {
        let bundle = bundles.join(name);
        std::fs::create_dir_all(bundle.join("rootfs/etc")).unwrap();
        std::fs::create_dir_all(stand_ins(&bundle).join("0")).unwrap();
        std::fs::create_dir_all(root.join(name)).unwrap();
        bundle
    }

    #[test]
    fn a_bundle_goes_when_its_container_has_gone_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let (bundles, root) = (directory.path().join("bundles"), directory.path().join("run"));
        let [lives, gone, work] = ["lives", "gone", "work"].map(|name| bundle(&bundles, &root, name));
        let mut held = [&lives, &gone, &work].map(|bundle| {
            let name = bundle.file_name().unwrap().to_str().unwrap();
            Some(own(bundle, &root, name).unwrap())
        });
        let foreign = bundles.join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::os::unix::fs::symlink(&gone, bundles.join("link")).unwrap();
        assert_eq!(remove_orphans_of(&bundles), Vec::<PathBuf>::new());
        // The command has ended; the containers are there.
        (held[0], held[1]) = (None, None);
        assert_eq!(remove_orphans_of(&bundles), Vec::<PathBuf>::new());
        for name in ["gone", "work"] {
            std::fs::remove_dir(root.join(name)).unwrap();
        }
        assert_eq!(remove_orphans_of(&bundles), std::slice::from_ref(&gone));
        assert!(!gone.exists() && !stand_ins(&gone).exists());
        assert!(lives.exists() && stand_ins(&lives).exists() && foreign.exists());
        // What was being brought back never came.
        held[2] = None;
        assert_eq!(remove_orphans_of(&bundles), [work]);
        assert_eq!(remove_orphans_of(&directory.path().join("none")), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_place_is_cleared_of_what_has_gone_only() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("run");
        let name = format!("isodyne-test-{:08x}", fastrand::u32(..));
        let bundle = bundle(directory.path(), &root, &name);
        drop(own(&bundle, &root, &name).unwrap());
        let error = clear(&bundle, "config.json").unwrap_err();
        assert!(error.class == CheckpointClass::NameInUse && error.message.contains("is the bundle of"), "{error}");
        std::fs::remove_dir(root.join(&name)).unwrap();
        clear(&bundle, "config.json").unwrap();
        assert!(!bundle.exists());
        // Nobody's, and without a configuration; then one of an older version.
        std::fs::create_dir(&bundle).unwrap();
        assert!(clear(&bundle, "config.json").unwrap_err().message.contains("is there already"));
        std::fs::write(bundle.join("config.json"), "{}").unwrap();
        clear(&bundle, "config.json").unwrap();
        assert!(!bundle.exists());
    }

    #[test]
    fn an_owner_that_is_none_owns_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let said = |text: &str| {
            std::fs::write(directory.path().join(OWNER), text).unwrap();
            owner(directory.path()).is_some()
        };
        let of = |container: &str, version: u32| {
            format!(r#"{{"schema":"{SCHEMA}","version":{version},"root":"/r","container":"{container}"}}"#)
        };
        assert!(said(&of("web", 1)));
        for wrong in [of("web", 2), of("../web", 1), of("", 1), of("..", 1), "{}".to_owned(), "[".to_owned()] {
            assert!(!said(&wrong), "{wrong}");
        }
    }
}
