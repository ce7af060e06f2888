//! Plans: any text is answered with a plan that can be written and read again, or with diagnostics that lie inside the
//! text and drive no terminal. What follows the first null byte is laid over the plan as `--set` arguments, by lines.

#![no_main]

use isodyne_core::diagnostic::render;
use isodyne_core::plan::{MAX_CELLS, Override, Plan};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

fuzz_target!(|input: &str| {
    let (text, arguments) = input.split_once('\0').unwrap_or((input, ""));
    let overrides: Vec<Override> = arguments.lines().filter_map(|argument| Override::set(argument).ok()).collect();
    match Plan::parse("plan.toml", text, &overrides) {
        Ok(plan) => {
            let json = serde_json::to_string(&plan).expect("a plan is JSON");
            assert_eq!(serde_json::from_str::<Plan>(&json).expect("its own JSON is a plan"), plan);
            let cells = plan.cells();
            assert!(!cells.is_empty() && cells.len() as u64 <= MAX_CELLS);
            assert_eq!(cells.iter().map(|cell| &cell.id).collect::<BTreeSet<_>>().len(), cells.len());
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            let lines = text.matches('\n').count() as u32 + 1;
            assert!(diagnostics.iter().all(|wrong| wrong.line.is_none_or(|line| (1..=lines).contains(&line))));
            assert!(!render(&diagnostics).chars().any(|c| c.is_control() && c != '\n'));
        }
    }
});
