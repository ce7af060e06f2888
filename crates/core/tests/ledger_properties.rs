//! The ledger closes: for whatever milestones, phases and residue add up to the total, or there are none.

use isodyne_core::ledger::{Ledger, LedgerError, Milestone, MilestoneName, SignalName};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

/// About 18 minutes, so that sums stay far from the end of the numbers.
const LONG: u64 = 1 << 40;

fn milestone(name: MilestoneName, at_ns: u64, asked_ns: Option<u64>) -> Milestone {
    Milestone { name, at_ns, asked_ns, signal: SignalName::Stamp }
}

/// Milestones of a life as it should be, and how much of it is attributed to nothing.
fn life() -> impl Strategy<Value = (Vec<Milestone>, u64)> {
    let all = MilestoneName::ALL.to_vec();
    let count = all.len();
    let steps = prop::collection::vec((any::<bool>(), 0..LONG, 0..LONG), count);
    (subsequence(all, 1..=count), steps).prop_map(|(names, steps)| {
        let (mut at, mut residue) = (0, 0);
        let lived = names.into_iter().zip(steps).map(|(name, (asked, idle, length))| {
            let begin = if asked { at + idle } else { at };
            residue += begin - at;
            at = begin + length;
            milestone(name, at, asked.then_some(begin))
        });
        (lived.collect(), residue)
    })
}

/// Any milestones at all, close enough together to collide.
fn anything() -> impl Strategy<Value = Vec<Milestone>> {
    let time = prop_oneof![8 => 0..50_u64, 1 => any::<u64>()];
    let one = (prop::sample::select(MilestoneName::ALL), time.clone(), prop::option::of(time));
    prop::collection::vec(one.prop_map(|(name, at, asked)| milestone(name, at, asked)), 0..14)
}

fn ledger_of(milestones: &[Milestone]) -> Ledger {
    let mut ledger = Ledger::default();
    milestones.iter().for_each(|milestone| ledger.add(milestone.clone()));
    ledger
}

proptest! {
    #[test]
    fn a_life_closes_in_whatever_order_it_was_seen(
        (milestones, residue) in life(),
        turn in any::<Index>(),
        after in 0..LONG,
    ) {
        let ledger = ledger_of(&milestones);
        let mut turned = milestones.clone();
        turned.rotate_left(turn.index(milestones.len()));
        turned.reverse();
        prop_assert_eq!(&ledger_of(&turned), &ledger);

        let last = &milestones[milestones.len() - 1];
        let phases = ledger.phases(last.name).unwrap();
        prop_assert_eq!(phases.len(), milestones.len());
        let total = last.at_ns + after;
        let attributed: u64 = phases.iter().map(|phase| phase.length_ns).sum();
        prop_assert_eq!(ledger.residue_ns(last.name, total), Ok(residue + after));
        prop_assert_eq!(attributed + residue + after, total);
        if attributed > 0 {
            prop_assert_eq!(ledger.residue_ns(last.name, attributed - 1), Err(LedgerError::Order(last.name)));
        }
    }

    #[test]
    fn whatever_was_seen_closes_or_is_refused(milestones in anything(), after in 0..50_u64) {
        let ledger = ledger_of(&milestones);
        for last in MilestoneName::ALL.iter().copied() {
            let Some(at) = ledger.at_ns(last) else {
                prop_assert_eq!(ledger.phases(last), Err(LedgerError::Missing(last)));
                continue;
            };
            let Ok(phases) = ledger.phases(last) else { continue };
            // In order, without overlap, and none goes beyond the last milestone.
            let mut end = 0;
            for phase in &phases {
                prop_assert!(phase.begin_ns >= end);
                end = phase.begin_ns + phase.length_ns;
            }
            prop_assert!(end <= at);
            prop_assert!(phases.is_sorted_by(|one, next| one.until < next.until));
            // What every sandbox passes is never left out.
            for seen in ledger.milestones.iter().filter(|seen| seen.name.is_spine() && seen.at_ns < at) {
                prop_assert!(phases.iter().any(|phase| phase.until == seen.name));
            }
            let total = at.saturating_add(after);
            let attributed: u64 = phases.iter().map(|phase| phase.length_ns).sum();
            prop_assert_eq!(ledger.residue_ns(last, total), Ok(total - attributed));
        }
    }

    #[test]
    fn a_spine_out_of_order_is_refused((milestones, _) in life(), one in any::<Index>()) {
        let spine: Vec<usize> = (0..milestones.len()).filter(|at| milestones[*at].name.is_spine()).collect();
        prop_assume!(spine.len() >= 2);
        // Two neighbours on the spine change places, each at a time of its own.
        let mut names: Vec<MilestoneName> = milestones.iter().map(|milestone| milestone.name).collect();
        let at = one.index(spine.len() - 1);
        names.swap(spine[at], spine[at + 1]);
        let wrong: Vec<Milestone> =
            names.iter().zip(1..).map(|(name, number)| milestone(*name, number * 10, None)).collect();
        let refused = ledger_of(&wrong).phases(names[names.len() - 1]);
        prop_assert!(matches!(refused, Err(LedgerError::Order(_))));
    }
}
