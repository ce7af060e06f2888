//! `network`: round trips and throughput between the host and a sandbox, beside the same over the host's loopback.
//!
//! The sandbox is started as for `boot`, and the agent inside serves. Then, one after the other: round trips in a closed
//! loop, messages at a fixed rate in an open loop (latency from when each was to be sent), bulk to the sandbox, bulk from
//! it; each right after the same over loopback, with the same server program (the control). All bytes are checked before
//! a number counts.

mod control;
mod server;
mod traffic;

use super::Attempt;
use super::life::Life;
use crate::backend::{Launcher, Place};
use crate::lab::Lab;
use crate::network::{AGENT_PORT, Family, Network};
use control::Control;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::stats::Histogram;
use isodyne_core::unit::HostInstant;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::TcpStream;
use std::time::Duration;
use traffic::OpenLoop;

/// How long the server outlives the time that its client has: a client that fails late still ends it.
const SERVER_GRACE: Duration = Duration::from_secs(2);

/// What a plan can set.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// How long the sandbox may take to say hello, and then the traffic.
    pub timeout: Duration,
    /// The family of the addresses.
    pub family: Family,
    /// The size of a message.
    pub message_bytes: usize,
    /// Round trips in the closed loop.
    pub round_trips: u64,
    /// Messages per second in the open loop.
    pub rate_per_s: u64,
    /// How long the open loop takes.
    pub duration: Duration,
    /// Bytes in each direction.
    pub bytes: u64,
}

/// Takes one sample.
pub fn network(launcher: &dyn Launcher, place: &Place, lab: &Lab, options: &NetworkOptions) -> Attempt {
    let mut life = match Life::begin(BenchmarkName::Network, lab, || launcher.launch(place, lab)) {
        Ok(life) => life,
        Err(failure) => return failure.into(),
    };
    let worked = measure(&mut life, place, options);
    life.end(worked)
}

fn measure(life: &mut Life<'_>, place: &Place, options: &NetworkOptions) -> Result<(), Failure> {
    let network = life
        .sandbox
        .network()
        .ok_or_else(|| Failure::new(FailureClass::Launch, "the sandbox has no network that the lab could reach"))?;
    life.hello(life.after_origin(options.timeout))?;
    let Life { lab, sandbox, attempt, .. } = life;
    let served_s = seconds(options.timeout + SERVER_GRACE);
    let control = Control::start(lab, served_s)
        .map_err(|error| Failure::new(FailureClass::Launch, format!("no server on the host's loopback: {error}")))?;
    let deadline = lab.clock.after(options.timeout);
    server::start(sandbox.agent(), served_s, deadline)?;
    let line = Line { network: network.as_ref(), control: &control, options, deadline };
    let measured = line.measure();
    // Also after a failure: the server would live on, and what it says of its end is evidence.
    let served = server::end(sandbox.agent(), lab.clock);
    // What the server says of its end explains more than a connection that broke.
    let measured = match (measured, served) {
        (Err(failure), Err(of_server)) if failure.class != FailureClass::Integrity => return Err(of_server),
        (Err(failure), _) | (Ok(_), Err(failure)) => return Err(failure),
        (Ok(measured), Ok(())) => measured,
    };
    attempt.proofs = vec![
        format!("{} round trips came back as sent", measured.messages),
        format!("{} B each way with the right checksum", options.bytes),
        network.describe(),
    ];
    let log = place.log("latency");
    std::fs::write(&log, &measured.histograms)
        .map_err(|error| Failure::new(FailureClass::Enospc, format!("failed to write {}: {error}", log.display())))?;
    attempt.metrics.extend(measured.metrics);
    Ok(())
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

/// Both lines: to the sandbox, and over loopback.
struct Line<'a> {
    network: &'a dyn Network,
    control: &'a Control,
    options: &'a NetworkOptions,
    deadline: HostInstant,
}

#[derive(Default)]
struct Measured {
    metrics: BTreeMap<String, f64>,
    /// The distributions, for the sample's log.
    histograms: String,
    messages: u64,
}

