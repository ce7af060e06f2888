//! Import: other tools' files become runs, with the provenance `imported` and with what the file claims of itself.
//!
//! One module a format, one line in [`IMPORTERS`] each. A parser is a pure function from bytes to [`Parsed`]; it trusts
//! nothing, has limits on everything, and never fails by panicking.

mod parsed;

pub use parsed::{Parsed, ParsedSample, SourceFile, text_factor};

/// One format.
#[derive(Clone, Copy)]
pub struct Importer {
    /// Its stable name, as `--format` takes it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// Whether these files look like it, judged by their beginning and by names of keys; cheap.
    pub recognise: fn(&[SourceFile]) -> bool,
    /// Reads them.
    pub parse: fn(&[SourceFile]) -> Result<Parsed, ImportError>,
}

/// All formats, the most particular first: the first that recognises a file reads it.
pub const IMPORTERS: &[Importer] = &[];

/// The files of one import are not larger, all together.
pub const IMPORT_LIMIT_BYTES: u64 = 256 << 20;
/// No import has more samples.
pub const SAMPLES_LIMIT: usize = 5_000_000;
/// No import has more cells.
pub const CELLS_LIMIT: usize = 10_000;

/// Why a file cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{place}: {message}", place = line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ImportError {
    /// The file.
    pub file: String,
    /// The line, from 1, where there are lines.
    pub line: Option<u64>,
    /// What is wrong, naming the key or column, and what was expected.
    pub message: String,
}

impl ImportError {
    /// An error of a file as a whole.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into() }
    }
    /// An error with its line.
    pub fn at(file: impl Into<String>, line: u64, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(line), message: message.into() }
    }
}
