//! Every target on its seeds and on small changes of them: what a fuzzer does for hours, for a moment.

use std::path::Path;

type Check = fn(&Path, &[u8]);

const TARGETS: &[(&str, Check)] =
    &[("calibration", super::calibration), ("history", super::history), ("merge", super::merge)];
const CHANGES_PER_SEED: usize = 60;

#[test]
fn what_must_hold_holds_for_seeds_and_small_changes_of_them() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let memory = Path::new("/dev/shm");
    let place = tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap());
    for (name, check) in TARGETS {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below.max(1)
        };
        let mut paths: Vec<_> =
            std::fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{name} has no seeds");
        check(place.path(), b"");
        for path in paths {
            let seed = std::fs::read(&path).unwrap();
            check(place.path(), &seed);
            for _ in 0..CHANGES_PER_SEED {
                let mut bytes = seed.clone();
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = random(256) as u8,
                    1 => drop(bytes.drain(at..(at + random(16)).min(seed.len()))),
                    _ => bytes.truncate(at),
                }
                check(place.path(), &bytes);
            }
        }
    }
}

/// Seeds that are refused would test nothing but the refusal.
#[test]
fn seeds_are_taken() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let place = tempfile::tempdir().unwrap();
    let seed = std::fs::read(seeds.join("merge/two_shards")).unwrap();
    super::merge(place.path(), &seed);
    assert!(crate::read(&place.path().join("out")).is_ok());
    let file = place.path().join("h");
    std::fs::copy(seeds.join("history/kept.sqlite"), &file).unwrap();
    assert_eq!(crate::history::History::open(&file).unwrap().runs().unwrap().len(), 14);
    let seed = std::fs::read(seeds.join("calibration/host.json")).unwrap();
    let kept: isodyne_core::calibration::Calibration = serde_json::from_slice(&seed).unwrap();
    std::fs::write(crate::calibration_path(place.path(), &kept.fingerprint), &seed).unwrap();
    assert_eq!(crate::load_calibration(place.path(), &kept.fingerprint).unwrap(), Some(kept));
}
