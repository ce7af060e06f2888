//! Drivers: what a guest is to be able to use, and the kernel modules that this takes.
//!
//! An initramfs is made for a list of drivers, so that a guest loads what its machine has and nothing else: under
//! emulation every module costs milliseconds of boot.

use std::fmt;

/// A device or file system that a guest is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    /// Ports of virtio-serial.
    VirtioSerial,
    /// A network card.
    Network,
    /// Sockets between guest and host.
    Vsock,
    /// Disks.
    Block,
    /// Entropy of the host.
    Entropy,
    /// Memory that the host may take back.
    Balloon,
    /// One directory over another: no device.
    Overlay,
    /// Devices that a program drives itself, behind an IOMMU.
    Vfio,
}

/// How the devices of a machine are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// On the PCI bus.
    Pci,
    /// At addresses that ACPI, a device tree or the command line names.
    Mmio,
}

/// Where a kernel's package keeps modules that guests use, below its `kernel` directory, and what their names begin
/// with. Dependencies are in here too.
const PLACES: &[(&str, &[&str])] = &[
    ("drivers/virtio", &[""]),
    ("drivers/char", &["virtio"]),
    ("drivers/char/hw_random", &["virtio", "rng"]),
    ("drivers/net", &["virtio", "net_failover"]),
    ("drivers/block", &["virtio"]),
    ("net/core", &["failover"]),
    ("net/vmw_vsock", &["vsock", "vmw_vsock_virtio"]),
    ("lib/dim", &[""]),
    ("fs/overlayfs", &["overlay"]),
    ("drivers/vfio", &["vfio"]),
    ("drivers/vfio/pci", &["vfio"]),
    ("drivers/iommu/iommufd", &["iommufd"]),
    ("virt/lib", &["irqbypass"]),
];

impl Driver {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::VirtioSerial,
        Self::Network,
        Self::Vsock,
        Self::Block,
        Self::Entropy,
        Self::Balloon,
        Self::Overlay,
        Self::Vfio,
    ];

    /// The modules that are asked for; what they depend on is found in the modules themselves.
    pub fn modules(self) -> &'static [&'static str] {
        match self {
            Self::VirtioSerial => &["virtio_console"],
            Self::Network => &["virtio_net"],
            Self::Vsock => &["vmw_vsock_virtio_transport"],
            Self::Block => &["virtio_blk"],
            Self::Entropy => &["virtio_rng"],
            Self::Balloon => &["virtio_balloon"],
            Self::Overlay => &["overlay"],
            // The kernel would ask a program of the guest for the first one when it is used, and there is no such program.
            Self::Vfio => &["vfio_iommu_type1", "vfio_pci"],
        }
    }

    /// Whether it drives a virtio device on a [`Transport`].
    fn is_virtio(self) -> bool {
        !matches!(self, Self::Overlay | Self::Vfio)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::VirtioSerial => "virtio-serial",
            Self::Network => "virtio-net",
            Self::Vsock => "vsock",
            Self::Block => "virtio-blk",
            Self::Entropy => "virtio-rng",
            Self::Balloon => "virtio-balloon",
            Self::Overlay => "overlayfs",
            Self::Vfio => "vfio",
        })
    }
}

/// The modules to ask for, in the order of the drivers, each once; none for no drivers.
pub fn wanted(transport: Transport, drivers: &[Driver]) -> Vec<&'static str> {
    let transport = match transport {
        Transport::Pci => "virtio_pci",
        Transport::Mmio => "virtio_mmio",
    };
    let mut wanted = Vec::new();
    wanted.extend(drivers.iter().any(|driver| driver.is_virtio()).then_some(transport));
    for module in drivers.iter().flat_map(|driver| driver.modules()) {
        if !wanted.contains(module) {
            wanted.push(module);
        }
    }
    wanted
}

/// Whether a file of a module directory is a module that guests may use. `path` is the file's path from wherever.
pub(super) fn is_for_guests(path: &str) -> bool {
    let Some((directory, _)) = path.rsplit_once('/') else { return false };
    let Some(name) = super::modules::name_of_file(path) else { return false };
    PLACES.iter().any(|(place, beginnings)| {
        directory.strip_suffix(place).is_some_and(|front| front.ends_with("kernel/"))
            && beginnings.iter().any(|beginning| name.starts_with(beginning))
    })
}

/// The directories below `kernel` that [`is_for_guests`] looks into.
pub(super) fn places() -> impl Iterator<Item = &'static str> {
    PLACES.iter().map(|(place, _)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transport_comes_first_and_only_with_a_device() {
        assert_eq!(wanted(Transport::Pci, &[Driver::VirtioSerial]), ["virtio_pci", "virtio_console"]);
        assert_eq!(
            wanted(Transport::Mmio, &[Driver::Vsock, Driver::Block, Driver::Vsock]),
            ["virtio_mmio", "vmw_vsock_virtio_transport", "virtio_blk"]
        );
        assert_eq!(wanted(Transport::Pci, &[Driver::Overlay]), ["overlay"]);
        assert_eq!(wanted(Transport::Pci, &[Driver::Vfio]), ["vfio_iommu_type1", "vfio_pci"]);
        assert!(wanted(Transport::Pci, &[]).is_empty());
    }

    #[test]
    fn modules_are_known_by_their_place_and_name() {
        for good in [
            "lib/modules/6.1/kernel/drivers/virtio/virtio_ring.ko",
            "lib/modules/6.1/kernel/drivers/net/virtio_net.ko.xz",
            "lib/modules/6.1/kernel/drivers/net/net_failover.ko",
            "lib/modules/6.1/kernel/net/core/failover.ko",
            "lib/modules/6.1/kernel/drivers/char/hw_random/virtio-rng.ko",
            "lib/modules/6.1/kernel/drivers/vfio/pci/vfio-pci-core.ko",
            "lib/modules/6.1/kernel/drivers/vfio/vfio_virqfd.ko",
            "lib/modules/6.1/kernel/virt/lib/irqbypass.ko",
            "/lib/modules/6.1/kernel/net/vmw_vsock/vmw_vsock_virtio_transport_common.ko.zst",
        ] {
            assert!(is_for_guests(good), "{good}");
        }
        for bad in [
            "lib/modules/6.1/kernel/drivers/net/e1000.ko",
            "lib/modules/6.1/kernel/drivers/gpu/drm/virtio/virtio-gpu.ko",
            "lib/modules/6.1/kernel/net/vmw_vsock/hv_sock.ko",
            "lib/modules/6.1/modules.dep",
            "virtio.ko",
        ] {
            assert!(!is_for_guests(bad), "{bad}");
        }
        // Every driver's module is one that is taken out of the package.
        let names = ["drivers/char", "drivers/net", "net/vmw_vsock", "drivers/block", "drivers/char/hw_random"];
        for driver in Driver::ALL {
            let others = ["drivers/virtio", "fs/overlayfs", "drivers/vfio", "drivers/vfio/pci"];
            for module in driver.modules() {
                let mut places = names.iter().copied().chain(others);
                assert!(places.any(|place| is_for_guests(&format!("kernel/{place}/{module}.ko"))), "{driver}");
            }
        }
    }
}
