//! Parquet: the long form of CSV as columns, for what reads tables (DuckDB, pandas, Spark).
//!
//! Written column by column, without Arrow. Texts repeat and are kept once, by Parquet's own dictionaries.

use super::source::Part;
use super::{ExportError, Source};
use isodyne_core::columns::Row;
use isodyne_core::unit::unit_of_metric;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

const SCHEMA: &str = "message isodyne_samples {
    required binary run_id (UTF8);
    required binary cell (UTF8);
    required binary benchmark (UTF8);
    required binary backend (UTF8);
    optional binary variant (UTF8);
    required binary factors (UTF8);
    required int64 sequence;
    required int32 round;
    required int32 session;
    required boolean warmup;
    required binary provenance (UTF8);
    required binary accuracy (UTF8);
    optional binary failure (UTF8);
    optional binary metric (UTF8);
    optional binary unit (UTF8);
    optional double value;
}";
/// Rows that are held in memory until they are written.
const GROUP_ROWS: usize = 100_000;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let encode = |error: ParquetError| ExportError::Encode(error.to_string());
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(encode)?);
    let properties = Arc::new(WriterProperties::builder().set_created_by("isodyne".to_owned()).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).map_err(encode)?;
    let mut lines = Lines::default();
    let mut values = 0_u64;
    for part in source.parts()? {
        let about = About::of(source, &part)?;
        let metrics: Vec<_> = part
            .columns
            .metrics
            .iter()
            .filter(|(name, _)| source.selection.takes_metric(name))
            .map(|(name, column)| (text(name), text(unit_of_metric(name)), column))
            .collect();
        for (index, row) in part.columns.rows.iter().enumerate() {
            if row.failure.is_some() {
                lines.add(&about, row, None);
            } else {
                for (name, unit, column) in &metrics {
                    let Some(value) = column.get(index).filter(|value| value.is_finite()) else { continue };
                    lines.add(&about, row, Some((name, unit, *value)));
                    values += 1;
                }
            }
            if lines.sequence.len() >= GROUP_ROWS {
                std::mem::take(&mut lines).write(&mut writer).map_err(encode)?;
            }
        }
    }
    if values == 0 && source.selection.metric.is_some() {
        return Err(source.no_metric());
    }
    lines.write(&mut writer).map_err(encode)?;
    out.write_all(&writer.into_inner().map_err(encode)?)?;
    Ok(Vec::new())
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

/// What all samples of a cell share.
struct About {
    run_id: ByteArray,
    cell: ByteArray,
    benchmark: ByteArray,
    backend: ByteArray,
    variant: Option<ByteArray>,
    factors: ByteArray,
}

impl About {
    fn of(source: &Source<'_>, part: &Part<'_>) -> Result<Self, ExportError> {
        let factors: serde_json::Map<String, serde_json::Value> =
            part.cell.factors.iter().map(|(key, value)| (key.clone(), value.to_plan_json())).collect();
        Ok(Self {
            run_id: text(&source.record.run_id),
            cell: text(part.cell.id.as_str()),
            benchmark: text(part.cell.benchmark.as_str()),
            backend: text(part.cell.backend.as_str()),
            variant: part.cell.variant.as_deref().map(text),
            factors: text(&serde_json::to_string(&factors)?),
        })
    }
}

