//! The memory functions that the compiler calls by name.
//!
//! Every access is volatile: the compiler would otherwise see what such a loop does and replace it by a call to the very
//! function that it is.

use core::ptr::{read_volatile, write_volatile};

/// Eight bytes at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Word(u64);

/// Copies `count` bytes.
///
/// # Safety
/// Both ranges must be valid; where they overlap, `to` must not lie after `from`.
#[inline]
pub unsafe fn copy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    let words = count / 8;
    // SAFETY: all accesses lie within the ranges that the caller vouches for, and a word has no alignment.
    unsafe {
        for index in 0..words {
            write_volatile(to.cast::<Word>().add(index), read_volatile(from.cast::<Word>().add(index)));
        }
        for index in words * 8..count {
            write_volatile(to.add(index), read_volatile(from.add(index)));
        }
    }
    to
}

/// Copies `count` bytes between ranges that may overlap.
///
/// # Safety
/// Both ranges must be valid.
#[inline]
pub unsafe fn copy_overlapping(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as in `copy`; from back to front when the front of the target would overwrite the source's back.
    unsafe {
        if to.addr().wrapping_sub(from.addr()) >= count {
            return copy(to, from, count);
        }
        let words = count / 8;
        for index in (words * 8..count).rev() {
            write_volatile(to.add(index), read_volatile(from.add(index)));
        }
        for index in (0..words).rev() {
            write_volatile(to.cast::<Word>().add(index), read_volatile(from.cast::<Word>().add(index)));
        }
    }
    to
}

/// Sets `count` bytes.
///
/// # Safety
/// The range must be valid.
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, count: usize) -> *mut u8 {
    let words = count / 8;
    // SAFETY: all accesses lie within the range that the caller vouches for.
    unsafe {
        for index in 0..words {
            write_volatile(to.cast::<Word>().add(index), Word(u64::from_ne_bytes([byte; 8])));
        }
        for index in words * 8..count {
            write_volatile(to.add(index), byte);
        }
    }
    to
}

/// The sign of the first difference.
///
/// # Safety
/// Both ranges must be valid.
#[inline]
pub unsafe fn compare(one: *const u8, other: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the index lies within the ranges that the caller vouches for.
        let (a, b) = unsafe { (read_volatile(one.add(index)), read_volatile(other.add(index))) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// The number of bytes in front of the zero byte.
///
/// # Safety
/// The string must end in a zero byte.
#[inline]
pub unsafe fn string_length(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: no byte after the zero byte is read.
    while unsafe { read_volatile(string.add(length)) } != 0 {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_forwards_and_backwards_at_any_distance() {
        for distance in 0..20_usize {
            for count in 0..40_usize {
                let original: Vec<u8> = (0..80).collect();
                for (to, from) in [(distance, 0), (0, distance)] {
                    let (mut bytes, mut expected) = (original.clone(), original.clone());
                    expected.copy_within(from..from + count, to);
                    let start = bytes.as_mut_ptr();
                    // SAFETY: both ranges lie within the 80 bytes.
                    unsafe { copy_overlapping(start.add(to), start.add(from), count) };
                    assert_eq!(bytes, expected, "{count} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn fills_compares_and_measures() {
        let mut bytes = [1_u8; 30];
        // SAFETY: the ranges lie within the arrays, and the string ends in a zero byte.
        unsafe {
            fill(bytes.as_mut_ptr().add(3), 7, 19);
            assert_eq!(bytes.iter().filter(|byte| **byte == 7).count(), 19);
            assert_eq!((bytes[2], bytes[22]), (1, 1));
            assert!(compare(b"abcd".as_ptr(), b"abce".as_ptr(), 4) < 0);
            assert_eq!(compare(b"abcd".as_ptr(), b"abce".as_ptr(), 3), 0);
            assert_eq!(string_length(c"four".as_ptr().cast()), 4);
        }
    }
}
