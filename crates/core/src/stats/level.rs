//! How much of the error that this lab allows itself a figure may spend.

/// The error of every interval that is printed, taken over everything that could have been printed in its place.
const ERROR: f64 = 0.05;
/// No figure gets less of it than this: there, no number of samples carries an interval any more.
const LEAST: f64 = 1e-12;

/// The share of the allowed error that a figure may spend.
///
/// A run of a fixed length looks once and spends all of it. Where a rule looks several times and may stop at each, the
/// looks share it: the chance that the interval of *any* look misses is at most the sum (Bonferroni), whatever the looks
/// have to do with each other, and so the interval that is printed, of whichever look it was, keeps its promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    share: f64,
}

impl Default for Level {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Level {
    /// One look: intervals of 95 %.
    pub const WHOLE: Self = Self { share: 1.0 };

    /// With a share of the error; what is not in (0, 1] becomes the next that is.
    pub fn of_share(share: f64) -> Self {
        Self { share: if share.is_nan() { LEAST } else { share.clamp(LEAST, 1.0) } }
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.share
    }

    /// The confidence of an interval: 0.95 for the whole error.
    pub fn confidence(self) -> f64 {
        1.0 - self.error(ERROR)
    }

    /// The confidence with as many digits as tell it from 1: `99 %`, `99.97 %`.
    pub fn confidence_words(self) -> String {
        let error = 100.0 * self.error(ERROR);
        let digits = (-error.log10()).ceil().clamp(0.0, 12.0) as usize + usize::from(error < 1.0);
        let text = format!("{:.digits$}", 100.0 - error);
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        format!("{text} %")
    }

    /// The part of an error of another size, such as the gate's own.
    pub fn error(self, whole: f64) -> f64 {
        whole * self.share
    }

    /// The same for a confidence: what it leaves out, shared.
    pub fn sharpen(self, confidence: f64) -> f64 {
        if self == Self::WHOLE { confidence } else { 1.0 - self.error(1.0 - confidence) }
    }

    /// For a figure of two samplings that were stopped each by its own rule: over all pairs of looks the products of their
    /// shares sum to the whole error again.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of_share(self.share * other.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_is_never_rounded_to_certainty() {
        let expected = [(1.0, "95 %"), (0.2, "99 %"), (0.05, "99.75 %"), (0.0117, "99.942 %"), (1e-5, "99.99995 %")];
        for (share, words) in expected {
            assert_eq!(Level::of_share(share).confidence_words(), words);
        }
    }

    #[test]
    fn shares_divide_the_error() {
        assert_eq!(Level::WHOLE.confidence(), 0.95);
        assert_eq!(Level::WHOLE.sharpen(0.9), 0.9);
        let fifth = Level::of_share(0.2);
        assert!((fifth.confidence() - 0.99).abs() < 1e-12 && (fifth.sharpen(0.9) - 0.98).abs() < 1e-12);
        assert!((fifth.and(Level::of_share(0.5)).confidence() - 0.995).abs() < 1e-12);
        for (foreign, kept) in [(f64::NAN, LEAST), (-1.0, LEAST), (7.0, 1.0)] {
            assert_eq!(Level::of_share(foreign).share(), kept);
        }
    }
}
