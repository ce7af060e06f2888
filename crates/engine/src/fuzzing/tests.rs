//! Every target on its seeds and on small changes of them: what a fuzzer does for hours, for a moment.

use std::path::Path;

type Check = fn(&[u8]);

const TARGETS: &[(&str, Check)] = &[
    ("archive", super::archive),
    ("docker", super::docker),
    ("http", super::http),
    ("image_archive", super::image_archive),
    ("image_documents", super::image_documents),
    ("image_layers", super::image_layers),
    ("image_references", super::image_references),
    ("ivshmem", super::ivshmem),
    ("kernel", super::kernel),
    ("qmp", super::qmp),
    ("texts", super::texts),
    ("unpack", super::unpack),
];
const CHANGES_PER_SEED: usize = 200;

#[test]
fn what_must_hold_holds_for_seeds_and_small_changes_of_them() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, check) in TARGETS {
        let mut random = fastrand::Rng::with_seed(7);
        let mut paths: Vec<_> =
            std::fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{name} has no seeds");
        check(b"");
        for path in paths {
            let seed = std::fs::read(&path).unwrap();
            check(&seed);
            for _ in 0..CHANGES_PER_SEED {
                check(&changed(&seed, &mut random));
            }
        }
    }
}

/// A seed with a few bytes changed, cut out or repeated.
fn changed(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(..16)).min(bytes.len());
        match random.u8(..5) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}
