//! Plans with `--set` arguments. The properties are in `crates/core/src/plan/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| isodyne_core::plan::fuzzing::plan(input));