/// A column that may have no value in a row.
struct Optional<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Optional<T> {
    fn add(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// Rows that wait to be written, in the order of the schema.
#[derive(Default)]
struct Lines {
    run_id: Vec<ByteArray>,
    cell: Vec<ByteArray>,
    benchmark: Vec<ByteArray>,
    backend: Vec<ByteArray>,
    variant: Optional<ByteArray>,
    factors: Vec<ByteArray>,
    sequence: Vec<i64>,
    round: Vec<i32>,
    session: Vec<i32>,
    warmup: Vec<bool>,
    provenance: Vec<ByteArray>,
    accuracy: Vec<ByteArray>,
    failure: Optional<ByteArray>,
    metric: Optional<ByteArray>,
    unit: Optional<ByteArray>,
    value: Optional<f64>,
}

impl Lines {
    fn add(&mut self, about: &About, row: &Row, value: Option<(&ByteArray, &ByteArray, f64)>) {
        self.run_id.push(about.run_id.clone());
        self.cell.push(about.cell.clone());
        self.benchmark.push(about.benchmark.clone());
        self.backend.push(about.backend.clone());
        self.variant.add(about.variant.clone());
        self.factors.push(about.factors.clone());
        self.sequence.push(i64::try_from(row.sequence).unwrap_or(i64::MAX));
        self.round.push(i32::try_from(row.round).unwrap_or(i32::MAX));
        self.session.push(i32::try_from(row.session).unwrap_or(i32::MAX));
        self.warmup.push(row.warmup);
        self.provenance.push(text(row.provenance.as_str()));
        self.accuracy.push(text(row.accuracy.as_str()));
        self.failure.add(row.failure.map(|class| text(class.as_str())));
        self.metric.add(value.map(|(name, _, _)| name.clone()));
        self.unit.add(value.map(|(_, unit, _)| unit.clone()));
        self.value.add(value.map(|(_, _, value)| value));
    }

    /// Writes one group of rows.
    fn write(self, writer: &mut SerializedFileWriter<Vec<u8>>) -> Result<(), ParquetError> {
        if self.sequence.is_empty() {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        let texts =
            |group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[ByteArray], levels: Option<&[i16]>| {
                column(group, |column| column.typed::<ByteArrayType>().write_batch(values, levels, None))
            };
        texts(&mut group, &self.run_id, None)?;
        texts(&mut group, &self.cell, None)?;
        texts(&mut group, &self.benchmark, None)?;
        texts(&mut group, &self.backend, None)?;
        texts(&mut group, &self.variant.values, Some(&self.variant.levels))?;
        texts(&mut group, &self.factors, None)?;
        column(&mut group, |column| column.typed::<Int64Type>().write_batch(&self.sequence, None, None))?;
        column(&mut group, |column| column.typed::<Int32Type>().write_batch(&self.round, None, None))?;
        column(&mut group, |column| column.typed::<Int32Type>().write_batch(&self.session, None, None))?;
        column(&mut group, |column| column.typed::<BoolType>().write_batch(&self.warmup, None, None))?;
        texts(&mut group, &self.provenance, None)?;
        texts(&mut group, &self.accuracy, None)?;
        texts(&mut group, &self.failure.values, Some(&self.failure.levels))?;
        texts(&mut group, &self.metric.values, Some(&self.metric.levels))?;
        texts(&mut group, &self.unit.values, Some(&self.unit.levels))?;
        let value = &self.value;
        column(&mut group, |column| {
            column.typed::<DoubleType>().write_batch(&value.values, Some(&value.levels), None)
        })?;
        group.close().map(|_| ())
    }
}

/// Writes the next column of the schema.
fn column(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    write: impl FnOnce(&mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError>,
) -> Result<(), ParquetError> {
    let mut column =
        group.next_column()?.ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))?;
    write(&mut column)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use std::io::Write;

    #[test]
    fn values_come_back_and_failures_have_none() {
        let example = Example::new();
        let (bytes, _) = example.export_with_notes("parquet", &Selection::default());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let (mut values, mut failures) = (Vec::new(), 0);
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            assert_eq!(row.get_string(0).unwrap(), &example.record.run_id);
            assert!(row.is_null(4).unwrap());
            if row.is_null(15).unwrap() {
                assert_eq!(row.get_string(12).unwrap(), "timeout");
                failures += 1;
            } else {
                assert!(row.is_null(12).unwrap());
                let key = (row.get_string(1).unwrap().clone(), row.get_long(6).unwrap());
                values.push((key, row.get_string(13).unwrap().clone(), row.get_double(15).unwrap()));
            }
        }
        let mut expected = Vec::new();
        for sample in example.samples.iter().filter(|sample| sample.failure.is_none()) {
            for (metric, value) in &sample.metrics {
                expected.push(((sample.cell.as_str().to_owned(), sample.sequence as i64), metric.clone(), *value));
            }
        }
        values.sort_by(|a, b| a.partial_cmp(b).unwrap());
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(values, expected);
        assert_eq!(failures, 2);
    }
}
