//! `isodyne shm`. Its `peer` is one side of a measurement through shared memory, between any two programs of this host.

use crate::arguments::{Mode, ShmAction, ShmOptions, ShmPeerOptions, Side};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::failure::Failure;
use isodyne_core::summary::is_below_resolution;
use isodyne_core::unit::{HostInstant, display_metric, unit_of_metric};
use isodyne_engine::clock::Clock;
use isodyne_engine::host::fingerprint::clock_step_ns;
use isodyne_engine::shm::{
    Answered, Asked, Bells, EventBell, Handover, Memory, Record, WaitingMode, answer, ask, receive, share,
};
use isodyne_shm::ping_pong::TRAIN;
use isodyne_shm::task::Task;
use isodyne_shm::wait::Bell;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
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
    let line = Line::open(options, &task, deadline)?;
    let region = line.memory.region().map_err(Trouble::unexpected)?;
    let asks = options.side == Side::Ask;
    let bells = Bells::new(region, asks, line.event);
    let patience = Duration::from_nanos(options.patience);
    let trips = f64::from(task.trips) + f64::from(task.trains) * f64::from(TRAIN);
    if asks {
        let warmup = warmup(options);
        let asked =
            Asked { task, waiting, processor: options.cpu, warmup, pace: None, monitor: None, deadline, patience };
        let record = ask(region, &bells, &asked).map_err(|failure| failed(failure, &line.memory))?;
        return show(options, &task, &record, output);
    }
    let answered = Answered { task, waiting, processor: options.cpu, deadline, patience, lie: options.lie };
    let parts = answer(region, &bells, &answered).map_err(|failure| failed(failure, &line.memory))?;
    let cpu_ns = |name: &str| parts.iter().find(|(part, _)| *part == name).map(|(_, cpu_ns)| *cpu_ns);
    let trips_cpu = cpu_ns("trips").or(cpu_ns("messages"));
    let mut metrics = BTreeMap::new();
    let share = trips_cpu.and_then(|ns| share(ns as f64, trips.max(1.0), clock_step_ns(Clock)));
    metrics.extend(share.map(|ns| ("answer_cpu_per_trip_ns".to_owned(), ns)));
    metrics.extend(cpu_ns("frames").map(|ns| ("answer_cpu_frames_ns".to_owned(), ns as f64)));
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
    })
}

/// The memory, and what comes with it.
struct Line {
    memory: Memory,
    event: Option<Box<dyn Bell + Send + Sync>>,
}

impl Line {
    fn open(options: &ShmPeerOptions, task: &Task, deadline: HostInstant) -> Result<Self, Trouble> {
        let trouble = |path: &Path, error: std::io::Error| {
            Trouble::unexpected(anyhow::Error::new(error).context(path.display().to_string()))
        };
        let no_memory = || Trouble::usage("no memory is large enough", "use smaller frames or fewer slots");
        let length = task.region_bytes().ok_or_else(no_memory)?;
        if let Some(path) = &options.file {
            let memory = match options.side {
                Side::Ask => Memory::create(path, length),
                Side::Answer => Memory::open(path, length, Clock, deadline),
            };
            return Ok(Self { memory: memory.map_err(|error| trouble(path, error))?, event: None });
        }
        let Some(path) = &options.socket else {
            return Err(Trouble::usage("there is no memory", "give --file or --socket"));
        };
        let opened = match options.side {
            Side::Ask => Self::hand_over(path, length, deadline),
            Side::Answer => receive(path, Clock, deadline).and_then(|received| {
                let file = received.memory.ok_or_else(|| std::io::Error::other("no memory came"))?;
                let [ring, sleep] = received.counters;
                let event: Box<dyn Bell + Send + Sync> = Box::new(EventBell::new(sleep, ring));
                Ok(Self { memory: Memory::received(file, length)?, event: Some(event) })
            }),
        };
        opened.map_err(|error| trouble(path, error))
    }

    fn hand_over(path: &Path, length: usize, deadline: HostInstant) -> std::io::Result<Self> {
        let handover = Handover::listen(path)?;
        let memory = Memory::anonymous(length)?;
        let (bell, [ring, sleep]) = EventBell::pair()?;
        handover.give(&[&ring, &sleep, &memory], Clock, deadline)?;
        Ok(Self { memory, event: Some(Box::new(bell)) })
    }
}

fn failed(failure: Failure, memory: &Memory) -> Trouble {
    if memory.is_cut() {
        return Trouble::new(Exit::CellsFailed, failure, "take --socket, which hands over memory that nobody can cut");
    }
    let hint = "both sides take the same task and the same way to wait; --timeout and --patience bound the waiting";
    Trouble::new(Exit::CellsFailed, failure, hint)
}

fn show(options: &ShmPeerOptions, task: &Task, record: &Record, output: &Output) -> Result<Exit, Trouble> {
    let mut metrics = BTreeMap::new();
    record.metrics(task.ring.frame_bytes, clock_step_ns(Clock), &mut metrics);
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
    })
}
