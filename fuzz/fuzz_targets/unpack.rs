//! Compressed kernels and modules: gzip, xz, zstd, LZ4. The properties are in `crates/engine/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_engine::fuzzing::unpack(input));
