//! QEMU's device `ivshmem` from inside the guest: its memory, and its interrupts through VFIO.
//!
//! Everything goes by the kernel's files: no driver of our own, nothing that a stock kernel lacks. What stands in the way
//! is said as a sentence that tells what is missing.

mod doorbell;
mod memory_type;
mod pci;
pub(crate) mod trial;
mod vfio;

pub(crate) use doorbell::{Doorbell, Line};

use crate::sys::device;
use crate::sys::file::{self, Access};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use isodyne_shm::region::Region;
use pci::Function;

/// How the processor treats accesses to the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// Each access is one of its own, and nothing is kept in a cache.
    Uncached,
    /// Writes may be put together; reads are not cached.
    WriteCombining,
    /// As ordinary memory.
    WriteBack,
}

impl Mapping {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uncached => "uncached",
            Self::WriteCombining => "write-combining",
            Self::WriteBack => "write-back",
        }
    }

    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        [Self::Uncached, Self::WriteCombining, Self::WriteBack].into_iter().find(|one| one.name().as_bytes() == name)
    }
}

/// An open device, for the rest of the process's life.
pub(crate) struct Device {
    /// Its name on the bus (`0000:00:02.0`).
    pub(crate) address: Vec<u8>,
    /// Its memory.
    pub(crate) region: Region<'static>,
    /// How the memory is mapped: as the kernel's own list of memory types has it, and else as it was asked for.
    pub(crate) mapping: Mapping,
    /// Whether the kernel's list was to be had.
    pub(crate) mapping_is_seen: bool,
    /// Its interrupts.
    pub(crate) doorbell: Option<&'static Doorbell>,
}

/// Opens the device as memory alone; a device with interrupts will do.
pub(crate) fn open_plain(mapping: Mapping) -> Result<Device, String> {
    let function = pci::find(false)?;
    function.enable()?;
    open_memory(function, mapping)
}

/// Opens the device with its interrupts. Rings that come before this are lost: tell the others through the memory when
/// it is done.
pub(crate) fn open_doorbell(mapping: Mapping) -> Result<Device, String> {
    let function = pci::find(true)?;
    let doorbell = Box::leak(Box::new(Doorbell::open(&function)?));
    // VFIO would map the memory uncached only; the files of the bus offer more, and are not in its way.
    let device = open_memory(function, mapping)?;
    Ok(Device { doorbell: Some(doorbell), ..device })
}

fn open_memory(function: Function, asked: Mapping) -> Result<Device, String> {
    let memory = function.memory()?;
    let path = match asked {
        Mapping::Uncached => function.path("resource2"),
        Mapping::WriteCombining if !memory.prefetchable => {
            return Err("the device's memory cannot be mapped write-combining: it is not prefetchable".into());
        }
        Mapping::WriteCombining => function.path("resource2_wc"),
        // The only way that a stock kernel has to map a device's memory so; whether it does is seen below.
        Mapping::WriteBack => b"/dev/mem".to_vec(),
    };
    let shown = || String::from_utf8_lossy(&path).into_owned();
    let offset = if asked == Mapping::WriteBack { memory.start } else { 0 };
    let file = file::open_bytes(&path, Access::ReadWrite).map_err(|errno| format!("{}: {errno}", shown()))?;
    let base = device::map(&file, offset, memory.length)
        .map_err(|errno| format!("{} cannot be mapped ({}): {errno}", shown(), asked.name()))?;
    // SAFETY: mapped for the rest of the process, and reached through this region only.
    let region = unsafe { Region::from_raw(base.as_ptr(), memory.length) }.ok_or("the mapping is not aligned")?;
    let seen = memory_type::of(memory.start);
    if let Some(seen) = seen.filter(|seen| *seen != asked) {
        let (asked, seen) = (asked.name(), seen.name());
        return Err(format!("the kernel maps the device's memory {seen}, where {asked} was asked for"));
    }
    if asked == Mapping::WriteBack && seen.is_none() {
        return Err("nothing says whether the kernel maps the device's memory write-back".into());
    }
    Ok(Device { address: function.address, region, mapping: asked, mapping_is_seen: seen.is_some(), doorbell: None })
}
