//! The monitor's thread.

use super::family::Pace;
use super::newcomers::{Moved, Newcomers};
use super::reading::Reading;
use super::ticker::{Ticker, Woken};
use super::watched::{Look, Watched};
use super::{Command, Cost, MonitorOptions, Observed, ObservedSubject, Shared, Shares};
use crate::clock::{Clock, thread_cpu_ns};
use crate::host::cgroup::CgroupLayout;
use crate::host::pressure::{Pressure, PressureReading};
use crate::host::root::HostRoot;
use isodyne_core::unit::HostInstant;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::sync::PoisonError;

/// Readings of counters, and of memory, that are taken in a second at most, beside those of processes just seen.
const COUNTERS_A_SECOND: u32 = 1_000;
const MEMORY_A_SECOND: u32 = 5_000;
/// And at one look at least.
const COUNTERS_A_LOOK: u32 = 8;
const MEMORY_A_LOOK: u32 = 16;
/// Where there are many, one in so many of those that have not run for a while is looked at.
const QUIET_EVERY: u64 = 4;
/// How often the trees are walked although nothing seems to have been missed, and how often at most.
const WALK_NS: u64 = 5_000_000_000;
const WALK_LEAST_NS: u64 = 100_000_000;
/// Shares of memory that are read cheaply: how often at most, and how many times what they cost lies in between.
const CHEAP_NS: u64 = 1_000_000_000;
const CHEAP_TIMES: u64 = 500;
/// Descriptors where the host does not tell how many there may be.
const FILES_USUAL: u64 = 1024;

/// Looks until it is told to stop.
pub(super) fn watch(
    ticker: &Ticker,
    shared: &Shared,
    layout: &CgroupLayout,
    options: MonitorOptions,
    begun: HostInstant,
) -> io::Result<Observed> {
    let mut watch = Watch::new(options, begun);
    loop {
        match ticker.wait()? {
            Woken::Tick { missed } => watch.look(shared, missed, watch.pace, false),
            Woken::Called => {
                let commands = std::mem::take(&mut *shared.commands.lock().unwrap_or_else(PoisonError::into_inner));
                for command in commands {
                    match command {
                        Command::Add(subject, done) => {
                            // Nobody of before may be taken for new.
                            watch.newcomers.look(Clock.now().0);
                            let new = Watched::new(*subject, layout, files_each(watch.watched.len()));
                            watch.watched.push(new);
                            let last = watch.watched.len() - 1;
                            watch.look_from(last, shared, 0, Pace::ALL, true);
                            // Whoever asked may have gone.
                            let _ = done.send(());
                        }
                        Command::Stop => {
                            watch.look(shared, 0, Pace::ALL, true);
                            return Ok(watch.end(shared));
                        }
                    }
                }
            }
        }
    }
}

/// Half of what this process may have, for the first subjects.
fn files_each(subjects_before: usize) -> usize {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(FILES_USUAL);
    let share = most / 2 / (1_u64 << subjects_before.min(16));
    usize::try_from(share).unwrap_or(usize::MAX)
}

struct Watch {
    watched: Vec<Watched>,
    newcomers: Newcomers,
    pressure: Pressure,
    pressure_base: PressureReading,
    pace: Pace,
    begun: HostInstant,
    cpu_base_ns: u64,
    shares: Shares,
    shares_at_ns: u64,
    /// CPU time of the last look that read shares.
    shares_cost_ns: u64,
    walked_at_ns: u64,
    /// Somebody may have been missed since the trees were walked last.
    incomplete: bool,
    number: u64,
    looks: u64,
    missed: u64,
}

impl Watch {
    fn new(options: MonitorOptions, begun: HostInstant) -> Self {
        let root = HostRoot::default();
        let pressure = Pressure::of_host(&root);
        let rate = u64::from(options.rate_hz);
        Self {
            watched: Vec::new(),
            newcomers: Newcomers::new(root),
            pressure_base: pressure.read(),
            pressure,
            pace: Pace {
                quiet_every: QUIET_EVERY,
                counters: (COUNTERS_A_SECOND / options.rate_hz).max(COUNTERS_A_LOOK) as usize,
                memory: (MEMORY_A_SECOND / options.rate_hz).max(MEMORY_A_LOOK) as usize,
                memory_after: (rate / 4).max(1),
                counters_after: rate,
            },
            begun,
            cpu_base_ns: thread_cpu_ns(),
            shares: options.shares,
            shares_at_ns: begun.0,
            shares_cost_ns: 0,
            walked_at_ns: begun.0,
            incomplete: false,
            number: 0,
            looks: 0,
            missed: 0,
        }
    }

    fn look(&mut self, shared: &Shared, missed: u64, pace: Pace, shares: bool) {
        self.looks += 1;
        self.missed += missed;
        self.look_from(0, shared, missed, pace, shares);
    }

    /// Looks at the subjects from the one with this index.
    fn look_from(&mut self, first: usize, shared: &Shared, missed: u64, pace: Pace, shares: bool) {
        let now_ns = Clock.now().0;
        self.number += 1;
        let moved = if first == 0 { self.newcomers.look(now_ns) } else { Moved { began: false, incomplete: false } };
        self.incomplete |= moved.incomplete;
        let since = now_ns.saturating_sub(self.walked_at_ns);
        let walk = since >= WALK_NS || (self.incomplete && since >= WALK_LEAST_NS);
        if walk && first == 0 {
            (self.walked_at_ns, self.incomplete) = (now_ns, false);
            self.newcomers.walked();
        }
        let since = now_ns.saturating_sub(self.shares_at_ns);
        let shares = match self.shares {
            Shares::Never => false,
            Shares::Every(period) => shares || u128::from(since) >= period.as_nanos(),
            Shares::Cheaply => {
                (shares && self.shares_cost_ns == 0)
                    || since >= CHEAP_NS.max(self.shares_cost_ns.saturating_mul(CHEAP_TIMES))
            }
        };
        let cpu_before_ns = thread_cpu_ns();
        let look = Look {
            number: self.number,
            pace,
            newcomers: if first == 0 { self.newcomers.found() } else { &[] },
            moved: moved.began,
            walk: walk && first == 0,
            shares,
            missed,
        };
        let pressure = self.pressure.read().since(self.pressure_base);
        for (index, watched) in self.watched.iter_mut().enumerate().skip(first) {
            let mut reading = watched.look(look);
            reading.pressure = pressure;
            reading.monitor_cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_base_ns);
            watched.totals.add(&reading);
            keep(shared, index, reading);
        }
        if shares {
            (self.shares_at_ns, self.shares_cost_ns) = (now_ns, thread_cpu_ns().saturating_sub(cpu_before_ns));
        }
    }

    fn end(self, shared: &Shared) -> Observed {
        let mut kept = std::mem::take(&mut *shared.series()).into_iter();
        let subjects = self.watched.into_iter().map(|watched| {
            let kept = kept.next().map(|(_, mut series)| (series.stride(), series.take(Vec::new())));
            let (stride, readings) = kept.unwrap_or((1, Vec::new()));
            ObservedSubject { name: watched.name, totals: watched.totals, readings, stride }
        });
        Observed {
            subjects: subjects.collect(),
            cost: Cost {
                cpu_ns: thread_cpu_ns().saturating_sub(self.cpu_base_ns),
                wall_ns: Clock.now().ns_since(self.begun),
                looks: self.looks,
                missed: self.missed,
            },
            begun: self.begun,
        }
    }
}

fn keep(shared: &Shared, index: usize, reading: Reading) {
    if let Some((_, series)) = shared.series().get_mut(index) {
        series.add(reading);
    }
}
