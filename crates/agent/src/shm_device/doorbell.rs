//! The device's interrupts: ringing for others by a register, and sleeping until somebody rings.

use super::pci::Function;
use super::vfio::{self, Handle};
use crate::sys::file::Fd;
use crate::sys::poll::{Moment, READABLE, interest, wait};
use crate::sys::{Errno, device};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;
use isodyne_shm::wait::{Bell, Woken};

/// Registers, by their offsets: the own number, and what is written to ring.
const OWN: usize = 8;
const DOORBELL: usize = 12;
const REGISTERS: usize = 256;

/// Where the registers are.
enum Registers {
    /// In this process's memory: a ring is one write.
    Mapped(NonNull<u8>),
    /// Behind a call of the kernel.
    File { offset: u64 },
}

/// The device's interrupts.
pub(crate) struct Doorbell {
    handle: Handle,
    registers: Registers,
    events: Vec<Fd>,
    own: u16,
}

impl Doorbell {
    pub(super) fn open(function: &Function) -> Result<Self, String> {
        let handle = vfio::take(function)?;
        let said = |what: &str, errno: Errno| format!("the device's {what}: {errno}");
        handle.let_it_write().map_err(|errno| said("right to send interrupts", errno))?;
        let info = handle.region(0).map_err(|errno| said("registers", errno))?;
        if info.size < REGISTERS as u64 {
            return Err(format!("the device has {} B of registers, and {REGISTERS} B are due", info.size));
        }
        let mapped = if info.is_mappable() { device::map(&handle.device, info.offset, REGISTERS).ok() } else { None };
        let registers = mapped.map_or(Registers::File { offset: info.offset }, Registers::Mapped);
        let events = handle.events()?;
        let mut doorbell = Self { handle, registers, events, own: 0 };
        let own = doorbell.read(OWN).map_err(|errno| said("own number", errno))?;
        doorbell.own =
            u16::try_from(own).map_err(|_| String::from("the device has no number: its server has not answered"))?;
        Ok(doorbell)
    }

    /// The device's own number among the peers.
    pub(crate) fn own(&self) -> u16 {
        self.own
    }

    /// How many vectors it has.
    pub(crate) fn vectors(&self) -> usize {
        self.events.len()
    }

    /// Whether a ring is one write of the processor, or a call of the kernel.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.registers, Registers::Mapped(_))
    }

    /// Rings a peer. One that is not there, or has no such vector, is not heard of.
    fn ring(&self, peer: u16, vector: u16) -> Result<(), Errno> {
        self.write(DOORBELL, u32::from(peer) << 16 | u32::from(vector))
    }

    /// Sleeps until a vector has been rung; false if the moment has passed.
    fn wait(&self, vector: u16, until: Moment) -> Result<bool, Errno> {
        let event = self.events.get(usize::from(vector)).ok_or(Errno::INVAL)?;
        let mut count = [0; 8];
        loop {
            match event.read(&mut count) {
                Ok(_) => return Ok(true),
                Err(Errno::AGAIN) if wait(&mut [interest(event, READABLE)], until)? => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The line to one peer: it rings that one, and waits for the own vector of the same number.
    pub(crate) fn bell(&'static self, peer: u16, vector: u16) -> Line {
        Line { doorbell: self, peer, vector }
    }

    fn read(&self, register: usize) -> Result<u32, Errno> {
        match self.registers {
            // SAFETY: the register lies within the mapping, is aligned, and is read as it must be, whole and once.
            Registers::Mapped(base) => Ok(unsafe { base.add(register).cast::<u32>().read_volatile() }),
            Registers::File { offset } => {
                let mut bytes = [0; 4];
                device::read_at(&self.handle.device, &mut bytes, offset + register as u64)?;
                Ok(u32::from_le_bytes(bytes))
            }
        }
    }

    fn write(&self, register: usize, value: u32) -> Result<(), Errno> {
        match self.registers {
            Registers::Mapped(base) => {
                // What was written to the memory is there before the ring, whatever the memory's type.
                core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
                // SAFETY: as for reading.
                unsafe { base.add(register).cast::<u32>().write_volatile(value) };
                Ok(())
            }
            Registers::File { offset } => {
                device::write_at(&self.handle.device, &value.to_le_bytes(), offset + register as u64).map(drop)
            }
        }
    }
}

/// The line to one peer.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    doorbell: &'static Doorbell,
    peer: u16,
    vector: u16,
}

/// The deadline is a moment of the guest's clock, in nanoseconds.
impl Bell for Line {
    fn ring(&self) -> Result<(), u32> {
        self.doorbell.ring(self.peer, self.vector).map_err(|errno| errno.0)
    }

    fn wait(&self, _armed: u32, deadline_ns: u64) -> Woken {
        match self.doorbell.wait(self.vector, Moment::at_ns(deadline_ns)) {
            Ok(true) => Woken::Rung,
            Ok(false) => Woken::TimedOut,
            Err(errno) => Woken::Failed(errno.0),
        }
    }
}
