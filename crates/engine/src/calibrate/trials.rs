//! Trials: something done again and again while its time lasts.

use crate::clock::Clock;
use isodyne_core::calibration::{Limit, LimitKind, SkippedLimit};
use isodyne_core::stats::Sorted;
use isodyne_core::unit::HostInstant;
use std::fmt::Display;
use std::time::Duration;

/// How much longer than its window a measurement may take, to have the few trials without which it says nothing.
const OVERTIME: u32 = 5;
/// No window is too short for its overtime to be of use.
const LEAST_OVERTIME: Duration = Duration::from_secs(2);

/// The time that a measurement has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    clock: Clock,
    length: Duration,
    ends: HostInstant,
    /// After this nothing more is tried, however few trials there are.
    gives_up: HostInstant,
}

/// The values of the trials: times in nanoseconds or rates, never none.
#[derive(Clone, Debug)]
pub(super) struct Trials {
    sorted: Sorted,
}

impl Window {
    /// A window that begins now.
    pub(super) fn open(clock: Clock, length: Duration) -> Self {
        let overtime = (length * OVERTIME).max(LEAST_OVERTIME);
        Self { clock, length, ends: clock.after(length), gives_up: clock.after(length + overtime) }
    }

    /// As many equal windows, each of which begins when it is opened by [`Window::begin`].
    pub(super) fn split<const N: usize>(self) -> [Self; N] {
        let length = self.length / u32::try_from(N).unwrap_or(1).max(1);
        [Self { length, ..self }; N]
    }

    /// The same window, begun now.
    pub(super) fn begin(self) -> Self {
        Self::open(self.clock, self.length)
    }

    /// Whether nothing more may be tried: for loops within a trial.
    pub(super) fn is_over(&self) -> bool {
        self.clock.now() >= self.gives_up
    }

    /// Tries until the window ends: at least `least` times, unless the time for giving up comes, and at most `most`.
    ///
    /// # Errors
    /// The first trial that cannot be made, in words; or that not even `least` trials fitted.
    pub(super) fn trials<E: Display>(
        self,
        least: usize,
        most: usize,
        mut one: impl FnMut() -> Result<f64, E>,
    ) -> Result<Trials, String> {
        let window = self.begin();
        let mut values = Vec::new();
        while values.len() < most {
            let now = self.clock.now();
            if (now >= window.ends && values.len() >= least) || now >= window.gives_up {
                break;
            }
            values.push(one().map_err(|error| error.to_string())?);
        }
        if values.len() < least {
            return Err(format!("only {} of at least {least} trials fitted into its time", values.len()));
        }
        Trials::of(values)
    }
}

impl Trials {
    /// Trials that were made elsewhere.
    ///
    /// # Errors
    /// If there is none, or one is not a number.
    pub(super) fn of(values: Vec<f64>) -> Result<Self, String> {
        let sorted = Sorted::new(values).filter(|sorted| !sorted.as_slice().is_empty());
        sorted.map(|sorted| Self { sorted }).ok_or_else(|| "there is no trial with a number".to_owned())
    }

    /// The `q`-quantile.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        self.sorted.quantile(q).unwrap_or(f64::NAN)
    }

    /// How many there are.
    pub(super) fn n(&self) -> u64 {
        self.sorted.as_slice().len() as u64
    }

    /// The limit that the trials show: the best is the highest rate of a ceiling, and the shortest time otherwise.
    pub(super) fn limit(
        trials: Result<Self, String>,
        name: &str,
        kind: LimitKind,
        method: String,
    ) -> Result<Limit, SkippedLimit> {
        match trials {
            Ok(trials) => Ok(Limit {
                name: name.to_owned(),
                kind,
                typical: trials.quantile(0.5),
                best: trials.quantile(if kind == LimitKind::Ceiling { 1.0 } else { 0.0 }),
                n: trials.n(),
                method,
            }),
            Err(reason) => super::skip(name, reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_a_ceiling_is_the_highest_and_of_a_floor_the_shortest() {
        let limit = |kind| Trials::limit(Trials::of(vec![3.0, 1.0, 2.0]), "x", kind, String::new()).unwrap();
        let ceiling = limit(LimitKind::Ceiling);
        assert_eq!((ceiling.best, ceiling.typical, ceiling.n), (3.0, 2.0, 3));
        assert_eq!(limit(LimitKind::Floor).best, 1.0);
        assert_eq!(Trials::limit(Err("why".into()), "x", LimitKind::Floor, String::new()).unwrap_err().reason, "why");
    }

    #[test]
    fn a_window_ends_and_an_error_ends_it_at_once() {
        let window = Window::open(Clock, Duration::from_millis(5));
        let trials = window.trials(1, usize::MAX, || Ok::<_, String>(1.0)).unwrap();
        assert!(trials.n() > 1);
        assert_eq!(window.trials(1, 7, || Ok::<_, String>(1.0)).unwrap().n(), 7);
        assert_eq!(window.trials(1, 7, || Err::<f64, _>("no")).unwrap_err(), "no");
        // However little time there is, the least number is tried.
        assert_eq!(Window::open(Clock, Duration::ZERO).trials(3, 9, || Ok::<_, String>(1.0)).unwrap().n(), 3);
    }
}
