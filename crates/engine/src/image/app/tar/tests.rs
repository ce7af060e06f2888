//! The reader against archives of GNU tar, in every format that it writes, and against damage.

use super::*;
use crate::image::app::store::BLOCK;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

fn entries(bytes: &[u8]) -> Result<Vec<RawEntry>, TarError> {
    entries_within(bytes, &Limits::default())
}

fn entries_within(bytes: &[u8], limits: &Limits) -> Result<Vec<RawEntry>, TarError> {
    let store = Store::memory(bytes);
    let mut reader = Reader::new(&store, limits);
    let mut found = Vec::new();
    while let Some(entry) = reader.next()? {
        found.push(entry);
    }
    Ok(found)
}

fn text(content: &Content) -> Vec<u8> {
    let mut bytes = vec![0; content.size as usize];
    let copy = |offset: u64, run: &[u8]| {
        bytes[offset as usize..offset as usize + run.len()].copy_from_slice(run);
        Ok(())
    };
    content.data(copy).unwrap();
    bytes
}

#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn gnu_tar(directory: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output =
        Command::new("tar").current_dir(directory).args(["-c", "--sort=name"]).args(arguments).arg(".").output();
    match output {
        Ok(output) if output.status.success() => Some(output.stdout),
        other => {
            eprintln!("skipped: there is no GNU tar that does {arguments:?} ({other:?})");
            None
        }
    }
}

#[test]
fn every_format_of_gnu_tar_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    std::fs::create_dir(directory.path().join("d".repeat(120))).unwrap();
    std::fs::write(directory.path().join(&long), "long").unwrap();
    std::fs::hard_link(directory.path().join(&long), directory.path().join("z-hard")).unwrap();
    std::os::unix::fs::symlink("t".repeat(200), directory.path().join("link")).unwrap();
    let formats: [&[&str]; 4] =
        [&["--format=gnu"], &["--format=pax"], &["--format=oldgnu"], &["--format=pax", "--numeric-owner"]];
    for arguments in formats {
        let Some(bytes) = gnu_tar(directory.path(), arguments) else { continue };
        let found = entries(&bytes).unwrap();
        let by = |end: &str| found.iter().find(|entry| entry.path.ends_with(end.as_bytes())).unwrap();
        assert!(matches!(&by(&long).kind, RawKind::File(content) if text(content) == b"long"), "{arguments:?}");
        assert!(matches!(&by("link").kind, RawKind::Symlink(target) if target.len() == 200), "{arguments:?}");
        assert!(matches!(&by("z-hard").kind, RawKind::HardLink(to) if to.ends_with(long.as_bytes())), "{arguments:?}");
        let status = directory.path().join(&long).metadata().unwrap();
        use std::os::unix::fs::MetadataExt;
        let entry = by(&long);
        let owner = (u64::from(status.uid()), u64::from(status.gid()), status.mtime() as u64);
        assert_eq!((entry.uid, entry.gid, entry.mtime), owner);
    }
}

#[test]
fn all_sparse_formats_give_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("sparse")).unwrap();
    let mut expected = vec![0_u8; 64 * BLOCK];
    // More pieces than fit into a header of the old format and into its first record behind it.
    for piece in 0..30 {
        let at = piece * 2 * BLOCK;
        expected[at..at + BLOCK].fill(piece as u8 + 1);
        file.write_all_at(&expected[at..at + BLOCK], at as u64).unwrap();
    }
    file.set_len(expected.len() as u64).unwrap();
    let formats: [&[&str]; 4] = [
        &["--format=gnu", "-S"],
        &["--format=pax", "-S", "--sparse-version=0.0"],
        &["--format=pax", "-S", "--sparse-version=0.1"],
        &["--format=pax", "-S", "--sparse-version=1.0"],
    ];
    for arguments in formats {
        let Some(bytes) = gnu_tar(directory.path(), arguments) else { continue };
        assert!(bytes.len() < 50 * BLOCK, "{arguments:?} has not left the holes out");
        let found = entries(&bytes).unwrap();
        let entry = found.iter().find(|entry| entry.path.ends_with(b"sparse")).unwrap();
        assert_eq!(entry.path, b"./sparse");
        let RawKind::File(content) = &entry.kind else { panic!("{arguments:?}: {entry:?}") };
        assert!(content.pieces.len() >= 30 && text(content) == expected, "{arguments:?}");
        let few = Limits { pieces: 8, ..Limits::default() };
        assert!(entries_within(&bytes, &few).is_err(), "{arguments:?}");
    }
}

#[test]
fn a_written_file_with_holes_is_read_by_gnu_tar() {
    let directory = tempfile::tempdir().unwrap();
    let mut data = vec![7_u8; 3 * BLOCK];
    data[BLOCK..2 * BLOCK].fill(0);
    let pieces = vec![
        Piece { offset: 1 << 20, length: 3 * BLOCK as u64, at: 0 },
        Piece { offset: (8 << 20) - 5, length: 5, at: 0 },
    ];
    let content = Content { store: Store::memory(&data), size: 8 << 20, pieces };
    let mut writer = Writer::new(Vec::new());
    writer.file(b"holes", &content, &super::super::tree::Meta::plain(0o644)).unwrap();
    let bytes = writer.finish().unwrap();
    assert!(bytes.len() < 16 * BLOCK);
    let found = entries(&bytes).unwrap();
    assert!(matches!(&found[0].kind, RawKind::File(read) if text(read) == text(&content)));
    assert_eq!(found[0].path, b"holes");
    std::fs::write(directory.path().join("x.tar"), &bytes).unwrap();
    let status = Command::new("tar").current_dir(directory.path()).args(["-xf", "x.tar"]).status();
    if status.is_ok_and(|status| status.success()) {
        assert!(std::fs::read(directory.path().join("holes")).unwrap() == text(&content));
    }
}

fn one_file() -> Vec<u8> {
    crate::image::app::testing::Layer::new().file("name", "content").bytes()
}

fn says(bytes: &[u8], what: &str) {
    let error = entries(bytes).unwrap_err().to_string();
    assert!(error.contains(what), "{error}");
}

/// Changes a header and makes its checksum right again.
fn changed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = one_file();
    change(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn damage_is_said() {
    let bytes = one_file();
    assert_eq!(entries(&bytes[..1024]).unwrap().len(), 1);
    says(&bytes[..515], "cut short");
    says(&bytes[..300], "cut short inside a header");
    let mut wrong = bytes;
    wrong[0] ^= 1;
    says(&wrong, "checksum");
    says(&changed(|header| header[124..136].copy_from_slice(b"99999999999\0")), "no number");
    says(&changed(|header| header[124..136].copy_from_slice(b"77777777777\0")), "cut short");
    says(&changed(|header| header[156] = b'?'), "type '?'");
    says(&changed(|header| header[156] = b'x'), "PAX");
}

#[test]
fn extensions_have_limits() {
    let mut bytes = Vec::new();
    for _ in 0..20 {
        bytes.extend_from_slice(&changed(|header| header[156] = b'L')[..1024]);
    }
    says(&bytes, "more than 16 extensions");
    let mut huge = changed(|header| {
        header[156] = b'L';
        header[124..136].copy_from_slice(b"00010000000\0");
    });
    huge.resize(4 << 20, b'a');
    says(&huge, "more than 1 MiB");
}
