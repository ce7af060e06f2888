//! Where the memory comes from.

use super::Refused;
use super::bells::{EventBell, FutexBell};
use super::options::{Place, WaitingName};
use crate::shm_device::{self, Device, Mapping};
use crate::sys::file::{self, Access, Fd};
use crate::sys::poll::{Moment, pause_us};
use crate::sys::shared;
use crate::sys::socket::{self, Address};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::cell::RefCell;
use isodyne_shm::copy::CopyBy;
use isodyne_shm::region::Region;
use isodyne_shm::wait::Bell;

/// Microseconds between two looks for a file or a socket that the other side has yet to make.
const LOOK_US: u64 = 1_000;

/// The memory, and what came with it.
pub(super) struct Transport {
    pub(super) region: Region<'static>,
    /// How the processor treats the mapping, as far as is known.
    pub(super) mapping: &'static str,
    events: RefCell<Option<EventBell>>,
    /// The device's line to the other side.
    doorbell: Option<shm_device::Line>,
}

impl Transport {
    /// The bell of a way to wait, if it has one.
    pub(super) fn bell(&self, waiting: WaitingName) -> Result<Option<Box<dyn Bell>>, String> {
        Ok(match waiting {
            WaitingName::Futex => {
                Some(Box::new(FutexBell::new(self.region).ok_or("the memory has no room for a futex")?))
            }
            WaitingName::Eventfd => {
                let bell = self.events.take().ok_or("event counters come through a socket: give socket=PATH")?;
                Some(Box::new(bell))
            }
            WaitingName::Doorbell => Some(Box::new(self.doorbell.ok_or("this memory has no doorbell")?)),
            _ => None,
        })
    }
}

pub(super) fn open(
    place: &Place,
    socket: Option<&[u8]>,
    needed: usize,
    deadline_ns: u64,
) -> Result<Transport, Refused> {
    let until = Moment::at_ns(deadline_ns);
    let (mut events, mut memory) = (None, None);
    if let Some(path) = socket {
        let shown = || String::from_utf8_lossy(path);
        let connection = patiently(until, || socket::connect(&Address::Unix(path.to_vec())))
            .map_err(|errno| format!("socket {}: {errno}", shown()))?;
        let received =
            shared::receive_descriptors(&connection).map_err(|errno| format!("socket {}: {errno}", shown()))?;
        let mut received = received.into_iter();
        if let (Some(other), Some(own)) = (received.next(), received.next()) {
            events = Some(EventBell { own, other });
        }
        memory = received.next();
    }
    let file = match place {
        Place::File(path) => patiently(until, || long_enough(file::open_bytes(path, Access::ReadWrite)?, needed))
            .map_err(|errno| format!("{}: {errno}", String::from_utf8_lossy(path)))?,
        Place::Plain(mapping) => {
            return device(&shm_device::open_plain(*mapping).map_err(Refused::Unavailable)?, None, needed);
        }
        Place::Doorbell(mapping, host) => {
            return device(&shm_device::open_doorbell(*mapping).map_err(Refused::Unavailable)?, Some(*host), needed);
        }
        Place::Socket => memory.ok_or("no memory came through the socket")?,
    };
    let found = shared::length(&file).map_err(|errno| format!("the memory's length: {errno}"))?;
    if found < needed {
        return Err(format!("the memory has {found} B, and the task takes {needed} B").into());
    }
    let mapping = shared::map(&file, found).map_err(|errno| format!("the memory cannot be mapped: {errno}"))?;
    // SAFETY: mapped for the rest of the process, and reached through this region only.
    let region = unsafe { Region::from_raw(mapping.base, mapping.length) }.ok_or("the mapping is not aligned")?;
    Ok(Transport { region, mapping: "write-back", events: RefCell::new(events), doorbell: None })
}

/// A device's memory.
fn device(device: &Device, host: Option<u16>, needed: usize) -> Result<Transport, Refused> {
    let found = device.region.len();
    if found < needed {
        return Err(format!("the device's memory has {found} B, and the task takes {needed} B").into());
    }
    // Wide accesses, since each may be a transaction of its own; and writes that may be held back are let go.
    let region = device.region.copying_by(CopyBy::Vectors);
    let region = region.holding_back_writes(device.mapping == Mapping::WriteCombining);
    let doorbell = host.and_then(|host| Some(device.doorbell?.bell(host, 0)));
    Ok(Transport { region, mapping: device.mapping.name(), events: RefCell::new(None), doorbell })
}

/// Tries again until it is there.
fn patiently<T>(until: Moment, mut attempt: impl FnMut() -> crate::sys::Result<T>) -> crate::sys::Result<T> {
    use crate::sys::Errno;
    loop {
        match attempt() {
            Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN) if !until.has_passed() => pause_us(LOOK_US),
            other => return other,
        }
    }
}

/// A file that has just been made may still grow.
fn long_enough(file: Fd, needed: usize) -> crate::sys::Result<Fd> {
    if shared::length(&file)? < needed { Err(crate::sys::Errno::AGAIN) } else { Ok(file) }
}
