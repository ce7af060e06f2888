//! CSV for Apache Otava (formerly Hunter): a column of time, attributes, and one column a metric; one line a run. Lines
//! of later runs are appended to the same file.

use super::source::csv_field;
use super::{ExportError, Source};
use std::io::Write;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let figures = source.figures()?;
    let mut heading = vec!["time".to_owned(), "run_id".to_owned(), "isodyne_version".to_owned(), "host".to_owned()];
    let mut line = vec![
        csv_field(&source.record.created_at),
        csv_field(&source.record.run_id),
        csv_field(&source.record.isodyne_version),
        csv_field(&source.summary.host),
    ];
    for figure in &figures {
        heading.push(csv_field(&format!("{}.{}", figure.part.cell.id.as_str(), figure.metric)));
        line.push(figure.figures.p50.to_string());
    }
    writeln!(out, "{}\n{}", heading.join(","), line.join(","))?;
    Ok(source.failed_cells(&source.parts()?))
}

#[cfg(test)]
mod tests {
    use super::super::Selection;
    use super::super::testing::Example;
    use crate::import::table::Table;

    #[test]
    fn one_line_with_a_number_in_every_metric() {
        let selection = Selection { metric: Some("total_ns".to_owned()), cell: None };
        let text = Example::new().export("otava", &selection);
        let mut table = Table::of_text("otava.csv", 1, &text, Some(b',')).unwrap();
        assert_eq!(table.header()[0], "time");
        let count = table.header().len();
        assert_eq!(count, 6);
        let qemu = table.header().iter().position(|name| name.starts_with("boot/qemu")).unwrap();
        let row = table.next_row().unwrap().unwrap();
        assert_eq!(row.text(0), "2026-01-29T12:00:00Z");
        assert!(row.number(qemu).unwrap().unwrap() > 1.2e8);
        assert!((4..count).all(|column| row.number(column).unwrap().is_some()));
        assert!(table.next_row().unwrap().is_none());
    }
}
