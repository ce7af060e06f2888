//! The guest of a cell: the one of `isodyne setup`, or one with a kernel that the user names.

use super::disk::DiskConfig;
use super::factors::Channel;
use crate::backend::PrepareError;
use crate::image::{self, Driver, GuestAssets, Initramfs, Transport};
use crate::lab::Lab;
use crate::network::NetworkKind;
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

/// What a guest's machine has, besides its processor and memory.
#[derive(Clone, Copy, Debug)]
pub struct Devices {
    /// The way to the agent.
    pub channel: Channel,
    /// Entropy of the host.
    pub entropy: bool,
    /// A balloon.
    pub balloon: bool,
    /// A network card.
    pub card: bool,
    /// A disk.
    pub disk: bool,
}

impl Devices {
    /// Those of a microVM's configuration.
    pub fn of(
        channel: Channel,
        entropy: bool,
        balloon_bytes: Option<u64>,
        network: NetworkKind,
        disk: Option<&DiskConfig>,
    ) -> Self {
        let (balloon, card) = (balloon_bytes.is_some(), network != NetworkKind::None);
        Self { channel, entropy, balloon, card, disk: disk.is_some() }
    }
}

/// The initramfs for a machine with these devices. A kernel that the user named has the drivers of card and disk built in,
/// as it has no modules here.
///
/// # Errors
/// [`PrepareError::Unavailable`] if the kernel has no driver for one of them.
pub fn initramfs_for(
    guest: &GuestAssets,
    transport: Transport,
    devices: Devices,
    own_kernel: bool,
) -> Result<Initramfs, PrepareError> {
    let drivers = [
        (devices.channel == Channel::Vsock, Driver::Vsock),
        (devices.entropy, Driver::Entropy),
        (devices.balloon, Driver::Balloon),
        (devices.card && !own_kernel, Driver::Network),
        (devices.disk && !own_kernel, Driver::Block),
    ];
    let drivers: Vec<Driver> = drivers.into_iter().filter_map(|(there, driver)| there.then_some(driver)).collect();
    guest.initramfs(transport, &drivers).map_err(|error| PrepareError::Unavailable {
        reason: format!("the guest lacks a driver: {}", image::chain(&error)),
        hint: "use `channel = \"serial\"` without devices, or the kernel of `isodyne setup`".to_owned(),
    })
}

/// A note for `doctor` if there is no guest yet. A look at the index only: digests are checked when a cell is prepared.
pub fn missing_note(lab: &Lab) -> Option<String> {
    (!lab.cache.join("guest.json").exists()).then(|| format!("there is no guest kernel yet: {SETUP_HINT}"))
}
