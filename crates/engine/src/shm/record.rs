//! What the asking side hears of a session.

use super::{Distribution, Paced};
use crate::clock::{Clock, thread_cpu_ns};
use crate::host::accounting::CpuClock;
use isodyne_core::summary::below_resolution;
use isodyne_shm::copy::CopyBy;
use isodyne_shm::frames::FrameTimes;
use isodyne_shm::ping_pong::PacedTimes;
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
    /// Round trips at a fixed rate, which are not among the others.
    pub paced: Option<Paced>,
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
    /// The process that runs the other side's machine, and its processor time before the trips.
    monitor: Option<(u32, u64)>,
    /// Its processor time during the trips.
    monitor_cpu_ns: Option<u64>,
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
            paced: None,
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
            monitor: None,
            monitor_cpu_ns: None,
        })
    }

    /// Also what the process that runs the other side's machine takes during the trips.
    pub fn watch(&mut self, monitor: Option<u32>) {
        self.monitor = monitor.map(|pid| (pid, 0));
    }

    /// The session is over.
    pub fn finish(&mut self) {
        self.end_of_trips();
    }

    fn end_of_trips(&mut self) {
        if let (Some((pid, before)), None) = (self.monitor, self.monitor_cpu_ns) {
            self.monitor_cpu_ns = CpuClock::of(pid).and_then(CpuClock::now_ns).map(|now| now.saturating_sub(before));
        }
    }

    /// All round trips, those that do not count included.
    fn all_trips(&self) -> u64 {
        let paced = self.paced.as_ref().map_or(0, |paced| paced.latencies.len());
        let others = self.trips.len() + self.trained;
        paced + if others > 0 { others + u64::from(self.warmup) } else { 0 }
    }

    /// Processor time of a round trip: of this side, and of the process that runs the other side's machine.
    pub fn cpu_per_trip_ns(&self) -> (f64, Option<f64>) {
        let per_trip = |ns: u64| ns as f64 / self.all_trips().max(1) as f64;
        (per_trip(self.trips_cpu_ns), self.monitor_cpu_ns.map(per_trip))
    }

    /// The values of a sample. A share of a span is given only if a clock of that step can tell the span.
    pub fn metrics(&self, frame_bytes: usize, clock_step_ns: Option<u64>, metrics: &mut BTreeMap<String, f64>) {
        if !self.trips.is_empty() {
            self.trips.metrics("round_trip", metrics);
            let (ask, monitor) = self.cpu_per_trip_ns();
            let trips = self.all_trips() as f64;
            for (name, ns) in [("ask_cpu_per_trip_ns", Some(ask)), ("monitor_cpu_per_trip_ns", monitor)] {
                let share = ns.and_then(|ns| share(ns * trips, trips, clock_step_ns));
                metrics.extend(share.map(|ns| (name.to_owned(), ns)));
            }
        }
        if let Some(per_trip) = self.train_per_trip_ns(clock_step_ns) {
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
    pub fn train_per_trip_ns(&self, clock_step_ns: Option<u64>) -> Option<f64> {
        if !self.received.is_empty() {
            return self.trips.quantile_ns(0.5).and_then(|ns| share(ns as f64, 1.0, clock_step_ns));
        }
        // One train that is too short leaves none: a median of the others would be too long.
        let values: Option<Vec<f64>> = self
            .trains
            .iter()
            .map(|(trips, ns)| share(*ns as f64, f64::from((*trips).max(1)), clock_step_ns))
            .collect();
        let mut values = values?;
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len().max(1).div_ceil(2) - 1).copied()
    }

    /// The distributions and every frame as text, for the sample's log.
    pub fn log(&self) -> String {
        let mut log = String::new();
        if let Some(paced) = &self.paced {
            paced.log(&mut log);
        }
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

/// A part of a span; `None` of one that a clock of that step cannot tell.
pub fn share(span_ns: f64, parts: f64, clock_step_ns: Option<u64>) -> Option<f64> {
    (!below_resolution(span_ns, clock_step_ns)).then(|| span_ns / parts)
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

    fn paced(&mut self, times: PacedTimes) {
        if self.paced.is_none() {
            self.paced = Paced::new();
        }
        self.paced.iter_mut().for_each(|paced| paced.record(times));
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
        if !matches!(name, "trips" | "messages") {
            return self.end_of_trips();
        }
        if let Some((pid, before)) = &mut self.monitor {
            *before = CpuClock::of(*pid).and_then(CpuClock::now_ns).unwrap_or_default();
        }
        self.cpu_before_ns = thread_cpu_ns();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(record: &Record) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        record.metrics(0, Some(22), &mut metrics);
        metrics
    }

    #[test]
    fn trains_are_divided_only_if_the_clock_can_tell_them() {
        let mut record = Record::new(0).unwrap();
        [640, 6400, 12_800].into_iter().for_each(|took_ns| record.train(64, took_ns));
        assert_eq!(metrics(&record)["train_per_trip_ns"], 100.0);
        record.train(64, 439);
        assert!(!metrics(&record).contains_key("train_per_trip_ns"));
    }

    #[test]
    fn messages_and_processor_time_are_divided_only_if_the_clock_can_tell_them() {
        let mut record = Record::new(0).unwrap();
        record.message(1, MessageTimes { send_ns: 50, received_ns: 100, processed_ns: 439 });
        record.trips_cpu_ns = 439;
        let short = metrics(&record);
        assert!(!short.contains_key("train_per_trip_ns") && !short.contains_key("ask_cpu_per_trip_ns"), "{short:?}");
        assert!(short.contains_key("round_trip_p50_ns"));
        record.message(2, MessageTimes { send_ns: 50, received_ns: 100, processed_ns: 900 });
        record.message(3, MessageTimes { send_ns: 50, received_ns: 100, processed_ns: 900 });
        record.trips_cpu_ns = 1500;
        let long = metrics(&record);
        assert_eq!(long["ask_cpu_per_trip_ns"], 500.0);
        assert!((long["train_per_trip_ns"] - 900.0).abs() < 9.0, "{long:?}");
    }
}
