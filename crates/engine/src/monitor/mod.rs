//! The monitor: CPU time, memory, input and output, processes and pressure of process trees and cgroups, at up to 1 kHz.
//!
//! One thread looks at absolute times. What it reads is opened once; a look opens no file of a process that it knows,
//! formats nothing and looks up no path. Its own CPU time is a part of what it tells. `docs/monitoring.md` says what each
//! value means and what it misses.

mod csv;
mod family;
mod group;
mod member;
mod newcomers;
mod pace;
mod reading;
mod series;
mod share_turns;
mod subject;
mod ticker;
mod totals;
mod watch;
mod watched;

pub use csv::{csv_header, csv_row};
pub use family::Lag;
pub use reading::{COLUMNS, Column, Reading};
pub use subject::{Roots, Subject, SubjectError};
pub use totals::Totals;

use crate::clock::Clock;
use crate::host::cgroup::CgroupLayout;
use isodyne_core::unit::HostInstant;
use series::Series;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use ticker::Ticker;

/// The fastest rate, in looks per second.
pub const RATE_MOST: u32 = 1000;
/// Readings of one subject that are kept, if nobody takes them out meanwhile.
const KEPT_MOST: usize = 20_000;

/// How a monitor looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorOptions {
    /// Looks per second, 1 to [`RATE_MOST`].
    pub rate_hz: u32,
    /// When shares of memory (PSS, USS) are read.
    pub shares: Shares,
    /// How often pressure is read; less than the time between two looks is every look. The kernel adds up all processors'
    /// counts for it.
    pub pressure_every: Duration,
}

/// When shares of memory are read. The kernel walks page tables for them, and holds up the process's own changes of its
/// mappings meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// Not at all.
    Never,
    /// With this period, all processes in one look.
    Every(Duration),
    /// Process after process, so slowly that it takes at most 0.1 % of a processor, and every process at most once a second.
    Cheaply,
}

impl Default for MonitorOptions {
    fn default() -> Self {
        Self { rate_hz: 100, shares: Shares::Cheaply, pressure_every: Duration::from_millis(100) }
    }
}

/// Why there is no monitor.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The rate is out of bounds.
    #[error("a monitor cannot look {0} times a second: give 1 to {RATE_MOST}")]
    Rate(u32),
    /// A subject cannot be monitored.
    #[error("subject `{name}`: {source}")]
    Subject {
        /// Its name.
        name: String,
        /// Why not.
        source: SubjectError,
    },
    /// Two subjects have one name.
    #[error("two subjects are named `{0}`")]
    Twice(String),
    /// The host gives no timer or no thread, or the monitor's thread has ended.
    #[error("the monitor does not run: {0}")]
    Host(#[from] io::Error),
}

/// A monitor that runs until it is stopped or dropped.
pub struct Monitor {
    shared: Arc<Shared>,
    layout: CgroupLayout,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<io::Result<Observed>>>,
    begun: HostInstant,
}

/// What the thread and its owner share.
struct Shared {
    commands: Mutex<Vec<Command>>,
    series: Mutex<Vec<(String, Series)>>,
}

enum Command {
    /// Watch this too; tell when its first look is done.
    Add(Box<Subject>, Sender<()>),
    /// Look once more and end.
    Stop,
}

/// What a monitor saw.
#[derive(Clone, Debug)]
pub struct Observed {
    /// By subject, in the order in which they were given.
    pub subjects: Vec<ObservedSubject>,
    /// What the monitoring cost.
    pub cost: Cost,
    /// When it began.
    pub begun: HostInstant,
}

/// What was seen of one subject.
#[derive(Clone, Debug)]
pub struct ObservedSubject {
    /// Its name.
    pub name: String,
    /// Totals and peaks over all looks.
    pub totals: Totals,
    /// How long what a process changed stood unread, at most.
    pub lag: Lag,
    /// The readings that nobody has taken out.
    pub readings: Vec<Reading>,
    /// One of how many looks is in `readings`: 1 unless there were too many to be kept.
    pub stride: u64,
}

/// What the monitoring itself cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU time of its thread, in nanoseconds.
    pub cpu_ns: u64,
    /// The part of it that the first looks took: to find the processes and to open their files.
    pub first_cpu_ns: u64,
    /// How long it ran, in nanoseconds.
    pub wall_ns: u64,
    /// Ticks at which it looked.
    pub looks: u64,
    /// Ticks that it missed.
    pub missed: u64,
    /// Processes and threads that began on this host, whosoever they were, and were gone before they could be looked at.
    pub unseen: u64,
}

