//! Layers of images, with whiteouts, links and sparse files. The properties are in `crates/engine/src/fuzzing/`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_engine::fuzzing::image_layers(input));
