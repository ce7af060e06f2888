//! The files of a kernel's package, from the tar inside it. The properties are in `crates/engine/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_engine::fuzzing::archive(input));
