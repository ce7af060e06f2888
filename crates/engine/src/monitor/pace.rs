//! How much is read at one look: enough to see what happens, little enough to stay cheap.

/// Readings of counters, and of memory, that are taken in a second at most, beside those of processes just seen.
const COUNTERS_A_SECOND: u32 = 400;
const MEMORY_A_SECOND: u32 = 1_500;
/// And at one look at least.
const COUNTERS_A_LOOK: u32 = 2;
const MEMORY_A_LOOK: u32 = 8;
/// If more are due than that, so many looks' worth of them are read together in one of so many looks: the first text of a kind
/// costs five times what the next ones cost.
const TOGETHER: u64 = 4;
/// So few members are all looked at every time.
const FEW: usize = 16;
/// A member that has not run for the first count of looks is looked at in one of so many, until it has run.
const QUIET: [(u64, u64); 3] = [(400, 16), (100, 8), (10, 4)];
/// How often those that have not run have their turn, in looks a second.
const ROUNDS_A_SECOND: u32 = 10;
/// When the memory, and the counters, of a member that has not run are read again: others can change them.
const MEMORY_AFTER_NS: u64 = 5_000_000_000;
const COUNTERS_AFTER_NS: u64 = 5_000_000_000;

/// How much is read at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Of at most so many members that ran the counters, on average over looks.
    pub counters: usize,
    /// Of at most so many members that ran the memory, on average over looks.
    pub memory: usize,
    /// When the memory of a member that has not run is read again.
    pub memory_after_ns: u64,
    /// When the counters of a member that has not run are read again.
    pub counters_after_ns: u64,
    /// One of so many of those has its turn in one round.
    pub old_in: usize,
    /// A round comes every so many looks.
    round_every: u64,
    /// Everything at once.
    all: bool,
}

impl Pace {
    /// For so many looks a second.
    pub fn of_rate(rate_hz: u32) -> Self {
        let rate_hz = rate_hz.max(1);
        Self {
            counters: (COUNTERS_A_SECOND / rate_hz).max(COUNTERS_A_LOOK) as usize,
            memory: (MEMORY_A_SECOND / rate_hz).max(MEMORY_A_LOOK) as usize,
            memory_after_ns: MEMORY_AFTER_NS,
            counters_after_ns: COUNTERS_AFTER_NS,
            // All of them have had their turn well within a second.
            old_in: (ROUNDS_A_SECOND.min(rate_hz) as usize * 4 / 5).max(1),
            round_every: u64::from((rate_hz / ROUNDS_A_SECOND).max(1)),
            all: false,
        }
    }

    /// Everything at once: the first look and the last.
    pub const ALL: Self = Self {
        counters: usize::MAX,
        memory: usize::MAX,
        memory_after_ns: 0,
        counters_after_ns: 0,
        old_in: 1,
        round_every: 1,
        all: true,
    };

    /// Whether so many members are too many to be looked at every time.
    pub fn is_large(&self, members: usize) -> bool {
        !self.all && members > FEW
    }

    /// Whether a member's CPU clock is to be read that has not run for so many looks; `turn` is the number of the look and of
    /// the member, so that each look has as many.
    pub fn is_turn(&self, quiet_looks: u64, turn: u64) -> bool {
        let every = QUIET.iter().find(|(looks, _)| quiet_looks > *looks).map_or(1, |(_, every)| *every);
        turn.is_multiple_of(every)
    }

    /// Whether those that have not run have their turn at this look.
    pub fn is_round(&self, look: u64) -> bool {
        look.is_multiple_of(self.round_every)
    }

    /// How many of those `due` are read at this look, of which at most `most` can be on average.
    pub fn at_once(&self, look: u64, due: usize, most: usize) -> usize {
        match (due <= most, look.is_multiple_of(TOGETHER)) {
            (true, _) => due,
            (false, true) => most.saturating_mul(TOGETHER as usize),
            (false, false) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_looked_at_in_a_bounded_number_of_looks() {
        let pace = Pace::of_rate(100);
        for (quiet, most) in [(0, 1), (10, 1), (11, 4), (100, 4), (101, 8), (400, 8), (401, 16), (u64::MAX, 16)] {
            for member in 0..40 {
                let turns = (0..most).filter(|look| pace.is_turn(quiet, look + member)).count();
                assert_eq!(turns, 1, "{quiet} {member}");
            }
        }
        assert!(pace.is_large(FEW + 1) && !pace.is_large(FEW) && !Pace::ALL.is_large(1000));
    }

    #[test]
    fn no_rate_reads_more_on_average_than_it_may() {
        for rate in [1, 3, 10, 100, 999, 1000] {
            let pace = Pace::of_rate(rate);
            assert_eq!(pace.at_once(1, pace.counters, pace.counters), pace.counters);
            let read: usize = (0..400).map(|look| pace.at_once(look, usize::MAX, pace.counters)).sum();
            assert_eq!(read, 400 * pace.counters);
            // All that have not run have had their turn within a second and a bit.
            let rounds = (1..=u64::from(rate)).filter(|look| pace.is_round(*look)).count();
            assert!(rounds * (1000 / pace.old_in + 1) >= 1000, "{rate}");
        }
        assert_eq!(Pace::ALL.at_once(1, 5, Pace::ALL.counters), 5);
    }
}
