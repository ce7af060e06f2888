//! How much longer a run will take, from what its samples took so far.

use isodyne_core::cell::CellId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Learns from samples what the rest will take.
#[derive(Debug)]
pub struct Remaining {
    /// Samples still wanted by cell.
    wanted: BTreeMap<CellId, u32>,
    /// Time spent and samples taken by cell, in this session.
    spent: BTreeMap<CellId, (Duration, u32)>,
    begun: Option<Instant>,
}

impl Remaining {
    /// With the number of samples that each cell still needs.
    pub fn new(wanted: BTreeMap<CellId, u32>) -> Self {
        Self { wanted, spent: BTreeMap::new(), begun: None }
    }

    /// A sample begins.
    pub fn begin(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// A sample of `cell` has ended; `counts` if it is one that was wanted.
    pub fn end(&mut self, cell: &CellId, counts: bool) {
        if let Some(begun) = self.begun.take() {
            let (time, taken) = self.spent.entry(cell.clone()).or_default();
            *time += begun.elapsed();
            *taken += 1;
        }
        if counts && let Some(wanted) = self.wanted.get_mut(cell) {
            *wanted = wanted.saturating_sub(1);
        }
    }

    /// A cell will get no more samples.
    pub fn drop_cell(&mut self, cell: &CellId) {
        self.wanted.remove(cell);
    }

    /// The time left; `None` until every cell with samples left has shown what one takes.
    pub fn left(&self) -> Option<Duration> {
        self.wanted
            .iter()
            .filter(|(_, wanted)| **wanted > 0)
            .map(|(cell, wanted)| {
                let (time, taken) = self.spent.get(cell)?;
                Some(*time / *taken * *wanted)
            })
            .sum()
    }
}

/// A time left, roughly, as people say it.
pub fn roughly(left: Duration) -> String {
    match left.as_secs() {
        0..=9 => "a few seconds left".to_owned(),
        seconds @ 10..=89 => format!("about {} s left", seconds.div_ceil(5) * 5),
        seconds @ 90..=5_399 => format!("about {} min left", (seconds + 30) / 60),
        seconds => format!("about {:.1} h left", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_promised_before_every_cell_was_seen() {
        let (fast, slow) = (CellId("a".to_owned()), CellId("b".to_owned()));
        let mut remaining = Remaining::new(BTreeMap::from([(fast.clone(), 3), (slow.clone(), 2)]));
        assert_eq!(remaining.left(), None);
        remaining.spent.insert(fast.clone(), (Duration::from_secs(2), 2));
        assert_eq!(remaining.left(), None);
        remaining.spent.insert(slow.clone(), (Duration::from_secs(10), 1));
        assert_eq!(remaining.left(), Some(Duration::from_secs(3 + 20)));
        remaining.end(&fast, true);
        remaining.drop_cell(&slow);
        assert_eq!(remaining.left(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn times_are_said_roughly() {
        assert_eq!(roughly(Duration::from_secs(3)), "a few seconds left");
        assert_eq!(roughly(Duration::from_secs(41)), "about 45 s left");
        assert_eq!(roughly(Duration::from_secs(130)), "about 2 min left");
        assert_eq!(roughly(Duration::from_secs(9_000)), "about 2.5 h left");
    }
}
