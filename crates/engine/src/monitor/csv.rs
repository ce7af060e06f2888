//! Readings as lines of CSV.

use super::reading::{COLUMNS, Reading};
use isodyne_core::unit::HostInstant;
use std::fmt::Write;

/// The first line.
pub fn csv_header() -> String {
    let mut text = "subject,time_ns".to_owned();
    for column in COLUMNS {
        text.push(',');
        text.push_str(column.name);
    }
    text.push('\n');
    text
}

/// Adds a line. What is not known is empty. `time_ns` is the beginning of the look, from that of the monitoring.
pub fn csv_row(text: &mut String, subject: &str, begun: HostInstant, reading: &Reading) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{subject},{}", reading.begin.ns_since(begun));
    for column in COLUMNS {
        text.push(',');
        if let Some(value) = (column.value)(reading) {
            let _ = write!(text, "{value}");
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::reading::tests::reading;

    #[test]
    fn every_line_has_the_columns_of_the_first() {
        let header = csv_header();
        assert!(header.starts_with("subject,time_ns,width_ns,missed,processes,threads,"));
        let mut text = String::new();
        let some = Reading { rss_bytes: Some(7), end: HostInstant(130), ..reading(100) };
        csv_row(&mut text, "a", HostInstant(90), &some);
        assert_eq!(text.matches(',').count(), header.matches(',').count());
        assert!(text.starts_with("a,10,30,0,0,0,0,,,,7,,,"), "{text}");
    }
}
