//! The text of a latency log: sections of lines of numbers, each under a line that says what they are.
//!
//! ```text
//! # round_trip_ns: from, to, count
//! 303 303 3
//! # round_trip_series: at_ns, count, p50_ns, max_ns
//! 0 1000 331 2415
//! # frames: copy_in_ns, notify_ns, answer_ns
//! 2210 38 4071
//! ```

use isodyne_core::stats::{Bucket, Histogram};
use isodyne_core::streams::{CellStreams, Latencies, STREAM_DIGITS, SampleSeries, Window};
use std::collections::BTreeMap;

/// No log times more kinds of things, not counting pairs of processors.
const KINDS_LIMIT: usize = 8;
/// No name is longer.
const NAME_LIMIT: usize = 64;
/// No line has more numbers.
const NUMBERS_LIMIT: usize = 16;
/// No series has more windows.
const WINDOWS_LIMIT: usize = 16_384;
/// Round trips of one pair of processors: they are in the metrics, and there may be thousands of pairs.
const PAIR: &str = "round_trip_cpu";

/// What was read of a log so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    section: Section,
    kinds: BTreeMap<String, Kind>,
    frames: Vec<(String, Histogram)>,
}

#[derive(Debug, Default)]
enum Section {
    #[default]
    None,
    Skipped,
    Counts(String),
    Series(String),
    Frames,
}

#[derive(Debug, Default)]
struct Kind {
    counts: Vec<Bucket>,
    windows: Vec<Window>,
}

impl Log {
    /// Takes the next line.
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(heading) = line.strip_prefix("# ") {
            return self.heading(heading);
        }
        let (mut numbers, mut count) = ([0_u64; NUMBERS_LIMIT], 0);
        if matches!(self.section, Section::Skipped) {
            return Ok(());
        }
        for word in line.split(' ') {
            let place = numbers.get_mut(count).ok_or("more numbers than any line has")?;
            *place = word.parse().map_err(|_| "a line of whole numbers is expected".to_owned())?;
            count += 1;
        }
        match (&self.section, &numbers[..count]) {
            (Section::Counts(name), [from, to, count]) => {
                let kind = self.kinds.entry(name.clone()).or_default();
                if from > to || *count == 0 || kind.counts.last().is_some_and(|last| last.to >= *from) {
                    return Err("the counts are not in order".to_owned());
                }
                kind.counts.push(Bucket { from: *from, to: *to, count: *count });
                Ok(())
            }
            (Section::Series(name), [at_ns, count, p50_ns, max_ns]) => {
                let windows = &mut self.kinds.entry(name.clone()).or_default().windows;
                if *count == 0 || p50_ns > max_ns || windows.last().is_some_and(|last| last.at_ns > *at_ns) {
                    return Err("the series is not in order".to_owned());
                }
                if windows.len() >= WINDOWS_LIMIT {
                    return Err(format!("a series has more than {WINDOWS_LIMIT} windows"));
                }
                let (at_ns, count, p50_ns, max_ns) = (*at_ns, *count, *p50_ns, *max_ns);
                windows.push(Window { at_ns, count, least_p50_ns: p50_ns, most_p50_ns: p50_ns, max_ns });
                Ok(())
            }
            (Section::Frames, values) if values.len() == self.frames.len() => {
                self.frames.iter_mut().zip(values).for_each(|((_, histogram), value)| histogram.record(*value));
                Ok(())
            }
            _ => Err(format!("{count} numbers do not belong here")),
        }
    }

    fn heading(&mut self, heading: &str) -> Result<(), String> {
        let (name, columns) = heading.split_once(": ").ok_or("a heading names its columns")?;
        if !is_name(name) {
            return Err("a heading begins with a name".to_owned());
        }
        let series = name.strip_suffix("_series");
        let kind = series.or_else(|| name.strip_suffix("_ns"));
        self.section = match (kind, columns) {
            (Some(kind), _) if kind.starts_with(PAIR) => Section::Skipped,
            (Some(kind), "from, to, count") if series.is_none() => Section::Counts(self.kind(kind, true)?),
            (Some(kind), "at_ns, count, p50_ns, max_ns") if series.is_some() => {
                Section::Series(self.kind(kind, false)?)
            }
            (None, _) if name == "frames" && self.frames.is_empty() => {
                let names: Vec<&str> = columns.split(", ").collect();
                if names.len() > NUMBERS_LIMIT || !names.iter().all(|name| is_name(name)) {
                    return Err("the columns of the frames have no names".to_owned());
                }
                let histogram = Histogram::new(STREAM_DIGITS).ok_or("no histogram has so many digits")?;
                self.frames = names.iter().map(|name| ((*name).to_owned(), histogram.clone())).collect();
                Section::Frames
            }
            (Some(_), _) => return Err("a section of times has other columns".to_owned()),
            _ if name == "frames" => return Err("the section is there twice".to_owned()),
            // What is not drawn (trains of round trips, and what a later version may add).
            _ => Section::Skipped,
        };
        Ok(())
    }

    /// Begins a section of a kind, each of which may come once.
    fn kind(&mut self, name: &str, counts: bool) -> Result<String, String> {
        if self.kinds.len() >= KINDS_LIMIT && !self.kinds.contains_key(name) {
            return Err(format!("more than {KINDS_LIMIT} kinds of times"));
        }
        let kind = self.kinds.entry(name.to_owned()).or_default();
        let is_there = if counts { !kind.counts.is_empty() } else { !kind.windows.is_empty() };
        if is_there {
            return Err("the section is there twice".to_owned());
        }
        Ok(name.to_owned())
    }

    /// Ends it, and says whether its parts belong together: what was cut off is found here.
    pub fn end(self) -> Result<Self, String> {
        for (name, kind) in &self.kinds {
            let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0_u64, u64::saturating_add);
            let counted = sum(&mut kind.counts.iter().map(|bucket| bucket.count));
            let in_series = sum(&mut kind.windows.iter().map(|window| window.count));
            if counted != in_series {
                return Err(format!("{name}: {counted} values are counted, and {in_series} are in the series"));
            }
            if !histogram(&kind.counts).is_some_and(|found| found.buckets().eq(kind.counts.iter().copied())) {
                return Err(format!("{name}: the counts are not those of {STREAM_DIGITS} significant digits"));
            }
        }
        Ok(self)
    }

    /// What it holds; `series` makes a sample's series of its windows.
    pub fn into_streams(self, series: impl Fn(Vec<Window>) -> SampleSeries) -> CellStreams {
        let of_kind = |(name, kind): (String, Kind)| {
            let histogram = histogram(&kind.counts).filter(|found| !found.is_empty())?;
            Some((name, Latencies { histogram, series: vec![series(kind.windows)] }))
        };
        CellStreams {
            logs: 1,
            latencies: self.kinds.into_iter().filter_map(of_kind).collect(),
            frames: self.frames.into_iter().filter(|(_, histogram)| !histogram.is_empty()).collect(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.len() <= NAME_LIMIT && text.bytes().all(plain)
}

/// The extremes are those of their buckets: a tenth of a percent is all that can be lost.
fn histogram(counts: &[Bucket]) -> Option<Histogram> {
    let mut histogram = Histogram::new(STREAM_DIGITS)?;
    for bucket in counts {
        histogram.record_many(bucket.from, 1);
        histogram.record_many(bucket.to, bucket.count - 1);
    }
    Some(histogram)
}
