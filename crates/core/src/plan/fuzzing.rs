//! What must hold of plans and files of budgets for any text; compiled only for tests and fuzzers.

use super::{MAX_CELLS, Override, Plan, parse_budgets};
use crate::diagnostic::{Diagnostic, render};
use crate::gate::Budget;
use std::collections::BTreeSet;

/// A plan and, behind the first null byte, `--set` arguments by lines: a plan that can be written and read again, or
/// diagnostics that lie inside the text and drive no terminal.
///
/// # Panics
/// If that does not hold.
pub fn plan(input: &str) {
    let (text, arguments) = input.split_once('\0').unwrap_or((input, ""));
    let overrides: Vec<Override> = arguments.lines().filter_map(|argument| Override::set(argument).ok()).collect();
    match Plan::parse("plan.toml", text, &overrides) {
        Ok(plan) => {
            assert_eq!(again(&plan), plan, "its own JSON is the plan");
            let cells = plan.cells();
            assert!(!cells.is_empty() && cells.len() as u64 <= MAX_CELLS);
            assert_eq!(cells.iter().map(|cell| &cell.id).collect::<BTreeSet<_>>().len(), cells.len());
        }
        Err(diagnostics) => refused(text, &diagnostics),
    }
}

/// A file of budgets: budgets that can be written and read again and have names, or diagnostics as for plans.
///
/// # Panics
/// If that does not hold.
pub fn budgets(text: &str) {
    match parse_budgets("budgets.toml", text) {
        Ok(budgets) => {
            assert!(!budgets.is_empty());
            assert_eq!(again(&budgets), budgets, "their own JSON is the budgets");
            let whole = |budget: &Budget| !budget.name.is_empty() && !budget.metric.is_empty();
            assert!(budgets.iter().all(whole), "{budgets:?}");
        }
        Err(diagnostics) => refused(text, &diagnostics),
    }
}

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let json = serde_json::to_string(value).unwrap_or_else(|error| panic!("it is JSON: {error}"));
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("it is read again: {error}"))
}

fn refused(text: &str, diagnostics: &[Diagnostic]) {
    assert!(!diagnostics.is_empty());
    let lines = text.matches('\n').count() as u32 + 1;
    assert!(diagnostics.iter().all(|wrong| wrong.line.is_none_or(|line| (1..=lines).contains(&line))));
    assert!(!render(diagnostics).chars().any(|c| c.is_control() && c != '\n'));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLANS: [&str; 4] = [
        include_str!("../../../../fuzz/seeds/plan/arguments"),
        include_str!("../../../../fuzz/seeds/plan/boot-small-vm.toml"),
        include_str!("../../../../fuzz/seeds/plan/boot.toml"),
        include_str!("../../../../fuzz/seeds/plan/quickstart.toml"),
    ];
    const BUDGETS: [&str; 3] = [
        include_str!("../../../../fuzz/seeds/budgets/absolute.toml"),
        include_str!("../../../../fuzz/seeds/budgets/grades.toml"),
        include_str!("../../../../fuzz/seeds/budgets/relative.toml"),
    ];

    #[test]
    fn seeds_are_taken() {
        BUDGETS.into_iter().for_each(|text| drop(parse_budgets("budgets.toml", text).unwrap()));
        PLANS.into_iter().chain([""]).for_each(plan);
    }

    proptest! {
        /// What a fuzzer does for hours, for a moment.
        #[test]
        fn what_must_hold_holds_for_small_changes_of_seeds(
            seed in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            length in 0..16_usize,
            with in "[ -~]{0,3}|[0-9]{1,30}|[\\]\\[{}=\"\n,.<>%]{1,4}|\\PC",
        ) {
            let changed = |seeds: &[&str]| {
                let mut text: Vec<char> = seed.get(seeds).chars().collect();
                let from = at.index(text.len());
                text.splice(from..(from + length).min(text.len()), with.chars());
                text.into_iter().collect::<String>()
            };
            plan(&changed(&PLANS));
            budgets(&changed(&BUDGETS));
        }
    }
}
