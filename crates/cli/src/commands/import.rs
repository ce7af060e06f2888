//! `isodyne import`: another tool's files become a run that can be shown, reported, audited and compared.

use super::run::resolve::fresh_random;
use super::show;
use crate::arguments::ImportOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use anyhow::Context;
use isodyne_core::event::Ending;
use isodyne_report::{Style, list_table};
use isodyne_store::RunDirectory;
use isodyne_store::import::csv::{Mapping, parse_with};
use isodyne_store::import::{
    IMPORT_LIMIT_BYTES, IMPORTERS, ImportContext, ImportError, Parsed, SourceFile, into_run, load_noting, parse,
};
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Imports files into a new run directory.
pub fn import(options: &ImportOptions, output: &Output) -> Result<Exit, Trouble> {
    let Some(source) = options.source.as_deref().filter(|_| !options.list) else { return list(options, output) };
    let mapping = mapping(options)?;
    let mut notes = Vec::new();
    if let Some(run) = run_of(source) {
        let run = run.display();
        let hint = format!("it can be shown as it is: isodyne show {run}; isodyne merge makes one run of several");
        return Err(Trouble::usage(format!("{run} is a run already"), hint));
    }
    let files = if source == Path::new("-") { standard_input() } else { load_noting(source, &mut notes) };
    let files = files.map_err(|error| refuse(&error))?;
    let mut parsed = match &mapping {
        Some(mapping) => parse_with(&files, mapping),
        None => parse(&files, options.format.as_deref()),
    }
    .map_err(|error| refuse(&error))?;
    notes.into_iter().for_each(|note| parsed.remark(note));
    write(parsed, &files, options, output)
}

/// The run directory that is named, or that the file is a part of.
fn run_of(source: &Path) -> Option<&Path> {
    let is_run = |path: &Path| path.join(isodyne_store::RECORD_FILE).is_file();
    let parts = [isodyne_store::RECORD_FILE, isodyne_store::SAMPLES_FILE];
    if is_run(source) {
        return Some(source);
    }
    let is_part = source.file_name().is_some_and(|name| parts.iter().any(|part| name == *part));
    let parent = source.parent().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    parent.filter(|parent| is_part && parts.iter().all(|part| parent.join(part).is_file()))
}

/// Writes the run and shows it.
fn write(parsed: Parsed, files: &[SourceFile], options: &ImportOptions, output: &Output) -> Result<Exit, Trouble> {
    let context = ImportContext {
        run_id: format!("{:08x}", fresh_random() as u32),
        now: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
    };
    let out = options.out.clone().unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
        isodyne_store::default_location(&paths::runs(), &parsed.format, &context.run_id, &now)
    });
    let (mut record, samples) = into_run(parsed, files, &context);
    // Until all samples are there the run has not ended, so that a killed import does not look like a whole one.
    let ended = record.ended.take();
    let mut directory = RunDirectory::create(&out, &record).map_err(Trouble::unexpected)?;
    let count = directory.append_all(samples).map_err(Trouble::unexpected)?;
    if let Some(ended) = ended {
        directory.set_ended(ended).map_err(Trouble::unexpected)?;
    }
    drop(directory);
    let run = show::read(&out, output)?;
    if let Some(imported) = &run.record.imported {
        for remark in &imported.remarks {
            output.say(&format!("note: {remark}"));
        }
        let claims = imported.claims.len();
        output.say(&format!("imported {count} samples and {claims} stated figures as `{}`", imported.format));
    }
    output.say(&format!("run  {}", out.display()));
    let shown = if options.json {
        output.json(&run.answer())
    } else {
        show::table(run.view(&out.display().to_string()), output)
    };
    match shown? {
        // Files with figures only have no cell that could have failed.
        Exit::Ok if !run.record.cells.is_empty() => Ok(super::run::exit(&run.summary, &run.record, Ending::Complete)),
        exit => Ok(exit),
    }
}

/// The mapping of `--map`, each a text or a TOML file.
fn mapping(options: &ImportOptions) -> Result<Option<Mapping>, Trouble> {
    if options.map.is_empty() {
        return Ok(None);
    }
    if options.format.as_deref().is_some_and(|format| format != "csv") {
        return Err(Trouble::usage("--map is for CSV files", "leave --format out, or write --format csv"));
    }
    let refuse = |error: &dyn std::fmt::Display| {
        Trouble::usage(
            format!("--map: {error}"),
            "see docs/importing.md, for instance --map total_ns=col:duration_ms*1e6,cell=col:name",
        )
    };
    let is_file = |text: &str| !text.contains('=');
    let mapping = match options.map.as_slice() {
        [file] if is_file(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read the mapping {file}")).map_err(
                    |error| Trouble::usage(format!("{error:#}"), "a mapping has a `=`, or is the name of a TOML file"),
                )?;
            Mapping::parse_toml(&text)
        }
        texts => Mapping::parse_all(texts.iter().map(String::as_str)),
    };
    mapping.map(Some).map_err(|error| refuse(&error))
}

fn standard_input() -> Result<Vec<SourceFile>, ImportError> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(IMPORT_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ImportError::new("-", format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > IMPORT_LIMIT_BYTES {
        return Err(ImportError::new("-", format!("more than {} MiB to import", IMPORT_LIMIT_BYTES >> 20)));
    }
    Ok(vec![SourceFile { name: "-".to_owned(), bytes }])
}

/// The files are what is wrong, as a plan may be; nothing was written.
fn refuse(error: &ImportError) -> Trouble {
    Trouble::new(Exit::Usage, error, "isodyne import --list says what can be read; docs/importing.md says how")
}

fn list(options: &ImportOptions, output: &Output) -> Result<Exit, Trouble> {
    if options.json {
        let formats: Vec<_> = IMPORTERS.iter().map(|one| json!({ "name": one.name, "summary": one.summary })).collect();
        return output.json(&json!({ "schema": "isodyne-list", "version": 1, "formats": formats }));
    }
    let rows: Vec<Vec<String>> =
        IMPORTERS.iter().map(|one| vec![one.name.to_owned(), one.summary.to_owned()]).collect();
    output.data(&list_table(&["format", "what"], &rows, Style { color: output.color(), width: output.width() }))
}
