//! OCI indexes, manifests and configurations. The properties are in `crates/engine/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_engine::fuzzing::image_documents(input));
