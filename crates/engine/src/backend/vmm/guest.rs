//! The guest of a cell: the one of `isodyne setup`, or one with a kernel that the user names.

use super::factors::Channel;
use crate::backend::PrepareError;
use crate::image::{self, Driver, GuestAssets, Initramfs, Transport};
use crate::lab::Lab;
use isodyne_core::cell::BackendName;
use std::path::Path;

/// What a user does who has no guest yet.
pub const SETUP_HINT: &str = "run `isodyne setup`";

/// Kernel and modules for a cell.
///
/// # Errors
/// [`PrepareError::Unavailable`] before the first `isodyne setup`; [`PrepareError::Invalid`] for a kernel that is none.
pub fn guest_for(lab: &Lab, backend: BackendName, kernel: Option<&Path>) -> Result<GuestAssets, PrepareError> {
    if let Some(kernel) = kernel {
        return image::guest_with_kernel(&lab.cache, kernel).map_err(|error| PrepareError::Invalid {
            key: format!("backend.{backend}.kernel"),
            message: image::chain(&error),
            hint: "name a readable bzImage or ELF vmlinux for x86-64".to_owned(),
        });
    }
    let unavailable = |reason: String| PrepareError::Unavailable { reason, hint: SETUP_HINT.to_owned() };
    match image::guest(&lab.cache) {
        Ok(Some(guest)) => Ok(guest),
        Ok(None) => Err(unavailable("there is no guest kernel in the cache".to_owned())),
        Err(error) => Err(unavailable(image::chain(&error))),
    }
}

/// The initramfs for a machine with these devices.
///
/// # Errors
/// [`PrepareError::Unavailable`] if the kernel has no driver for one of them.
pub fn initramfs_for(
    guest: &GuestAssets,
    transport: Transport,
    channel: Channel,
    entropy: bool,
    balloon: bool,
) -> Result<Initramfs, PrepareError> {
    let devices = [(channel == Channel::Vsock, Driver::Vsock), (entropy, Driver::Entropy), (balloon, Driver::Balloon)];
    let drivers: Vec<Driver> = devices.into_iter().filter_map(|(there, driver)| there.then_some(driver)).collect();
    guest.initramfs(transport, &drivers).map_err(|error| PrepareError::Unavailable {
        reason: format!("the guest lacks a driver: {}", image::chain(&error)),
        hint: "use `channel = \"serial\"` without devices, or the kernel of `isodyne setup`".to_owned(),
    })
}

/// A note for `doctor` if there is no guest yet. A look at the index only: digests are checked when a cell is prepared.
pub fn missing_note(lab: &Lab) -> Option<String> {
    (!lab.cache.join("guest.json").exists()).then(|| format!("there is no guest kernel yet: {SETUP_HINT}"))
}
