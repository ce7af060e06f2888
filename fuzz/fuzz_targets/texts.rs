//! Texts of the host and of apt: mounts, cgroups, counters, package records. The properties are in `crates/engine/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_engine::fuzzing::texts(input));
