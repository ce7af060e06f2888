//! Sorting many integers by their digits.
//!
//! Comparisons cost n·log n unforeseeable branches; a digit at a time costs none. Source: D. E. Knuth, "The Art of
//! Computer Programming" 3, 2nd edition (1998), §5.2.5.

/// Shorter sequences are sorted by comparison: the tables alone cost more there.
const LONG: usize = 1 << 15;
/// Binary digits that are taken at once. The 2,048 places of a pass fit the nearest caches.
const BITS: u32 = 11;
const PLACES: usize = 1 << BITS;
const PASSES: usize = u64::BITS.div_ceil(BITS) as usize;

/// Sorts in ascending order. Long sequences need as much memory again while it lasts.
pub(super) fn sort_keys(keys: &mut Vec<u64>) {
    if keys.len() < LONG {
        keys.sort_unstable();
        return;
    }
    let mut counts = vec![[0_usize; PLACES]; PASSES];
    for key in keys.iter() {
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[digit(*key, pass)] += 1;
        }
    }
    let mut other = vec![0; keys.len()];
    for (pass, counts) in counts.iter_mut().enumerate() {
        // A digit that all keys share moves nothing.
        if counts.contains(&keys.len()) {
            continue;
        }
        let mut next = 0;
        for count in counts.iter_mut() {
            next += std::mem::replace(count, next);
        }
        for key in keys.iter() {
            let place = &mut counts[digit(*key, pass)];
            other[*place] = *key;
            *place += 1;
        }
        std::mem::swap(keys, &mut other);
    }
}

fn digit(key: u64, pass: usize) -> usize {
    (key >> (pass as u32 * BITS)) as usize & (PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sequences_are_sorted() {
        let mut random = fastrand::Rng::with_seed(1);
        let any: Vec<u64> = (0..LONG + 100).map(|_| random.u64(..)).collect();
        let few: Vec<u64> = (0..LONG + 100).map(|_| random.u64(0..7) << 40).collect();
        let equal = vec![u64::MAX; LONG];
        for keys in [any, few, equal] {
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut found = keys;
            sort_keys(&mut found);
            assert_eq!(found, expected);
        }
    }
}
