//! Synthetic data whose quantiles are known.

use fastrand::Rng;
use isodyne_core::stats::{normal_cdf, normal_quantile};

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Standard normal.
    Normal,
    /// The exponential of it.
    LogNormal,
    /// Normal around 0 in 6 of 10 cases and around 6 in the others.
    Bimodal,
    /// Student's t with two degrees of freedom: no variance.
    Student,
    /// Pareto with exponent 1.5: no variance, and skewed.
    Pareto,
    /// Normal with an autocorrelation of 0.7.
    Correlated,
}

/// The autocorrelation of [`Kind::Correlated`].
pub const PHI: f64 = 0.7;
const SHARE: f64 = 0.6;
const APART: f64 = 6.0;
const EXPONENT: f64 = 1.5;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Normal, Self::LogNormal, Self::Bimodal, Self::Student, Self::Pareto, Self::Correlated];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::LogNormal => "log-normal",
            Self::Bimodal => "bimodal",
            Self::Student => "Student t, 2 degrees",
            Self::Pareto => "Pareto, exponent 1.5",
            Self::Correlated => "AR(1), φ = 0.7",
        }
    }

    /// A series in time order.
    pub fn series(self, random: &mut Rng, n: usize) -> Vec<f64> {
        let mut state = normal(random);
        (0..n)
            .map(|_| match self {
                Self::Normal => normal(random),
                Self::LogNormal => normal(random).exp(),
                Self::Bimodal => {
                    if random.f64() < SHARE {
                        normal(random)
                    } else {
                        APART + normal(random)
                    }
                }
                Self::Student | Self::Pareto => self.quantile(uniform(random)),
                Self::Correlated => {
                    state = PHI * state + (1.0 - PHI * PHI).sqrt() * normal(random);
                    state
                }
            })
            .collect()
    }

    /// The true quantile.
    pub fn quantile(self, q: f64) -> f64 {
        match self {
            Self::Normal | Self::Correlated => normal_quantile(q),
            Self::LogNormal => normal_quantile(q).exp(),
            Self::Student => (2.0 * q - 1.0) / (2.0 * q * (1.0 - q)).sqrt(),
            Self::Pareto => (1.0 - q).powf(-1.0 / EXPONENT),
            Self::Bimodal => {
                let below = |x: f64| SHARE * normal_cdf(x) + (1.0 - SHARE) * normal_cdf(x - APART);
                let halve = |(low, high): (f64, f64)| {
                    let middle = f64::midpoint(low, high);
                    if below(middle) < q { (middle, high) } else { (low, middle) }
                };
                (0..60).fold((-10.0, APART + 10.0), |ends, _| halve(ends)).0
            }
        }
    }
}

fn uniform(random: &mut Rng) -> f64 {
    random.f64().max(f64::MIN_POSITIVE)
}

/// A standard normal value.
pub fn normal(random: &mut Rng) -> f64 {
    // Box and Muller's: a quantile for each would take most of the time.
    let (radius, angle) = ((-2.0 * uniform(random).ln()).sqrt(), std::f64::consts::TAU * random.f64());
    radius * angle.cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_the_quantiles_that_are_said_to_be_true() {
        for kind in Kind::ALL {
            let values = kind.series(&mut Rng::with_seed(3), 20_000);
            for q in [0.5, 0.9] {
                let below = values.iter().filter(|value| **value <= kind.quantile(q)).count() as f64 / 20_000.0;
                assert!((below - q).abs() < 0.02, "{}: {below} below the {q}-quantile", kind.name());
            }
        }
    }
}
