//! The monitor's thread.

use super::member::At;
use super::newcomers::{Moved, Newcomers};
use super::pace::Pace;
use super::reading::Reading;
use super::share_turns::ShareTurns;
use super::subject::Subject;
use super::ticker::{Ticker, Woken};
use super::watched::{Look, Watched};
use super::{Command, Cost, MonitorOptions, Observed, ObservedSubject, Shared};
use crate::clock::{Clock, thread_cpu_ns};
use crate::host::cgroup::CgroupLayout;
use crate::host::pressure::{Pressure, PressureReading};
use crate::host::root::HostRoot;
use isodyne_core::unit::HostInstant;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::num::NonZeroU64;
use std::sync::PoisonError;

/// How often the trees are walked although nothing seems to have been missed, and how often at most.
const WALK_NS: u64 = 5_000_000_000;
const WALK_LEAST_NS: u64 = 100_000_000;
/// How late the kernel may let a tick be.
const TIMER_SLACK_NS: u64 = 1_000;
/// At one of so many looks at least newcomers are looked for.
const NEWCOMERS_EVERY: u64 = 4;
/// Descriptors where the host does not tell how many there may be.
const FILES_USUAL: u64 = 1024;

/// Looks until it is told to stop.
pub(super) fn watch(
    mut ticker: Ticker,
    shared: &Shared,
    layout: &CgroupLayout,
    options: MonitorOptions,
    begun: HostInstant,
) -> io::Result<Observed> {
    // Without it the kernel may let a tick be 50 µs late. Where it refuses, looks say when they were.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
    let mut watch = Watch::new(options, begun);
    loop {
        match ticker.wait()? {
            Woken::Tick { missed } => watch.look(shared, missed, When::Tick),
            Woken::Called => {
                let commands = std::mem::take(&mut *shared.commands.lock().unwrap_or_else(PoisonError::into_inner));
                for command in commands {
                    match command {
                        Command::Add(subject, done) => {
                            watch.add(*subject, layout, shared);
                            // Whoever asked may have gone.
                            let _ = done.send(());
                        }
                        Command::Stop => {
                            watch.look(shared, 0, When::End);
                            return Ok(watch.end(shared));
                        }
                    }
                }
            }
        }
    }
}

/// Which look it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// The first of the newest subject, which alone is looked at.
    First,
    Tick,
    End,
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
    pressure_every_ns: u64,
    pressure_at_ns: Option<u64>,
    pace: Pace,
    begun: HostInstant,
    cpu_base_ns: u64,
    /// CPU time of the first looks.
    first_cpu_ns: u64,
    shares: ShareTurns,
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
        Self {
            watched: Vec::new(),
            newcomers: Newcomers::new(root),
            pressure_base: pressure.read(),
            pressure,
            pressure_every_ns: u64::try_from(options.pressure_every.as_nanos()).unwrap_or(u64::MAX),
            pressure_at_ns: None,
            pace: Pace::of_rate(options.rate_hz),
            begun,
            cpu_base_ns: thread_cpu_ns(),
            first_cpu_ns: 0,
            shares: ShareTurns::new(options.shares, begun.0),
            walked_at_ns: begun.0,
            incomplete: false,
            number: 0,
            looks: 0,
            missed: 0,
        }
    }

    fn add(&mut self, subject: Subject, layout: &CgroupLayout, shared: &Shared) {
        let cpu_before_ns = thread_cpu_ns();
        let now_ns = Clock.now().0;
        // Nobody of before may be taken for new.
        self.newcomers.look(now_ns);
        let at = At { look: self.number, ns: now_ns };
        self.watched.push(Watched::new(subject, layout, files_each(self.watched.len()), at));
        self.look_from(self.watched.len() - 1, shared, 0, When::First);
        self.first_cpu_ns += thread_cpu_ns().saturating_sub(cpu_before_ns);
    }

    fn look(&mut self, shared: &Shared, missed: u64, when: When) {
        self.looks += 1;
        self.missed += missed;
        self.look_from(0, shared, missed, when);
    }

    /// Looks at the subjects from the one with this index.
    fn look_from(&mut self, first: usize, shared: &Shared, missed: u64, when: When) {
        self.number += 1;
        let at = At { look: self.number, ns: Clock.now().0 };
        let pace = if when == When::End { Pace::ALL } else { self.pace };
        // Every one of them is looked at, whatever the first says.
        let begun: Vec<bool> = self.watched.iter_mut().skip(first).map(|one| one.begin(at, &pace)).collect();
        let may_have_begun = begun.contains(&true);
        let is_due = may_have_begun || when == When::End || at.look.is_multiple_of(NEWCOMERS_EVERY);
        let moved = if first == 0 && is_due {
            self.newcomers.look(at.ns)
        } else {
            self.newcomers.pass();
            Moved { began: false, incomplete: false }
        };
        self.incomplete |= moved.incomplete;
        let since_ns = at.ns.saturating_sub(self.walked_at_ns);
        let walk = first == 0 && (since_ns >= WALK_NS || (self.incomplete && since_ns >= WALK_LEAST_NS));
        if walk {
            (self.walked_at_ns, self.incomplete) = (at.ns, false);
            self.newcomers.walked();
        }
        let with_pressure = when != When::Tick
            || self.pressure_at_ns.is_none_or(|last_ns| at.ns.saturating_sub(last_ns) >= self.pressure_every_ns);
        let pressure = if with_pressure {
            self.pressure_at_ns = Some(at.ns);
            self.pressure.read().since(self.pressure_base)
        } else {
            PressureReading::default()
        };
        let look = Look {
            at,
            pace: &pace,
            newcomers: self.newcomers.found(),
            moved: moved.began,
            walk,
            pressure: with_pressure,
            missed,
        };
        let turn = self.shares.turn(at, &self.watched, when == When::End);
        for (index, watched) in self.watched.iter_mut().enumerate().skip(first) {
            let mut reading = watched.look(look);
            self.shares.go_on(turn, index, watched, at, &mut reading);
            reading.pressure = pressure;
            reading.monitor_cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_base_ns);
            watched.totals.add(&reading);
            keep(shared, index, reading);
        }
    }

    fn end(self, shared: &Shared) -> Observed {
        let mut kept = std::mem::take(&mut *shared.series()).into_iter();
        let subjects = self.watched.into_iter().map(|watched| {
            let kept = kept.next().map(|(_, mut series)| (series.stride(), series.take(Vec::new())));
            let (stride, readings) = kept.unwrap_or((1, Vec::new()));
            ObservedSubject { name: watched.name, totals: watched.totals, lag: watched.family.lag, readings, stride }
        });
        Observed {
            subjects: subjects.collect(),
            cost: Cost {
                cpu_ns: thread_cpu_ns().saturating_sub(self.cpu_base_ns),
                wall_ns: Clock.now().ns_since(self.begun),
                first_cpu_ns: self.first_cpu_ns,
                looks: self.looks,
                missed: self.missed,
                unseen: self.newcomers.unseen(),
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
