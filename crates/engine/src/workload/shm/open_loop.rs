//! The open loop's values: latencies at a fixed rate, and what it costs to wait for the next message.

use super::super::Attempt;
use super::server::Said;
use crate::shm::{Record, share};

/// Adds what came of it. Shares are of one processor: 1 is a side that never sleeps.
pub(super) fn add(record: &Record, said: &Said, clock_step_ns: Option<u64>, attempt: &mut Attempt) {
    let Some(paced) = &record.paced else { return };
    let metrics = &mut attempt.metrics;
    paced.metrics(metrics);
    let (messages, wall_ns) = (paced.latencies.len().max(1) as f64, paced.wall_ns().max(1) as f64);
    let (ask, monitor) = record.cpu_per_trip_ns();
    let answer = said.trips.map(|(cpu_ns, _)| cpu_ns as f64 / messages);
    for (side, per_message) in [("ask", Some(ask)), ("answer", answer), ("monitor", monitor)] {
        let Some(per_message) = per_message else { continue };
        let told = share(per_message * messages, messages, clock_step_ns);
        metrics.extend(told.map(|ns| (format!("open_loop_{side}_cpu_per_message_ns"), ns)));
        // The answering side's own clock says how long it had; by that alone its share is sound.
        let share = match said.trips {
            Some((cpu_ns, own_wall_ns)) if side == "answer" => cpu_ns as f64 / own_wall_ns.max(1) as f64,
            _ => per_message * messages / wall_ns,
        };
        metrics.insert(format!("open_loop_{side}_cpu_ratio"), share);
    }
    attempt.proofs.push(format!("{messages} answers of the open loop made from their questions, in order"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_shm::ping_pong::PacedTimes;
    use isodyne_shm::session::Listener;

    #[test]
    fn shares_are_of_one_processor() {
        let mut record = Record::new(0).unwrap();
        record.part("trips");
        for number in 0..10_u64 {
            record.paced(PacedTimes { due_ns: number * 1_000_000, delay_ns: 0, answer_ns: 1_000 });
        }
        record.finish();
        let mut attempt = Attempt::default();
        // A guest that spins: all of its time.
        let said = Said { trips: Some((9_500_000, 9_500_000)), ..Said::default() };
        add(&record, &said, Some(22), &mut attempt);
        assert_eq!(attempt.metrics["open_loop_answer_cpu_ratio"], 1.0);
        assert_eq!(attempt.metrics["open_loop_answer_cpu_per_message_ns"], 950_000.0);
        assert!(!attempt.metrics.contains_key("open_loop_monitor_cpu_ratio"));
        assert!(attempt.metrics["open_loop_ask_cpu_ratio"] >= 0.0);
        assert!(attempt.proofs[0].starts_with("10 answers"));
    }
}
