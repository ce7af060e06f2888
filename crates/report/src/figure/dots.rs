//! Choosing which dots to draw when there are more than a figure can show.

/// At most about `most` of the points, in their order: in each stretch of equal length the smallest and the largest
/// stay, so that no extreme is ever lost. All of them if they are few enough.
pub(super) fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most || most < 2 {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(most / 2);
    let mut out = Vec::with_capacity(most);
    for part in points.chunks(stretch) {
        let ends = (0..part.len()).fold((0, 0), |(least, greatest), index| {
            let least = if part[index].1 < part[least].1 { index } else { least };
            (least, if part[index].1 > part[greatest].1 { index } else { greatest })
        });
        out.push(part[ends.0.min(ends.1)]);
        if ends.0 != ends.1 {
            out.push(part[ends.0.max(ends.1)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_stay() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|index| (f64::from(index), f64::from(index % 7))).collect();
        points[4_321].1 = 99.0;
        points[8_765].1 = -99.0;
        let thinned = thin(&points, 200);
        assert!(thinned.len() <= 200, "{}", thinned.len());
        assert!(thinned.contains(&points[4_321]) && thinned.contains(&points[8_765]));
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thin(&points[..50], 200), &points[..50]);
    }
}
