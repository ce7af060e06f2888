//! `shm`: round trips and frames through memory that host and sandbox share.
//!
//! The sandbox is started as for `boot`, and the agent inside answers (`shm-peer`); the lab asks, and every stamp is its
//! own. A frame's time ends when it is proved that the other side has every byte of it, so that neither an
//! acknowledgement before the work nor a flipped bit can become a number.

mod cores;
mod line;
mod open_loop;
mod options;
mod server;

pub use options::{OpenLoop, ShmOptions};

use super::Attempt;
use super::life::Life;
use crate::backend::{Launcher, Place, Sandbox, class_of, shared_directory};
use crate::lab::Lab;
use crate::ownership::Resource;
use crate::shm::{Asked, Bells, Record, ask, share};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_shm::ping_pong::TRAIN;
use isodyne_shm::task::Task;
use line::Line;
use server::Said;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

/// Trips in front that do not count: a tenth, but no more than this.
const MOST_WARMUP: u32 = 10_000;

/// Takes one sample.
pub fn shm(launcher: &dyn Launcher, place: &Place, lab: &Lab, options: &ShmOptions) -> Attempt {
    let inside = launcher.shared_inside(place);
    let directory = shared_directory(place);
    let owned = inside.as_ref().map(|_| lab.owner.own(Resource::Directory(directory.clone())));
    let start = || {
        if inside.is_some() {
            DirBuilder::new().mode(0o700).create(&directory).map_err(|error| {
                Failure::new(class_of(&error), format!("cannot make {}: {error}", directory.display()))
            })?;
        }
        launcher.launch(place, lab)
    };
    let mut life = match Life::begin(BenchmarkName::Shm, lab, start) {
        Ok(life) => life,
        Err(failure) => return failure.into(),
    };
    let worked = Session { place, lab, options, inside }.measure(&mut life);
    let mut attempt = life.end(worked);
    if let (Some(Err(survivor)), None) = (owned.map(|owned| owned.remove()), &attempt.failure) {
        attempt.failure = Some(Failure::new(FailureClass::Leak, survivor));
    }
    attempt
}

/// What the sessions of a sample have in common.
struct Session<'a> {
    place: &'a Place,
    lab: &'a Lab,
    options: &'a ShmOptions,
    /// The shared directory as the sandbox sees it.
    inside: Option<PathBuf>,
}

