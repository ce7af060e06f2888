//! Proofs that every byte of a frame has arrived: a number over all of them, keyed with what is told only after the
//! frame is there.

use crate::copy::fetch_ahead;
use crate::sha256::Sha256;

/// Bytes of a proof.
pub const PROOF: usize = 32;

/// How a proof is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Four lanes of multiplications: close to the speed of memory. Any change within eight bytes changes it for certain,
    /// any other with a chance of 1 − 2^−64 for changes that nobody chose.
    #[default]
    Fast,
    /// SHA-256 of the key and the bytes.
    Sha256,
}

/// How far ahead of the lanes memory is fetched: a page and a half.
const AHEAD: usize = 6144;
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

/// SplitMix64's last step: every bit of the result depends on every bit of the value.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Check {
    /// The proof of these bytes under this key.
    pub fn proof(self, key: u64, bytes: &[u8]) -> [u8; PROOF] {
        match self {
            Self::Fast => fast(key, bytes),
            Self::Sha256 => {
                let mut hash = Sha256::new();
                hash.update(&key.to_le_bytes());
                hash.update(bytes);
                hash.finish()
            }
        }
    }

    /// Its name in a task.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Sha256 => "sha256",
        }
    }
}

fn fast(key: u64, bytes: &[u8]) -> [u8; PROOF] {
    let word = |piece: &[u8]| piece.try_into().map_or(0, u64::from_le_bytes);
    // Each step is one-to-one in the lane and in the word, so a single changed word always changes its lane.
    let step = |lane: u64, word: u64| (lane ^ word).wrapping_mul(PRIME).rotate_left(29);
    let [mut a, mut b, mut c, mut d] = [1, 2, 3, 4].map(|lane| mix(key ^ mix(lane)));
    let pieces = bytes.chunks_exact(PROOF);
    let rest = pieces.remainder();
    let mut last = [0; PROOF];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    for piece in pieces.chain(core::iter::once(&last[..])) {
        // A processor fetches ahead by itself, but not beyond the end of a page.
        fetch_ahead(piece.as_ptr().wrapping_add(AHEAD));
        a = step(a, word(&piece[..8]));
        b = step(b, word(&piece[8..16]));
        c = step(c, word(&piece[16..24]));
        d = step(d, word(&piece[24..]));
    }
    let length = mix(bytes.len() as u64);
    let mut proof = [0; PROOF];
    for (place, lane) in proof.chunks_exact_mut(8).zip([a, b, c, d]) {
        place.copy_from_slice(&mix(lane ^ length).to_le_bytes());
    }
    proof
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_proof_has_the_same_value_everywhere() {
        // From an implementation of the same steps in Python 3.11.
        let bytes: [u8; 100] = core::array::from_fn(|index| index as u8);
        let proof = Check::Fast.proof(7, &bytes);
        assert_eq!(proof[..8], FAST_OF_100[..], "{proof:02x?}");
        assert_ne!(Check::Sha256.proof(7, &bytes), Check::Sha256.proof(8, &bytes));
    }

    const FAST_OF_100: [u8; 8] = [0x9d, 0x47, 0x46, 0xfd, 0xd5, 0x28, 0xd0, 0x25];

    proptest! {
        #[test]
        fn any_flipped_bit_changes_it(
            mut bytes in prop::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0..8_u32,
            key in any::<u64>(), sha in any::<bool>(),
        ) {
            let check = if sha { Check::Sha256 } else { Check::Fast };
            let before = check.proof(key, &bytes);
            prop_assert_ne!(before, check.proof(key ^ 1, &bytes));
            prop_assert_ne!(before, check.proof(key, &bytes[1..]));
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(before, check.proof(key, &bytes));
        }
    }
}
