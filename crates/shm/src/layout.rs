//! Where everything lies in the region.
//!
//! The first page holds words; each word that one side writes and the other waits for has 128 bytes of its own, since
//! processors fetch pairs of lines. Behind it are the slots of the ring: a page with the slot's words, then the frame.

/// Bytes of a page: frames begin on such a boundary.
pub const PAGE: usize = 4096;
/// Bytes between two words of different writers.
pub const LINE: usize = 128;

/// What a region of this program begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ISODSHM\x01");

/// `u64`: [`MAGIC`], written last by who asks.
pub const ASK_MAGIC: usize = 0;
/// `u64`: the random number of the session, by who asks.
pub const ASK_SESSION: usize = LINE;
/// `u64`: a digest of what the asking side was told to do.
pub const ASK_TASK: usize = LINE + 8;
/// `u64`: the session's number again, once the answering side is there: both may begin.
pub const ASK_GO: usize = 2 * LINE;
/// `u64`: the session that the answering side has seen.
pub const ANSWER_SESSION: usize = 3 * LINE;
/// `u64`: a digest of what the answering side was told to do.
pub const ANSWER_TASK: usize = 3 * LINE + 8;
/// `u64`: the question of a round trip: its number above, a token below.
pub const ASK_WORD: usize = 4 * LINE;
/// `u64`: the answer of a round trip: its number above, a token made from the asked one below.
pub const ANSWER_WORD: usize = 5 * LINE;
/// `u64`: frames published.
pub const ASK_HEAD: usize = 6 * LINE;
/// `u64`: frames done, by who answers.
pub const ANSWER_TAIL: usize = 7 * LINE;
/// `u32`: rings for the answering side (futex).
pub const ASK_BELL: usize = 8 * LINE;
/// `u32`: rings for the asking side (futex).
pub const ANSWER_BELL: usize = 9 * LINE;

/// Bytes of the words in front.
pub const CONTROL: usize = PAGE;

/// `u64` in a slot: the frame's number.
pub const SLOT_NUMBER: usize = 0;
/// `u64` in a slot: the frame's bytes.
pub const SLOT_LENGTH: usize = 8;
/// `u64` in a slot: what the proof is keyed with; drawn after the frame is in the slot.
pub const SLOT_KEY: usize = 16;
/// `u64` in a slot, by who answers: the frame's number, once the proof is there.
pub const SLOT_DONE: usize = LINE;
/// `u64` in a slot, by who answers: how long its copy out took, by its clock.
pub const SLOT_COPY_NS: usize = LINE + 8;
/// `u64` in a slot, by who answers: how long its check of the copy took, by its clock.
pub const SLOT_VERIFY_NS: usize = LINE + 16;
/// 32 bytes in a slot, by who answers: the proof.
pub const SLOT_PROOF: usize = LINE + 32;
/// Bytes of a slot's words.
pub const SLOT_HEADER: usize = PAGE;

/// Bytes of a slot for frames of this size; `None` if no memory has so many.
pub fn slot_bytes(frame_bytes: usize) -> Option<usize> {
    frame_bytes.checked_next_multiple_of(PAGE)?.checked_add(SLOT_HEADER)
}

/// Bytes of a region with so many slots; `None` if no memory has so many.
pub fn region_bytes(frame_bytes: usize, slots: usize) -> Option<usize> {
    slot_bytes(frame_bytes)?.checked_mul(slots)?.checked_add(CONTROL)
}

/// Where a slot begins; `None` if no memory has so many.
pub fn slot_offset(frame_bytes: usize, slot: usize) -> Option<usize> {
    slot_bytes(frame_bytes)?.checked_mul(slot)?.checked_add(CONTROL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_each_other_on_pages() {
        assert_eq!(slot_bytes(64), Some(8192));
        assert_eq!(slot_offset(4096, 1), Some(4096 + 8192));
        assert_eq!(region_bytes(4097, 2), Some(4096 + 2 * 12288));
        assert_eq!(region_bytes(usize::MAX, 1), None);
        assert_eq!(region_bytes(1 << 30, usize::MAX), None);
    }
}
