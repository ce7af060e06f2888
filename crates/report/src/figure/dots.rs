//! Drawing many samples where there is no room for a dot each.

/// A stretch of consecutive samples: where it is, its smallest and its largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// The middle of the stretch.
    pub x: f64,
    /// Its smallest value.
    pub least: f64,
    /// Its largest value.
    pub most: f64,
}

/// Cuts the points into at most `most` stretches of equally many, so that no extreme is lost. With every extreme kept
/// as a dot of its own, two bands would show where there is one; a stroke from least to most does not pretend that.
pub(super) fn stretches(points: &[(f64, f64)], most: usize) -> Vec<Stretch> {
    let length = points.len().div_ceil(most.max(1)).max(1);
    points
        .chunks(length)
        .map(|part| Stretch {
            x: (part[0].0 + part[part.len() - 1].0) / 2.0,
            least: part.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min),
            most: part.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_stay() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|index| (f64::from(index), f64::from(index % 7))).collect();
        points[4_321].1 = 99.0;
        points[8_765].1 = -99.0;
        let found = stretches(&points, 200);
        assert!(found.len() <= 200, "{}", found.len());
        assert!(found.iter().any(|stretch| stretch.most == 99.0) && found.iter().any(|stretch| stretch.least == -99.0));
        assert!(found.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert!(stretches(&[], 200).is_empty());
    }
}
