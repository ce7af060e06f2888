//! The memory of one process of the subject: its areas, what they hold, and how long it takes to touch them.

use crate::sys::poll::Moment;
use crate::sys::{Result, process, thread};
use alloc::vec::Vec;
use isodyne_subject::content::{Kind, fill, first_word};
use isodyne_subject::spec::Spec;
use isodyne_subject::{PAGE_BYTES, Page, digest};

/// Pages in a row.
pub(super) struct Area {
    base: *mut Page,
    pages: usize,
}

/// What one process holds: the pages from one number on, in areas that the kernel keeps apart.
pub(super) struct Memory {
    first: u64,
    areas: Vec<Area>,
}

/// How long it took to touch the pages, tenth by tenth, and how many page faults it took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    pub(super) steps_ns: [u64; 10],
    pub(super) minor_faults: u64,
    pub(super) major_faults: u64,
}

impl Touched {
    pub(super) fn add(&mut self, other: &Self) {
        self.steps_ns.iter_mut().zip(other.steps_ns).for_each(|(sum, step)| *sum = sum.saturating_add(step));
        self.minor_faults = self.minor_faults.saturating_add(other.minor_faults);
        self.major_faults = self.major_faults.saturating_add(other.major_faults);
    }
}

impl Area {
    /// Fresh pages. With a page behind them that is given back, so that the kernel does not join two areas.
    pub(super) fn new(pages: usize) -> Result<Self> {
        let length = pages * PAGE_BYTES;
        let base = thread::map_fresh(length + PAGE_BYTES)?;
        // SAFETY: nobody has the last page's address.
        unsafe { thread::unmap(base.add(length), PAGE_BYTES) }?;
        Ok(Self { base: base.cast(), pages })
    }

    /// One page, for as long as nobody else writes to it.
    pub(super) fn page(&self, number: usize) -> *mut Page {
        debug_assert!(number < self.pages);
        // SAFETY: the number is within the area.
        unsafe { self.base.add(number) }
    }
}

impl Memory {
    /// Maps and fills what a process holds.
    pub(super) fn hold(spec: &Spec, process: u64) -> Result<Self> {
        let (first, end) = spec.slice(process);
        let pages = end - first;
        let count = spec.areas.min(pages).max(1);
        let mut areas = Vec::with_capacity(count as usize);
        for area in 0..count {
            let cut = |area: u64| (u128::from(pages) * u128::from(area) / u128::from(count)) as u64;
            let length = cut(area + 1) - cut(area);
            if length > 0 {
                areas.push(Area::new(length as usize)?);
            }
        }
        let memory = Self { first, areas };
        let seed = spec.seed();
        for (index, page) in memory.pages() {
            // SAFETY: the page is ours, and this process has one thread so far.
            fill(seed, spec.shares.kind(seed, index), index, 0, unsafe { &mut *page });
        }
        Ok(memory)
    }

    /// Every page with its number in the whole.
    fn pages(&self) -> impl Iterator<Item = (u64, *mut Page)> {
        let pages = self.areas.iter().flat_map(|area| (0..area.pages).map(|number| area.page(number)));
        (self.first..).zip(pages)
    }

    fn count(&self) -> usize {
        self.areas.iter().map(|area| area.pages).sum()
    }

    /// The digest of all pages.
    pub(super) fn digest(&self, key: u64) -> u64 {
        self.pages().fold(0, |sum, (index, page)| {
            // SAFETY: nobody writes to a page that stays.
            sum.wrapping_add(digest::at(key, index, digest::page(key, unsafe { &*page })))
        })
    }

    /// Reads one word of each page of a share of them, in an order without neighbours.
    pub(super) fn touch(&self, percent: u64) -> Touched {
        /// A prime above every number of pages that fits: a step of it visits each page once.
        const STEP: u64 = 0xffff_fffb;
        let pages: Vec<*mut Page> = self.pages().map(|(_, page)| page).collect();
        let (all, mut touched) = (pages.len() as u64, Touched::default());
        let wanted = all * percent.min(100) / 100;
        let before = process::faults();
        let mut sum = 0_u64;
        for (step, time) in touched.steps_ns.iter_mut().enumerate() {
            let step = step as u64;
            let began = Moment::now();
            for number in wanted * step / 10..wanted * (step + 1) / 10 {
                let place = u128::from(number) * u128::from(STEP) % u128::from(all);
                let Some(page) = pages.get(place as usize) else { continue };
                // SAFETY: the page is mapped; the read must not be left out.
                sum = sum.wrapping_add(unsafe { page.cast::<u64>().read_volatile() });
            }
            *time = Moment::now().ns_since(began);
        }
        core::hint::black_box(sum);
        let after = process::faults();
        touched.minor_faults = after.0.saturating_sub(before.0);
        touched.major_faults = after.1.saturating_sub(before.1);
        touched
    }

