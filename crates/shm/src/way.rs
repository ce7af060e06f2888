//! Which way of copying frames is the quicker one here: found by a trial, not by a table of processors.
//!
//! The rule: a frame under [`LEAST_BYTES`] is copied as its mapping wants. From there on, each side tries the mapping's
//! own way and [`CopyBy::Past`] on the memory in question before the sides meet, and takes the one whose quickest copy
//! was the quicker; in a cold ring each trial is cold. A frame that the caches keep is quicker without going past them, a
//! larger one is not, and where the border lies differs from host to host.

use crate::copy::CopyBy;
use crate::wait::System;

/// The second-level caches of today's processors hold a smaller frame and its place.
pub const LEAST_BYTES: usize = 256 << 10;
/// The most copies of one way.
const MOST: u32 = 5;
/// No further copy of a way after this.
const ENOUGH_NS: u64 = 100_000_000;
/// Memory where one copy takes so long is no cached memory: nothing is to be won, and the other side is waiting.
const TOO_LONG_NS: u64 = 250_000_000;

/// The quicker way. `copy` copies once, by this way, and says how long it took.
pub(crate) fn quicker(bytes: usize, own: CopyBy, mut copy: impl FnMut(CopyBy) -> u64) -> CopyBy {
    if bytes < LEAST_BYTES || own == CopyBy::Past || copy(own) > TOO_LONG_NS {
        return own;
    }
    let mut best = |by| {
        // The first finds the target as another way has left it.
        let mut spent = copy(by);
        let mut best = u64::MAX;
        for _ in 0..MOST {
            let took = copy(by);
            best = best.min(took);
            spent = spent.saturating_add(took);
            if spent > ENOUGH_NS {
                break;
            }
        }
        best
    };
    if best(CopyBy::Past) < best(own) { CopyBy::Past } else { own }
}

/// How long something takes.
pub(crate) fn timed<S: System>(system: &S, work: impl FnOnce()) -> u64 {
    let begin = system.now_ns();
    work();
    system.now_ns().saturating_sub(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quicker_way_is_taken_where_it_is_worth_a_trial() {
        let (mut copies, times) = (0, |own, past| move |by| if by == CopyBy::Past { past } else { own });
        assert_eq!(quicker(1 << 20, CopyBy::Strings, times(9, 5)), CopyBy::Past);
        assert_eq!(quicker(1 << 20, CopyBy::Strings, times(5, 9)), CopyBy::Strings);
        assert_eq!(quicker(LEAST_BYTES - 1, CopyBy::Strings, times(9, 5)), CopyBy::Strings);
        let slow = quicker(1 << 20, CopyBy::Vectors, |_| {
            copies += 1;
            TOO_LONG_NS + 1
        });
        assert_eq!((slow, copies), (CopyBy::Vectors, 1));
        // Long copies are not repeated more often than they must be.
        copies = 0;
        let _ = quicker(1 << 20, CopyBy::Vectors, |_| {
            copies += 1;
            TOO_LONG_NS
        });
        assert_eq!(copies, 5);
    }
}
