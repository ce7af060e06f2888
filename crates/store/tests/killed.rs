//! A writer that is killed at any moment.

mod common;

use common::{record, sample, temporary};
use isodyne_store::{RunDirectory, SAMPLES_FILE, read};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATH_VARIABLE: &str = "ISODYNE_TEST_RUN";

/// The writer: goes on with the run for ever. Does nothing when it is run as an ordinary test.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let (mut run, found) = RunDirectory::open_for_resume(path.as_ref()).unwrap();
    for sequence in found.samples.len() as u64.. {
        run.append(&sample(sequence)).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_every_sample_but_the_one_it_was_writing() {
    let place = temporary();
    let path = place.path().join("run");
    drop(RunDirectory::create(&path, &record()).unwrap());
    let mut before = 0;
    for round in 0..15_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(PATH_VARIABLE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At least one new sample must be there; then it dies somewhere in the middle of its work.
        let length = || path.join(SAMPLES_FILE).metadata().unwrap().len();
        let old_length = length();
        while length() == old_length {
            assert!(child.try_wait().unwrap().is_none(), "the writer ended by itself");
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_micros(round * 137));
        child.kill().unwrap();
        // Not reaped yet: its successor may come at once.
        let (run, found) = RunDirectory::open_for_resume(&path).unwrap();
        drop(run);
        child.wait().unwrap();
        let sequences: Vec<u64> = found.samples.iter().map(|sample| sample.sequence).collect();
        assert_eq!(sequences, (0..found.samples.len() as u64).collect::<Vec<_>>());
        assert!(found.samples.len() >= before, "samples were lost");
        before = found.samples.len();
        assert!(read(&path).unwrap().notes.is_empty());
    }
}
