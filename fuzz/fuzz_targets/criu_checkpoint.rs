//! A whole checkpoint of CRIU, as blocks of names and contents. The properties are in `crates/criu/src/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_criu::fuzzing::checkpoint(input));
