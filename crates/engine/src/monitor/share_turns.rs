//! Whose share of memory is read when, so that it stays cheap.
//!
//! The kernel walks a process's page tables for its share: some 150 µs for 10 MiB, a thousand times what its CPU clock
//! costs. By themselves shares are read in rounds, a few processes at a look; a round's sum is given in the look that
//! completes it.

use super::Shares;
use super::member::At;
use super::reading::Reading;
use super::watched::Watched;
use crate::clock::thread_cpu_ns;

/// One of so many nanoseconds may be spent: 0.1 %.
const ONE_OF: u64 = 1_000;
/// What may be spent at once from the beginning: small subjects are read at their first look.
const CREDIT_FIRST_NS: i64 = 2_000_000;
/// What is gathered before something is read, and at most.
const CREDIT_LEAST_NS: i64 = 300_000;
const CREDIT_MOST_NS: i64 = 2_000_000;
/// The least time between two rounds.
const ROUND_NS: u64 = 1_000_000_000;
/// What the rest of a first round may take at the end.
const REST_MOST_NS: u64 = 200_000_000;
/// A process that has not run, and is as large as before, is read again after this.
const KEPT_NS: u64 = 60_000_000_000;

/// What is read at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    /// All of every subject.
    All,
    /// The subject with this index, or each if there is none, until the credit is spent.
    Some(usize),
    /// What is left of the first round of each.
    Rest,
}

/// Whose turn it is.
pub(super) struct ShareTurns {
    shares: Shares,
    last_ns: u64,
    /// Below nothing after a process whose share took long.
    credit_ns: i64,
}

impl ShareTurns {
    pub fn new(shares: Shares, now_ns: u64) -> Self {
        Self { shares, last_ns: now_ns, credit_ns: CREDIT_FIRST_NS }
    }

    /// What is to be read at this look.
    pub fn turn(&mut self, at: At, watched: &[Watched], is_end: bool) -> Turn {
        let since_ns = at.ns.saturating_sub(self.last_ns);
        match self.shares {
            Shares::Never => Turn::Nothing,
            Shares::Every(period) => {
                let unread = watched.iter().any(|one| one.family.shares_done == 0 && !one.family.is_empty());
                if !is_end && !unread && u128::from(since_ns) < period.as_nanos() {
                    return Turn::Nothing;
                }
                self.last_ns = at.ns;
                Turn::All
            }
            Shares::Cheaply if is_end => Turn::Rest,
            Shares::Cheaply => {
                self.last_ns = at.ns;
                self.credit_ns = self.credit_ns.saturating_add_unsigned(since_ns / ONE_OF).min(CREDIT_MOST_NS);
                if self.credit_ns < CREDIT_LEAST_NS {
                    return Turn::Nothing;
                }
                let is_due = |one: &Watched| {
                    one.family.shares_done == 0 || at.ns.saturating_sub(one.family.shares_ns) >= ROUND_NS
                };
                let due = watched.iter().enumerate().filter(|(_, one)| !one.family.is_empty() && is_due(one));
                // Whoever has had the fewest rounds.
                due.min_by_key(|(_, one)| one.family.shares_done).map_or(Turn::Nothing, |(index, _)| Turn::Some(index))
            }
        }
    }

    /// Reads what this subject's turn is.
    pub fn go_on(&mut self, turn: Turn, index: usize, watched: &mut Watched, at: At, reading: &mut Reading) {
        match turn {
            Turn::All => watched.shares(at, 0, &mut || false, reading),
            Turn::Rest if watched.family.shares_done == 0 => {
                let before_ns = thread_cpu_ns();
                let mut is_over = || thread_cpu_ns().saturating_sub(before_ns) >= REST_MOST_NS;
                watched.shares(at, KEPT_NS, &mut is_over, reading);
            }
            Turn::Some(whose) if whose == index => {
                let before_ns = thread_cpu_ns();
                let credit_ns = self.credit_ns;
                let left_ns = || credit_ns.saturating_sub_unsigned(thread_cpu_ns().saturating_sub(before_ns));
                watched.shares(at, KEPT_NS, &mut || left_ns() <= 0, reading);
                self.credit_ns = left_ns();
            }
            Turn::Nothing | Turn::Rest | Turn::Some(_) => {}
        }
    }
}
