//! microbench (once firebench): QEMU's microvm against Firecracker.
//!
//! Logs with `delta=` in Go's durations, what a shell's `time` printed around `sha256sum`, and ApacheBench's summary.
//! What a file is about stands only in its name; it is taken by exact fields, never by a part of a word.

mod bench;
mod label;
mod log;
mod timed;

use super::{ImportError, Importer, Parsed, Rounds, SourceFile, text};
use label::Label;

pub(super) const IMPORTER: Importer = Importer {
    name: "microbench",
    summary: "microbench (firebench) logs with delta=, `time sha256sum` outputs, ApacheBench summaries",
    recognise,
    parse,
};

/// What a file of this format is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Log,
    Timed,
    Bench,
}

fn kind(file: &SourceFile) -> Option<Kind> {
    let start = text::beginning(file);
    if start.contains("This is ApacheBench") || start.contains("Requests per second:") {
        Some(Kind::Bench)
    } else if start.contains("delta=") && (start.contains("level=") || start.contains("INFO[")) {
        Some(Kind::Log)
    } else if start.lines().any(|line| timed::field(line).is_some_and(|(name, _)| name == "real")) {
        Some(Kind::Timed)
    } else {
        None
    }
}

fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(|file| kind(file).is_some())
}

fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed =
        Parsed { title: "microbench".to_owned(), tool: Some("microbench".to_owned()), ..Parsed::default() };
    let mut rounds = Rounds::default();
    for file in files {
        let Some(kind) = kind(file) else {
            parsed.remark(format!("{}: not of this format, left out", file.name));
            continue;
        };
        let label = Label::of(file);
        let text = text::utf8(file)?;
        parsed.fact("label", "from the file's name by its exact fields: engine, address, number, tag, concurrency");
        match kind {
            Kind::Log => log::read(file, text, &label, &mut parsed, &mut rounds)?,
            Kind::Timed => timed::read(file, text, &label, &mut parsed, &mut rounds)?,
            Kind::Bench => bench::read(file, text, &label, &mut parsed)?,
        }
    }
    Ok(parsed)
}
