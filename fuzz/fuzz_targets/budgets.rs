//! Files of budgets. The properties are in `crates/core/src/plan/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| isodyne_core::plan::fuzzing::budgets(input));
