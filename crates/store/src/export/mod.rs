//! Export: runs in other tools' formats.
//!
//! One module a format, one line in [`EXPORTERS`] each. A writer is a pure function from a run to bytes; what it leaves
//! out it says. A failed sample has no value in any of them: where a format has a place for failures they are counted
//! or named there.

mod bmf;
mod csv;
mod docker_cr;
mod github;
mod hdr;
mod hyperfine;
mod ivshmem;
mod jsonl;
mod junit;
mod openmetrics;
mod otava;
#[cfg(feature = "parquet")]
mod parquet;
mod source;
#[cfg(test)]
pub(crate) mod testing;

pub use jsonl::{SAMPLE_SCHEMA, SAMPLE_VERSION};

use crate::StoreError;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
pub use source::{Selection, Source};
use std::io::Write;

/// One format.
#[derive(Clone, Copy)]
pub struct Exporter {
    /// Its stable name, as `--format` takes it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// Whether it is text.
    pub text: bool,
    /// Writes it.
    pub writer: Writer,
}

/// How a format is written. The texts that come back say what was left out, one line each.
#[derive(Clone, Copy)]
pub enum Writer {
    /// From the columns and the summary of a run.
    Columns(fn(&Source<'_>, &mut dyn Write) -> Result<Vec<String>, ExportError>),
    /// From the samples, one by one.
    Samples(SampleWriter),
    /// Not at all, because the program was built without it: the cargo feature that it needs.
    Feature(&'static str),
}

/// What writes samples as they are read.
pub type SampleWriter = fn(&RunRecord, &Selection, Samples<'_>, &mut dyn Write) -> Result<Vec<String>, ExportError>;

/// The samples of a run as they are read.
pub type Samples<'a> = &'a mut dyn Iterator<Item = Result<Sample, StoreError>>;

/// Why a run cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing of the run is selected, or nothing of what is selected fits the format.
    #[error("{0}")]
    Nothing(String),
    /// The run cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("failed to write the export: {0}")]
    Io(#[from] std::io::Error),
    /// A value has no form in the format.
    #[error("failed to encode the export: {0}")]
    Encode(String),
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::Io(error.into()) } else { Self::Encode(error.to_string()) }
    }
}

/// All formats, in the order of the documentation.
pub const EXPORTERS: &[Exporter] = &[
    Exporter {
        name: "jsonl",
        summary: "every sample as a line of JSON, failures included",
        text: true,
        writer: Writer::Samples(jsonl::write),
    },
    Exporter {
        name: "csv",
        summary: "one line for each value of each sample",
        text: true,
        writer: Writer::Columns(csv::write),
    },
    Exporter {
        name: "parquet",
        summary: "the same as Parquet (built with the feature `parquet`)",
        text: false,
        #[cfg(feature = "parquet")]
        writer: Writer::Columns(parquet::write),
        #[cfg(not(feature = "parquet"))]
        writer: Writer::Feature("parquet"),
    },
    Exporter {
        name: "openmetrics",
        summary: "figures of each cell as OpenMetrics text",
        text: true,
        writer: Writer::Columns(openmetrics::write),
    },
    Exporter {
        name: "hyperfine",
        summary: "times of valid samples, as hyperfine's --export-json",
        text: true,
        writer: Writer::Columns(hyperfine::write),
    },
    Exporter {
        name: "bmf",
        summary: "medians with intervals, as Bencher Metric Format",
        text: true,
        writer: Writer::Columns(bmf::write),
    },
    Exporter {
        name: "github-smaller",
        summary: "medians for github-action-benchmark, customSmallerIsBetter",
        text: true,
        writer: Writer::Columns(github::write_smaller),
    },
    Exporter {
        name: "github-bigger",
        summary: "rates for github-action-benchmark, customBiggerIsBetter",
        text: true,
        writer: Writer::Columns(github::write_bigger),
    },
    Exporter {
        name: "otava",
        summary: "medians as one line of CSV for Apache Otava",
        text: true,
        writer: Writer::Columns(otava::write),
    },
    Exporter {
        name: "hdr",
        summary: "a histogram of each cell and metric, as a log of HdrHistogram",
        text: true,
        writer: Writer::Columns(hdr::write),
    },
    Exporter {
        name: "docker-cr",
        summary: "states kept by `checkpoint`, in the columns of docker-cr's performance data",
        text: true,
        writer: Writer::Columns(docker_cr::write),
    },
    Exporter {
        name: "ivshmem-latency",
        summary: "round trips of `shm`, in the columns of an older benchmark of ivshmem",
        text: true,
        writer: Writer::Columns(ivshmem::write_latency),
    },
    Exporter {
        name: "ivshmem-bandwidth",
        summary: "frames of `shm`, in the columns of the same",
        text: true,
        writer: Writer::Columns(ivshmem::write_bandwidth),
    },
    Exporter {
        name: "junit",
        summary: "a test case for each cell and metric: failed samples, skips and what is void, as JUnit XML",
        text: true,
        writer: Writer::Columns(junit::write),
    },
];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Exporter> {
    EXPORTERS.iter().find(|exporter| exporter.name == name)
}
