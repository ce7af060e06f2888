//! The summary as JSON.

use isodyne_core::summary::RunSummary;

/// The summary as indented JSON with a line end, as `isodyne show RUN --json` prints it.
///
/// # Errors
/// As `serde_json`: for a summary that was read from JSON or derived from samples there is none.
pub fn summary_json(summary: &RunSummary) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(summary)?;
    text.push('\n');
    Ok(text)
}
