//! VFIO: a device in the hands of a program. The numbers are those of `linux/vfio.h`.

use super::pci::Function;
use crate::sys::Errno;
use crate::sys::device;
use crate::sys::file::{self, Access, Fd};
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::ioctl;

const TYPE1_V2: usize = 3;
const VIABLE: u32 = 1;
const MSIX: u32 = 2;
const MAPPABLE: u32 = 1 << 2;
/// A list of event counters, one for each vector, that are added to when it fires.
const TRIGGER_EVENTS: u32 = 1 << 2 | 1 << 5;
/// The region of the device's configuration, and in it the register that says what the device may do.
const CONFIGURATION: u32 = 7;
const COMMAND: u64 = 4;
const MEMORY: u16 = 1 << 1;
const MASTER: u16 = 1 << 2;
/// A device has no more.
const VECTORS_MOST: u32 = 2048;

/// `struct vfio_region_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    cap_offset: u32,
    pub(super) size: u64,
    pub(super) offset: u64,
}

impl RegionInfo {
    pub(super) fn is_mappable(&self) -> bool {
        self.flags & MAPPABLE != 0
    }
}

/// A device that is this process's own.
pub(super) struct Handle {
    pub(super) device: Fd,
    /// They hold the device's place in the IOMMU as long as they are open.
    _container: Fd,
    _group: Fd,
}

/// Takes a device: binds it to VFIO's driver and opens it.
pub(super) fn take(function: &Function) -> Result<Handle, String> {
    const CONTAINER: &[u8] = b"/dev/vfio/vfio";
    let container = file::open_bytes(CONTAINER, Access::ReadWrite).map_err(|errno| match errno {
        Errno::NOENT | Errno::NODEV => String::from(
            "the guest's kernel has no VFIO (vfio, vfio_iommu_type1, vfio_pci): the device's interrupts cannot be had",
        ),
        errno => format!("/dev/vfio/vfio: {errno}"),
    })?;
    let link = device::link_target(&function.path("iommu_group")).map_err(|_| {
        String::from(
            "the machine has no IOMMU that the guest's kernel uses (intel_iommu=on): VFIO does not give the device away",
        )
    })?;
    let number: Vec<u8> = link.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    bind(function)?;
    let path = [b"/dev/vfio/".as_slice(), &number].concat();
    let shown = String::from_utf8_lossy(&path).into_owned();
    let said = |what: &str, errno: Errno| format!("{shown}: {what}: {errno}");
    let group = file::open_bytes(&path, Access::ReadWrite).map_err(|errno| said("open", errno))?;
    let mut status = [8_u32, 0];
    // SAFETY: the request reads and writes a structure of two numbers.
    unsafe { group.ioctl(ioctl::VFIO_GROUP_GET_STATUS, &mut status) }.map_err(|errno| said("status", errno))?;
    if status[1] & VIABLE == 0 {
        return Err(format!("{shown}: the device shares its group with another that a driver holds"));
    }
    let mut number = container.number();
    // SAFETY: the request reads one number.
    unsafe { group.ioctl(ioctl::VFIO_GROUP_SET_CONTAINER, &mut number) }
        .map_err(|errno| said("join the container", errno))?;
    device::ioctl_number(&container, ioctl::VFIO_SET_IOMMU, TYPE1_V2).map_err(|errno| match errno {
        // What the kernel answers to a machine that does not remap interrupts.
        Errno::PERM => String::from("the machine's IOMMU does not remap interrupts: VFIO refuses the device"),
        errno => format!("VFIO's driver for the IOMMU (vfio_iommu_type1): {errno}"),
    })?;
    let name = CString::new(function.address.clone()).map_err(|_| String::from("the device's name has a zero byte"))?;
    let device = device::ioctl_descriptor(&group, ioctl::VFIO_GROUP_GET_DEVICE_FD, &name)
        .map_err(|errno| said("open the device", errno))?;
    Ok(Handle { device, _container: container, _group: group })
}

/// Gives the device to VFIO's driver and to no other.
fn bind(function: &Function) -> Result<(), String> {
    let bound = || {
        let link = device::link_target(&function.path("driver")).unwrap_or_default();
        link.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec).unwrap_or_default()
    };
    if bound() == b"vfio-pci" {
        return Ok(());
    }
    function.write("driver_override", b"vfio-pci")?;
    if !bound().is_empty() {
        function.write("driver/unbind", &function.address)?;
    }
    let probe = file::open_to_write(b"/sys/bus/pci/drivers_probe");
    let probed = probe.and_then(|probe| probe.write(&function.address));
    match bound() {
        driver if driver == b"vfio-pci" => Ok(()),
        _ => {
            let why = probed.err().map(|errno| format!(": {errno}")).unwrap_or_default();
            Err(format!("the guest's kernel does not bind the device to vfio-pci{why}"))
        }
    }
}

impl Handle {
    /// A region of the device: 0 to 5 are those of its resources.
    pub(super) fn region(&self, index: u32) -> Result<RegionInfo, Errno> {
        let mut info = RegionInfo { argsz: size_of::<RegionInfo>() as u32, index, ..RegionInfo::default() };
        // SAFETY: the structure is the request's, and its size is given.
        unsafe { self.device.ioctl(ioctl::VFIO_DEVICE_GET_REGION_INFO, &mut info) }?;
        Ok(info)
    }

    /// Lets the device answer at its addresses and send interrupts, which are writes of its own to memory: VFIO gives a
    /// device away without that right.
    pub(super) fn let_it_write(&self) -> Result<(), Errno> {
        let configuration = self.region(CONFIGURATION)?;
        let place = configuration.offset + COMMAND;
        let mut command = [0; 2];
        device::read_at(&self.device, &mut command, place)?;
        let command = u16::from_le_bytes(command) | MEMORY | MASTER;
        device::write_at(&self.device, &command.to_le_bytes(), place).map(drop)
    }

    /// An event counter for each of the device's vectors.
    pub(super) fn events(&self) -> Result<Vec<Fd>, String> {
        // Size, flags, index, count.
        let mut info = [16_u32, 0, MSIX, 0];
        // SAFETY: the structure is the request's, and its size is given.
        unsafe { self.device.ioctl(ioctl::VFIO_DEVICE_GET_IRQ_INFO, &mut info) }
            .map_err(|errno| format!("the device's interrupts: {errno}"))?;
        let count = info[3];
        if !(1..=VECTORS_MOST).contains(&count) {
            return Err(format!("the device has {count} interrupts"));
        }
        let events: Vec<Fd> = (0..count)
            .map(|_| device::event_counter())
            .collect::<crate::sys::Result<_>>()
            .map_err(|errno| format!("event counters for {count} interrupts: {errno}"))?;
        // Size, flags, index, first, count, and a descriptor for each.
        let size = 20 + 4 * count;
        let mut request: Vec<u32> = [size, TRIGGER_EVENTS, MSIX, 0, count].into();
        request.extend(events.iter().map(|event| event.number().cast_unsigned()));
        let Some(first) = request.first_mut() else { return Err("no interrupts".into()) };
        // SAFETY: the request reads as many bytes from its first word on as that word says, which the list has.
        unsafe { self.device.ioctl(ioctl::VFIO_DEVICE_SET_IRQS, first) }
            .map_err(|errno| format!("the kernel gives no {count} interrupts: {errno}"))?;
        Ok(events)
    }
}
