//! `isodyne shm`. Its `peer` is one side of a measurement through shared memory, between any two programs of this host.

use super::shm_line::Line;
use crate::arguments::{Mode, ShmAction, ShmOptions, ShmPeerOptions, Side};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::summary::is_below_resolution;
use isodyne_core::unit::{display_metric, unit_of_metric};
use isodyne_engine::clock::Clock;
use isodyne_engine::host::fingerprint::clock_step_ns;
use isodyne_engine::shm::{Answered, Asked, Bells, Record, WaitingMode, answer, ask, share};
use isodyne_shm::fault::Step;
use isodyne_shm::ping_pong::TRAIN;
use isodyne_shm::task::Task;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const SCHEMA: &str = "isodyne-shm-peer";
const VERSION: u32 = 1;
/// Trips in front that do not count: a tenth, but no more than this.
const MOST_WARMUP: u32 = 10_000;

/// Does one side of a session, or serves.
pub fn shm(options: &ShmOptions, output: &Output) -> Result<Exit, Trouble> {
    match &options.action {
        ShmAction::Peer(options) => peer(options, output),
        ShmAction::Serve(options) => super::shm_serve::serve(options, output),
    }
}

fn peer(options: &ShmPeerOptions, output: &Output) -> Result<Exit, Trouble> {
    let task = task(options)?;
    let waiting = waiting(options)?;
    let deadline = Clock.after(Duration::from_nanos(options.timeout));
    let mut line = Line::open(options, &task, deadline, output)?;
    let event = line.event.take();
    let region = line.region().map_err(Trouble::unexpected)?;
    let asks = options.side == Side::Ask;
    let bells = Bells::new(region, asks, event);
    let patience = Duration::from_nanos(options.patience);
    let trips = f64::from(task.trips) + f64::from(task.trains) * f64::from(TRAIN);
    if asks {
        let warmup = warmup(options);
        let pace = options.rate.map(|rate| Duration::from_nanos(1_000_000_000 / u64::from(rate.max(1))));
        let asked = Asked { task, waiting, processor: options.cpu, warmup, pace, monitor: None, deadline, patience };
        let record = ask(region, &bells, &asked).map_err(|failure| failed(options, failure, line.is_cut()))?;
        return show(options, &task, &record, output);
    }
    let answered = Answered { task, waiting, processor: options.cpu, deadline, patience, lie: options.lie };
    let parts = answer(region, &bells, &answered).map_err(|failure| failed(options, failure, line.is_cut()))?;
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    let mut metrics = BTreeMap::new();
    if let Some(part) = part("trips").or(part("messages")) {
        let share = share(part.cpu_ns as f64, trips.max(1.0), clock_step_ns(Clock));
        metrics.extend(share.map(|ns| ("answer_cpu_per_trip_ns".to_owned(), ns)));
        metrics.insert("answer_cpu_ratio".to_owned(), part.cpu_ns as f64 / part.wall_ns.max(1) as f64);
    }
    metrics.extend(part("frames").map(|part| ("answer_cpu_frames_ns".to_owned(), part.cpu_ns as f64)));
    print(options, &task, &metrics, None, output)
}

fn task(options: &ShmPeerOptions) -> Result<Task, Trouble> {
    let mut task = Task::default();
    let frames = if options.frames == 0 { 0 } else { u64::from(options.frames) + 1 };
    let trips = u64::from(options.round_trips) + u64::from(warmup(options));
    for (key, flag, value) in [
        ("protocol", "--protocol", options.protocol.clone()),
        ("trips", "--round-trips", trips.to_string()),
        ("trains", "--round-trips", trains(options).to_string()),
        ("message", "--message", options.message.to_string()),
        ("single", "--frames", frames.to_string()),
        ("stream", "--stream", options.stream.to_string()),
        ("frame", "--frame", options.frame.to_string()),
        ("slots", "--slots", options.slots.to_string()),
        ("check", "--check", options.check.clone()),
        ("cache", "--cache", options.cache.clone()),
    ] {
        if !task.set(key, &value) {
            let takes = isodyne_shm::task::KEYS.iter().find(|(known, _)| *known == key).map_or("", |(_, takes)| takes);
            return Err(Trouble::usage(format!("{flag} {value} does not fit"), format!("it takes {takes}")));
        }
    }
    Ok(task)
}

fn warmup(options: &ShmPeerOptions) -> u32 {
    (options.round_trips / 10).min(MOST_WARMUP)
}

/// A tenth of the trips again, in trains.
fn trains(options: &ShmPeerOptions) -> u32 {
    if options.protocol == "sequence" { (options.round_trips / (10 * TRAIN)).max(1) } else { 0 }
}

