//! Runs that are merged. The properties are in `crates/store/src/fuzzing/`.

#![no_main]

use std::sync::LazyLock;

/// One directory, in memory where there is one: it is written again and again.
static PLACE: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| isodyne_store::fuzzing::merge(PLACE.path(), input));
