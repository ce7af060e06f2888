//! The disk of a user's own application: the image's base, a writable copy of it per sample, and how it is mounted inside.

use crate::application::{self, Application};
use crate::backend::{AppRoot, PrepareError, Step, chain, text};
use crate::image::app::{ImageError, OverlayKind, OverlayMethod, overlay};
use crate::lab::Lab;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::record::Asset;
use std::io;
use std::path::{Path, PathBuf};

/// The device that the application's disk is, by its driver: the only disk of its machine.
const DEVICE: &str = "/dev/vda";
const NO_SUCH_DEVICE: &str = "error number 19";

/// A disk: each sample has one of its own over the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// What is never written to.
    pub base: PathBuf,
    /// How a sample's disk is made of it here.
    pub method: OverlayMethod,
}

/// The disk of one sample, in its directory.
pub fn path(directory: &Path) -> PathBuf {
    directory.join("app.disk")
}

impl DiskConfig {
    /// The base of an application's disks, and how they are made of it on this host for a monitor that reads `kind`:
    /// tried once.
    ///
    /// # Errors
    /// As [`Application::base_disk`], or what the trial says.
    pub fn of(app: &Application, kind: OverlayKind, lab: &Lab) -> Result<(Self, Asset), PrepareError> {
        let (base, asset) = app.base_disk(lab)?;
        let trial = lab.scratch.join("trial.disk");
        let made = overlay(&base, &trial, kind).map_err(application::refused);
        // It goes with the scratch directory in any case.
        let _ = std::fs::remove_file(&trial);
        Ok((Self { base, method: made?.method }, asset))
    }

    /// The format of a sample's disk, as QEMU calls it.
    pub fn format(&self) -> &'static str {
        if self.method == OverlayMethod::Qcow2 { "qcow2" } else { "raw" }
    }

    /// What [`DiskConfig::make`] does, for a description.
    pub fn step(&self, path: &Path) -> Step {
        let content = format!("[{} over {}]", self.method.name(), self.base.display());
        Step::Write { path: text(path), content }
    }

    /// Makes the sample's own disk. Before t0.
    ///
    /// # Errors
    /// Class `launch`, or `enospc` without room.
    pub fn make(&self, path: &Path) -> Result<(), Failure> {
        let refused = |class, why: String| Failure::new(class, format!("the application's disk cannot be made: {why}"));
        let kind = if self.method == OverlayMethod::Qcow2 { OverlayKind::RawOrQcow2 } else { OverlayKind::Raw };
        let made = overlay(&self.base, path, kind).map_err(|error| {
            let full = matches!(&error, ImageError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull);
            refused(if full { FailureClass::Enospc } else { FailureClass::Launch }, chain(&error))
        })?;
        if made.method != self.method {
            let why = format!("this host gives {} now, and gave {} before", made.method.name(), self.method.name());
            return Err(refused(FailureClass::Launch, why));
        }
        Ok(())
    }
}

/// Where the application of a machine finds its root: on its disk, if it has one.
pub fn app_root(method: Option<OverlayMethod>) -> AppRoot {
    let Some(method) = method else { return AppRoot::Own { how: String::new() } };
    let how = match method {
        OverlayMethod::Reflink => "root: an ext4 disk, a reflink of the image's",
        OverlayMethod::Qcow2 => "root: an ext4 disk, a qcow2 over the image's",
        OverlayMethod::SparseCopy => "root: an ext4 disk, a copy of the image's",
    };
    AppRoot::Device { device: DEVICE, file_system: "ext4", how: how.to_owned() }
}

/// Says of a root that could not be mounted whether the guest's kernel has seen its disk, by its console.
pub fn without_disk(failure: Failure, console: &str) -> Failure {
    if failure.class != FailureClass::Launch || !failure.message.contains(NO_SUCH_DEVICE) {
        return failure;
    }
    let message = if console.contains("virtio_blk") {
        format!("{}; the guest's console names its disk's driver, but there is no {DEVICE}", failure.message)
    } else {
        format!(
            "the guest's kernel has no driver for its disk: there is no {DEVICE}, and its console never names \
             virtio_blk; build it in, or use the kernel of `isodyne setup` ({})",
            failure.message
        )
    };
    Failure { message, ..failure }
}