fn waiting(options: &ShmPeerOptions) -> Result<WaitingMode, Trouble> {
    if options.waiting == Mode::Eventfd && options.socket.is_none() {
        let hint = "use --socket instead of --file, or --waiting futex";
        return Err(Trouble::usage("event counters are handed over through a socket", hint));
    }
    if options.waiting == Mode::Eventfd && options.ivshmem.is_some() {
        let hint = "use --waiting doorbell, which a server's peers have";
        return Err(Trouble::usage("an ivshmem server hands over no event counters of the sides' own", hint));
    }
    if options.waiting == Mode::Doorbell && options.ivshmem.is_none() {
        let hint = "use --ivshmem with the socket of `isodyne shm serve`, or --waiting futex";
        return Err(Trouble::usage("only an ivshmem server's memory has a doorbell", hint));
    }
    if options.rate.is_some() && (options.side == Side::Answer || options.protocol != "sequence") {
        let hint = "leave --rate out: who answers need not know it";
        return Err(Trouble::usage("only who asks, and by the protocol `sequence`, has a rate", hint));
    }
    let allowed = isodyne_engine::shm::processors();
    if let Some(cpu) = options.cpu.filter(|cpu| !allowed.contains(cpu)) {
        let known = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(Trouble::usage(format!("--cpu {cpu}: this program may not use it"), format!("it may use {known}")));
    }
    if options.lie.is_some() && options.side == Side::Ask {
        return Err(Trouble::usage("only who answers can lie", "leave --lie out"));
    }
    Ok(match options.waiting {
        Mode::Spin => WaitingMode::Spin,
        Mode::Pause => WaitingMode::Pause,
        Mode::Yield => WaitingMode::Yield,
        Mode::Poll => WaitingMode::Poll(Duration::from_nanos(options.poll_period)),
        Mode::Futex => WaitingMode::Futex,
        Mode::Eventfd => WaitingMode::Eventfd,
        Mode::Doorbell => WaitingMode::Doorbell,
    })
}

fn failed(options: &ShmPeerOptions, failure: Failure, is_cut: bool) -> Trouble {
    let hint = if is_cut {
        "take --socket, which hands over memory that nobody can cut"
    } else if failure.message.ends_with(&Step::Meeting.to_string()) {
        "start the other side with the same memory and the same task, or raise --timeout"
    } else if failure.class == FailureClass::Timeout {
        "the other side has ended, or is slower than --patience allows: see what it says"
    } else if options.ivshmem.is_some() && failure.class == FailureClass::Launch {
        "use a smaller --frame or fewer --slots, or serve more with `isodyne shm serve --size`"
    } else {
        "both sides take the same task and the same way to wait"
    };
    Trouble::new(Exit::CellsFailed, failure, hint)
}

fn show(options: &ShmPeerOptions, task: &Task, record: &Record, output: &Output) -> Result<Exit, Trouble> {
    let mut metrics = BTreeMap::new();
    record.metrics(task.ring.frame_bytes, clock_step_ns(Clock), &mut metrics);
    if let Some(paced) = &record.paced {
        paced.metrics(&mut metrics);
        let (per_message, messages) = (record.cpu_per_trip_ns().0, paced.latencies.len() as f64);
        metrics.insert("open_loop_ask_cpu_per_message_ns".to_owned(), per_message);
        let share = per_message * messages / paced.wall_ns().max(1) as f64;
        metrics.insert("open_loop_ask_cpu_ratio".to_owned(), share);
    }
    if options.waiting == Mode::Poll {
        metrics.insert("round_trip_p50_resolution_ns".to_owned(), options.poll_period as f64);
    }
    print(options, task, &metrics, Some(record), output)
}

/// What a side prints.
#[derive(Serialize)]
struct Printed<'a> {
    schema: &'a str,
    version: u32,
    side: &'a str,
    task: BTreeMap<String, String>,
    waiting: String,
    metrics: BTreeMap<&'a str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_histogram_ns: Option<Vec<[u64; 3]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_loop_histogram_ns: Option<Vec<[u64; 3]>>,
}

fn print(
    options: &ShmPeerOptions,
    task: &Task,
    metrics: &BTreeMap<String, f64>,
    record: Option<&Record>,
    output: &Output,
) -> Result<Exit, Trouble> {
    let asks = options.side == Side::Ask;
    if !options.json {
        let width = metrics.keys().map(String::len).max().unwrap_or_default();
        let step = clock_step_ns(Clock);
        let lines = metrics.iter().map(|(name, value)| {
            let short = is_below_resolution(name, *value, step);
            let shown = if short { "below resolution".to_owned() } else { display_metric(name, *value) };
            format!("{name:width$}  {shown}\n")
        });
        return output.data(&lines.collect::<String>());
    }
    let words = task.to_string();
    let task = words.split(' ').filter_map(|word| word.split_once('='));
    output.json(&Printed {
        schema: SCHEMA,
        version: VERSION,
        side: if asks { "ask" } else { "answer" },
        task: task.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        waiting: waiting(options)?.word(),
        metrics: metrics
            .iter()
            .map(|(name, value)| (name.as_str(), json!({ "unit": unit_of_metric(name), "value": value })))
            .collect(),
        round_trip_histogram_ns: record.map(|record| record.trips.buckets()),
        open_loop_histogram_ns: record.and_then(|record| Some(record.paced.as_ref()?.latencies.buckets())),
    })
}
