//! Merging runs from anywhere.

use super::short;
use crate::import::fuzzing::files;
use crate::merge::merge as merged;
use crate::{RECORD_FILE, SAMPLES_FILE, read, read_columns};
use std::collections::BTreeSet;
use std::path::Path;

/// The parts that an input may have.
const PARTS: [&str; 3] = ["1", "2", "3"];

/// Parts whose files are those of the input, `#file 1/run.json`, `#file 1/samples.jsonl`, `#file 2/run.json`, …: they
/// become a run that every reader takes and that has all their samples, or the directory is not made.
///
/// # Panics
/// If that does not hold.
pub fn merge(place: &Path, input: &[u8]) {
    let mut parts = Vec::new();
    let files = files(input);
    for part in PARTS {
        let path = place.join(part);
        let _ = std::fs::remove_dir_all(&path);
        for name in [RECORD_FILE, SAMPLES_FILE] {
            let wanted = format!("{part}/{name}");
            let Some(file) = files.iter().find(|file| file.name == wanted) else { continue };
            std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            std::fs::write(path.join(name), &file.bytes).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        }
        if path.exists() {
            parts.push(path);
        }
    }
    let out = place.join("out");
    let _ = std::fs::remove_dir_all(&out);
    match merged(&parts, &out, "abcdef01", vec!["isodyne".to_owned()]) {
        Ok(done) => {
            done.notes.iter().for_each(|note| short(note));
            let contents = read(&out).unwrap_or_else(|error| panic!("what was made is read: {error}"));
            let columns = read_columns(&out).unwrap_or_else(|error| panic!("and by every reader: {error}"));
            assert_eq!((columns.columns.len(), contents.samples.len() as u64), (done.samples, done.samples));
            let given = parts.iter().map(|part| read(part).map_or(0, |part| part.samples.len()));
            assert_eq!(contents.samples.len(), given.sum::<usize>());
            assert_eq!(contents.record.merged_from.len(), parts.len());
            // No pair is made of samples of different parts.
            let part_of = |round: u32| {
                let holds = |number: &usize| {
                    let rounds = contents.record.merged_from[*number].rounds;
                    (rounds.first..rounds.first + rounds.count).contains(&u64::from(round))
                };
                (0..parts.len()).filter(holds).collect::<Vec<_>>()
            };
            let rounds: BTreeSet<u32> = contents.samples.iter().map(|sample| sample.round).collect();
            assert!(rounds.into_iter().all(|round| part_of(round).len() == 1));
        }
        Err(error) => {
            short(&error);
            assert!(!out.exists(), "nothing is left half made");
        }
    }
}
