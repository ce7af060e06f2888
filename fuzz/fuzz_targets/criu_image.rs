//! Images of CRIU, one at a time. The properties are in `crates/criu/src/fuzzing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_criu::fuzzing::single(input));
