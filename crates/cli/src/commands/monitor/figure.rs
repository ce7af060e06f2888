//! The figure of the looks: processor, memory, input and output, and processes of each subject over time.

use super::series::Readings;
use crate::exit::Trouble;
use crate::whole_file::WholeFile;
use isodyne_core::unit::{DisplayNs, HostInstant};
use isodyne_engine::monitor::{Cost, Reading};
use isodyne_report::{SeriesLine, SeriesPanel, series_file};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Looks of one subject that are kept; beyond that every second one is dropped, again and again.
const MOST_KEPT: usize = 100_000;

/// What is drawn at the end.
pub struct SeriesFigure {
    path: PathBuf,
    subjects: BTreeMap<String, Kept>,
    begun: HostInstant,
}

/// Looks that were kept, evenly.
struct Kept {
    readings: Vec<Reading>,
    stride: usize,
    seen: usize,
}

impl SeriesFigure {
    /// Nothing yet, for this file.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), subjects: BTreeMap::new(), begun: HostInstant(0) }
    }

    /// Remembers what is drawn of these.
    pub fn add(&mut self, begun: HostInstant, readings: &[Readings]) {
        self.begun = begun;
        for (name, readings) in readings {
            let fresh = || Kept { readings: Vec::new(), stride: 1, seen: 0 };
            let kept = self.subjects.entry(name.clone()).or_insert_with(fresh);
            readings.iter().for_each(|reading| kept.add(reading));
        }
    }

    /// Draws.
    pub fn finish(self, cost: &Cost) -> Result<(), Trouble> {
        let panels: Vec<SeriesPanel> =
            self.subjects.iter().flat_map(|(name, kept)| panels(name, &kept.readings, self.begun)).collect();
        let coarser: Vec<String> = self.subjects.iter().filter_map(|(name, kept)| kept.said(name)).collect();
        let explanation = format!(
            "{} looks in {}; {} were missed. Processor time is what was used between two looks, 100 % of one processor is all \
             of it; bytes are those of between two looks, too. Where more looks than can be seen fall together, the line goes \
             from their least to their most.{}",
            cost.looks,
            DisplayNs(cost.wall_ns as f64),
            cost.missed,
            coarser.concat(),
        );
        let trouble = |error: &dyn std::error::Error| {
            Trouble::unexpected(anyhow::anyhow!("cannot draw {}: {error}", self.path.display()))
        };
        let as_png = self.path.extension().is_some_and(|end| end.eq_ignore_ascii_case("png"));
        let drawn = series_file("What was used, look by look", &explanation, cost.wall_ns as f64, &panels, as_png)
            .map_err(|error| trouble(&error))?
            .ok_or_else(|| Trouble::unexpected(anyhow::anyhow!("no look saw anything that could be drawn")))?;
        let mut file = WholeFile::begin(&self.path).map_err(|error| trouble(&error))?;
        file.write_all(&drawn).and_then(|()| file.finish()).map_err(|error| trouble(&error))
    }
}

impl Kept {
    fn add(&mut self, reading: &Reading) {
        if self.seen.is_multiple_of(self.stride) {
            if self.readings.len() >= MOST_KEPT {
                let mut number = 0_usize;
                self.readings.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
            self.readings.push(*reading);
        }
        self.seen += 1;
    }

    fn said(&self, name: &str) -> Option<String> {
        (self.stride > 1).then(|| format!(" Of `{name}` one of {} looks is drawn.", self.stride))
    }
}

fn panels(name: &str, readings: &[Reading], begun: HostInstant) -> [SeriesPanel; 4] {
    let at = |reading: &Reading| reading.begin.ns_since(begun) as f64;
    let value = |label: &str, of: fn(&Reading) -> Option<u64>| SeriesLine {
        label: label.to_owned(),
        points: readings.iter().filter_map(|reading| Some((at(reading), of(reading)? as f64))).collect(),
    };
    // Growth by time: `scale` is what one in a nanosecond is in the unit that is shown.
    let growth = |label: &str, of: fn(&Reading) -> Option<u64>, scale: f64| {
        let between = |pair: &[Reading]| {
            let [before, now] = pair else { return None };
            let apart_ns = now.begin.ns_since(before.begin).max(1) as f64;
            Some((at(before), of(now)?.saturating_sub(of(before)?) as f64 / apart_ns * scale))
        };
        SeriesLine { label: label.to_owned(), points: readings.windows(2).filter_map(between).collect() }
    };
    let panel = |what: &str, metric: &str, lines: Vec<SeriesLine>| SeriesPanel {
        heading: format!("{name}: {what}"),
        metric: metric.to_owned(),
        lines,
    };
    [
        panel("processors in use", "cpu_ratio", vec![growth("all", |r| r.cpu_ns, 1.0)]),
        panel(
            "memory",
            "rss_bytes",
            vec![
                value("resident", |r| r.rss_bytes),
                value("proportional", |r| r.pss_bytes),
                value("cgroup", |r| r.cgroup_memory_bytes),
            ],
        ),
        panel(
            "storage",
            "io_bytes_per_s",
            vec![growth("read", |r| r.read_bytes, 1e9), growth("written", |r| r.written_bytes, 1e9)],
        ),
        panel(
            "processes",
            "processes_count",
            vec![value("processes", |r| Some(r.processes.into())), value("threads", |r| Some(r.threads.into()))],
        ),
    ]
}
