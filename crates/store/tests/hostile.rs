//! Run directories that nobody should trust.

mod common;

use common::{record, sample, temporary};
use isodyne_core::record::RUN_VERSION;
use isodyne_store::{LINE_LIMIT_BYTES, RECORD_FILE, RunDirectory, SAMPLES_FILE, StoreError, read};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn run() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("run");
    let mut run = RunDirectory::create(&path, &record()).unwrap();
    run.append(&sample(0)).unwrap();
    (place, path)
}

/// Puts a line between two good ones and reads.
fn with_line(line: &[u8]) -> Result<usize, StoreError> {
    let (_place, path) = run();
    let mut text = std::fs::read(path.join(SAMPLES_FILE)).unwrap();
    let good = text.clone();
    text.extend_from_slice(line);
    text.push(b'\n');
    text.extend_from_slice(&good);
    std::fs::write(path.join(SAMPLES_FILE), text).unwrap();
    read(&path).map(|found| found.samples.len())
}

#[test]
fn a_damaged_line_in_the_middle_is_an_error_with_its_place() {
    let good = serde_json::to_string(&sample(1)).unwrap();
    assert_eq!(with_line(good.as_bytes()).unwrap(), 3);
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_known = good.replace("\"proofs\":[", &format!("\"proofs\":[{}", "[".repeat(100_000)));
    let cases: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("half", good.as_bytes()[..good.len() / 2].to_vec()),
        ("nested", nested.into_bytes()),
        ("deep in a known field", deep_known.into_bytes()),
        ("not a number", good.replace("12345678.0", "NaN").into_bytes()),
        ("beyond all numbers", good.replace("12345678.0", "1e999").into_bytes()),
        ("null number", good.replace("12345678.0", "null").into_bytes()),
        ("NUL bytes", vec![0; 100]),
        (
            "no UTF-8",
            good.replace("nonce", "\u{1}").into_bytes().into_iter().map(|b| if b == 1 { 0xff } else { b }).collect(),
        ),
    ];
    for (name, line) in cases {
        let error = with_line(&line).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { line: 2, .. }), "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains("samples.jsonl:2:"), "{name}: {text}");
        assert!(text.len() < 1000 && !text.chars().any(char::is_control), "{name}: {text}");
    }
}

#[test]
fn an_endless_line_is_refused_without_reading_it_all() {
    let error = with_line(&vec![b' '; LINE_LIMIT_BYTES * 3]).unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[test]
fn files_outside_the_run_are_not_believed() {
    for entry in ["../../etc/passwd", "/etc/passwd", "logs/../../x", "logs/a\\u0000b", "logs/\\u001b[2J"] {
        let good = serde_json::to_string(&sample(2)).unwrap();
        for known in ["logs/2-runc.console.log", "logs/2-runc.log"] {
            let error = with_line(good.replace(known, entry).as_bytes()).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("samples.jsonl:2:") && text.contains("inside the run directory"), "{text}");
            assert!(!text.chars().any(char::is_control), "{text}");
        }
    }
}

#[test]
fn unknown_fields_are_left_for_newer_programs() {
    let good = serde_json::to_string(&sample(1)).unwrap();
    let more = good.replacen('{', "{\"weather\":{\"sun\":[1,2]},", 1);
    assert_eq!(with_line(more.as_bytes()).unwrap(), 3);
}

#[test]
fn a_cell_that_the_record_does_not_have_is_noted() {
    let (_place, path) = run();
    let (mut run, _) = RunDirectory::open_for_resume(&path).unwrap();
    let mut stranger = sample(1);
    stranger.cell.0 = "boot/other".to_owned();
    run.append(&stranger).unwrap();
    let notes = read(&path).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("boot/other"), "{notes:?}");
}

fn change_record(path: &Path, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(path.join(RECORD_FILE)).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path.join(RECORD_FILE), text.replacen(from, to, 1)).unwrap();
    read(path).unwrap_err().to_string()
}

#[test]
fn a_record_that_is_none_is_told_apart_from_a_newer_and_a_damaged_one() {
    let version = format!("\"version\": {RUN_VERSION}");
    let (_place, path) = run();
    let error = change_record(&path, &version, "\"version\": 99");
    assert!(error.contains("run.json: format version 99 is newer"), "{error}");
    // A newer program may have changed everything else, too.
    std::fs::write(path.join(RECORD_FILE), "{\"schema\":\"isodyne-run\",\"version\":2,\"plan\":[]}").unwrap();
    assert!(matches!(read(&path), Err(StoreError::Version { found: 2, .. })));

    let (_place, path) = run();
    let error = change_record(&path, "\"isodyne-run\"", "\"other\"");
    assert!(error.contains("not a run directory"), "{error}");

    let (_place, path) = run();
    let error = change_record(&path, "\"seed\": 7,\n", "\"seed\": -7,\n");
    assert!(error.contains("run.json:") && error.contains("damaged"), "{error}");

    let (_place, path) = run();
    std::fs::remove_file(path.join(RECORD_FILE)).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("creation was interrupted"));
    assert!(read(&path.join("nothing")).unwrap_err().to_string().contains("there is nothing"));
    assert!(read(&path.join(SAMPLES_FILE)).unwrap_err().to_string().contains("it is a file"));
}

#[test]
fn links_and_pipes_in_the_place_of_files_are_refused() {
    let (place, path) = run();
    let outside = place.path().join("outside");
    std::fs::write(&outside, "").unwrap();
    std::fs::remove_file(path.join(SAMPLES_FILE)).unwrap();
    std::os::unix::fs::symlink(&outside, path.join(SAMPLES_FILE)).unwrap();
    let error = RunDirectory::open_for_resume(&path).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert_eq!(std::fs::read(&outside).unwrap(), b"");

    std::fs::remove_file(path.join(SAMPLES_FILE)).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path.join(SAMPLES_FILE), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (_place, path) = run();
    let (mut run, _) = RunDirectory::open_for_resume(&path).unwrap();
    let mut not_a_number = sample(1);
    not_a_number.metrics.insert("total_ns".to_owned(), f64::NAN);
    let mut outside = sample(1);
    outside.logs.push("../x".to_owned());
    let mut long = sample(1);
    long.proofs.push("x".repeat(LINE_LIMIT_BYTES));
    for sample in [not_a_number, outside, long] {
        let error = run.append(&sample).unwrap_err();
        assert!(matches!(error, StoreError::NotStorable { .. }), "{error}");
    }
    assert_eq!(read(&path).unwrap().samples.len(), 1);
    let mut bad = record();
    bad.signals[0].cost_ns = f64::INFINITY;
    assert!(matches!(run.replace_record(bad), Err(StoreError::NotStorable { .. })));
    assert_eq!(read(&path).unwrap().record, record());
}
