//! Tests of progress: any interruption, any resume, any failures.

use super::*;
use proptest::prelude::*;

fn ids(count: usize) -> Vec<CellId> {
    (0..count).map(|number| CellId(format!("boot/scripted[cpus={number}]"))).collect()
}

/// Takes up to `limit` samples and returns them; the outcome of an attempt depends on cell and round only.
fn take(progress: &mut Progress, limit: usize, fails: &dyn Fn(&CellId, u32) -> bool) -> Vec<(CellId, u32, Outcome)> {
    let mut taken = Vec::new();
    while let Some(round) = progress.next_round() {
        for cell in &round.order {
            if taken.len() == limit {
                return taken;
            }
            let outcome = if fails(cell, round.number) { Outcome::Failed } else { Outcome::Valid };
            progress.record(cell, round.number, outcome);
            taken.push((cell.clone(), round.number, outcome));
        }
    }
    taken
}

#[test]
fn the_order_for_a_seed_is_part_of_the_format() {
    let progress = Progress::new(&ids(5), 1, 1, 7);
    let round = progress.next_round().unwrap();
    let numbers: Vec<&str> = round.order.iter().map(|cell| &cell.0[19..20]).collect();
    assert!(round.warmup);
    assert_eq!(numbers.join(""), "21034");
    assert_eq!(shuffled(42, 3, 8), [1, 7, 5, 4, 6, 3, 0, 2]);
}

#[test]
fn a_cell_that_never_works_is_given_up_with_a_failure_that_counts() {
    let mut progress = Progress::new(&ids(2), 20, 5, 1);
    let bad = ids(2)[0].clone();
    let taken = take(&mut progress, usize::MAX, &|cell, _| *cell == bad);
    let rounds: Vec<u32> = taken.iter().filter(|(cell, ..)| *cell == bad).map(|(_, round, _)| *round).collect();
    assert_eq!(rounds, [0, 1, 2, 5]);
    assert_eq!(progress.given_up(&bad).as_deref(), Some("all of its 4 samples failed, warm-ups included"));
    assert_eq!(progress.valid(&ids(2)[1]), 20);
    assert_eq!(progress.all_given_up().len(), 1);
    assert!(progress.is_complete());
    assert_eq!(progress.left(), 0);
}

#[test]
fn a_cell_that_fails_now_and_then_gets_its_samples_in_later_rounds() {
    let mut progress = Progress::new(&ids(1), 10, 0, 1);
    let taken = take(&mut progress, usize::MAX, &|_, round| round % 4 == 3);
    assert_eq!((taken.len(), progress.valid(&ids(1)[0])), (13, 10));
    assert_eq!(progress.given_up(&ids(1)[0]), None);
}

#[test]
fn a_cell_that_fails_too_often_is_given_up() {
    let mut progress = Progress::new(&ids(1), 10, 0, 1);
    take(&mut progress, usize::MAX, &|_, round| round % 2 == 1);
    let reason = progress.given_up(&ids(1)[0]);
    assert_eq!(reason.as_deref(), Some("6 samples failed, 6 were valid, 10 are wanted"));
}

#[test]
fn an_interrupted_sample_is_taken_again_in_its_round() {
    let mut progress = Progress::new(&ids(3), 2, 0, 9);
    let round = progress.next_round().unwrap();
    progress.record(&round.order[0], 0, Outcome::Valid);
    progress.record(&round.order[1], 0, Outcome::Interrupted);
    let rest = progress.next_round().unwrap();
    assert_eq!((rest.number, rest.order), (0, round.order[1..].to_vec()));
    assert_eq!((progress.taken(), progress.left()), (1, 5));
}

#[test]
fn foreign_and_repeated_attempts_change_nothing() {
    let mut progress = Progress::new(&ids(1), 2, 0, 9);
    progress.record(&CellId("boot/other".to_owned()), 0, Outcome::Valid);
    progress.record(&ids(1)[0], 0, Outcome::Valid);
    progress.record(&ids(1)[0], 0, Outcome::Valid);
    assert_eq!(progress.valid(&ids(1)[0]), 1);
    progress.record(&ids(1)[0], u32::MAX, Outcome::Valid);
    assert!(progress.is_complete());
}

proptest! {
    #[test]
    fn any_interruptions_and_resumes_give_what_an_undisturbed_run_gives(
        cells in 1_usize..7,
        wanted in 1_u32..9,
        warmup in 0_u32..4,
        seed: u64,
        sessions in prop::collection::vec(0_usize..20, 0..8),
        fail_one_in in 2_u64..6,
    ) {
        let cells = ids(cells);
        let fails = |cell: &CellId, round: u32| {
            let name: u64 = cell.0.bytes().map(u64::from).sum();
            shuffled(seed ^ name, round, 1 + fail_one_in as usize)[0] == 0
        };
        let undisturbed = take(&mut Progress::new(&cells, wanted, warmup, seed), usize::MAX, &fails);

        let mut taken = Vec::new();
        for limit in sessions.into_iter().chain([usize::MAX]) {
            let mut progress = Progress::new(&cells, wanted, warmup, seed);
            for (cell, round, outcome) in &taken {
                progress.record(cell, *round, *outcome);
            }
            taken.extend(take(&mut progress, limit, &fails));
        }
        prop_assert_eq!(&taken, &undisturbed);

        let mut progress = Progress::new(&cells, wanted, warmup, seed);
        let mut attempts = BTreeSet::new();
        for (cell, round, outcome) in &taken {
            prop_assert!(attempts.insert((cell.clone(), *round)), "a cell twice in a round");
            progress.record(cell, *round, *outcome);
        }
        prop_assert!(progress.is_complete());
        let limit = u64::from(wanted + progress.failures_allowed() + warmup) * cells.len() as u64;
        prop_assert!(progress.taken() <= limit);
        for cell in &cells {
            let valid = progress.valid(cell);
            prop_assert!(valid == wanted || (valid < wanted && progress.given_up(cell).is_some()));
        }
    }

    #[test]
    fn without_failures_every_round_is_a_permutation_of_all_cells(
        cells in 1_usize..9, wanted in 1_u32..6, warmup in 0_u32..3, seed: u64,
    ) {
        let cells = ids(cells);
        let mut progress = Progress::new(&cells, wanted, warmup, seed);
        let mut rounds = 0;
        while let Some(round) = progress.next_round() {
            prop_assert_eq!((round.number, round.warmup), (rounds, rounds < warmup));
            let mut sorted = round.order.clone();
            sorted.sort();
            let mut all = cells.clone();
            all.sort();
            prop_assert_eq!(sorted, all);
            for cell in &round.order {
                let left = progress.left();
                progress.record(cell, round.number, Outcome::Valid);
                prop_assert_eq!(progress.left() + 1, left);
            }
            rounds += 1;
        }
        prop_assert_eq!(rounds, wanted + warmup);
    }
}
