//! Waiting for the other side: by looking, or asleep in a kernel, and always with a deadline.

use core::hint::spin_loop;

/// What the crate needs of the system that it runs on.
pub trait System {
    /// A monotonic clock, in nanoseconds. Stamps of two sides are never compared.
    fn now_ns(&self) -> u64;
    /// Lets others run.
    fn yield_now(&self);
    /// Sleeps about so long.
    fn sleep_ns(&self, time_ns: u64);
    /// Hears that a sleeper was not woken, although what it waited for was there: a ring was lost, or is very late.
    fn missed_ring(&self) {}
    /// Whether the memory is gone, so that nothing can come through it any more.
    fn has_lost_memory(&self) -> bool {
        false
    }
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The bell was rung, or may have been: the waiter looks again.
    Rung,
    /// The deadline passed.
    TimedOut,
    /// The system refused, with its error number.
    Failed(u32),
}

/// A way to sleep in a kernel until the other side rings: eventfd, futex, the interrupt of a device.
///
/// A waiter arms the bell, looks at the shared word, and sleeps only if it is not there yet: a ring after arming is never
/// lost.
pub trait Bell {
    /// Rings for the other side.
    ///
    /// # Errors
    /// The system's error number.
    fn ring(&self) -> Result<(), u32>;
    /// What [`Bell::wait`] compares with; 0 for bells that remember a ring by themselves.
    fn arm(&self) -> u32 {
        0
    }
    /// Sleeps until a ring after the arming, at most until the deadline by the clock of [`System`].
    fn wait(&self, armed: u32, deadline_ns: u64) -> Woken;
}

/// How a side waits for a word to change.
#[derive(Clone, Copy)]
pub enum Waiting<'a> {
    /// Looks again at once.
    Spin,
    /// Looks again after the processor's hint for such loops (`pause`, `yield`).
    Pause,
    /// Lets others run between two looks.
    Yield,
    /// Sleeps between two looks: the period is the resolution of everything measured this way.
    Poll {
        /// Nanoseconds.
        period_ns: u64,
    },
    /// Sleeps until the other side rings.
    Bell(&'a dyn Bell),
}

/// Why a wait came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The deadline passed.
    TimedOut,
    /// The bell failed, with the system's error number.
    Bell(u32),
    /// The memory is gone.
    Gone,
}

/// How long a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// When all is over, by the clock of [`System`].
    pub deadline_ns: u64,
    /// How long the other side may take for one step.
    pub patience_ns: u64,
}

impl Limits {
    /// The end of a wait that begins at this moment.
    fn end(&self, begin_ns: u64) -> u64 {
        begin_ns.saturating_add(self.patience_ns).min(self.deadline_ns)
    }
}

/// A sleeper looks by itself once in so long: a ring that is lost costs this much, and is told, instead of the session.
const SLEEP_NS: u64 = 200_000_000;

/// So many looks lie between two looks at the clock.
const LOOKS: u32 = 1 << 12;

impl Waiting<'_> {
    /// Looks until there is something, as long as the limits allow; one last look comes after that.
    ///
    /// # Errors
    /// If nothing came in time, or the bell failed.
    #[inline]
    pub fn until<T>(
        &self,
        system: &impl System,
        limits: Limits,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        // The clock is not looked at before a wait has become long: in an agent that is a system call.
        let mut end = None;
        loop {
            match *self {
                Self::Spin => {
                    for _ in 0..LOOKS {
                        if let Some(found) = look() {
                            return Ok(found);
                        }
                    }
                }
                Self::Pause => {
                    for _ in 0..LOOKS {
                        if let Some(found) = look() {
                            return Ok(found);
                        }
                        spin_loop();
                    }
                }
                Self::Yield => {
                    for _ in 0..LOOKS / 64 {
                        if let Some(found) = look() {
                            return Ok(found);
                        }
                        system.yield_now();
                    }
                }
                Self::Poll { period_ns } => {
                    if let Some(found) = look() {
                        return Ok(found);
                    }
                    system.sleep_ns(period_ns);
                }
                Self::Bell(bell) => {
                    let armed = bell.arm();
                    if let Some(found) = look() {
                        return Ok(found);
                    }
                    let now = system.now_ns();
                    let end = *end.get_or_insert_with(|| limits.end(now));
                    match bell.wait(armed, end.min(now.saturating_add(SLEEP_NS))) {
                        Woken::Failed(number) => return Err(WaitError::Bell(number)),
                        Woken::Rung => {}
                        Woken::TimedOut => {
                            if let Some(found) = look() {
                                // A ring that comes in the same moment as the end of the sleep is none that is missed.
                                if bell.wait(armed, now) != Woken::Rung {
                                    system.missed_ring();
                                }
                                return Ok(found);
                            }
                        }
                    }
                }
            }
            if system.has_lost_memory() {
                return Err(WaitError::Gone);
            }
            let now = system.now_ns();
            if now >= *end.get_or_insert_with(|| limits.end(now)) {
                return look().ok_or(WaitError::TimedOut);
            }
        }
    }

    /// Rings for the other side, if it sleeps in a kernel.
    ///
    /// # Errors
    /// If the bell failed.
    #[inline]
    pub fn notify(&self) -> Result<(), WaitError> {
        match self {
            Self::Bell(bell) => bell.ring().map_err(WaitError::Bell),
            _ => Ok(()),
        }
    }
}
