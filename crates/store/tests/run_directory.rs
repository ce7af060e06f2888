//! Runs that are written, read while they grow, cut anywhere and gone on with.

mod common;

use common::{record, sample, temporary};
use isodyne_core::record::RunEnd;
use isodyne_core::sample::Sample;
use isodyne_store::{LOCK_FILE, RECORD_FILE, RunDirectory, SAMPLES_FILE, StoreError, list_runs, read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn what_is_written_is_read_while_the_run_grows() {
    let place = temporary();
    let path = place.path().join("runs/new");
    let mut run = RunDirectory::create(&path, &record()).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(path.join(SAMPLES_FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run.logs().is_dir() && run.artifacts().is_dir());
    assert_eq!(read(&path).unwrap().samples, []);
    for sequence in 0..4 {
        run.append(&sample(sequence)).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.samples, (0..=sequence).map(sample).collect::<Vec<_>>());
        assert_eq!(found.record, record());
        assert!(found.notes.is_empty());
    }
    let text = std::fs::read_to_string(path.join(SAMPLES_FILE)).unwrap();
    assert_eq!(text.lines().count(), 4);
    let end = RunEnd { at: "2026-11-22T04:13:00Z".into(), survivors: Vec::new(), abandoned: Vec::new(), stop: None };
    run.set_ended(end.clone()).unwrap();
    assert_eq!(read(&path).unwrap().record.ended, Some(end));
    run.reopen().unwrap();
    assert_eq!(read(&path).unwrap().record, record());
    let mut names: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["artifacts", LOCK_FILE, "logs", RECORD_FILE, SAMPLES_FILE]);
}

#[test]
fn a_run_has_one_writer() {
    let place = temporary();
    let path = place.path().join("run");
    let run = RunDirectory::create(&path, &record()).unwrap();
    let error = RunDirectory::open_for_resume(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(matches!(RunDirectory::create(&path, &record()), Err(StoreError::NotEmpty { .. })));
    drop(run);
    let (_run, found) = RunDirectory::open_for_resume(&path).unwrap();
    assert_eq!(found.samples, []);
}

#[test]
fn a_directory_with_anything_else_in_it_is_refused() {
    let place = temporary();
    std::fs::write(place.path().join("thesis.tex"), "years of work").unwrap();
    let error = RunDirectory::create(place.path(), &record()).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
    assert!(error.to_string().contains("--out"), "{error}");
    // Nothing was left in it.
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    let error = RunDirectory::create(&place.path().join("thesis.tex"), &record()).unwrap_err();
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

#[test]
fn an_interrupted_creation_is_taken_over_and_is_not_yet_a_run() {
    let place = temporary();
    let path = place.path().join("run");
    drop(RunDirectory::create(&path, &record()).unwrap());
    std::fs::rename(path.join(RECORD_FILE), path.join("run.json.new")).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("creation was interrupted"), "{error}");
    assert!(RunDirectory::open_for_resume(&path).is_err());
    drop(RunDirectory::create(&path, &record()).unwrap());
    assert_eq!(read(&path).unwrap().record, record());
}

#[test]
fn a_run_cut_at_any_byte_is_read_and_gone_on_with() {
    let place = temporary();
    let whole = place.path().join("whole");
    let mut run = RunDirectory::create(&whole, &record()).unwrap();
    for sequence in 0..3 {
        run.append(&sample(sequence)).unwrap();
    }
    drop(run);
    let text = std::fs::read(whole.join(SAMPLES_FILE)).unwrap();
    let path = place.path().join("cut");
    drop(RunDirectory::create(&path, &record()).unwrap());
    for length in 0..=text.len() {
        std::fs::write(path.join(SAMPLES_FILE), &text[..length]).unwrap();
        // A killed replacement of run.json is in the way, too.
        std::fs::write(path.join("run.json.new"), &text[..length.min(40)]).unwrap();
        let complete = text[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        let expected: Vec<_> = (0..complete).map(sample).collect();

        let found = read(&path).unwrap();
        assert_eq!(found.samples, expected, "cut at {length}");
        let is_clean = length == 0 || text[length - 1] == b'\n';
        assert_eq!(found.notes.is_empty(), is_clean, "cut at {length}: {:?}", found.notes);

        let (mut run, resumed) = RunDirectory::open_for_resume(&path).unwrap();
        assert_eq!(resumed.samples, expected);
        run.append(&sample(complete)).unwrap();
        drop(run);
        let found = read(&path).unwrap();
        assert_eq!(found.samples, (0..=complete).map(sample).collect::<Vec<_>>(), "cut at {length}");
        assert!(found.notes.is_empty());
    }
}

#[test]
fn runs_are_listed_with_the_latest_first_and_the_broken_last() {
    let place = temporary();
    for (name, time) in [("b", "2026-11-22T04:00:00Z"), ("a", "2026-11-23T04:00:00Z")] {
        let mut record = record();
        record.created_at = time.to_owned();
        drop(RunDirectory::create(&place.path().join(name), &record).unwrap());
    }
    std::fs::create_dir(place.path().join("broken")).unwrap();
    std::fs::write(place.path().join("broken").join(RECORD_FILE), "{").unwrap();
    std::fs::create_dir(place.path().join("else")).unwrap();
    let runs = list_runs(place.path()).unwrap();
    let names: Vec<_> = runs.iter().map(|run| run.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "broken"]);
    assert!(runs[2].record.as_ref().unwrap_err().to_string().contains("run.json:1:"));
    assert!(list_runs(Path::new("/does/not/exist")).unwrap().is_empty());
}

#[test]
fn a_cell_has_no_more_metrics_than_can_be_read_again() {
    let directory = temporary();
    let path = directory.path().join("run");
    let mut run = RunDirectory::create(&path, &record()).unwrap();
    let with = |sequence: u64, first: u32| {
        let metrics = (first..first + 600).map(|number| (format!("m{number}_ns"), 1.0)).collect();
        Sample { metrics, ..sample(sequence) }
    };
    run.append(&with(0, 0)).unwrap();
    run.append(&with(1, 300)).unwrap();
    // All or nothing.
    let error = run.append_all([with(2, 0), with(3, 600)]).unwrap_err().to_string();
    assert!(error.contains("sample 3 of"), "{error}");
    assert!(error.contains("more than 1024 different metrics"), "{error}");
    drop(run);
    assert_eq!(read(&path).unwrap().samples.len(), 2);
    let (mut run, _) = RunDirectory::open_for_resume(&path).unwrap();
    assert!(run.append(&with(2, 600)).is_err());
    run.append(&with(2, 0)).unwrap();
}
