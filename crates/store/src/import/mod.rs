//! Import: other tools' files become runs, with the provenance `imported` and with what the file claims of itself.
//!
//! One module a format, one line in [`IMPORTERS`] each. A parser is a pure function from bytes to [`Parsed`]; it trusts
//! nothing, has limits on everything, and never fails by panicking. What parsers share: [`text`] (bytes as text), [`json`]
//! (values by key path), [`table`] (rows by column), [`number`] (numbers and durations), [`units`] (units in names), [`when`] (times of the clock).

mod criterion;
mod criu;
pub mod csv;
mod docker_cr;
mod fio;
mod firecracker;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod hdr;
mod hyperfine;
mod iperf3;
mod ivshmem;
pub mod json;
mod jsonl;
mod load;
mod luminaguard;
mod microbench;
pub mod number;
mod own;
mod parsed;
mod parts;
mod phoronix;
mod picoshare;
mod run;
pub mod table;
#[cfg(test)]
mod testing;
pub mod text;
pub mod units;
pub mod when;

pub use load::{load, load_noting};
pub use parsed::{Parsed, ParsedSample, Rounds, SourceFile, text_factor};
pub use run::{ImportContext, ImportedSamples, into_run};

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
pub const IMPORTERS: &[Importer] = &[
    picoshare::IMPORTER,
    microbench::IMPORTER,
    docker_cr::IMPORTER,
    ivshmem::IMPORTER,
    luminaguard::IMPORTER,
    Importer {
        name: "jsonl",
        summary: "samples of Isodyne itself without their run, as `isodyne export --format jsonl` writes them",
        recognise: jsonl::recognise,
        parse: jsonl::parse,
    },
    Importer {
        name: "hyperfine",
        summary: "hyperfine's --export-json",
        recognise: hyperfine::recognise,
        parse: hyperfine::parse,
    },
    Importer {
        name: "criterion",
        summary: "a directory target/criterion of criterion.rs",
        recognise: criterion::recognise,
        parse: criterion::parse,
    },
    Importer {
        name: "fio",
        summary: "fio's --output-format=json or json+",
        recognise: fio::recognise,
        parse: fio::parse,
    },
    Importer { name: "iperf3", summary: "iperf3's -J", recognise: iperf3::recognise, parse: iperf3::parse },
    Importer {
        name: "firecracker",
        summary: "Firecracker's metrics, one flush a line",
        recognise: firecracker::recognise,
        parse: firecracker::parse,
    },
    Importer {
        name: "phoronix",
        summary: "composite.xml of the Phoronix Test Suite, or its JSON",
        recognise: phoronix::recognise,
        parse: phoronix::parse,
    },
    Importer {
        name: "criu",
        summary: "CRIU's stats-dump and stats-restore, or what crit decodes of them",
        recognise: criu::recognise,
        parse: criu::parse,
    },
    Importer { name: "hdr", summary: "logs of HdrHistogram", recognise: hdr::recognise, parse: hdr::parse },
    csv::IMPORTER,
];

/// The files of one import are not larger, all together.
pub const IMPORT_LIMIT_BYTES: u64 = 256 << 20;
/// No import has more samples.
pub const SAMPLES_LIMIT: usize = 5_000_000;
/// No import has more cells.
pub const CELLS_LIMIT: usize = 10_000;
/// More claims are left out, with a remark.
pub const CLAIMS_LIMIT: usize = 20_000;
/// More remarks are left out, and the last one says so.
pub const REMARKS_LIMIT: usize = 200;
/// A fact is not longer, in characters.
pub const FACT_LIMIT: usize = 1_000;

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

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}

/// The format that these files have, if one recognises them.
pub fn recognise(files: &[SourceFile]) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| (importer.recognise)(files))
}

/// Reads files: in the format of this name, or in the one that recognises them.
///
/// # Errors
/// If there is no such format, none recognises them, or they are not what they should be.
pub fn parse(files: &[SourceFile], format: Option<&str>) -> Result<Parsed, ImportError> {
    let name = files.first().map_or("-", |file| file.name.as_str());
    let names = || IMPORTERS.iter().map(|importer| importer.name).collect::<Vec<_>>().join(", ");
    let importer = match format {
        Some(format) => find(format).ok_or_else(|| {
            ImportError::new(name, format!("no format `{}`; the formats are {}", format.escape_debug(), names()))
        })?,
        None => match own::refusal(files) {
            Some(refusal) => return Err(refusal),
            None => recognise(files),
        }
        .ok_or_else(|| {
            let message = format!(
                "no format recognises it (tried {}): name one with --format, or say what the columns of a CSV file are \
                 with --map",
                names()
            );
            ImportError::new(name, message)
        })?,
    };
    let mut parsed = (importer.parse)(files)?;
    if parsed.samples.is_empty() && parsed.claims.is_empty() {
        return Err(ImportError::new(name, format!("it holds no sample and no figure (read as `{}`)", importer.name)));
    }
    parsed.format = importer.name.to_owned();
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let names: std::collections::BTreeSet<_> = IMPORTERS.iter().map(|importer| importer.name).collect();
        assert_eq!(names.len(), IMPORTERS.len());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(plain)), "{names:?}");
    }

    #[test]
    fn what_nobody_recognises_is_refused_with_the_formats_that_were_tried() {
        let file = SourceFile { name: "x.txt".to_owned(), bytes: b"nothing of interest".to_vec() };
        let error = parse(std::slice::from_ref(&file), None).unwrap_err().to_string();
        assert!(error.starts_with("x.txt: no format recognises it (tried ") && error.contains("--map"), "{error}");
        assert!(parse(&[file], Some("nonesuch")).unwrap_err().to_string().contains("no format `nonesuch`"));
    }
}
