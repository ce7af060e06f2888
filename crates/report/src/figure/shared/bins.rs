//! Histograms in bins that are wide enough to be drawn, without teeth that the data does not have.

use isodyne_core::stats::Histogram;

/// A bin of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin {
    /// The least value.
    pub from: u64,
    /// The least value beyond it.
    pub until: u64,
    /// How many values.
    pub count: u64,
}

/// Bins of one width from the least value to `upto`, at most `most` and one more; and how many values lie beyond.
///
/// A bin's edges are edges of the histogram's own buckets, whose widths are powers of two: no bucket is cut, and no bin
/// has more of them than its neighbour.
pub(super) fn linear(histogram: &Histogram, upto: u64, most: u64) -> (Vec<Bin>, u64) {
    let Some(least) = histogram.min() else { return (Vec::new(), 0) };
    let upto = upto.max(least);
    let within = || histogram.buckets().take_while(|bucket| bucket.from <= upto);
    let widest = within().map(|bucket| bucket.to - bucket.from + 1).max().unwrap_or(1);
    let width = widest.saturating_mul((upto - least + 1).div_ceil(widest.saturating_mul(most.max(1))).max(1));
    let begin = least / width * width;
    let bins = (upto - begin) / width + 1;
    let edge = |bin: u64| begin.saturating_add(width.saturating_mul(bin));
    let mut found: Vec<Bin> = (0..bins).map(|bin| Bin { from: edge(bin), until: edge(bin + 1), count: 0 }).collect();
    let mut beyond = 0_u64;
    for bucket in histogram.buckets() {
        let place = usize::try_from((bucket.from - begin.min(bucket.from)) / width).unwrap_or(usize::MAX);
        match found.get_mut(place) {
            Some(bin) => bin.count = bin.count.saturating_add(bucket.count),
            None => beyond = beyond.saturating_add(bucket.count),
        }
    }
    (found, beyond)
}

/// Bins whose edges grow by a twentieth of a decade each, over all values.
pub(super) fn logarithmic(histogram: &Histogram) -> Vec<Bin> {
    const PER_DECADE: f64 = 20.0;
    let (Some(least), Some(most)) = (histogram.min(), histogram.max()) else { return Vec::new() };
    let (mut edge, least) = (((least.max(1) as f64).log10() * PER_DECADE).floor(), least.max(1));
    let mut found: Vec<Bin> = Vec::new();
    let value = |edge: f64| 10_f64.powf(edge / PER_DECADE).ceil() as u64;
    while value(edge) <= most.max(1) && edge < 20.0 * PER_DECADE {
        let (from, until) = (value(edge), value(edge + 1.0));
        // Below ten, several edges are the same whole number.
        if until > from && until > least {
            found.push(Bin { from, until, count: 0 });
        }
        edge += 1.0;
    }
    let mut bins = found.iter_mut().peekable();
    for bucket in histogram.buckets() {
        while bins.peek().is_some_and(|bin| bucket.middle() >= bin.until) && bins.len() > 1 {
            bins.next();
        }
        if let Some(bin) = bins.peek_mut() {
            bin.count = bin.count.saturating_add(bucket.count);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new(3).unwrap();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    #[test]
    fn equal_values_make_equal_bins() {
        // From 40,000 on buckets are 32 wide: every bin must have the same number of them.
        let (bins, beyond) = linear(&of(40_000..44_096), 43_999, 60);
        assert!(bins.len() > 20 && bins.len() <= 61, "{}", bins.len());
        let inner: Vec<u64> = bins[1..bins.len() - 1].iter().map(|bin| bin.count).collect();
        assert!(inner.iter().all(|count| *count == inner[0]), "{inner:?}");
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>() + beyond, 4_096);
    }

    #[test]
    fn one_value_is_one_bin() {
        let (bins, beyond) = linear(&of([310; 5]), 310, 80);
        assert_eq!((bins, beyond), (vec![Bin { from: 310, until: 311, count: 5 }], 0));
        let bins = logarithmic(&of([310; 5]));
        assert_eq!(bins.len(), 1);
        assert!(bins[0].from <= 310 && 310 < bins[0].until && bins[0].count == 5);
        assert!(logarithmic(&of([])).is_empty() && linear(&of([]), 5, 5).0.is_empty());
    }

    proptest! {
        #[test]
        fn no_value_is_lost(values in prop::collection::vec((0_u64..1 << 62, 0_u32..62), 1..100), upto in 0_u64..1 << 62) {
            let histogram = of(values.iter().map(|(value, shift)| value >> shift));
            let (bins, beyond) = linear(&histogram, upto, 80);
            prop_assert!(bins.len() <= 82, "{}", bins.len());
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>() + beyond, histogram.len());
            let bins = logarithmic(&histogram);
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), histogram.len());
            prop_assert!(bins.windows(2).all(|pair| pair[0].until == pair[1].from) && bins.len() < 400);
        }
    }
}
