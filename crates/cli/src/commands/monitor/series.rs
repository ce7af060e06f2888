//! The file of looks.

use super::docker_cr;
use crate::arguments::SeriesFormat;
use crate::exit::Trouble;
use crate::whole_file::WholeFile;
use isodyne_core::unit::HostInstant;
use isodyne_engine::monitor::{Reading, csv_header, csv_row};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Readings of a subject.
pub type Readings = (String, Vec<Reading>);

/// A file that looks are written to while they are taken; it is in its place once it is whole.
pub struct SeriesFile {
    file: WholeFile,
    path: PathBuf,
    format: SeriesFormat,
    docker_cr: docker_cr::Writer,
}

impl SeriesFile {
    /// Begins it.
    pub fn begin(path: &Path, format: SeriesFormat) -> Result<Self, Trouble> {
        let file = WholeFile::begin(path).map_err(|error| trouble(path, error))?;
        let mut new = Self { file, path: path.to_owned(), format, docker_cr: docker_cr::Writer::default() };
        let header = match format {
            SeriesFormat::Csv => csv_header(),
            SeriesFormat::DockerCr => docker_cr::HEADER.to_owned(),
        };
        new.put(&header)?;
        Ok(new)
    }

    /// Adds readings. `started_at` is the wall clock at `begun`.
    pub fn write(
        &mut self,
        started_at: jiff::Timestamp,
        begun: HostInstant,
        readings: &[Readings],
    ) -> Result<(), Trouble> {
        let mut text = String::new();
        for (name, readings) in readings {
            for reading in readings {
                match self.format {
                    SeriesFormat::Csv => csv_row(&mut text, name, begun, reading),
                    SeriesFormat::DockerCr => self.docker_cr.row(&mut text, name, started_at, begun, reading),
                }
            }
        }
        self.put(&text)
    }

    /// Puts it into its place.
    pub fn finish(self) -> Result<(), Trouble> {
        let path = self.path;
        self.file.finish().map_err(|error| trouble(&path, error))
    }

    fn put(&mut self, text: &str) -> Result<(), Trouble> {
        self.file.write_all(text.as_bytes()).map_err(|error| trouble(&self.path, error))
    }
}

fn trouble(path: &Path, error: std::io::Error) -> Trouble {
    Trouble::unexpected(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
}
