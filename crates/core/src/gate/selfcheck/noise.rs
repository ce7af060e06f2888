//! Made-up noise.

use serde::Serialize;

/// What the noise of a trial is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The host drifts: each sample's noise follows the one before it in time, whichever variant that was of.
    Host,
    /// Every sample has its own.
    Independent,
    /// Each variant drifts by itself, which no order of samples can balance.
    OwnDrift,
    /// As `Host`, and one sample in fifty stalls, by up to 20 standard deviations.
    HeavyTail,
}

impl Noise {
    /// All kinds, the one that the gate's claims are about first.
    pub const ALL: [Self; 4] = [Self::Host, Self::Independent, Self::OwnDrift, Self::HeavyTail];

    /// A few words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Host => "host drifts",
            Self::Independent => "independent",
            Self::OwnDrift => "each side drifts",
            Self::HeavyTail => "host drifts, stalls",
        }
    }
}

/// A stationary AR(1) series of mean 0 and variance 1.
#[derive(Clone, Debug)]
pub struct Series {
    correlation: f64,
    last: Option<f64>,
}

impl Series {
    /// A series in which each value is correlated with the next by this.
    pub fn new(correlation: f64) -> Self {
        Self { correlation, last: None }
    }

    /// The next value.
    pub fn next(&mut self, random: &mut fastrand::Rng) -> f64 {
        let fresh = normal(random);
        let value = match self.last {
            None => fresh,
            Some(last) => self.correlation * last + (1.0 - self.correlation * self.correlation).sqrt() * fresh,
        };
        self.last = Some(value);
        value
    }
}

/// A standard normal value (G. E. P. Box and M. E. Muller, Ann. Math. Stat. 29 (1958) 610–611).
pub(super) fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}
