//! A mapping that another, untrusted party writes.

use crate::copy::{self, CopyBy};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Shared memory: a base and a length, every access checked against them.
///
/// There is never a `&[u8]` into it: the other side may write any byte at any time. What is outside of the region, or
/// not aligned, is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Region<'m> {
    base: NonNull<u8>,
    length: usize,
    copy_by: CopyBy,
    holds_back: bool,
    mapping: PhantomData<&'m [AtomicU32]>,
}

// SAFETY: all accesses are atomic or opaque copies, from any thread.
unsafe impl Send for Region<'_> {}
// SAFETY: as above.
unsafe impl Sync for Region<'_> {}

impl<'m> Region<'m> {
    /// Takes a mapping. `None` if the base is null or not on a boundary of 64 bytes.
    ///
    /// # Safety
    /// `length` bytes from `base` on must stay mapped for reading and writing for `'m`, and no Rust reference to any of
    /// them may exist meanwhile, but to atomics.
    pub unsafe fn from_raw(base: *mut u8, length: usize) -> Option<Self> {
        let base = NonNull::new(base).filter(|base| base.addr().get() % 64 == 0)?;
        Some(Self { base, length, copy_by: CopyBy::default(), holds_back: false, mapping: PhantomData })
    }

    /// The same region with its copies done another way.
    #[must_use]
    pub fn copying_by(self, copy_by: CopyBy) -> Self {
        Self { copy_by, ..self }
    }

    /// How it is copied.
    pub fn copied_by(&self) -> CopyBy {
        self.copy_by
    }

    /// The same region on a mapping whose writes the processor may hold back (write-combining), or not.
    #[must_use]
    pub fn holding_back_writes(self, holds_back: bool) -> Self {
        Self { holds_back, ..self }
    }

    /// Lets go of writes that are held back.
    #[inline]
    pub fn let_go(&self) {
        #[cfg(target_arch = "x86_64")]
        if self.holds_back {
            // SAFETY: the instruction orders stores, and touches nothing.
            unsafe { core::arch::x86_64::_mm_sfence() };
        }
        #[cfg(not(target_arch = "x86_64"))]
        if self.holds_back {
            core::sync::atomic::fence(Ordering::SeqCst);
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Where it is mapped.
    pub fn address(&self) -> usize {
        self.base.addr().get()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A part of it.
    pub fn part(&self, offset: usize, length: usize) -> Option<Self> {
        let base = self.at(offset, length)?;
        Some(Self { base, length, ..*self })
    }

    fn at(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(length)?;
        if end > self.length {
            return None;
        }
        // SAFETY: the offset lies within the mapping or at its end.
        Some(unsafe { self.base.add(offset) })
    }

    /// The word at this offset, if it is in the region and aligned.
    pub fn u32(&self, offset: usize) -> Option<&'m AtomicU32> {
        let place = self.at(offset, 4)?.cast::<AtomicU32>();
        if !place.is_aligned() {
            return None;
        }
        // SAFETY: mapped for 'm, aligned, and only ever accessed by atomics and opaque copies.
        Some(unsafe { place.as_ref() })
    }

    /// The word of 64 bits at this offset, if it is in the region and aligned.
    pub fn u64(&self, offset: usize) -> Option<&'m AtomicU64> {
        let place = self.at(offset, 8)?.cast::<AtomicU64>();
        if !place.is_aligned() {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { place.as_ref() })
    }

    /// Reads a word; what it says is not younger than what the writer wrote before it.
    pub fn load_u32(&self, offset: usize) -> Option<u32> {
        Some(self.u32(offset)?.load(Ordering::Acquire))
    }

    /// Reads a word of 64 bits; what it says is not younger than what the writer wrote before it.
    pub fn load_u64(&self, offset: usize) -> Option<u64> {
        Some(self.u64(offset)?.load(Ordering::Acquire))
    }

    /// Writes a word after all that was written before.
    pub fn store_u32(&self, offset: usize, value: u32) -> Option<()> {
        self.u32(offset)?.store(value, Ordering::Release);
        Some(())
    }

    /// Writes a word of 64 bits after all that was written before.
    pub fn store_u64(&self, offset: usize, value: u64) -> Option<()> {
        self.u64(offset)?.store(value, Ordering::Release);
        Some(())
    }

    /// Copies bytes in; `None`, and nothing is copied, if they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let to = self.at(offset, bytes.len())?;
        // SAFETY: checked above; a slice of this program does not overlap the mapping, which has no references to it.
        unsafe { copy::copy(to.as_ptr(), bytes.as_ptr(), bytes.len(), self.copy_by) };
        Some(())
    }

