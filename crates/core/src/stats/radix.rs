//! Sorting many integers by their digits.
//!
//! Comparisons cost n·log n unforeseeable branches; a digit at a time costs none. Source: D. E. Knuth, "The Art of
//! Computer Programming" 3, 2nd edition (1998), §5.2.5.

/// Shorter sequences are sorted by comparison: the tables alone cost more there.
const LONG: usize = 1 << 15;
/// Binary digits that are taken at once. The 2,048 places of a pass fit the nearest caches.
const BITS: u32 = 11;
const PLACES: usize = 1 << BITS;

/// Sorts in ascending order. Long sequences need as much memory again while it lasts.
///
/// Two passes sort by the leading 22 of the digits in which the keys differ; what then still is equal lies side by side
/// and is sorted for itself: a few keys each of most data, and of skewed data a sequence with a narrower range.
pub(super) fn sort_keys(keys: &mut [u64]) {
    // One of a sequence in order that was changed a little, or of the same in another unit.
    if keys.is_sorted() {
        return;
    }
    let ends = keys.iter().fold((u64::MAX, 0), |(low, high), key| (low.min(*key), high.max(*key)));
    if keys.len() < LONG || ends.0 == ends.1 {
        keys.sort_unstable();
        return;
    }
    let shift = (u64::BITS - (ends.1 - ends.0).leading_zeros()).saturating_sub(2 * BITS);
    let leading = |key: u64| ((key - ends.0) >> shift) as usize;
    let lower = |key: u64| leading(key) & (PLACES - 1);
    let upper = |key: u64| leading(key) >> BITS;
    let mut counts = (vec![0_usize; PLACES], vec![0_usize; PLACES]);
    for key in keys.iter() {
        counts.0[lower(*key)] += 1;
        counts.1[upper(*key)] += 1;
    }
    let mut other = vec![0; keys.len()];
    scatter(keys, &mut other, &mut counts.0, lower);
    scatter(&other, keys, &mut counts.1, upper);
    drop(other);
    if shift > 0 {
        keys.chunk_by_mut(|one, next| leading(*one) == leading(*next))
            .filter(|group| group.len() > 1)
            .for_each(sort_keys);
    }
}

/// Copies every key to the next place of its digit.
fn scatter(from: &[u64], to: &mut [u64], counts: &mut [usize], digit: impl Fn(u64) -> usize) {
    let mut next = 0;
    for count in counts.iter_mut() {
        next += std::mem::replace(count, next);
    }
    for key in from {
        let place = &mut counts[digit(*key)];
        to[*place] = *key;
        *place += 1;
    }
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
        // All but one lie close together, far from that one: groups are sorted as sequences of their own.
        let skewed: Vec<u64> = (0..LONG + 100).map(|_| (1 << 60) + random.u64(0..1 << 36)).chain([3]).collect();
        for keys in [any, few, equal, skewed] {
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut found = keys;
            sort_keys(&mut found);
            assert_eq!(found, expected);
        }
    }
}
