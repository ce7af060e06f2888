//! Digests under a key: any change of one word changes them for certain, any other change but for one chance in 2^64.

use crate::mix::{GOLDEN, finish, three, two};
use crate::{PAGE_WORDS, Page};

/// The digest of a page's content, without its place.
pub fn page(key: u64, page: &Page) -> u64 {
    let mut lanes = [key, key ^ GOLDEN, key.rotate_left(17), !key];
    for words in page.as_chunks::<4>().0 {
        for (lane, word) in lanes.iter_mut().zip(words) {
            // Odd factors and rotations are bijections: no single change is lost.
            *lane = (*lane ^ word).wrapping_mul(GOLDEN).rotate_left(29);
        }
    }
    lanes.iter().fold(PAGE_WORDS as u64, |sum, lane| finish(sum.wrapping_mul(GOLDEN) ^ lane))
}

/// A page's part in the digest of a whole: parts are added, in any order.
pub const fn at(key: u64, index: u64, content: u64) -> u64 {
    three(key, index, content)
}

/// The digest of bytes of any length.
pub fn bytes(key: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(two(key, bytes.len() as u64), |sum, word| two(sum, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    two(sum, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_shows(key: u64, seed: u64, word in 0..PAGE_WORDS, bit in 0..64_u32) {
            let mut content = [0; PAGE_WORDS];
            crate::content::fill(seed, crate::content::Kind::Random, 1, 0, &mut content);
            let before = page(key, &content);
            content[word] ^= 1 << bit;
            prop_assert_ne!(before, page(key, &content));
        }

        #[test]
        fn two_swapped_words_show(key: u64, one in 0..PAGE_WORDS, other in 0..PAGE_WORDS) {
            prop_assume!(one != other);
            let mut content: Page = core::array::from_fn(|index| finish(index as u64));
            let before = page(key, &content);
            content.swap(one, other);
            prop_assert_ne!(before, page(key, &content));
        }

        #[test]
        fn a_flipped_bit_of_bytes_shows(key: u64, mut content in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0..8_u32) {
            let before = bytes(key, &content);
            let at = at.index(content.len());
            content[at] ^= 1 << bit;
            prop_assert_ne!(before, bytes(key, &content));
        }
    }

    #[test]
    fn places_count() {
        assert_ne!(at(1, 2, 3), at(1, 3, 3));
        assert_ne!(at(1, 2, 3).wrapping_add(at(1, 3, 4)), at(1, 2, 4).wrapping_add(at(1, 3, 3)));
        assert_ne!(bytes(1, &[0, 0]), bytes(1, &[0]));
    }
}
