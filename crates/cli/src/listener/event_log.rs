//! Every event as a line of JSON, for programs that watch a run.

use crate::exit::Trouble;
use anyhow::Context;
use isodyne_core::event::RunEvent;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// One line: the event with the name and the version of the format.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    version: u32,
    #[serde(flatten)]
    event: &'a RunEvent,
}

/// Writes events to a file or to standard output.
pub struct EventLog {
    out: Box<dyn Write>,
}

impl EventLog {
    /// Opens the log; `-` is standard output.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let out: Box<dyn Write> = if path == Path::new("-") {
            Box::new(std::io::stdout())
        } else {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()));
            Box::new(file.map_err(Trouble::unexpected)?)
        };
        Ok(Self { out })
    }

    /// Writes one event.
    ///
    /// # Errors
    /// If the event cannot be written.
    pub fn hear(&mut self, event: &RunEvent) -> Result<(), Trouble> {
        let mut line = serde_json::to_string(&Line { schema: "isodyne-events", version: 1, event })
            .map_err(Trouble::unexpected)?;
        line.push('\n');
        self.out.write_all(line.as_bytes()).context("cannot write the event log").map_err(Trouble::unexpected)
    }
}
