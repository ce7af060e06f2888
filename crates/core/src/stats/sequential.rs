//! Stopping early, by a rule that was declared beforehand.
//!
//! Who tests after every sample and stops at the first p < 0.05 is wrong far more often than in 5 of 100 cases. Here the
//! looks are declared, and the error is spent over them.

use super::normal::{normal_cdf, normal_quantile};

/// Looks at the data, and the share of the error that each may spend.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingRule {
    looks: Vec<Look>,
}

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// After how many samples or pairs.
    pub after: u64,
    /// The p-value at or below which sampling may stop.
    pub level: f64,
}

/// Why a rule cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No look, or one that is not later than the one before.
    #[error("looks must be numbers of samples that rise, at least one")]
    Looks,
    /// A level outside (0, 1).
    #[error("the level of a test must lie between 0 and 1")]
    Level,
}

/// What a look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Not a declared look, or not sure yet: go on.
    Continue,
    /// The difference is sure.
    Stop,
    /// The last look has passed and it is not sure.
    Exhausted,
}

impl StoppingRule {
    /// A rule that errs at most in `alpha` of all cases over all looks together.
    ///
    /// The error spent by the share t of the samples is 2 − 2Φ(z/√t), little at first (O'Brien and Fleming's shape); a look
    /// gets what was added since the one before. The looks' levels sum to `alpha`, which holds for any dependence between
    /// them (Bonferroni); tables that integrate over the dependence would give later looks slightly more. Sources: K. K. G.
    /// Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983) 659–663; P. C.
    /// O'Brien and T. R. Fleming, Biometrics 35 (1979) 549–556.
    pub fn new(looks: &[u64], alpha: f64) -> Result<Self, RuleError> {
        let rising = looks.windows(2).all(|pair| pair[0] < pair[1]);
        let Some(last) = looks.last().filter(|_| rising && looks[0] > 0) else { return Err(RuleError::Looks) };
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(RuleError::Level);
        }
        let z = normal_quantile(1.0 - alpha / 2.0);
        let spent = |after: u64| 2.0 * normal_cdf(-z / (after as f64 / *last as f64).sqrt());
        let mut before = 0.0;
        let mut look = |after: &u64| {
            let level = spent(*after) - before;
            before += level;
            Look { after: *after, level }
        };
        Ok(Self { looks: looks.iter().map(&mut look).collect() })
    }

    /// A rule whose looks each spend the same.
    ///
    /// For a precision that is wanted, and not a test: there a late look is worth no more than an early one.
    pub fn even(looks: &[u64], alpha: f64) -> Result<Self, RuleError> {
        let Self { mut looks } = Self::new(looks, alpha)?;
        let level = alpha / looks.len() as f64;
        looks.iter_mut().for_each(|look| look.level = level);
        Ok(Self { looks })
    }

    /// The looks with their levels.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// What to do after `samples` with this p-value. Between looks the answer is always to go on.
    pub fn step(&self, samples: u64, p_value: f64) -> Step {
        let last = self.looks.last().map_or(0, |look| look.after);
        match self.looks.iter().find(|look| look.after == samples) {
            Some(look) if p_value <= look.level => Step::Stop,
            _ if samples >= last => Step::Exhausted,
            _ => Step::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::signed_rank_p;

    #[test]
    fn the_error_is_spent_as_published() {
        // Lan and DeMets 1983, table 1, α = 0.05 two-sided, five equal looks: cumulative 0.00001, 0.0019, 0.0114 (by
        // 2 − 2Φ(1.96/√t)); reference for the digits: scipy 1.17.1, `norm.sf`.
        let rule = StoppingRule::new(&[20, 40, 60, 80, 100], 0.05).unwrap();
        let mut spent = 0.0;
        let expected = [
            1.172_644_684_252_109e-5,
            0.001_941_912_996_740_848_3,
            0.011_396_418_465_313_158,
            0.028_429_630_753_072_664,
            0.05,
        ];
        for (look, expected) in rule.looks().iter().zip(expected) {
            spent += look.level;
            assert!((spent - expected).abs() < 1e-9, "{spent}, not {expected}");
        }
    }

    #[test]
    fn a_rule_is_declared_or_refused() {
        assert_eq!(StoppingRule::new(&[], 0.05), Err(RuleError::Looks));
        assert_eq!(StoppingRule::new(&[0, 5], 0.05), Err(RuleError::Looks));
        assert_eq!(StoppingRule::new(&[20, 20], 0.05), Err(RuleError::Looks));
        assert_eq!(StoppingRule::new(&[20], 1.0), Err(RuleError::Level));
        let rule = StoppingRule::new(&[30, 60], 0.05).unwrap();
        assert_eq!(rule.step(30, 1e-9), Step::Stop);
        assert_eq!(rule.step(31, 1e-9), Step::Continue, "not a declared look");
        assert_eq!(rule.step(30, 0.04), Step::Continue);
        assert_eq!(rule.step(60, 0.2), Step::Exhausted);
        assert_eq!(rule.step(30, f64::NAN), Step::Continue);
    }

    #[test]
    fn even_looks_share_the_error() {
        let rule = StoppingRule::even(&[20, 40, 60, 80], 0.05).unwrap();
        assert!(rule.looks().iter().all(|look| (look.level - 0.0125).abs() < 1e-15));
        assert_eq!(StoppingRule::even(&[20, 10], 0.05), Err(RuleError::Looks));
    }

    #[test]
    fn looking_five_times_errs_no_more_than_promised() {
        let rule = StoppingRule::new(&[20, 40, 60, 80, 100], 0.05).unwrap();
        let mut random = fastrand::Rng::with_seed(4);
        let stopped = (0..300).filter(|_| {
            let values: Vec<f64> = (0..100).map(|_| random.f64() - 0.5).collect();
            let p = |look: &Look| signed_rank_p(&values[..look.after as usize]).unwrap_or(1.0);
            rule.looks().iter().any(|look| rule.step(look.after, p(look)) == Step::Stop)
        });
        // The standard error is 1.3 %.
        let share = stopped.count() as f64 / 300.0;
        assert!((0.01..0.09).contains(&share), "{share}");
    }
}
