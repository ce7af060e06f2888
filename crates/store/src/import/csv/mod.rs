//! Any CSV: a mapping says which column is what.
//!
//! Without a mapping, columns whose names carry a unit are metrics and all other text is the cell; that is only done when
//! the format is asked for by name, for it is a guess.

mod apply;
mod mapping;

pub use apply::parse_with;
pub use mapping::{Mapping, MappingError};

use super::units::named;
use super::{ImportError, Importer, Parsed, SourceFile, table::Table};
use mapping::{Part, Source, Target};

pub(super) const IMPORTER: Importer = Importer {
    name: "csv",
    summary: "any CSV, TSV or semicolon-separated table with a header, by a mapping (--map)",
    recognise,
    parse: parse_by_names,
};

/// Never by itself: what a column of a table means only the user knows. `--format csv` or `--map` asks for it.
fn recognise(_: &[SourceFile]) -> bool {
    false
}

/// Reads tables by the units in the names of their columns.
fn parse_by_names(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let Some(first) = files.first() else { return Err(ImportError::new("-", "there is no file")) };
    let table = Table::open(first, None)?;
    let mut mapping = Mapping::default();
    let mut remarks = Vec::new();
    for column in table.header().iter().filter(|column| !column.is_empty()) {
        let column = column.clone();
        match (named(&column), column.to_ascii_lowercase().as_str()) {
            (Some(found), _) => {
                remarks.push(format!("column `{column}` was taken as `{}`, × {}", found.metric, found.factor));
                let source = Source::Column { column, factor: Some(found.factor), equals: None };
                mapping.parts.push(Part { target: Target::Metric(found.metric), source });
            }
            (None, "success" | "ok" | "passed" | "valid") => {
                mapping.parts.push(Part { target: Target::Ok, source: Source::column(column) });
            }
            (None, "timestamp" | "time" | "date" | "started_at") => {
                mapping.parts.push(Part { target: Target::At, source: Source::column(column) });
            }
            (None, "name" | "label" | "benchmark" | "test" | "case" | "variant" | "backend" | "engine") => {
                mapping.parts.push(Part { target: Target::Cell(None), source: Source::column(column) });
            }
            (None, _) => remarks.push(format!("column `{column}` was left out: its name has no unit")),
        }
    }
    if !mapping.parts.iter().any(|part| matches!(part.target, Target::Metric(_))) {
        let message = "no column has a unit in its name (`duration_ms`, `size_bytes`): say what the columns are, \
                       for instance --map total_ns=col:duration*1e6,cell=col:name";
        return Err(ImportError::at(&first.name, 1, message));
    }
    let mut parsed = parse_with(files, &mapping)?;
    remarks.into_iter().for_each(|remark| parsed.remark(remark));
    Ok(parsed)
}
