//! Memory shared with another party: making and mapping it, ringing and sleeping, both sides of a session on this host.

mod answer;
mod ask;
mod bells;
mod distribution;
pub(crate) mod guard;
mod handover;
mod memory;
mod paced;
mod record;

pub use answer::{Answered, Part, answer};
pub use ask::{Asked, ask};
pub use bells::{Bells, EventBell, FutexBell};
pub use distribution::Distribution;
pub use handover::{Handover, Received, receive};
pub use memory::Memory;
pub use paced::Paced;
pub use record::{Frames, Record, share};

use crate::clock::Clock;
use isodyne_shm::region::Region;
use isodyne_shm::wait::{System, Waiting};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingMode {
    /// Looks again at once.
    Spin,
    /// Looks again after the processor's hint for such loops.
    Pause,
    /// Lets others run between two looks.
    Yield,
    /// Sleeps so long between two looks.
    Poll(Duration),
    /// Sleeps on a word of the memory.
    Futex,
    /// Sleeps on an event counter of the kernel.
    Eventfd,
    /// Sleeps until the device's interrupt.
    Doorbell,
}

impl WaitingMode {
    /// Its name in a plan and on a command line, with the period that belongs to `poll`.
    pub fn parse(name: &str, period: Duration) -> Option<Self> {
        Some(match name {
            "spin" => Self::Spin,
            "pause" => Self::Pause,
            "yield" => Self::Yield,
            "poll" => Self::Poll(period),
            "futex" => Self::Futex,
            "eventfd" => Self::Eventfd,
            "doorbell" => Self::Doorbell,
            _ => return None,
        })
    }

    /// The word that the agent takes for it.
    pub fn word(self) -> String {
        match self {
            Self::Spin => "spin".to_owned(),
            Self::Pause => "pause".to_owned(),
            Self::Yield => "yield".to_owned(),
            Self::Poll(period) => format!("poll:{}", period.as_nanos()),
            Self::Futex => "futex".to_owned(),
            Self::Eventfd => "eventfd".to_owned(),
            Self::Doorbell => "doorbell".to_owned(),
        }
    }

    /// Whether it sleeps until it is rung.
    pub fn has_bell(self) -> bool {
        self.looking().is_none()
    }

    /// The loop of a mode that looks; `None` for one that sleeps on a bell.
    fn looking(self) -> Option<Waiting<'static>> {
        match self {
            Self::Spin => Some(Waiting::Spin),
            Self::Pause => Some(Waiting::Pause),
            Self::Yield => Some(Waiting::Yield),
            Self::Poll(period) => Some(Waiting::Poll { period_ns: period.as_nanos() as u64 }),
            Self::Futex | Self::Eventfd | Self::Doorbell => None,
        }
    }
}

/// This host under a session.
#[derive(Debug)]
pub struct HostSystem {
    clock: Clock,
    missed: AtomicU32,
    /// Where the session's memory is mapped.
    memory: usize,
}

impl HostSystem {
    /// Under a session through this memory.
    pub fn under(region: Region<'_>) -> Self {
        Self { clock: Clock, missed: AtomicU32::new(0), memory: region.address() }
    }

    /// Rings that did not wake a sleeper.
    pub fn missed_rings(&self) -> u32 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl System for HostSystem {
    fn now_ns(&self) -> u64 {
        self.clock.now().0
    }

    fn missed_ring(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    fn has_lost_memory(&self) -> bool {
        guard::is_cut(self.memory)
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn sleep_ns(&self, time_ns: u64) {
        std::thread::sleep(Duration::from_nanos(time_ns));
    }
}

/// The processors that this program may use.
pub fn processors() -> Vec<usize> {
    crate::calibrate::pin::allowed()
}
