//! What the asking side hears of a session.

use super::{Distribution, thread_cpu_ns};
use crate::clock::Clock;
use isodyne_shm::copy::CopyBy;
use isodyne_shm::frames::FrameTimes;
use isodyne_shm::session::Listener;
use isodyne_shm::two_phase::MessageTimes;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A phase of a frame: its name, and its time.
type Phase = (&'static str, fn(&FrameTimes) -> u64);

/// Everything that was measured in one session.
#[derive(Clone, Debug)]
pub struct Record {
    /// Round trips, or messages from announced to processed.
    pub trips: Distribution,
    /// Trains: trips and how long they took together.
    pub trains: Vec<(u32, u64)>,
    /// Messages from announced to received; empty for round trips.
    pub received: Distribution,
    /// Single frames, in order.
    pub frames: Frames,
    /// The stream: its frames and how long it took.
    pub stream: Option<(u32, u64)>,
    /// How frames were copied in.
    pub copied: Option<CopyBy>,
    /// Rings that did not wake this side.
    pub missed_rings: u32,
    /// Trips in front that are not counted.
    warmup: u32,
    /// When the first counted trip began.
    begun_ns: Option<u64>,
    /// Trips of the trains.
    trained: u64,
    cpu_before_ns: u64,
    /// Processor time of the trips, of this side.
    trips_cpu_ns: u64,
}

/// Single frames, in order, without those that warmed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames(pub Vec<FrameTimes>);

impl Frames {
    /// The median of one of the times (type 1); `None` of no frames.
    pub fn median_ns(&self, of: impl Fn(&FrameTimes) -> u64) -> Option<u64> {
        let mut values: Vec<u64> = self.0.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len().max(1).div_ceil(2) - 1).copied()
    }
}

impl Record {
    /// Of nothing yet; the first trips and the first frame only warm up.
    pub fn new(warmup: u32) -> Option<Self> {
        Some(Self {
            trips: Distribution::new()?,
            trains: Vec::new(),
            received: Distribution::new()?,
            frames: Frames::default(),
            stream: None,
            copied: None,
            missed_rings: 0,
            warmup,
            begun_ns: None,
            trained: 0,
            cpu_before_ns: 0,
            trips_cpu_ns: 0,
        })
    }

    /// The values of a sample.
    pub fn metrics(&self, frame_bytes: usize, metrics: &mut BTreeMap<String, f64>) {
        if !self.trips.is_empty() {
            self.trips.metrics("round_trip", metrics);
            let all = self.trips.len() + u64::from(self.warmup) + self.trained;
            metrics.insert("ask_cpu_per_trip_ns".to_owned(), self.trips_cpu_ns as f64 / all as f64);
        }
        if let Some(per_trip) = self.train_per_trip_ns() {
            metrics.insert("train_per_trip_ns".to_owned(), per_trip);
        }
        if !self.received.is_empty() {
            self.received.metrics("received", metrics);
        }
        let rate = |bytes: f64, ns: u64| bytes * 1e9 / ns.max(1) as f64;
        let bytes = frame_bytes as f64;
        let times: [Phase; 6] = [
            ("copy_in", |times| times.copy_in_ns),
            ("notify", |times| times.notify_ns),
            ("answer", |times| times.answer_ns),
            ("copy_out", |times| times.copy_out_ns),
            ("check", |times| times.verify_ns),
            ("frame", |times| times.total_ns),
        ];
        for (name, of) in times {
            let Some(median) = self.frames.median_ns(of) else { continue };
            metrics.insert(format!("{name}_ns"), median as f64);
            if !matches!(name, "notify" | "answer") {
                metrics.insert(format!("{name}_bytes_per_s"), rate(bytes, median));
            }
        }
        if let Some((frames, took_ns)) = self.stream {
            metrics.insert("stream_bytes_per_s".to_owned(), rate(bytes * f64::from(frames), took_ns));
        }
    }

    /// The median over trains of the time a trip, which no stamp of its own has lengthened. Of messages in two phases, which
    /// come one by one, the median of all.
    pub fn train_per_trip_ns(&self) -> Option<f64> {
        if !self.received.is_empty() {
            return self.trips.quantile_ns(0.5).map(|ns| ns as f64);
        }
        let mut values: Vec<f64> =
            self.trains.iter().map(|(trips, ns)| *ns as f64 / f64::from((*trips).max(1))).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len().max(1).div_ceil(2) - 1).copied()
    }

    /// The distributions and every frame as text, for the sample's log.
    pub fn log(&self) -> String {
        let mut log = String::new();
        if !self.trips.is_empty() {
            self.trips.log("round_trip", &mut log);
        }
        if !self.received.is_empty() {
            self.received.log("received", &mut log);
        }
        if !self.trains.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(log, "# trains: trips, took_ns");
        }
        for (trips, took_ns) in &self.trains {
            let _ = writeln!(log, "{trips} {took_ns}");
        }
        if !self.frames.0.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(log, "# frames: copy_in_ns, notify_ns, answer_ns, frame_ns, copy_out_ns, check_ns");
        }
        for times in &self.frames.0 {
            let FrameTimes { copy_in_ns, notify_ns, answer_ns, total_ns, copy_out_ns, verify_ns } = times;
            let _ = writeln!(log, "{copy_in_ns} {notify_ns} {answer_ns} {total_ns} {copy_out_ns} {verify_ns}");
        }
        log
    }

    fn since_begin(&mut self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(*self.begun_ns.get_or_insert(at_ns))
    }
}

impl Listener for Record {
    fn trips(&mut self, first: u32, began_ns: u64, times_ns: &[u64]) {
        let skip = (self.warmup + 1).saturating_sub(first) as usize;
        let counted = times_ns.get(skip..).unwrap_or_default();
        if !counted.is_empty() {
            let at = self.since_begin(began_ns);
            self.trips.record(at, counted);
        }
        self.trips_cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_before_ns);
    }

    fn train(&mut self, trips: u32, took_ns: u64) {
        self.trains.push((trips, took_ns));
        self.trained += u64::from(trips);
        self.trips_cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_before_ns);
    }

    fn message(&mut self, number: u32, times: MessageTimes) {
        if number > self.warmup {
            let at = self.since_begin(Clock.now().0);
            self.trips.record(at, &[times.processed_ns]);
            self.received.record(at, &[times.received_ns]);
        }
        self.trips_cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_before_ns);
    }

    fn frame(&mut self, number: u32, times: FrameTimes) {
        if number > 1 {
            self.frames.0.push(times);
        }
    }

    fn stream(&mut self, frames: u32, took_ns: u64) {
        self.stream = Some((frames, took_ns));
    }

    fn copies(&mut self, by: CopyBy) {
        self.copied = Some(by);
    }

    fn part(&mut self, name: &'static str) {
        if matches!(name, "trips" | "messages") {
            self.cpu_before_ns = thread_cpu_ns();
        }
    }
}
