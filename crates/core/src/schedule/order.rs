//! The random order of a round. It is part of the format: the same seed gives the same order in every version.
//!
//! The algorithm: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), its state
//! begun at `mix(seed) + mix(round + 1)`, where `mix` is one SplitMix64 step; then a Fisher–Yates shuffle from the last
//! place down, each place drawn without bias by rejection.

/// The permutation of `0..length` for a round.
pub fn shuffled(seed: u64, round: u32, length: usize) -> Vec<usize> {
    let mut state = SplitMix(SplitMix(seed).next().wrapping_add(SplitMix(u64::from(round) + 1).next()));
    let mut order: Vec<usize> = (0..length).collect();
    for last in (1..length).rev() {
        order.swap(last, state.below(last as u64 + 1) as usize);
    }
    order
}

/// SplitMix64.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, each as likely as the others: draws from the incomplete last stretch are rejected.
    fn below(&mut self, limit: u64) -> u64 {
        let rejected_from = u64::MAX - u64::MAX % limit;
        loop {
            let drawn = self.next();
            if drawn < rejected_from {
                return drawn % limit;
            }
        }
    }
}

/// A hash that is the same in every version: FNV-1a, then one SplitMix64 step.
pub(crate) fn stable_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    SplitMix(bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, fold)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The reference sequence for seed 1234567.
        let mut state = SplitMix(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| state.next()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn every_order_is_about_as_likely() {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..6_000 {
            *seen.entry(shuffled(seed, 0, 3)).or_insert(0_u32) += 1;
        }
        assert_eq!(seen.len(), 6);
        // Six orders at 1,000 expected each; five standard deviations are 145.
        assert!(seen.values().all(|count| (855..=1145).contains(count)), "{seen:?}");
    }

    proptest! {
        #[test]
        fn each_order_is_a_permutation(seed: u64, round: u32, length in 0_usize..100) {
            let mut order = shuffled(seed, round, length);
            order.sort_unstable();
            prop_assert_eq!(order, (0..length).collect::<Vec<_>>());
        }
    }
}