impl Line<'_> {
    /// Every task over loopback first, then to the sandbox.
    fn each(&self, mut task: impl FnMut(TcpStream, &str) -> Result<(), Failure>) -> Result<(), Failure> {
        task(unconnected("loopback", self.control.connect(self.options.family, self.deadline))?, "control_")?;
        task(unconnected("the sandbox", self.network.connect(AGENT_PORT, self.options.family, self.deadline))?, "")
    }

    fn measure(&self) -> Result<Measured, Failure> {
        let NetworkOptions { message_bytes, round_trips, rate_per_s, duration, bytes, .. } = *self.options;
        let mut measured = Measured::default();
        self.each(|stream, prefix| {
            let times = traffic::closed_loop(stream, message_bytes, round_trips, self.deadline)?;
            measured.distribution(prefix, "round_trip", &times);
            Ok(())
        })?;
        self.each(|stream, prefix| {
            let OpenLoop { latencies, delays, achieved_per_s } =
                traffic::open_loop(stream, message_bytes, rate_per_s, duration, self.deadline)?;
            measured.distribution(prefix, "open_loop", &latencies);
            measured.distribution(prefix, "open_loop_send_delay", &delays);
            measured.metrics.insert(format!("{prefix}open_loop_answers_per_s"), achieved_per_s);
            Ok(())
        })?;
        let seed = fastrand::u64(..);
        self.each(|stream, prefix| {
            let speed = traffic::upload(stream, bytes, seed, self.deadline)?;
            measured.metrics.insert(format!("{prefix}upload_bytes_per_s"), speed);
            Ok(())
        })?;
        self.each(|stream, prefix| {
            let speed = traffic::download(stream, bytes, seed, self.deadline)?;
            measured.metrics.insert(format!("{prefix}download_bytes_per_s"), speed);
            Ok(())
        })?;
        Ok(measured)
    }
}

impl Measured {
    /// Takes the quantiles that the number of messages supports, and keeps the whole distribution.
    fn distribution(&mut self, prefix: &str, name: &str, histogram: &Histogram) {
        if prefix.is_empty() {
            self.messages += if name == "open_loop_send_delay" { 0 } else { histogram.len() };
        }
        for (quantile, word, least) in [(0.5, "p50", 1), (0.9, "p90", 29), (0.99, "p99", 299), (0.999, "p999", 2995)] {
            // An upper bound of a quantile takes so many values (95 %).
            if let Some(value) = histogram.quantile(quantile).filter(|_| histogram.len() >= least) {
                self.metrics.insert(format!("{prefix}{name}_{word}_ns"), value as f64);
            }
        }
        if let Some(max) = histogram.max() {
            self.metrics.insert(format!("{prefix}{name}_max_ns"), max as f64);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.histograms, "# {prefix}{name}_ns: from, to, count");
        for bucket in histogram.buckets() {
            let _ = writeln!(self.histograms, "{} {} {}", bucket.from, bucket.to, bucket.count);
        }
    }
}

fn unconnected(whom: &str, connected: io::Result<TcpStream>) -> Result<TcpStream, Failure> {
    connected.map_err(|error| {
        let class = if error.kind() == io::ErrorKind::TimedOut { FailureClass::Timeout } else { FailureClass::Crash };
        Failure::new(class, format!("failed to connect to {whom}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_only_with_enough_messages() {
        let mut histogram = Histogram::new(3).unwrap();
        (0..300).for_each(|value| histogram.record(1000 + value));
        let mut measured = Measured::default();
        measured.distribution("", "round_trip", &histogram);
        measured.distribution("control_", "round_trip", &histogram);
        assert!(measured.metrics.contains_key("round_trip_p99_ns"));
        assert!(measured.metrics.contains_key("control_round_trip_p50_ns"));
        assert!(!measured.metrics.contains_key("round_trip_p999_ns"));
        assert_eq!(measured.messages, 300);
        assert!(measured.histograms.contains("# control_round_trip_ns"));
    }
}
