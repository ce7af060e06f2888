//! A mapping laid over tables.

use super::mapping::{Mapping, Source, Target, backend};
use crate::import::table::{Row, Table};
use crate::import::{ImportError, Parsed, ParsedSample, Rounds, SourceFile, number, text, text_factor, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::sample::Accuracy;
use std::collections::HashMap;

/// Longer texts of failures are cut, in characters.
const MESSAGE_LIMIT: usize = 200;

/// Reads tables by a mapping.
///
/// # Errors
/// If a column of the mapping is not there, or a field is not what the mapping says: with file, line and column.
pub fn parse_with(files: &[SourceFile], mapping: &Mapping) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: super::IMPORTER.name.to_owned(),
        title: mapping
            .title
            .clone()
            .unwrap_or_else(|| files.first().map(|file| text::stem(file).to_owned()).unwrap_or_default()),
        tool: mapping.tool.clone(),
        ..Parsed::default()
    };
    let mut rounds = Rounds::default();
    let mut times: Vec<Option<i128>> = Vec::new();
    for file in files {
        table(file, mapping, &mut parsed, &mut rounds, &mut times)?;
    }
    // Times of the clock count from the earliest; there is none where times since the first are given.
    if let Some(first) = times.iter().flatten().min().copied() {
        parsed.created_at = jiff::Timestamp::from_nanosecond(first).ok().map(|time| time.to_string());
        for (sample, at) in parsed.samples.iter_mut().zip(&times) {
            sample.started_ns = at.and_then(|at| u64::try_from(at - first).ok());
        }
    }
    if parsed.samples.is_empty() {
        return Err(ImportError::new(files.first().map_or("-", |file| &file.name), "there is no row under the header"));
    }
    Ok(parsed)
}

/// An entry of the mapping with its column's place in this table.
struct Bound<'m> {
    target: &'m Target,
    source: &'m Source,
    column: usize,
}

fn table(
    file: &SourceFile,
    mapping: &Mapping,
    parsed: &mut Parsed,
    rounds: &mut Rounds,
    times: &mut Vec<Option<i128>>,
) -> Result<(), ImportError> {
    let mut table = Table::open(file, mapping.delimiter)?;
    let mut bound = Vec::with_capacity(mapping.parts.len());
    for part in &mapping.parts {
        let column = match &part.source {
            Source::Column { column, .. } => table.need(column)?,
            _ => usize::MAX,
        };
        bound.push(Bound { target: &part.target, source: &part.source, column });
    }
    let mut cells: HashMap<Vec<String>, (usize, Accuracy)> = HashMap::new();
    while let Some(row) = table.next_row()? {
        let key: Vec<String> = bound
            .iter()
            .filter(|part| matches!(part.target, Target::Cell(_) | Target::Backend | Target::Accuracy))
            .map(|part| part.text(&row, file))
            .collect();
        let (cell, accuracy) = match cells.get(&key) {
            Some(known) => *known,
            None => {
                let made = make_cell(file, &bound, &row, parsed)?;
                cells.insert(key, made);
                made
            }
        };
        let (sample, at) = sample(&bound, &row, file, ParsedSample::new(cell, accuracy))?;
        let round = if has_round(&bound) { sample.round } else { rounds.next(cell) };
        times.push(at);
        parsed.add(&file.name, ParsedSample { round, ..sample })?;
    }
    Ok(())
}