impl Cost {
    /// CPU time of a look, in nanoseconds, the first ones left out.
    pub fn per_look_ns(&self) -> f64 {
        self.cpu_ns.saturating_sub(self.first_cpu_ns) as f64 / self.looks.max(1) as f64
    }
}

impl Observed {
    /// Totals and peaks of every subject as metrics (`<subject>_cpu_ns`, `<subject>_peak_rss_bytes`, …), and the monitor's
    /// own cost.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let subjects = self.subjects.iter().flat_map(|subject| subject.totals.metrics(&subject.name));
        let own = [
            ("monitor_cpu_ns".to_owned(), self.cost.cpu_ns as f64),
            ("monitor_looks_count".to_owned(), self.cost.looks as f64),
            ("monitor_missed_count".to_owned(), self.cost.missed as f64),
        ];
        subjects.chain(own).collect()
    }

    /// The series of all subjects as CSV.
    pub fn csv(&self) -> String {
        let mut text = csv_header();
        for subject in &self.subjects {
            subject.readings.iter().for_each(|reading| csv_row(&mut text, &subject.name, self.begun, reading));
        }
        text
    }
}

impl Monitor {
    /// Starts to monitor. When this returns, the first look has been taken: what subjects use from now on is counted.
    ///
    /// # Errors
    /// [`MonitorError`] says what does not fit.
    pub fn start(layout: &CgroupLayout, subjects: Vec<Subject>, options: MonitorOptions) -> Result<Self, MonitorError> {
        if !(1..=RATE_MOST).contains(&options.rate_hz) {
            return Err(MonitorError::Rate(options.rate_hz));
        }
        let begun = Clock.now();
        let ticker = Ticker::start(begun.0, 1_000_000_000 / u64::from(options.rate_hz))?;
        let wake = ticker.wake();
        let shared = Arc::new(Shared { commands: Mutex::default(), series: Mutex::default() });
        let for_thread = (Arc::clone(&shared), layout.clone());
        let thread = std::thread::Builder::new()
            .name("monitor".to_owned())
            .spawn(move || watch::watch(ticker, &for_thread.0, &for_thread.1, options, begun))?;
        let monitor = Self { shared, layout: layout.clone(), wake, thread: Some(thread), begun };
        subjects.into_iter().try_for_each(|subject| monitor.add(subject))?;
        Ok(monitor)
    }

    /// Monitors one more. When this returns, the first look at it has been taken.
    ///
    /// # Errors
    /// [`MonitorError`] says what does not fit.
    pub fn add(&self, subject: Subject) -> Result<(), MonitorError> {
        let name = subject.name.clone();
        let subject =
            subject.checked(&self.layout).map_err(|source| MonitorError::Subject { name: name.clone(), source })?;
        {
            let mut series = self.shared.series();
            if series.iter().any(|(known, _)| *known == name) {
                return Err(MonitorError::Twice(name));
            }
            series.push((name, Series::new(KEPT_MOST)));
        }
        let (sender, receiver) = channel();
        self.command(Command::Add(Box::new(subject), sender))?;
        receiver.recv().map_err(|_| MonitorError::Host(io::Error::other("its thread has ended")))
    }

    /// When it began: the zero of its series.
    pub fn begun(&self) -> HostInstant {
        self.begun
    }

    /// Takes out the readings since the last call, by subject.
    pub fn take_readings(&self) -> Vec<(String, Vec<Reading>)> {
        let mut series = self.shared.series();
        series.iter_mut().map(|(name, series)| (name.clone(), series.take(Vec::with_capacity(256)))).collect()
    }

    /// Looks once more, and ends.
    ///
    /// # Errors
    /// If the monitor's thread has ended by itself: the host gave no timer any more.
    pub fn stop(mut self) -> io::Result<Observed> {
        self.end().unwrap_or_else(|| Err(io::Error::other("the monitor has been stopped already")))
    }

    fn end(&mut self) -> Option<io::Result<Observed>> {
        let thread = self.thread.take()?;
        let told = self.command(Command::Stop);
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("the monitor's thread panicked")));
        Some(told.and(ended))
    }

    fn command(&self, command: Command) -> io::Result<()> {
        self.shared.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        rustix::io::write(&*self.wake, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl Shared {
    fn series(&self) -> MutexGuard<'_, Vec<(String, Series)>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_v2;
