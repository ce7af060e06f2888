//! The root of one sample: a layer of its own over the image's base, or a copy of it.

use super::Application;
use crate::backend::{Place, Step, text};
use crate::checkpoint::{CheckpointError, kept, layer};
use crate::lab::Lab;
use crate::ownership::{Owned, Resource};
use isodyne_core::checkpoint::LayerForm;
use isodyne_core::failure::Failure;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, makedev, mknodat};
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The root of one sandbox's application; removed when dropped.
#[derive(Debug)]
pub(crate) struct SampleRoot {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How it was made, in words.
    pub(crate) how: String,
    guard: Option<Owned>,
}

/// The directories of a sample's root.
struct Parts {
    upper: PathBuf,
    work: PathBuf,
    root: PathBuf,
}

impl Parts {
    fn of(place: &Place) -> Self {
        let part = |name: &str| place.directory.join(name);
        Self { upper: part("upper"), work: part("work"), root: part("root") }
    }

    fn options(&self, base: &Path) -> Vec<u8> {
        let mut options = Vec::new();
        for (key, path) in [("lowerdir=", base), (",upperdir=", &self.upper), (",workdir=", &self.work)] {
            options.extend_from_slice(key.as_bytes());
            for byte in path.as_os_str().as_bytes() {
                if b"\\:,".contains(byte) {
                    options.push(b'\\');
                }
                options.push(*byte);
            }
        }
        options
    }
}

/// Where a sample's root will be.
pub(crate) fn path_of(place: &Place) -> PathBuf {
    Parts::of(place).root
}

/// What [`SampleRoot::make`] does, for a description.
pub(crate) fn steps(base: &Path, place: &Place, as_root: bool) -> Step {
    let parts = Parts::of(place);
    let argv = if as_root {
        let options = String::from_utf8_lossy(&parts.options(base)).into_owned();
        vec!["mount".to_owned(), "-t".to_owned(), "overlay".to_owned(), "-o".to_owned(), options, "overlay".to_owned()]
    } else {
        vec!["cp".to_owned(), "-a".to_owned(), text(base)]
    };
    Step::Run { argv: argv.into_iter().chain([text(&parts.root)]).collect() }
}

impl SampleRoot {
    /// Makes it, before t0: as root an overlay over the base, else a copy. `with_kernel` puts the kernel's file systems
    /// into it, for a sandbox that nobody else puts them into.
    pub(crate) fn make(
        app: &Application,
        base: &Path,
        place: &Place,
        with_kernel: bool,
        lab: &Lab,
    ) -> Result<Self, Failure> {
        let parts = Parts::of(place);
        let failed = |error: io::Error| {
            Failure::new(crate::backend::class_of(&error), format!("failed to make the application's root: {error}"))
        };
        let copy = |why: &str| {
            let copied = app.image.unpack_to(&parts.root);
            copied.map_err(|error| failed(io::Error::other(crate::backend::chain(&error))))?;
            Ok(Self { path: parts.root.clone(), how: format!("root: a copy{why}"), guard: None })
        };
        if !lab.host.root {
            return copy("");
        }
        let directory = |path: &Path| DirBuilder::new().mode(0o755).create(path);
        directory(&parts.upper).and_then(|()| directory(&parts.work)).map_err(failed)?;
        directory(&parts.root).map_err(failed)?;
        let guard = lab.owner.own(Resource::Mount(parts.root.clone()));
        let options = CString::new(parts.options(base)).map_err(|error| failed(error.into()))?;
        if let Err(errno) = mount("overlay", &parts.root, "overlay", MountFlags::NODEV, Some(options.as_c_str())) {
            guard.release();
            std::fs::remove_dir(&parts.root).map_err(failed)?;
            return copy(&format!(", since this host refuses an overlay here: {errno}"));
        }
        let root = Self { path: parts.root, how: "root: an overlay over the image".to_owned(), guard: Some(guard) };
        if with_kernel {
            mount_kernel(&root.path).map_err(failed)?;
        }
        Ok(root)
    }

    /// Writes what the sandbox has changed of the image, or all of it where the root is a copy, into a file.
    pub(crate) fn keep(&self, tar: &Path) -> Result<(), CheckpointError> {
        let upper = self.path.with_file_name("upper");
        let form = if self.guard.is_some() { LayerForm::Changes } else { LayerForm::Whole };
        let source = if self.guard.is_some() { &upper } else { &self.path };
        kept::write_layer(source, form, tar)
    }

    /// Brings the changes of a kept sandbox into a root that nothing runs in yet.
    pub(crate) fn bring_back(&self, tar: &Path) -> Result<(), CheckpointError> {
        let form = if self.guard.is_some() { LayerForm::Changes } else { LayerForm::Whole };
        layer::apply(tar, &self.path, form, layer::Whiteouts::Remove)
    }

    /// Removes what is mounted; says what stays.
    pub(crate) fn remove(&mut self) -> Vec<String> {
        self.guard.take().and_then(|guard| guard.remove().err()).into_iter().collect()
    }
}

/// `/proc`, and a `/dev` with the devices that every program counts on. They end with the mount that they lie on.
fn mount_kernel(root: &Path) -> io::Result<()> {
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    on(root, "proc", |path| Ok(mount("proc", path, "proc", safe, None)?))?;
    let nodes = MountFlags::NOSUID | MountFlags::NOEXEC;
    on(root, "dev", |path| Ok(mount("tmpfs", path, "tmpfs", nodes, Some(c"mode=0755,size=65536k"))?))?;
    on(root, "dev", |path| {
        let devices =
            [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
        for (name, major, minor) in devices {
            let node = path.join(name);
            mknodat(CWD, &node, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))?;
            // The umask takes bits away.
            rustix::fs::chmod(&node, Mode::from_raw_mode(0o666))?;
        }
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
            std::os::unix::fs::symlink(target, path.join(name))?;
        }
        let shared = path.join("shm");
        DirBuilder::new().mode(0o1777).create(&shared)?;
        Ok(rustix::fs::chmod(&shared, Mode::from_raw_mode(0o1777))?)
    })
}

/// Works on a directory of the image by its descriptor: a link there, which could lead anywhere on the host, is refused.
fn on(root: &Path, name: &str, work: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let base = File::open(root)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let place = rustix::fs::openat2(&base, name, flags, Mode::empty(), resolve)
        .map_err(|errno| io::Error::other(format!("/{name} of the image: {errno}")))?;
    work(Path::new(&format!("/proc/self/fd/{}", place.as_raw_fd())))
        .map_err(|error| io::Error::new(error.kind(), format!("/{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_the_kernel_reads_them() {
        let parts = Parts { upper: "/u,1".into(), work: "/w\\".into(), root: "/r".into() };
        assert_eq!(parts.options(Path::new("/b:1")), b"lowerdir=/b\\:1,upperdir=/u\\,1,workdir=/w\\\\");
    }

    #[test]
    fn a_link_of_the_image_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", root.path().join("dev")).unwrap();
        let error = on(root.path(), "dev", |_| panic!("it was followed")).unwrap_err();
        assert!(error.to_string().starts_with("/dev of the image"), "{error}");
    }
}
