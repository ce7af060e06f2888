//! The note that a build is done, written last: without it a directory in the cache is half made.

use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;

const FILE: &str = "done.json";
const LONGEST: u64 = 64 << 10;

/// What was made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) commit: String,
    pub(super) sha256: String,
}

impl Record {
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let mut text = String::new();
        std::fs::File::open(directory.join(FILE)).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let beside = directory.join("done.json.new");
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        std::fs::rename(beside, directory.join(FILE))
    }
}
