//! Signs of life: threads that count for themselves.

use super::memory::Restless;
use crate::sys::poll::Moment;
use crate::sys::{Result, shared, thread};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// A tick.
const TICK_NS: u64 = 1_000_000;
/// How often a thread that only lives looks whether it is called.
const LOOK_NS: u64 = 100_000_000;
/// What the threads may take to answer a call, in looks.
const LOOKS: usize = 50;
/// Gaps are counted by powers of two.
pub(super) const BUCKETS: usize = 40;
/// What is made up for at most after a pause: a page that was not written to during a freeze stays unwritten.
const CATCH_UP_NS: u64 = 20_000_000;

/// The ticks of a thread that does nothing else: what a freeze looks like from inside.
pub(super) struct Ticks {
    pub(super) count: AtomicU64,
    pub(super) largest_gap_ns: AtomicU64,
    pub(super) buckets: [AtomicU64; BUCKETS],
}

impl Ticks {
    /// Starts the thread.
    pub(super) fn start() -> Result<&'static Self> {
        let ticks: &'static Self = Box::leak(Box::new(Self {
            count: AtomicU64::new(0),
            largest_gap_ns: AtomicU64::new(0),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }));
        // SAFETY: the value lives for ever and is made of atomics; the thread does not allocate.
        unsafe { thread::spawn(tick, core::ptr::from_ref(ticks).expose_provenance()) }?;
        Ok(ticks)
    }

    /// Forgets the gaps, not the count.
    pub(super) fn forget(&self) {
        self.largest_gap_ns.store(0, Relaxed);
        self.buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
    }
}

extern "C" fn tick(ticks: usize) -> ! {
    // SAFETY: the starter gave the address of a value that lives for ever.
    let ticks: &Ticks = unsafe { &*core::ptr::with_exposed_provenance(ticks) };
    let mut last = Moment::now();
    loop {
        shared::sleep_ns(TICK_NS);
        let now = Moment::now();
        let gap = now.ns_since(last);
        last = now;
        ticks.count.fetch_add(1, Relaxed);
        ticks.largest_gap_ns.fetch_max(gap, Relaxed);
        let bucket = (u64::BITS - gap.leading_zeros()) as usize;
        if let Some(bucket) = ticks.buckets.get(bucket.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
    }
}

/// Threads that answer to a call, and do nothing else.
pub(super) struct Sleepers {
    call: AtomicU32,
    heard: Vec<AtomicU32>,
    taken: AtomicU32,
    deaf: AtomicU32,
}

impl Sleepers {
    pub(super) fn start(count: u64) -> Result<&'static Self> {
        let heard = (0..count).map(|_| AtomicU32::new(0)).collect();
        let sleepers: &'static Self = Box::leak(Box::new(Self {
            call: AtomicU32::new(0),
            heard,
            taken: AtomicU32::new(0),
            deaf: AtomicU32::new(0),
        }));
        for _ in 0..count {
            // SAFETY: as for the ticks; the list does not change any more.
            unsafe { thread::spawn(sleep, core::ptr::from_ref(sleepers).expose_provenance()) }?;
        }
        Ok(sleepers)
    }

    /// Has one of them hear nothing any more: a lie that must be found.
    pub(super) fn lose_one(&self) {
        self.deaf.store(1, SeqCst);
    }

    /// Calls them all and counts those that answer.
    pub(super) fn call(&self) -> u64 {
        let call = self.call.fetch_add(1, SeqCst).wrapping_add(1);
        let count = || self.heard.iter().filter(|heard| heard.load(SeqCst) == call).count();
        for _ in 0..LOOKS {
            if count() == self.heard.len() {
                break;
            }
            shared::sleep_ns(LOOK_NS);
        }
        count() as u64
    }
}

extern "C" fn sleep(sleepers: usize) -> ! {
    // SAFETY: the starter gave the address of a value that lives for ever.
    let sleepers: &Sleepers = unsafe { &*core::ptr::with_exposed_provenance(sleepers) };
    let own = sleepers.taken.fetch_add(1, SeqCst) as usize;
    loop {
        let is_deaf = own == 0 && sleepers.deaf.load(SeqCst) == 1;
        if let Some(heard) = sleepers.heard.get(own).filter(|_| !is_deaf) {
            heard.store(sleepers.call.load(SeqCst), SeqCst);
        }
        shared::sleep_ns(LOOK_NS);
    }
}

/// A thread that writes to pages at a rate.
pub(super) struct Writer {
    restless: Restless,
    rate_per_s: u64,
    runs: AtomicU32,
    stands: AtomicU32,
    writes: AtomicU64,
    /// Pages that did not hold what was written to them before.
    stale: AtomicU64,
    /// A lie: the next write is counted and not made.
    skips: AtomicU32,
}

impl Writer {
    pub(super) fn start(restless: Restless, rate_per_s: u64) -> Result<&'static Self> {
        let writer: &'static Self = Box::leak(Box::new(Self {
            restless,
            rate_per_s,
            runs: AtomicU32::new(1),
            stands: AtomicU32::new(0),
            writes: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            skips: AtomicU32::new(0),
        }));
        if rate_per_s > 0 {
            // SAFETY: as for the ticks; only this thread writes to the pages from here on.
            unsafe { thread::spawn(write, core::ptr::from_ref(writer).expose_provenance()) }?;
        }
        Ok(writer)
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(SeqCst)
    }

    /// Stops the writing, so that what is there can be looked at; false if it does not stop.
    pub(super) fn pause(&self) -> bool {
        self.runs.store(0, SeqCst);
        if self.rate_per_s == 0 {
            return true;
        }
        (0..LOOKS).any(|_| {
            let stands = self.stands.load(SeqCst) == 1;
            if !stands {
                shared::sleep_ns(LOOK_NS / 10);
            }
            stands
        })
    }

    pub(super) fn go_on(&self) {
        self.stands.store(0, SeqCst);
        self.runs.store(1, SeqCst);
    }

    /// Counts a write that was not made: a lie that must be found.
    pub(super) fn lose_a_write(&self) {
        self.skips.store(1, SeqCst);
    }

    /// How many pages did not hold what was written to them before.
    pub(super) fn stale(&self) -> u64 {
        self.stale.load(SeqCst)
    }

    /// What the pages hold, while the writing is paused.
    pub(super) fn digest(&self, key: u64) -> u64 {
        self.restless.digest(key)
    }
}

extern "C" fn write(writer: usize) -> ! {
    // SAFETY: the starter gave the address of a value that lives for ever.
    let writer: &Writer = unsafe { &*core::ptr::with_exposed_provenance(writer) };
    let (mut last, mut due_ns) = (Moment::now(), 0_u64);
    // Never zero where this thread runs.
    let page_ns = (1_000_000_000 / writer.rate_per_s.max(1)).max(1);
    loop {
        if writer.runs.load(SeqCst) == 0 {
            writer.stands.store(1, SeqCst);
            shared::sleep_ns(TICK_NS);
            (last, due_ns) = (Moment::now(), 0);
            continue;
        }
        let now = Moment::now();
        due_ns = (due_ns + now.ns_since(last)).min(CATCH_UP_NS.max(page_ns));
        last = now;
        while due_ns >= page_ns {
            let writes = writer.writes.load(SeqCst);
            if writer.skips.swap(0, SeqCst) == 0 && !writer.restless.write_next(writes) {
                writer.stale.fetch_add(1, SeqCst);
            }
            writer.writes.store(writes + 1, SeqCst);
            due_ns -= page_ns;
        }
        shared::sleep_ns(TICK_NS);
    }
}
