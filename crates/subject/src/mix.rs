//! Mixing of words (SplitMix64's finaliser): it finds damage and chance, it is no cryptography.

/// The golden ratio in 64 bits, which is odd.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64 bits in which every bit of the input reaches every bit of the output.
#[inline]
pub const fn finish(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A word from two.
#[inline]
pub const fn two(one: u64, other: u64) -> u64 {
    finish(finish(one.wrapping_add(GOLDEN)).wrapping_add(other.wrapping_mul(GOLDEN)))
}

/// A word from three.
#[inline]
pub const fn three(one: u64, other: u64, third: u64) -> u64 {
    two(two(one, other), third)
}

/// What whoever holds the nonce answers to a challenge.
pub const fn answer(nonce: [u64; 2], challenge: u64) -> u64 {
    three(nonce[0], challenge, nonce[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_known_generator() {
        // SplitMix64 from the seed 0: its reference implementation gives these two.
        assert_eq!(finish(GOLDEN), 0xe220_a839_7b1d_cdaf);
        assert_eq!(finish(GOLDEN.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn answers_depend_on_both_halves_and_on_the_challenge() {
        let right = answer([1, 2], 3);
        for other in [answer([2, 2], 3), answer([1, 3], 3), answer([1, 2], 4), answer([2, 1], 3)] {
            assert_ne!(right, other);
        }
    }
}