fn has_round(bound: &[Bound<'_>]) -> bool {
    bound.iter().any(|part| *part.target == Target::Round)
}

fn make_cell(
    file: &SourceFile,
    bound: &[Bound<'_>],
    row: &Row<'_, '_>,
    parsed: &mut Parsed,
) -> Result<(usize, Accuracy), ImportError> {
    let (mut backend_name, mut accuracy, mut factors) = (BackendName::Imported, Accuracy::Process, Factors::new());
    for part in bound {
        let text = part.text(row, file);
        match part.target {
            Target::Backend => match backend(&text) {
                Some(known) => backend_name = known,
                // Another tool's word for something that we have no word for.
                None => drop(factors.insert("backend".to_owned(), text_factor(&text))),
            },
            Target::Accuracy => {
                accuracy = text.parse().map_err(|_| row.fail(part.column, "kvm, tcg, nested, container or process"))?;
            }
            Target::Cell(key) => {
                let name = match (key, part.source) {
                    (Some(key), _) => key.clone(),
                    (None, Source::Column { column, .. }) => {
                        crate::import::units::plain(column).unwrap_or_else(|| "name".to_owned())
                    }
                    (None, _) => "file".to_owned(),
                };
                factors.insert(name, text_factor(&text));
            }
            _ => {}
        }
    }
    Ok((parsed.cell(&file.name, backend_name, factors)?, accuracy))
}

/// A row as a sample, and when it began by the clock.
fn sample(
    bound: &[Bound<'_>],
    row: &Row<'_, '_>,
    file: &SourceFile,
    mut sample: ParsedSample,
) -> Result<(ParsedSample, Option<i128>), ImportError> {
    let (mut ok, mut reason, mut at) = (true, None, None);
    for part in bound {
        match part.target {
            Target::Metric(name) => {
                if let Some(value) = row.number(part.column)? {
                    let factor = part.factor().unwrap_or(1.0);
                    if !(value * factor).is_finite() {
                        return Err(row.fail(part.column, "a number that can be multiplied so"));
                    }
                    sample.set(name, value * factor);
                }
            }
            // An empty field says nothing of success.
            Target::Ok => ok &= part.flag(row)?.unwrap_or(true),
            Target::Failure => {
                let text = part.text(row, file);
                reason = Some(text).filter(|text| !text.is_empty());
            }
            Target::Warmup => sample.warmup = part.flag(row)?.unwrap_or(false),
            Target::Round => {
                let number = row.number(part.column)?;
                let whole = number.filter(|round| round.fract() == 0.0 && (0.0..4e9).contains(round));
                sample.round = whole.ok_or_else(|| row.fail(part.column, "a round: a whole number from 0"))? as u32;
            }
            Target::At => match part.factor() {
                Some(factor) => {
                    let ns = row.number(part.column)?.map(|value| value * factor);
                    if let Some(ns) = ns {
                        if !(0.0..1.8e19).contains(&ns) {
                            return Err(row.fail(part.column, "a time since the first sample"));
                        }
                        sample.started_ns = Some(ns as u64);
                    }
                }
                None if row.text(part.column).is_empty() => {}
                None => {
                    let time = when::unix_ns(row.text(part.column));
                    at = Some(time.ok_or_else(|| {
                        row.fail(part.column, "a date and time (for times since the first sample add *FACTOR)")
                    })?);
                }
            },
            Target::Cell(_) | Target::Backend | Target::Accuracy => {}
        }
    }
    let has_ok = bound.iter().any(|part| *part.target == Target::Ok);
    if !ok || (!has_ok && reason.is_some()) {
        sample.failure = Some(failure(reason));
    } else if sample.metrics.is_empty() {
        sample.failure = Some(Failure::new(FailureClass::Reported, "the row has no value"));
    }
    Ok((sample, at))
}

/// A failure by its class where the words are one of ours.
fn failure(reason: Option<String>) -> Failure {
    let Some(reason) = reason else { return Failure::new(FailureClass::Reported, "the file says that it failed") };
    let class = reason.trim().parse().unwrap_or(FailureClass::Reported);
    let message: String = reason.chars().take(MESSAGE_LIMIT).collect();
    Failure::new(class, message.escape_debug().to_string())
}

impl Bound<'_> {
    fn factor(&self) -> Option<f64> {
        if let Source::Column { factor, .. } = self.source { *factor } else { None }
    }

    fn text(&self, row: &Row<'_, '_>, file: &SourceFile) -> String {
        match self.source {
            Source::Column { equals: Some(_), .. } => {
                self.compared(row).map(|equal| equal.to_string()).unwrap_or_default()
            }
            Source::Column { .. } => row.text(self.column).to_owned(),
            Source::Text(text) => text.clone(),
            Source::File => text::stem(file).to_owned(),
        }
    }

    fn flag(&self, row: &Row<'_, '_>) -> Result<Option<bool>, ImportError> {
        match self.source {
            Source::Column { equals: Some(_), .. } => Ok(self.compared(row)),
            Source::Column { .. } => row.flag(self.column),
            Source::Text(text) => Ok(number::flag(text)),
            Source::File => Ok(None),
        }
    }

    /// The outcome of a comparison: numbers as numbers (`200` is `200.0`), else texts.
    fn compared(&self, row: &Row<'_, '_>) -> Option<bool> {
        let Source::Column { equals: Some((wanted, word)), .. } = self.source else { return None };
        let text = row.text(self.column);
        let same = match (number::finite(text), number::finite(word)) {
            (Some(one), Some(other)) => one == other,
            _ => text == word,
        };
        Some(same == *wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, mapping: &str) -> Result<Parsed, ImportError> {
        let file = SourceFile { name: "x.csv".to_owned(), bytes: text.as_bytes().to_vec() };
        parse_with(&[file], &Mapping::parse(mapping).unwrap())
    }

    #[test]
    fn rows_become_samples() {
        let text = "name;ms;status;when\na;1.5;200;2026-01-29 12:00:00\nb;2;500;2026-01-29 12:00:01\na;;200;2026-01-29 12:00:02\n";
        let found = parsed(text, "total_ns=col:ms*1e6,cell=col:name,ok=col:status==200,at=col:when").unwrap();
        let ids: Vec<_> = found.cells.iter().map(|cell| cell.id.as_str()).collect();
        assert_eq!(ids, ["imported/imported[name=a]", "imported/imported[name=b]"]);
        assert_eq!(found.created_at.as_deref(), Some("2026-01-29T12:00:00Z"));
        let rows: Vec<_> = found
            .samples
            .iter()
            .map(|s| (s.cell, s.round, s.started_ns, s.failure.is_some(), s.metrics.get("total_ns").copied()))
            .collect();
        assert_eq!(
            rows,
            [
                (0, 0, Some(0), false, Some(1.5e6)),
                (1, 0, Some(1_000_000_000), true, Some(2e6)),
                (0, 1, Some(2_000_000_000), true, None),
            ]
        );
    }

    #[test]
    fn errors_name_line_and_column() {
        let message = |text: &str, mapping: &str| parsed(text, mapping).unwrap_err().to_string();
        assert!(message("a,b\n1,2\n", "total_ns=col:c").starts_with("x.csv:1: no column `c`; there are `a`, `b`"));
        assert_eq!(message("a\nx\n", "total_ns=col:a"), "x.csv:2: column `a`: `x` is not a number");
        assert_eq!(message("a\nNaN\n", "total_ns=col:a"), "x.csv:2: column `a`: `NaN` is not a number");
        assert!(message("a\n1e308\n", "total_ns=col:a*1e9").contains("multiplied"));
        assert!(message("a,t\n1,soon\n", "total_ns=col:a,at=col:t").contains("column `t`: `soon` is not a date"));
        assert_eq!(message("a\n", "total_ns=col:a"), "x.csv: there is no row under the header");
    }

    #[test]
    fn failures_are_classed_where_the_word_is_ours() {
        let found = parsed("a,why\n1,\n2,timeout\n3,odd\n", "total_ns=col:a,failure=col:why").unwrap();
        let classes: Vec<_> = found.samples.iter().map(|s| s.failure.as_ref().map(|f| f.class)).collect();
        assert_eq!(classes, [None, Some(FailureClass::Timeout), Some(FailureClass::Reported)]);
    }
}