    /// Copies bytes out; `None`, and nothing is copied, if they are not in the region.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let from = self.at(offset, bytes.len())?;
        // SAFETY: as above.
        unsafe { copy::copy(bytes.as_mut_ptr(), from.as_ptr(), bytes.len(), self.copy_by) };
        Some(())
    }

    /// Writes zero bytes.
    pub fn clear(&self, offset: usize, length: usize) -> Option<()> {
        const ZEROS: [u8; 256] = [0; 256];
        self.at(offset, length)?;
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(ZEROS.len());
            self.write(offset + done, ZEROS.get(..piece)?)?;
            done += piece;
        }
        Some(())
    }

    /// Writes a part back to memory and out of all caches; `None` if it is not in the region, `false` if this program
    /// cannot.
    pub fn evict(&self, offset: usize, length: usize) -> Option<bool> {
        let from = self.at(offset, length)?;
        // SAFETY: checked above.
        Some(unsafe { copy::evict(from.as_ptr(), length) })
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Region;
    use core::cell::UnsafeCell;
    use std::boxed::Box;
    use std::vec;

    /// Memory of a test, shared by threads instead of processes.
    pub(crate) struct Memory(Box<[UnsafeCell<[u64; 16]>]>);

    // SAFETY: it is only reached through regions.
    unsafe impl Sync for Memory {}

    impl Memory {
        pub(crate) fn new(length: usize) -> Self {
            let lines = vec![[0_u64; 16]; length.div_ceil(128) + 1];
            Self(lines.into_iter().map(UnsafeCell::new).collect())
        }

        pub(crate) fn region(&self) -> Region<'_> {
            let base = self.0.as_ptr().cast::<u8>().cast_mut();
            let skip = base.align_offset(64);
            // SAFETY: the cells live as long as `self`, nobody makes references to them, and one line is to spare.
            unsafe { Region::from_raw(base.add(skip), (self.0.len() - 1) * 128) }.unwrap()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Memory;
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn what_is_outside_or_not_aligned_is_nothing() {
        let memory = Memory::new(256);
        let region = memory.region();
        assert_eq!(region.len(), 256);
        assert!(region.u64(248).is_some() && region.u64(249).is_none() && region.u64(256).is_none());
        assert!(region.u32(252).is_some() && region.u32(253).is_none() && region.u32(usize::MAX).is_none());
        assert!(region.write(250, &[0; 7]).is_none() && region.read(usize::MAX, &mut [0; 2]).is_none());
        assert!(region.part(200, 57).is_none() && region.clear(1, 256).is_none());
        let part = region.part(64, 64).unwrap();
        part.store_u32(60, 7).unwrap();
        assert_eq!((region.load_u32(124), part.load_u32(64)), (Some(7), None));
        // SAFETY: refused before anything is touched.
        assert!(unsafe { Region::from_raw(core::ptr::null_mut(), 64) }.is_none());
    }

    #[test]
    fn eviction_changes_no_byte() {
        let memory = Memory::new(4096);
        let region = memory.region();
        region.write(3, &[5; 1000]).unwrap();
        assert_eq!(region.evict(3, 1000), Some(cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))));
        let mut back = [0; 1000];
        region.read(3, &mut back).unwrap();
        assert_eq!(back, [5; 1000]);
        assert!(region.evict(4096, 1).is_none());
    }

    proptest! {
        #[test]
        fn what_is_copied_in_comes_out_and_nothing_else_changes(
            bytes in prop::collection::vec(any::<u8>(), 0..600), offset in 0_usize..1000, vectors in any::<bool>(),
        ) {
            let memory = Memory::new(1024);
            let by = if vectors { CopyBy::Vectors } else { CopyBy::Strings };
            let region = memory.region().copying_by(by);
            let mut expected = vec![0xee_u8; 1024];
            region.write(0, &expected).unwrap();
            let fits = offset + bytes.len() <= 1024;
            prop_assert_eq!(region.write(offset, &bytes).is_some(), fits);
            if fits {
                expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            let mut all = vec![0; 1024];
            region.read(0, &mut all).unwrap();
            prop_assert_eq!(all, expected);
        }
    }
}
