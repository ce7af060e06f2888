//! `isodyne export`: a run in another tool's format.

use crate::arguments::ExportOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::whole_file::WholeFile;
use anyhow::Context;
use isodyne_report::{Style, list_table};
use isodyne_store::export::{EXPORTERS, ExportError, Exporter, Selection, Source, Writer, find};
use isodyne_store::{SampleReader, read_record};
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Writes a run in the format that is asked for.
pub fn export(options: &ExportOptions, output: &Output) -> Result<Exit, Trouble> {
    let Some(run) = options.run.as_deref().filter(|_| !options.list) else { return list(options, output) };
    let format = options.format.as_deref().unwrap_or_default();
    let exporter = find(format).ok_or_else(|| {
        let names: Vec<&str> = EXPORTERS.iter().map(|exporter| exporter.name).collect();
        Trouble::usage(
            format!("no format `{}`", format.escape_debug()),
            format!("the formats are {}", names.join(", ")),
        )
    })?;
    if let Writer::Feature(feature) = exporter.writer {
        return Err(Trouble::usage(
            format!("this program was built without the export to `{format}`"),
            format!("build it with `--features {feature}`, or use `--format csv`, which has the same columns"),
        ));
    }
    match options.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => to_file(exporter, run, options, path, output),
        None if !exporter.text && std::io::stdout().is_terminal() => {
            Err(Trouble::usage(format!("`{format}` is not text"), "name a file with -o"))
        }
        None => {
            let mut stream = output.stream();
            let written = write(exporter, run, options, &mut stream, output);
            match written {
                Err(ExportError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Ok),
                Err(error) => Err(trouble(error)),
                Ok(()) => stream.end(),
            }
        }
    }
}

/// Writes a file that is there whole or not at all.
fn to_file(
    exporter: &Exporter,
    run: &Path,
    options: &ExportOptions,
    path: &Path,
    output: &Output,
) -> Result<Exit, Trouble> {
    let context = || format!("cannot write `{}`", path.display());
    let mut file = WholeFile::begin(path).with_context(context).map_err(Trouble::unexpected)?;
    write(exporter, run, options, &mut file, output).map_err(trouble)?;
    file.finish().with_context(context).map_err(Trouble::unexpected)?;
    output.say(&path.display().to_string());
    Ok(Exit::Ok)
}

/// Reads the run as the format needs it, writes it, and says what was left out.
fn write(
    exporter: &Exporter,
    run: &Path,
    options: &ExportOptions,
    out: &mut dyn Write,
    output: &Output,
) -> Result<(), ExportError> {
    let selection = Selection { metric: options.metric.clone(), cell: options.cell.clone() };
    let notes = match exporter.writer {
        Writer::Columns(write) => {
            let contents = isodyne_store::read_columns(run)?;
            contents.notes.iter().for_each(|note| output.warn(note));
            let (record, columns) = (contents.record, contents.columns);
            let summary = isodyne_core::summary::summarise(&record, &columns);
            write(&Source { record: &record, columns: &columns, summary: &summary, selection: &selection }, out)?
        }
        Writer::Samples(write) => {
            let record = read_record(run)?;
            let mut reader = SampleReader::open(run)?;
            let mut notes = write(&record, &selection, &mut reader, out)?;
            notes.extend(reader.note());
            notes
        }
        // Refused before anything was opened.
        Writer::Feature(_) => Vec::new(),
    };
    notes.iter().for_each(|note| output.warn(note));
    Ok(())
}

fn trouble(error: ExportError) -> Trouble {
    match error {
        ExportError::Nothing(_) => {
            Trouble::usage(error, "`isodyne show RUN` has the cells and metrics of a run; see --cell and --metric")
        }
        other => Trouble::unexpected(other),
    }
}

fn list(options: &ExportOptions, output: &Output) -> Result<Exit, Trouble> {
    let built = |exporter: &Exporter| !matches!(exporter.writer, Writer::Feature(_));
    if options.json {
        let formats: Vec<_> = EXPORTERS
            .iter()
            .map(|exporter| json!({ "name": exporter.name, "summary": exporter.summary, "built": built(exporter) }))
            .collect();
        return output.json(&json!({ "schema": "isodyne-list", "version": 1, "formats": formats }));
    }
    let rows: Vec<Vec<String>> = EXPORTERS
        .iter()
        .map(|exporter| {
            let missing = if built(exporter) { "" } else { "; not built in" };
            vec![exporter.name.to_owned(), format!("{}{missing}", exporter.summary)]
        })
        .collect();
    let style = Style { color: output.color(), width: output.width() };
    output.data(&list_table(&["format", "what"], &rows, style))
}
