//! The jailer: a root directory of its own for Firecracker, in which everything that it opens must lie.

use super::requests::Paths;
use crate::backend::{Place, text};
use isodyne_core::failure::{Failure, FailureClass};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

/// The user that a jailed Firecracker becomes: one that owns nothing on any distribution.
pub const USER: u32 = 65_534;

/// Where the jail of one machine is, and what it is made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jail {
    /// The jailer's program.
    pub jailer: String,
    /// Firecracker's program.
    pub program: String,
}

impl Jail {
    fn base(place: &Place) -> PathBuf {
        place.directory.join("jail")
    }

    /// The directory that becomes Firecracker's root.
    pub fn root(&self, place: &Place) -> PathBuf {
        let program = Path::new(&self.program).file_name().unwrap_or_default();
        Self::base(place).join(program).join(&place.name).join("root")
    }

    /// The whole command: the jailer's arguments, and Firecracker's behind `--`. Inside, the machine's name is the
    /// jail's, which the jailer passes on by itself. `namespace` is the network namespace that it joins.
    pub fn argv(&self, place: &Place, namespace: Option<&Path>, arguments: &[String]) -> Vec<String> {
        let user = USER.to_string();
        let words = ["--id", &place.name, "--exec-file", &self.program, "--uid", &user, "--gid", &user];
        let mut argv = vec![self.jailer.clone()];
        argv.extend(words.map(str::to_owned));
        argv.extend(["--chroot-base-dir".to_owned(), text(&Self::base(place))]);
        argv.extend(namespace.into_iter().flat_map(|path| ["--netns".to_owned(), text(path)]));
        argv.push("--".to_owned());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--id" {
                arguments.next();
            } else {
                argv.push(argument.clone());
            }
        }
        argv
    }

    /// Makes the jail's root with what the machine boots from, which the jailed user may read and nobody may change.
    ///
    /// # Errors
    /// A failure of class `launch`.
    pub fn furnish(&self, place: &Place, kernel: &Path, initramfs: &Path) -> Result<(), Failure> {
        let root = self.root(place);
        let inside = Paths::inside(&root);
        let refused = |path: &Path, error: std::io::Error| {
            Failure::new(
                crate::backend::class_of(&error),
                format!("failed to put {} into the jail: {error}", path.display()),
            )
        };
        std::fs::create_dir_all(&root).map_err(|error| refused(&root, error))?;
        let file_system = rustix::fs::statvfs(&root).map_err(|errno| refused(&root, errno.into()))?;
        if file_system.f_flag.intersects(rustix::fs::StatVfsMountFlags::NODEV | rustix::fs::StatVfsMountFlags::NOEXEC) {
            let message = format!(
                "the jail {} would be on a file system without devices or programs (nodev, noexec): set TMPDIR to a \
                 directory on another",
                root.display()
            );
            return Err(Failure::new(FailureClass::Launch, message));
        }
        for (from, to) in [(kernel, &inside.kernel), (initramfs, &inside.initramfs)] {
            // A link shares the page cache, as every user of jails does it; another file system takes a copy.
            if std::fs::hard_link(from, to).is_err() {
                std::fs::copy(from, to).map_err(|error| refused(from, error))?;
            }
        }
        let metrics = &inside.metrics;
        std::fs::write(metrics, "").and_then(|()| own(metrics)).map_err(|error| refused(metrics, error))?;
        own(&root).map_err(|error| refused(&root, error))
    }
}

/// Gives a path to the jailed user.
///
/// # Errors
/// What the host says.
pub fn own(path: &Path) -> std::io::Result<()> {
    chown(path, Some(USER), Some(USER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firecracker_gets_its_name_from_the_jailer() {
        let jail = Jail { jailer: "/b/jailer".into(), program: "/b/firecracker".into() };
        let place = Place {
            name: "isodyne-7f3a-1".into(),
            directory: "/s/1".into(),
            log_prefix: "/r/logs/1-firecracker".into(),
            agent_patience_s: 30,
        };
        let arguments = ["--api-sock", "/api", "--id", "isodyne-7f3a-1", "--boot-timer"].map(str::to_owned);
        let expected = "/b/jailer --id isodyne-7f3a-1 --exec-file /b/firecracker --uid 65534 --gid 65534 \
                        --chroot-base-dir /s/1/jail -- --api-sock /api --boot-timer";
        assert_eq!(jail.argv(&place, None, &arguments).join(" "), expected);
        let networked = expected.replace("/jail -- ", "/jail --netns /s/1/netns -- ");
        assert_eq!(jail.argv(&place, Some(Path::new("/s/1/netns")), &arguments).join(" "), networked);
        assert_eq!(jail.root(&place), Path::new("/s/1/jail/firecracker/isodyne-7f3a-1/root"));
    }
}
