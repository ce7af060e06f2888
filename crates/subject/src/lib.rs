//! A state that can be checked: what the subject of the benchmark `checkpoint` holds inside a sandbox, as pure functions
//! of what it was told.
//!
//! The subject fills its memory, files, pipes and connections with what these functions give; the lab computes the same
//! from the same words, and asks after a restore for digests under a key that the subject has not seen before. So a
//! subject that was started anew, a page that was lost and a bit that was flipped give another number. Nothing here makes
//! a system call.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod content;
pub mod digest;
pub mod expect;
pub mod mix;
pub mod spec;

/// The bytes of a page, in which memory is counted.
pub const PAGE_BYTES: usize = 4096;
/// The words of a page.
pub const PAGE_WORDS: usize = PAGE_BYTES / 8;
/// What the places end with a number of where directories of the host are mounted: below the one place that every
/// container may write to.
pub const BOUND: &str = "/tmp/isodyne-bound-";
/// The bytes that wait in each pipe and each connection.
pub const WAITING_BYTES: usize = 128;
/// The bytes of each open file.
pub const FILE_BYTES: usize = PAGE_BYTES;

/// A page's content.
pub type Page = [u64; PAGE_WORDS];

/// The question of one round trip over TCP: its number and a challenge, both little-endian.
pub const TRIP_QUESTION_BYTES: usize = 16;
/// The answer: the number, the count of ticks, the nonce's answer to the challenge.
pub const TRIP_ANSWER_BYTES: usize = 24;
