//! What needs no import, and archives: what is said instead of "no format recognises it".

use super::parts::{file_name, head, holds};
use super::{ImportError, SourceFile};
use crate::RECORD_FILE;
use isodyne_core::record::RUN_SCHEMA;

/// Why these files are not for an importer, with the way on; `None` for all others.
pub(super) fn refusal(files: &[SourceFile]) -> Option<ImportError> {
    let run = files.iter().find(|file| file_name(&file.name) == RECORD_FILE && holds(head(file), RUN_SCHEMA));
    if let Some(run) = run {
        let message = "this is a run of Isodyne and needs no import: `isodyne show`, `report`, `compare`, `audit` and \
                       `export` take its directory, and `isodyne merge` makes one run of several";
        return Some(ImportError::new(&run.name, message));
    }
    let [file] = files else { return None };
    let archive = if file.bytes.get(257..262) == Some(b"ustar") {
        "a tar archive: unpack it with `tar -xf`"
    } else if file.bytes.starts_with(b"PK\x03\x04") {
        "a zip archive: unpack it with `unzip`"
    } else if file.bytes.starts_with(b"\x28\xB5\x2F\xFD") {
        "compressed: unpack it with `zstd -d` (a tar archive with `tar -xf`)"
    } else if file.bytes.starts_with(b"\x1F\x8B") {
        "compressed: unpack it with `gunzip` (a tar archive with `tar -xf`)"
    } else {
        return None;
    };
    let message =
        format!("it is {archive}; then `isodyne show` takes the directory of a run, `isodyne import` any other");
    Some(ImportError::new(&file.name, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, bytes: &[u8]) -> String {
        let file = SourceFile { name: name.to_owned(), bytes: bytes.to_vec() };
        super::super::parse(&[file], None).unwrap_err().to_string()
    }

    #[test]
    fn runs_and_archives_are_told_where_to_go() {
        let mut tar = vec![0_u8; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(said("run.tar", &tar).contains("it is a tar archive: unpack it"));
        assert!(said("run.zip", b"PK\x03\x04rest").contains("zip archive"));
        assert!(said("run.tgz", b"\x1F\x8B\x08rest").contains("`gunzip`"));
        let run = said("a/run.json", b"{\"schema\": \"isodyne-run\"}");
        assert!(run.starts_with("a/run.json: ") && run.contains("isodyne show") && run.contains("isodyne merge"));
        // A file of that name that is another tool's is for the importers.
        assert!(said("run.json", b"{}").contains("no format recognises it"));
    }
}
