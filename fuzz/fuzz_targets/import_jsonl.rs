//! Samples of Isodyne itself. The properties are in `crates/store/src/import/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_store::import::fuzzing::import("jsonl", input));
