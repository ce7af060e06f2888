//! Tests of progress: any interruption, any resume, any failures.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
fn a_cell_that_says_that_it_cannot_run_here_is_taken_once_and_one_that_worked_goes_on() {
    let mut progress = Progress::new(&ids(3), 4, 2, 1);
    let [never, once, good] = [0, 1, 2].map(|index| ids(3)[index].clone());
    let mut taken: BTreeMap<CellId, Vec<u32>> = BTreeMap::new();
    while let Some(round) = progress.next_round() {
        for cell in &round.order {
            let says = *cell == never || (*cell == once && round.number == 1);
            let before = progress.clone();
            progress.record(cell, round.number, if says { Outcome::Impossible } else { Outcome::Valid });
            taken.entry(cell.clone()).or_default().push(round.number);
            // A resume in the middle of the round goes on with the others of that round.
            let rest: Vec<_> = before.next_round().unwrap().order.into_iter().filter(|other| other != cell).collect();
            if !rest.is_empty() {
                assert_eq!(progress.next_round().unwrap().order, rest);
            }
        }
    }
    assert_eq!(taken[&never], [0]);
    assert!(progress.is_impossible(&never) && progress.given_up(&never).is_some());
    assert_eq!((progress.valid(&once), progress.valid(&good)), (4, 4));
    assert!(!progress.is_impossible(&once) && progress.given_up(&once).is_none());
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

/// Cells of several blocks: block `b` has its base and `sizes[b] - 1` variants.
fn blocks(sizes: &[usize]) -> Vec<CellId> {
    let of_block = |(block, size): (usize, &usize)| {
        let base = CellId(format!("boot/scripted[cpus={block}]"));
        let variants = (1..*size).map(|number| base.of_variant(&format!("v{number}"))).collect::<Vec<_>>();
        std::iter::once(base).chain(variants).collect::<Vec<_>>()
    };
    sizes.iter().enumerate().flat_map(of_block).collect()
}

#[test]
fn the_order_of_blocks_and_within_them_is_part_of_the_format() {
    let progress = Progress::new(&blocks(&[2, 1, 3]), 1, 1, 7);
    let order: Vec<String> = progress.next_round().unwrap().order.iter().map(|id| id.0[19..].to_owned()).collect();
    assert_eq!(order, ["0]~v1", "0]", "2]~v2", "2]", "2]~v1", "1]"]);
}

#[test]
fn each_order_within_a_block_is_about_as_likely() {
    let mut progress = Progress::new(&blocks(&[2]), 1_000, 0, 3);
    let base = blocks(&[2])[0].clone();
    let mut base_first = 0;
    while let Some(round) = progress.next_round() {
        base_first += u32::from(round.order[0] == base);
        round.order.iter().for_each(|cell| progress.record(cell, round.number, Outcome::Valid));
    }
    // 500 expected; five standard deviations are 79.
    assert!((421..=579).contains(&base_first), "{base_first}");
}

#[test]
fn a_round_in_which_one_of_a_pair_fails_is_taken_again_for_both() {
    let cells = blocks(&[2]);
    let mut progress = Progress::new(&cells, 10, 0, 1);
    let taken = take(&mut progress, usize::MAX, &|cell, round| *cell == cells[1] && round % 4 == 3);
    assert_eq!(taken.len(), 26);
    assert_eq!((progress.valid(&cells[0]), progress.valid(&cells[1])), (13, 10));
    assert_eq!(progress.all_given_up(), []);
}

#[test]
fn a_block_goes_on_without_a_member_that_is_given_up() {
    let cells = blocks(&[3]);
    let mut progress = Progress::new(&cells, 10, 2, 1);
    let taken =
        take(&mut progress, usize::MAX, &|cell, round| *cell == cells[1] || (*cell == cells[2] && round % 5 == 4));
    // Rounds 0 to 2 are taken with the broken one, and then without it: 10 complete ones, and 2 in which another failed.
    let of = |cell: &CellId| taken.iter().filter(|(taken, ..)| taken == cell).count();
    assert_eq!((of(&cells[0]), of(&cells[1]), of(&cells[2])), (14, 3, 14));
    assert_eq!(progress.all_given_up().len(), 1);
    assert_eq!((progress.valid(&cells[0]), progress.valid(&cells[2])), (12, 10));
}

/// Checks a finished run of blocks against what is promised of it.
fn holds(cells: &[CellId], taken: &[(CellId, u32, Outcome)], wanted: u32, warmup: u32) -> Result<(), TestCaseError> {
    let mut progress = Progress::new(cells, wanted, warmup, 0);
    let mut attempts = BTreeSet::new();
    for (cell, round, outcome) in taken {
        prop_assert!(attempts.insert((cell.clone(), *round)), "a cell twice in a round");
        progress.record(cell, *round, *outcome);
    }
    prop_assert!(progress.is_complete());
    prop_assert_eq!(progress.left(), 0);
    // Members of a block are adjacent in time.
    let bases: Vec<(&str, u32)> = taken.iter().map(|(cell, round, _)| (cell.base(), *round)).collect();
    let mut runs = bases.clone();
    runs.dedup();
    let once: BTreeSet<(&str, u32)> = runs.iter().copied().collect();
    prop_assert_eq!(once.len(), runs.len());
    let mut by_base: BTreeMap<&str, Vec<&CellId>> = BTreeMap::new();
    cells.iter().for_each(|cell| by_base.entry(cell.base()).or_default().push(cell));
    for members in by_base.values() {
        let going: Vec<&&CellId> = members.iter().filter(|cell| progress.given_up(cell).is_none()).collect();
        let valid = |cell: &CellId, round: u32| {
            taken.iter().any(|(taken, of, outcome)| taken == cell && *of == round && *outcome == Outcome::Valid)
        };
        let last = taken.iter().map(|(_, round, _)| *round).max().unwrap_or(0);
        let complete = (warmup..=last).filter(|round| going.iter().all(|cell| valid(cell, *round))).count();
        prop_assert!(going.is_empty() || complete >= wanted as usize, "{} of {}", complete, wanted);
        // Only a member that was given up in the very last round can leave more than is wanted.
        prop_assert!(going.is_empty() || going.len() < members.len() || complete == wanted as usize);
    }
    Ok(())
}

proptest! {
    #[test]
    fn blocks_with_failures_and_resumes_reach_their_complete_rounds(
        sizes in prop::collection::vec(1_usize..4, 1..4),
        wanted in 1_u32..9,
        warmup in 0_u32..4,
        seed: u64,
        sessions in prop::collection::vec(0_usize..20, 0..8),
        fail_one_in in 2_u64..9,
    ) {
        let cells = blocks(&sizes);
        let fails = |cell: &CellId, round: u32| {
            shuffled(seed ^ stable_hash(cell.0.bytes()), round, 1 + fail_one_in as usize)[0] == 0
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
        holds(&cells, &taken, wanted, warmup)?;
    }

    #[test]
    fn without_failures_blocks_count_down_sample_by_sample(
        sizes in prop::collection::vec(1_usize..4, 1..4), wanted in 1_u32..6, warmup in 0_u32..3, seed: u64,
    ) {
        let cells = blocks(&sizes);
        let mut progress = Progress::new(&cells, wanted, warmup, seed);
        prop_assert_eq!(progress.left(), u64::from(wanted + warmup) * cells.len() as u64);
        while let Some(round) = progress.next_round() {
            for cell in &round.order {
                let left = progress.left();
                progress.record(cell, round.number, Outcome::Valid);
                prop_assert_eq!(progress.left() + 1, left);
            }
        }
        prop_assert!(cells.iter().all(|cell| progress.valid(cell) == wanted));
    }
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
