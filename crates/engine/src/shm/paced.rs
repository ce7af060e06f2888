//! Round trips at a fixed rate: what each took from its moment on, and what the waiting costs.

use super::Distribution;
use isodyne_shm::ping_pong::PacedTimes;
use std::collections::BTreeMap;

/// What was heard of round trips at a fixed rate.
#[derive(Clone, Debug)]
pub struct Paced {
    /// From a trip's moment to its answer: a trip that had to wait for the answer before it is not late for nothing.
    pub latencies: Distribution,
    /// From a trip's moment to its begin: the lab's own timer, and answers that were late.
    pub delays: Distribution,
    /// From a trip's begin to its answer.
    pub answers: Distribution,
    first_due_ns: Option<u64>,
    last_end_ns: u64,
}

impl Paced {
    /// Of nothing yet. `None` never comes: the digits are in range.
    pub fn new() -> Option<Self> {
        let new = Distribution::new;
        Some(Self { latencies: new()?, delays: new()?, answers: new()?, first_due_ns: None, last_end_ns: 0 })
    }

    pub(super) fn record(&mut self, times: PacedTimes) {
        let PacedTimes { due_ns, delay_ns, answer_ns } = times;
        let at = due_ns.saturating_sub(*self.first_due_ns.get_or_insert(due_ns));
        let latency_ns = delay_ns.saturating_add(answer_ns);
        self.last_end_ns = due_ns.saturating_add(latency_ns);
        self.latencies.record(at, &[latency_ns]);
        self.delays.record(at, &[delay_ns]);
        self.answers.record(at, &[answer_ns]);
    }

    /// From the first trip's moment to the last answer.
    pub fn wall_ns(&self) -> u64 {
        self.last_end_ns.saturating_sub(self.first_due_ns.unwrap_or_default())
    }

    /// Its values, under names that begin with `open_loop`.
    pub fn metrics(&self, metrics: &mut BTreeMap<String, f64>) {
        self.latencies.metrics("open_loop", metrics);
        for (name, distribution) in [("open_loop_send_delay", &self.delays), ("open_loop_answer", &self.answers)] {
            distribution.quantiles(name, metrics);
        }
        let answers_per_s = self.latencies.len() as f64 * 1e9 / self.wall_ns().max(1) as f64;
        metrics.insert("open_loop_answers_per_s".to_owned(), answers_per_s);
    }

    /// The distributions as text, for the sample's log.
    pub fn log(&self, log: &mut String) {
        self.latencies.log("open_loop", log);
        self.delays.log("open_loop_send_delay", log);
        self.answers.log("open_loop_answer", log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_counts_from_its_moment() {
        let mut paced = Paced::new().unwrap();
        for number in 0..3_u64 {
            let delay_ns = if number == 1 { 5_000 } else { 100 };
            paced.record(PacedTimes { due_ns: 1_000_000 * (number + 1), delay_ns, answer_ns: 1_000 });
        }
        let mut metrics = BTreeMap::new();
        paced.metrics(&mut metrics);
        assert_eq!(paced.wall_ns(), 2_001_100);
        let expected = [
            ("open_loop_p50_ns", 1_100.0),
            ("open_loop_send_delay_p50_ns", 100.0),
            ("open_loop_answer_p50_ns", 1_000.0),
        ];
        for (name, value) in expected {
            assert!((metrics[name] / value - 1.0).abs() < 0.002, "{name}: {metrics:?}");
        }
        assert_eq!(metrics["open_loop_max_ns"], 6_000.0);
        assert!((metrics["open_loop_answers_per_s"] - 3e9 / 2_001_100.0).abs() < 1e-6);
    }
}
