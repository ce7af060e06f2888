//! The two CSV files of an older benchmark of ivshmem: a line for each sample of `shm`, its typical round trip or frame.
//!
//! That tool writes a failed line as zeros; here a failed sample has no line, and it is said how many there were.

use super::source::Part;
use super::{ExportError, Source};
use isodyne_core::cell::{BenchmarkName, Cell};
use isodyne_core::factor::FactorValue;
use std::io::Write;

/// The frames that have a name there, with 24 bits a pixel.
const FRAMES: [(&str, u64, u64); 3] = [("1080p", 1920, 1080), ("1440p", 2560, 1440), ("4K", 3840, 2160)];
const BITS: u64 = 24;

/// Writes round trips.
pub(super) fn write_latency(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    out.write_all(b"iteration,latency_ns,latency_us\n")?;
    lines(source, "round_trip_p50_ns", out, &mut |iteration, _, ns, out| {
        writeln!(out, "{iteration},{ns:.0},{:.3}", ns / 1e3)
    })
}

/// Writes frames.
pub(super) fn write_bandwidth(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    out.write_all(
        b"iteration,frame_type,width,height,bpp,test_size_bytes,test_size_mb,duration_ns,duration_ms,bandwidth_mbps,\
          bandwidth_gbps,data_verified\n",
    )?;
    lines(source, "frame_ns", out, &mut |iteration, cell, ns, out| {
        let bytes = cell.factors.get("frame").and_then(FactorValue::as_bytes).unwrap_or_default();
        let named = FRAMES.iter().find(|(_, width, height)| width * height * BITS / 8 == bytes);
        let (name, width, height) = named.copied().unwrap_or(("other", 0, 0));
        let (megabytes, seconds) = (bytes as f64 / f64::from(1 << 20), ns / 1e9);
        writeln!(
            out,
            "{iteration},{name},{width},{height},{BITS},{bytes},{megabytes:.2},{ns:.0},{:.3},{:.2},{:.3},1",
            ns / 1e6,
            megabytes / seconds,
            megabytes / seconds / 1024.0,
        )
    })
}

type WriteLine<'a> = &'a mut dyn FnMut(u64, &Cell, f64, &mut dyn Write) -> std::io::Result<()>;

fn lines(
    source: &Source<'_>,
    metric: &str,
    out: &mut dyn Write,
    line: WriteLine<'_>,
) -> Result<Vec<String>, ExportError> {
    let parts = source.parts()?;
    let (mut iteration, mut failed, mut cells) = (0, 0_u64, 0);
    for Part { cell, columns, summary } in parts.iter().filter(|part| part.cell.benchmark == BenchmarkName::Shm) {
        cells += 1;
        failed += summary.samples_failed.values().sum::<u64>();
        for value in columns.values(metric) {
            line(iteration, cell, value, out)?;
            iteration += 1;
        }
    }
    if iteration == 0 {
        return Err(ExportError::Nothing(format!("no cell of `shm` has valid values of `{metric}`")));
    }
    let mut notes = Vec::new();
    if cells > 1 {
        notes.push(format!(
            "the lines of {cells} cells follow each other, and nothing tells them apart: choose one with --cell"
        ));
    }
    if failed > 0 {
        notes.push(format!("{failed} failed samples are left out: a failure has no time"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use isodyne_core::cell::BenchmarkName;
    use isodyne_core::factor::FactorValue;

    #[test]
    fn lines_are_as_the_older_tool_writes_them() {
        let mut example = Example::new();
        let frame = FactorValue::Bytes(24_883_200);
        for cell in &mut example.record.cells {
            cell.benchmark = BenchmarkName::Shm;
            cell.factors.insert("frame".into(), frame.clone());
        }
        for sample in &mut example.samples {
            sample.metrics.insert("frame_ns".into(), 5_000_000.0);
            sample.metrics.insert("round_trip_p50_ns".into(), 266.0);
        }
        let text = |format: &str| {
            let selection = Selection { cell: Some("runc".into()), ..Selection::default() };
            example.export(format, &selection)
        };
        assert!(text("ivshmem-latency").starts_with("iteration,latency_ns,latency_us\n0,266,0.266\n1,266,0.266\n"));
        let bandwidth = text("ivshmem-bandwidth");
        let second = bandwidth.lines().nth(1).unwrap();
        assert_eq!(second, "0,4K,3840,2160,24,24883200,23.73,5000000,5.000,4746.09,4.635,1");
        // Fifteen valid ones, and none for the failed one or the warm-up.
        assert_eq!(bandwidth.lines().count(), 16);
    }
}
