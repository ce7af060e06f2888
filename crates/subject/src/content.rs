//! What pages hold.

use crate::mix::{GOLDEN, finish, two};
use crate::{PAGE_WORDS, Page};

/// What a page is like, for whoever wants to save space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Zero bytes, written so that the page is resident.
    Zero,
    /// The same as every other page of this kind.
    Duplicate,
    /// Its own, at about a quarter of its size once packed: 16 bytes of 64 are random.
    Compressible,
    /// Its own, and random.
    Random,
}

/// Shares of the kinds, in percent; what is left is random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of zero pages.
    pub zero: u32,
    /// Of duplicates.
    pub duplicate: u32,
    /// Of compressible pages.
    pub compressible: u32,
}

impl Shares {
    /// Whether they are shares of one whole.
    pub fn fit(&self) -> bool {
        self.zero.saturating_add(self.duplicate).saturating_add(self.compressible) <= 100
    }

    /// The kind of a page: of every hundred pages in a row, exactly so many are of each, in an order of the seed's.
    pub fn kind(&self, seed: u64, index: u64) -> Kind {
        // An odd number that is no multiple of 5 is coprime to 100, so the hundred places stay distinct.
        let (hundred, place) = (index / 100, index % 100);
        let shuffle = two(seed, hundred);
        let step = [1, 3, 7, 9, 11, 13, 17, 19, 21, 23, 27, 29, 31, 33, 37, 39][(shuffle % 16) as usize];
        let place = ((place * step + (shuffle >> 8) % 100) % 100) as u32;
        if place < self.zero {
            Kind::Zero
        } else if place < self.zero + self.duplicate {
            Kind::Duplicate
        } else if place < self.zero + self.duplicate + self.compressible {
            Kind::Compressible
        } else {
            Kind::Random
        }
    }
}

/// Fills a page.
pub fn fill(seed: u64, kind: Kind, index: u64, version: u64, page: &mut Page) {
    let mut state = match kind {
        Kind::Zero => return page.fill(0),
        Kind::Duplicate => finish(seed ^ GOLDEN),
        Kind::Compressible | Kind::Random => two(two(seed, index), version),
    };
    let mut next = || {
        state = state.wrapping_add(GOLDEN);
        finish(state)
    };
    if kind == Kind::Compressible {
        for line in page.as_chunks_mut::<8>().0 {
            let (one, other) = (next(), next());
            *line = [one, other, 0, 0, 0, 0, 0, 0];
        }
    } else {
        page.iter_mut().for_each(|word| *word = next());
    }
}

/// The first word of a page.
pub fn first_word(seed: u64, kind: Kind, index: u64, version: u64) -> u64 {
    match kind {
        Kind::Zero => 0,
        Kind::Duplicate => finish(finish(seed ^ GOLDEN).wrapping_add(GOLDEN)),
        Kind::Compressible | Kind::Random => finish(two(two(seed, index), version).wrapping_add(GOLDEN)),
    }
}

/// Fills bytes that are no whole page: the beginning of a random page.
pub fn fill_bytes(seed: u64, index: u64, bytes: &mut [u8]) {
    let mut page = [0; PAGE_WORDS];
    fill(seed, Kind::Random, index, 0, &mut page);
    for (to, from) in bytes.iter_mut().zip(page.iter().flat_map(|word| word.to_le_bytes())) {
        *to = from;
    }
}

/// Seeds of what is not memory, so that no two things hold the same.
#[derive(Clone, Copy, Debug)]
pub enum Thing {
    /// Open files.
    File = 1,
    /// Pipes.
    Pipe = 2,
    /// Connections within the sandbox.
    Connection = 3,
    /// Files of the read-write layer.
    Layer = 4,
    /// Files in directories of the host.
    Bound = 5,
}

impl Thing {
    /// The seed of this thing's content.
    pub const fn seed(self, seed: u64) -> u64 {
        two(seed, self as u64)
    }
}

/// How many pages of each kind (zero, duplicate, compressible, random) there are among the first so many.
pub fn count(shares: Shares, seed: u64, pages: u64) -> [u64; 4] {
    let hundreds = pages / 100;
    let random = u64::from(100_u32.saturating_sub(shares.zero + shares.duplicate + shares.compressible));
    let each = [shares.zero.into(), shares.duplicate.into(), shares.compressible.into(), random];
    let mut counts = each.map(|share: u64| share * hundreds);
    for index in hundreds * 100..pages {
        counts[shares.kind(seed, index) as usize] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_in_every_hundred_pages() {
        let shares = Shares { zero: 20, duplicate: 30, compressible: 10 };
        for seed in [1, 99, u64::MAX] {
            for hundred in 0..50 {
                let mut counts = [0; 4];
                (hundred * 100..hundred * 100 + 100).for_each(|index| counts[shares.kind(seed, index) as usize] += 1);
                assert_eq!(counts, [20, 30, 10, 40]);
            }
            assert_eq!(count(shares, seed, 1000), [200, 300, 100, 400]);
            let counted = count(shares, seed, 1234);
            let mut slow = [0; 4];
            (0..1234).for_each(|index| slow[shares.kind(seed, index) as usize] += 1);
            assert_eq!(counted, slow);
        }
        assert!(shares.fit() && !Shares { zero: 60, duplicate: 41, compressible: 0 }.fit());
    }

    #[test]
    fn kinds_are_what_they_say() {
        let page = |kind, index, version| {
            let mut page = [7; PAGE_WORDS];
            fill(5, kind, index, version, &mut page);
            page
        };
        for kind in [Kind::Zero, Kind::Duplicate, Kind::Compressible, Kind::Random] {
            assert_eq!(page(kind, 3, 9)[0], first_word(5, kind, 3, 9));
        }
        assert_eq!(page(Kind::Zero, 3, 0), [0; PAGE_WORDS]);
        assert_eq!(page(Kind::Duplicate, 3, 0), page(Kind::Duplicate, 4, 9));
        assert_ne!(page(Kind::Random, 3, 0), page(Kind::Random, 4, 0));
        assert_ne!(page(Kind::Random, 3, 0), page(Kind::Random, 3, 1));
        let zeros = page(Kind::Compressible, 3, 0).iter().filter(|word| **word == 0).count();
        assert_eq!(zeros, PAGE_WORDS * 3 / 4);
    }
}
