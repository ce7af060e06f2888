//! docker-cr's `performance_data.csv`: a line for each valid sample of `checkpoint`.
//!
//! That tool writes a time whether anything was kept or not; here a failed sample has no line, and it is said how many
//! there were. Its time ends when its program does; ours when every file is on stable storage.

use super::source::Part;
use super::{ExportError, Source};
use isodyne_core::cell::BenchmarkName;
use std::io::Write;

/// Writes the lines: seconds until durable, and the bytes that the file system has given out.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    out.write_all(b"container_type,checkpoint_time,checkpoint_size\n")?;
    let (mut lines, mut failed) = (0_u64, 0_u64);
    let parts = source.parts()?;
    for Part { cell, columns, summary } in parts.iter().filter(|part| part.cell.benchmark == BenchmarkName::Checkpoint)
    {
        failed += summary.samples_failed.values().sum::<u64>();
        let name = cell.id.as_str().trim_start_matches("checkpoint/").replace('"', "\"\"");
        // Every valid sample has both.
        for (time, size) in columns.values("durable_ns").into_iter().zip(columns.values("image_allocated_bytes")) {
            writeln!(out, "\"{name}\",{:.6},{size:.0}", time / 1e9)?;
            lines += 1;
        }
    }
    if lines == 0 {
        return Err(ExportError::Nothing("no cell of `checkpoint` has a valid sample".to_owned()));
    }
    Ok(Vec::from_iter((failed > 0).then(|| format!("{failed} failed samples are left out: a failure has no time"))))
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use isodyne_core::cell::BenchmarkName;

    #[test]
    fn lines_have_the_older_tools_columns_and_failures_have_none() {
        let mut example = Example::new();
        for cell in &mut example.record.cells {
            cell.benchmark = BenchmarkName::Checkpoint;
        }
        for sample in &mut example.samples {
            sample.metrics.insert("durable_ns".into(), 1_250_000_000.0);
            sample.metrics.insert("image_allocated_bytes".into(), 12_582_912.0);
        }
        let selection = Selection { cell: Some("runc".into()), ..Selection::default() };
        let text = example.export("docker-cr", &selection);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("container_type,checkpoint_time,checkpoint_size"));
        let first = lines.next().unwrap();
        assert!(first.ends_with(",1.250000,12582912") && first.starts_with('"'), "{first}");
        // Fifteen valid ones, and none for the failed one or the warm-up.
        assert_eq!(text.lines().count(), 16);
    }
}