    /// Changes one bit in the middle: a lie that must be found.
    pub(super) fn flip_a_bit(&self) {
        if let Some((_, page)) = self.pages().nth(self.count() / 2) {
            // SAFETY: the page is ours.
            let page = unsafe { &mut *page };
            page[isodyne_subject::PAGE_WORDS / 2] ^= 1 << 33;
        }
    }
}

/// The pages that are written to again and again.
pub(super) struct Restless {
    area: Area,
    seed: u64,
    first: u64,
    pages: u64,
}

impl Restless {
    pub(super) fn hold(spec: &Spec) -> Result<Self> {
        let (seed, first, pages) = (spec.seed(), spec.still_pages(), spec.dirty_pages);
        let restless = Self { area: Area::new(pages.max(1) as usize)?, seed, first, pages };
        (0..pages).for_each(|page| restless.write(page, 0));
        Ok(restless)
    }

    /// Writes the page that is due after so many writes; false if it did not hold what was written to it before: a page
    /// that was lost would otherwise heal, for it is written again soon.
    pub(super) fn write_next(&self, writes: u64) -> bool {
        let Some(page) = writes.checked_rem(self.pages) else { return true };
        let before = writes / self.pages;
        // SAFETY: the page is mapped, and only this thread writes to it.
        let held = unsafe { self.area.page(page as usize).cast::<u64>().read_volatile() };
        self.write(page, before + 1);
        held == first_word(self.seed, Kind::Random, self.first + page, before)
    }

    fn write(&self, page: u64, version: u64) {
        // SAFETY: only one thread writes at a time: the one that prepares, and then the one that writes.
        fill(self.seed, Kind::Random, self.first + page, version, unsafe { &mut *self.area.page(page as usize) });
    }

    /// The digest of all of them, while nobody writes.
    pub(super) fn digest(&self, key: u64) -> u64 {
        (0..self.pages).fold(0, |sum, page| {
            // SAFETY: the caller has stopped the thread that writes.
            let content = digest::page(key, unsafe { &*self.area.page(page as usize) });
            sum.wrapping_add(digest::at(key, self.first + page, content))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_subject::content::Shares;
    use isodyne_subject::expect;

    fn spec() -> Spec {
        Spec {
            nonce: [5, 6],
            pages: 230,
            dirty_pages: 10,
            shares: Shares { zero: 10, duplicate: 10, compressible: 10 },
            processes: 3,
            areas: 7,
            ..Spec::default()
        }
    }

    #[test]
    fn the_memory_of_all_processes_is_what_the_lab_expects() {
        let spec = spec();
        let processes: Vec<Memory> = (0..3).map(|process| Memory::hold(&spec, process).unwrap()).collect();
        let restless = Restless::hold(&spec).unwrap();
        assert!((0..23).all(|writes| restless.write_next(writes)));
        let digest = || processes.iter().fold(restless.digest(8), |sum, memory| sum.wrapping_add(memory.digest(8)));
        assert_eq!(digest(), expect::memory(&spec, 8, 23));
        assert!(restless.write_next(24), "that page was not written before its turn");
        assert!(!restless.write_next(33), "a write that was left out heals, and is seen");
        let spec = Spec { dirty_pages: 0, pages: 220, ..spec };
        let digest = || processes.iter().fold(0_u64, |sum, memory| sum.wrapping_add(memory.digest(8)));
        assert_eq!(digest(), expect::memory(&spec, 8, 0));
        processes[1].flip_a_bit();
        assert_ne!(digest(), expect::memory(&spec, 8, 23));
    }

    #[test]
    fn areas_are_apart_and_every_page_is_touched_once() {
        let memory = Memory::hold(&spec(), 1).unwrap();
        assert_eq!(memory.areas.len(), 7);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        for area in &memory.areas {
            let begin = format!("{:x}-{:x} ", area.base.addr(), area.base.addr() + area.pages * PAGE_BYTES);
            assert!(maps.contains(&begin), "{begin} in\n{maps}");
        }
        assert_eq!(memory.count() as u64, spec().slice(1).1 - spec().slice(1).0);
        assert!(memory.touch(100).steps_ns.iter().sum::<u64>() > 0);
    }
}
