//! Other tools' files that are cut off, damaged or hostile: every parser answers with what it found or with an error of
//! one line, in bounds, and never with a panic.

use isodyne_store::import::{IMPORTERS, SourceFile, find};
use std::path::Path;

/// A format and its files under `tests/import/`.
const FIXTURES: &[(&str, &[&str])] = &[
    ("hyperfine", &["hyperfine.json"]),
    (
        "criterion",
        &[
            "criterion/pages/copy/4096/new/sample.json",
            "criterion/pages/copy/4096/new/estimates.json",
            "criterion/pages/copy/4096/new/benchmark.json",
        ],
    ),
    ("fio", &["fio.json"]),
    ("iperf3", &["iperf3.json"]),
    ("firecracker", &["firecracker.json"]),
    ("phoronix", &["phoronix.xml"]),
    ("phoronix", &["phoronix.json"]),
    ("criu", &["criu/stats-dump"]),
    ("criu", &["criu/stats-restore"]),
    ("criu", &["criu/stats-dump.json"]),
    ("hdr", &["hdr.hlog"]),
];

/// What stands where a number stood.
const HOSTILE: &[&str] = &[
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1e999",
    "NaN",
    "Infinity",
    "18446744073709551616",
    "null",
    "\"x\"",
    "[[]]",
    "{}",
    "\0",
    "../..",
    "",
];

fn read(names: &[&str]) -> Vec<SourceFile> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let read =
        |name: &&str| SourceFile { name: (*name).to_owned(), bytes: std::fs::read(directory.join(name)).unwrap() };
    names.iter().map(read).collect()
}

/// Parses as every format, and checks what must hold of any answer.
fn check(files: &[SourceFile], what: &str) {
    for importer in IMPORTERS {
        let recognised = (importer.recognise)(files);
        match (importer.parse)(files) {
            Ok(parsed) => {
                // Counts of a histogram are samples: a few bytes may be a hundred thousand, as the parser documents.
                let length: usize = files.iter().map(|file| file.bytes.len()).sum();
                assert!(parsed.samples.len() <= length + 110_000, "{what}: {} samples", parsed.samples.len());
                assert!(parsed.claims.len() <= length, "{what}: {} claims", parsed.claims.len());
                assert!(parsed.samples.iter().all(|sample| sample.cell < parsed.cells.len()), "{what}");
                let values = parsed.samples.iter().flat_map(|sample| sample.metrics.values());
                assert!(values.chain(parsed.claims.iter().map(|claim| &claim.value)).all(|value| value.is_finite()));
                let texts = parsed.remarks.iter().chain(parsed.facts.values());
                assert!(texts.clone().all(|text| !text.chars().any(char::is_control)), "{what}: {:?}", parsed.remarks);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!text.chars().any(char::is_control) && text.len() < 2_000, "{what}: {text:?}");
                assert!(error.line.is_none_or(|line| line > 0));
            }
        }
        let _ = recognised;
    }
}

#[test]
fn every_fixture_is_recognised_by_its_own_format_first() {
    for (format, names) in FIXTURES {
        let files = read(names);
        let first = IMPORTERS.iter().find(|importer| (importer.recognise)(&files)).map(|importer| importer.name);
        assert_eq!(first, Some(*format), "{names:?}");
        assert!((find(format).unwrap().parse)(&files).is_ok(), "{names:?}");
    }
}

#[test]
fn files_that_are_cut_off() {
    for (_, names) in FIXTURES {
        let whole = read(names);
        for index in 0..whole.len() {
            let length = whole[index].bytes.len();
            for cut in (0..length).step_by((length / 120).max(1)) {
                let mut files = whole.clone();
                files[index].bytes.truncate(cut);
                check(&files, &format!("{} cut at {cut}", names[index]));
            }
        }
    }
}

#[test]
fn numbers_that_are_none() {
    for (_, names) in FIXTURES {
        let whole = read(names);
        for index in 0..whole.len() {
            let bytes = &whole[index].bytes;
            let numbers = numbers(bytes);
            for (from, to) in numbers.iter().step_by((numbers.len() / 20).max(1)) {
                for hostile in HOSTILE {
                    let mut files = whole.clone();
                    files[index].bytes.splice(from..to, hostile.bytes());
                    check(&files, &format!("{} with {hostile:?} at {from}", names[index]));
                }
            }
        }
    }
}

/// Where runs of digits begin and end.
fn numbers(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        if length > 0 {
            found.push((at, at + length));
        }
        at += length.max(1);
    }
    found
}

#[test]
fn bytes_that_are_others() {
    for (_, names) in FIXTURES {
        let whole = read(names);
        for index in 0..whole.len() {
            let length = whole[index].bytes.len();
            for at in (0..length).step_by((length / 60).max(1)) {
                for byte in [0, b'{', b'<', b'"', 0xff] {
                    let mut files = whole.clone();
                    files[index].bytes[at] = byte;
                    check(&files, &format!("{} with {byte} at {at}", names[index]));
                }
            }
        }
    }
}

#[test]
fn files_of_nothing_and_of_depth() {
    for bytes in [
        Vec::new(),
        b"\0".to_vec(),
        b"[".repeat(200_000),
        b"{\"results\":".repeat(50_000),
        b"<PhoronixTestSuite>".repeat(50_000),
        b"</<PhoronixTestSuite".repeat(50_000),
        vec![0xff; 100_000],
        b"{\"fio version\":\"\x1b[31m\",\"jobs\":[{\"jobname\":\"../../etc\\u0000\"}]}".to_vec(),
        [&[0x06, 0x33, 0x09, 0x57][..], &[0xff; 20]].concat(),
    ] {
        let shown = format!("{:?}…", bytes.iter().take(20).collect::<Vec<_>>());
        check(&[SourceFile { name: "hostile\x1b[2J".escape_debug().to_string(), bytes }], &shown);
    }
    check(&[], "no file");
}
