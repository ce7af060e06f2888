//! The path of a curve of steps: up at each value, and level from it to the next.

use super::drawing::number;
use std::fmt::Write;

/// The path through places in the order of their values, from a floor. Places at one distance are one step.
pub(super) fn steps(floor: f64, places: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    let (mut last_x, mut last_y) = (String::new(), number(floor));
    for (x, y) in places {
        let (at_x, at_y) = (number(x), number(y));
        if d.is_empty() {
            let _ = write!(d, "M{at_x} {last_y}");
        } else if at_x != last_x {
            let _ = write!(d, "V{last_y}H{at_x}");
        }
        (last_x, last_y) = (at_x, at_y);
    }
    let _ = write!(d, "V{last_y}");
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_at_one_distance_are_one_step() {
        assert_eq!(steps(100.0, [(1.0, 80.0), (1.0, 60.0), (5.0, 20.0)]), "M1 100V60H5V20");
        assert_eq!(steps(100.0, [(1.0, 80.0)]), "M1 100V80");
    }
}
