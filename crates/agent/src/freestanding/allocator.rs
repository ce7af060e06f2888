//! An allocator for one thread: free lists of powers of two, and pages from the kernel for what is large.

use crate::sys::call;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use linux_raw_sys::general as k;

/// The smallest block has 16 bytes.
const SMALLEST_SHIFT: usize = 4;
/// Blocks of up to 32 KiB come from free lists.
const CLASSES: usize = 12;
/// What is asked of the kernel at once for small blocks. Pages that are not touched cost nothing.
const CHUNK: usize = 256 << 10;
const PAGE: usize = 4096;

/// The allocator of a program with one thread.
pub struct Allocator(UnsafeCell<State>);

struct State {
    /// The first free block of each class; a free block holds the address of the next one.
    free: [*mut u8; CLASSES],
    next: usize,
    end: usize,
}

// SAFETY: the program that uses it as its global allocator has one thread and no signal handlers.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// An empty allocator.
    #[expect(clippy::new_without_default, reason = "a global allocator is made in a constant")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(State { free: [null_mut(); CLASSES], next: 0, end: 0 }))
    }
}

/// The class of blocks for a size and alignment; `None` if it is large.
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(1 << SMALLEST_SHIFT);
    let class = size.checked_next_power_of_two()?.trailing_zeros() as usize - SMALLEST_SHIFT;
    (class < CLASSES).then_some(class)
}

fn map(size: usize) -> *mut u8 {
    // SAFETY: a fresh private mapping touches nothing that exists.
    let answer = unsafe {
        call!(__NR_mmap, 0, size, k::PROT_READ | k::PROT_WRITE, k::MAP_PRIVATE | k::MAP_ANONYMOUS, usize::MAX, 0)
    };
    answer.map_or(null_mut(), core::ptr::with_exposed_provenance_mut)
}

impl State {
    fn take(&mut self, class: usize) -> *mut u8 {
        let Some(head) = self.free.get_mut(class) else { return null_mut() };
        if !head.is_null() {
            let block = *head;
            // SAFETY: a block in a free list is ours, large enough and aligned, and holds the next one's address.
            *head = unsafe { *block.cast::<*mut u8>() };
            return block;
        }
        let size = 1_usize << (class + SMALLEST_SHIFT);
        // Blocks lie at multiples of their size up to a page, which is the largest alignment that is asked for.
        let aligned = self.next.next_multiple_of(size.min(PAGE));
        if self.end < aligned || self.end - aligned < size {
            let chunk = map(CHUNK);
            if chunk.is_null() {
                return null_mut();
            }
            self.next = chunk.expose_provenance();
            self.end = self.next + CHUNK;
            return self.take(class);
        }
        self.next = aligned + size;
        core::ptr::with_exposed_provenance_mut(aligned)
    }

    fn give(&mut self, block: *mut u8, class: usize) {
        if let Some(head) = self.free.get_mut(class) {
            // SAFETY: the block has at least 16 bytes, is aligned to them, and its user has given it back.
            unsafe { *block.cast::<*mut u8>() = *head };
            *head = block;
        }
    }
}

// SAFETY: blocks are as large and as aligned as asked, and none is given out twice before it is given back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > PAGE {
            return null_mut();
        }
        match class(layout) {
            // SAFETY: there is one thread, and no reference outlives this call.
            Some(class) => unsafe { (*self.0.get()).take(class) },
            None => map(layout.size()),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: there is one thread, and no reference outlives this call.
            Some(class) => unsafe { (*self.0.get()).give(block, class) },
            None => {
                // SAFETY: a large block is a mapping of its own that its user has given back.
                let _ = unsafe { call!(__NR_munmap, block, layout.size()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_distinct_and_used_again() {
        let allocator = Allocator::new();
        let mut blocks = Vec::new();
        for round in 0..4000_usize {
            let layout = Layout::from_size_align(round * 37 % 70_000 + 1, 1 << (round % 13)).unwrap();
            // SAFETY: the layout has a size; the block is written within it and given back with the same layout.
            unsafe {
                let block = allocator.alloc(layout);
                assert!(!block.is_null());
                assert_eq!(block.addr() % layout.align(), 0);
                block.write_bytes(round as u8, layout.size());
                blocks.push((block, layout, round as u8));
                if round % 3 == 0 {
                    let (block, layout, byte) = blocks.swap_remove(round / 7 % blocks.len());
                    let bytes = core::slice::from_raw_parts(block, layout.size());
                    assert!(bytes.iter().all(|found| *found == byte));
                    allocator.dealloc(block, layout);
                }
            }
        }
        let layout = Layout::from_size_align(100, 4).unwrap();
        // SAFETY: as above.
        unsafe {
            let first = allocator.alloc(layout);
            allocator.dealloc(first, layout);
            assert_eq!(allocator.alloc(layout), first);
        }
    }
}