impl Session<'_> {
    fn measure(&self, life: &mut Life<'_>) -> Result<(), Failure> {
        let Self { options, .. } = self;
        life.hello(life.after_origin(options.timeout))?;
        let Life { sandbox, attempt, .. } = life;
        let sandbox = sandbox.as_mut();
        let on_host = self.inside.is_some();
        let pairs = cores::pairs(&options.cores)
            .map_err(|message| Failure::new(FailureClass::Launch, format!("cores: {message}")))?;
        let mut log = String::new();
        for (number, pair) in pairs.iter().enumerate() {
            // Frames on the first pair only: the others are there for their round trips.
            let task = if number == 0 { options.task } else { Task { single: 0, stream: 0, ..options.task } };
            let (record, said, can_be_cut) = self.session(sandbox, options, task, *pair)?;
            if number == 0 {
                record.metrics(task.ring.frame_bytes, self.clock_step_ns(), &mut attempt.metrics);
                self.add(&record, &said, on_host.then_some(*pair).flatten(), attempt);
                if can_be_cut {
                    // A fault of the session if it happens; else it is good to know that it could have.
                    attempt.proofs.push("the memory is not sealed, and was whole to the end".to_owned());
                }
                log = record.log();
            }
            if let ("every", Some((one, other))) = (options.cores.as_str(), pair) {
                let name = format!("round_trip_cpu{one}_cpu{other}");
                // A single trip may be too short for the clock: the time of a trip is that of the trains.
                let typical = record.train_per_trip_ns(self.clock_step_ns());
                attempt.metrics.extend(typical.map(|ns| (format!("train_cpu{one}_cpu{other}_per_trip_ns"), ns)));
                if cores::PerPair::of(pairs.len()) == cores::PerPair::Whole {
                    record.trips.metrics(&name, &mut attempt.metrics);
                }
                record.trips.log(&name, &mut log);
            }
        }
        let first = pairs.first().copied().flatten();
        if let Some(open) = options.of_open_loop() {
            let (record, said, _) = self.session(sandbox, &open, open.task, first)?;
            open_loop::add(&record, &said, self.clock_step_ns(), attempt);
            log += &record.log();
        }
        if let Some(beside) = options.of_beside() {
            let (record, ..) = self.session(sandbox, &beside, beside.task, first)?;
            record.trips.metrics("two_phase_round_trip", &mut attempt.metrics);
            record.trips.log("two_phase_round_trip", &mut log);
        }
        let path = self.place.log("latency");
        std::fs::write(&path, log)
            .map_err(|error| Failure::new(FailureClass::Enospc, format!("failed to write {}: {error}", path.display())))
    }

    /// One session on one pair of processors, and whether another program could have cut its memory short.
    fn session(
        &self,
        sandbox: &mut dyn Sandbox,
        options: &ShmOptions,
        task: Task,
        pair: Option<(usize, usize)>,
    ) -> Result<(Record, Said, bool), Failure> {
        let lab = self.lab;
        let deadline = lab.clock.after(options.timeout);
        let (device, monitor) = (sandbox.shared_memory(), sandbox.monitor());
        let mut line = Line::open(self.inside.as_deref(), self.place, options, &task, device.as_deref())?;
        // A machine's processors are threads of the monitor, which keeps them where it likes.
        let other = if self.inside.is_some() { pair.map(|(_, other)| other) } else { None };
        server::start(sandbox.agent(), &line.words(options, &task, other), options.timeout)?;
        let asked = (|| {
            line.hand_over(lab.clock, deadline)?;
            server::ready(sandbox.agent(), lab.clock, deadline)?;
            let bell = line.bell(options.waiting, deadline)?;
            let region = line.region()?;
            let bells = Bells::new(region, true, bell);
            ask(
                region,
                &bells,
                &Asked {
                    task,
                    waiting: options.waiting,
                    processor: pair.map(|(one, _)| one),
                    warmup: options.warmup,
                    pace: options.pace,
                    monitor,
                    deadline,
                    patience: options.patience,
                },
            )
        })();
        // Also after a failure: what the other side says of its end is evidence.
        let ended = server::end(sandbox.agent(), lab.clock, asked.is_ok());
        match (asked, ended) {
            (Ok(record), Ok(said)) => Ok((record, said, line.can_be_cut())),
            (Ok(_), Err(failure)) => Err(failure),
            // In a sandbox's first session it says that no session can be.
            (Err(_), Err(of_other)) if of_other.class == FailureClass::Unavailable && options.is_first() => {
                Err(of_other)
            }
            // Our own finding stands; the other side's words explain it.
            (Err(failure), Ok(_)) => Err(failure),
            (Err(failure), Err(of_other)) => {
                Err(Failure { message: format!("{}; {}", failure.message, of_other.message), ..failure })
            }
        }
    }

    fn clock_step_ns(&self) -> Option<u64> {
        self.lab.host.fingerprint.clock_step_ns
    }

    /// What the other side said, and what was proved.
    fn add(&self, record: &Record, said: &Said, pair: Option<(usize, usize)>, attempt: &mut Attempt) {
        let metrics = &mut attempt.metrics;
        let Task { trips, trains, .. } = self.options.task;
        let trips = (f64::from(trips) + f64::from(trains) * f64::from(TRAIN)).max(1.0);
        if let Some((cpu_ns, wall_ns)) = said.trips {
            let share = share(cpu_ns as f64, trips, self.clock_step_ns());
            metrics.extend(share.map(|ns| ("answer_cpu_per_trip_ns".to_owned(), ns)));
            if wall_ns > 0 {
                metrics.insert("answer_cpu_ratio".to_owned(), cpu_ns as f64 / wall_ns as f64);
            }
        }
        if self.options.waiting.has_bell() {
            metrics.insert("ask_missed_rings_count".to_owned(), f64::from(record.missed_rings));
            metrics.extend(said.missed_rings.map(|rings| ("answer_missed_rings_count".to_owned(), f64::from(rings))));
        }
        if let crate::shm::WaitingMode::Poll(period) = self.options.waiting {
            for name in ["round_trip_p50", "train_per_trip"] {
                metrics.insert(format!("{name}_resolution_ns"), period.as_nanos() as f64);
            }
        }
        attempt.proofs.push(format!("{} answers made from their questions, in order", record.trips.len()));
        let frames = record.frames.0.len() as u64 + record.stream.map_or(0, |(frames, _)| frames.into());
        if frames > 0 {
            let check = self.options.task.ring.check.name();
            attempt.proofs.push(format!("{frames} frames whose every byte the other side proved ({check})"));
        }
        attempt.proofs.extend(record.copied.map(|by| format!("frames were copied in {}", by.words())));
        attempt.proofs.push(format!("the memory inside is mapped {}", said.mapping));
        if let Some((one, other)) = pair {
            attempt.proofs.push(format!("asked on processor {one}, answered on processor {other}"));
        }
    }
}

/// How long the other side may take for one step: a frame is checked at 10 MB/s at least, and the proofs of a stream are
/// made before it begins.
fn patience(task: &Task, timeout: Duration) -> Duration {
    let bytes = task.copy_bytes() as u64 * (u64::from(task.stream) + 2);
    (Duration::from_secs(5) + Duration::from_nanos(bytes.saturating_mul(100))).min(timeout)
}
