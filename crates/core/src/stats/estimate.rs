//! An estimate with its interval, and what the interval says about a margin.

/// A value with the interval that holds the true one with a stated confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate, in the unit of the values.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The confidence that the interval reaches (exact distributions come in steps and reach at least what was asked
    /// for), or the nominal one where the distribution is approximated.
    pub confidence: f64,
}

/// What an interval says about "the effect is no larger than the margin".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equivalence {
    /// The whole interval lies strictly within ±margin.
    Equivalent,
    /// The whole interval lies beyond the margin, on one side.
    Different,
    /// The interval crosses the margin: the samples cannot tell.
    Unclear,
}

/// Whether an effect is smaller than a margin, by inclusion of its interval.
///
/// An interval of confidence 1 − α within ±margin is what two one-sided tests at level α/2 each say; with the 95 %
/// intervals of this lab, that is a TOST at 2.5 %, stricter than the customary 5 % with a 90 % interval. Touching the
/// margin is not within it. A margin that is negative or NaN includes nothing and is exceeded by nothing. Source: D. J.
/// Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", J. Pharmacokinet. Biopharm.
/// 15 (1987) 657–680.
pub fn equivalence(estimate: &Estimate, margin: f64) -> Equivalence {
    if margin.is_nan() || margin < 0.0 {
        return Equivalence::Unclear;
    }
    if estimate.low > -margin && estimate.high < margin {
        Equivalence::Equivalent
    } else if estimate.low > margin || estimate.high < -margin {
        Equivalence::Different
    } else {
        Equivalence::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_decides_and_not_the_value() {
        let estimate = |low, high| Estimate { value: 0.0, low, high, confidence: 0.95 };
        assert_eq!(equivalence(&estimate(-0.01, 0.02), 0.03), Equivalence::Equivalent);
        assert_eq!(equivalence(&estimate(-0.01, 0.03), 0.03), Equivalence::Unclear);
        assert_eq!(equivalence(&estimate(0.031, 0.05), 0.03), Equivalence::Different);
        assert_eq!(equivalence(&estimate(-0.05, -0.031), 0.03), Equivalence::Different);
        assert_eq!(equivalence(&estimate(0.001, 0.05), 0.0), Equivalence::Different);
        assert_eq!(equivalence(&estimate(0.0, 0.0), 0.0), Equivalence::Unclear);
        assert_eq!(equivalence(&estimate(0.1, 0.2), f64::NAN), Equivalence::Unclear);
    }
}
