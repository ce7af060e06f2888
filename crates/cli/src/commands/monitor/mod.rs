//! `isodyne monitor`: what processes and cgroups use, look by look, and what the looking costs.

mod child;
mod docker_cr;
mod figure;
mod live;
mod series;
mod summary;

use super::checkpoint::place;
use crate::arguments::{Every, MonitorOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use child::Child;
use figure::SeriesFigure;
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::unit::HostInstant;
use isodyne_engine::checkpoint::container::find;
use isodyne_engine::clock::Clock;
use isodyne_engine::host::cgroup::{CgroupLayout, cgroup_of_process, exists};
use isodyne_engine::host::root::HostRoot;
use isodyne_engine::monitor::{self, Monitor, MonitorError, Shares, Subject, SubjectError};
use isodyne_engine::schedule::Interrupt;
use live::Live;
use series::SeriesFile;
use std::time::Duration;

/// How often readings are written and shown. The monitor itself does not wait for this.
const SHOW: Duration = Duration::from_millis(200);

/// Monitors until there is nothing left, the time is over, or the user asks to end. Gives the exit code.
pub fn monitor(options: &MonitorOptions, output: &Output) -> Result<u8, Trouble> {
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    let layout = CgroupLayout::detect(&HostRoot::default());
    if let Some(path) = options.cgroup.as_ref().filter(|path| !exists(&layout, path)) {
        let hint =
            "give it from the root of the hierarchies (/user.slice/x), as /proc/PID/cgroup has it, or below a mount";
        return Err(Trouble::usage(format!("no cgroup is at `{path}`"), hint));
    }
    let mut file = options.output.as_deref().map(|path| SeriesFile::begin(path, options.format)).transpose()?;
    let mut child = if options.command.is_empty() { None } else { Some(Child::prepare(&options.command, &interrupt)?) };
    let shares = match options.pss_every {
        Every::Ns(ns) => Shares::Every(Duration::from_nanos(ns)),
        Every::Cheaply => Shares::Cheaply,
        Every::Never => Shares::Never,
    };
    let pressure_every = Duration::from_nanos(options.pressure_every);
    let how = monitor::MonitorOptions { rate_hz: options.rate, shares, pressure_every };
    let monitor = Monitor::start(&layout, subjects(options, &layout, output)?, how).map_err(refused)?;
    let started_at = jiff::Timestamp::now();
    if let Some(child) = &mut child {
        child.start(options.json)?;
    }
    let deadline = options.duration.map(|ns| HostInstant(monitor.begun().0.saturating_add(ns)));
    let mut figure = options.figure.as_deref().map(SeriesFigure::new);
    let mut live = Live::new();
    let watched = watch(&monitor, child.as_mut(), deadline, &interrupt, &mut |readings| {
        live.show(readings);
        if let Some(figure) = &mut figure {
            figure.add(monitor.begun(), readings);
        }
        file.as_mut().map_or(Ok(()), |file| file.write(started_at, monitor.begun(), readings))
    });
    live.end();
    let observed = monitor.stop().map_err(Trouble::unexpected)?;
    let interrupted = interrupt.is_asked();
    let ended = child.map(|child| child.end(output));
    watched?;
    let last: Vec<_> = observed.subjects.iter().map(|one| (one.name.clone(), one.readings.clone())).collect();
    if let Some(mut figure) = figure {
        figure.add(observed.begun, &last);
        figure.finish(&observed.cost)?;
    }
    if let Some(mut file) = file {
        file.write(started_at, observed.begun, &last)?;
        file.finish()?;
    }
    let summary = summary::Summary::of(options, &observed, started_at, ended.as_ref());
    match (options.json, &ended) {
        (true, _) => output.json(&summary)?,
        (false, None) => output.data(&summary.text())?,
        (false, Some(_)) => {
            output.say(summary.text().trim_end());
            Exit::Ok
        }
    };
    Ok(match ended {
        // A command that was ended because the time was over did not end by itself.
        Some(_) if interrupted => Exit::Interrupted as u8,
        Some(ended) => ended.code(),
        None => Exit::Ok as u8,
    })
}

/// Waits, and hands on what was read meanwhile.
fn watch(
    monitor: &Monitor,
    mut child: Option<&mut Child>,
    deadline: Option<HostInstant>,
    interrupt: &Interrupt,
    hear: &mut dyn FnMut(&[series::Readings]) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    loop {
        let now = Clock.now();
        let next = deadline.map_or(Clock.after(SHOW), |deadline| deadline.min(Clock.after(SHOW)));
        let ended = match &mut child {
            Some(child) => child.wait(next),
            None => {
                std::thread::park_timeout(Duration::from_nanos(next.ns_since(now)));
                false
            }
        };
        let readings = monitor.take_readings();
        hear(&readings)?;
        let is_over = deadline.is_some_and(|deadline| Clock.now() >= deadline);
        // A child that was not there yet at the last look is waited for all the same.
        let nothing_left = child.is_none() && !readings.is_empty() && readings.iter().all(|(_, of)| is_gone(of));
        if ended || is_over || interrupt.is_asked() || nothing_left {
            return Ok(());
        }
    }
}

/// Whether the last look saw nothing any more.
fn is_gone(readings: &[monitor::Reading]) -> bool {
    readings.last().is_some_and(|last| last.processes == 0 && last.cgroup_memory_bytes.is_none())
}

fn subjects(options: &MonitorOptions, layout: &CgroupLayout, output: &Output) -> Result<Vec<Subject>, Trouble> {
    let tree = (!options.pid.is_empty()).then(|| Subject::tree("tree", options.pid.clone()));
    let cgroup = options.cgroup.as_ref().map(|path| Subject::cgroup("cgroup", path));
    let container = options.container.as_deref().map(|name| container(name, options, layout, output)).transpose()?;
    let command = (!options.command.is_empty()).then(|| Subject::new_children_of("command", std::process::id()));
    Ok(tree.into_iter().chain(cgroup).chain(container).chain(command).collect())
}

/// The processes of a running container, and the cgroup of its first one.
fn container(name: &str, options: &MonitorOptions, layout: &CgroupLayout, output: &Output) -> Result<Subject, Trouble> {
    let found = find(name, &place(&options.owner)).map_err(|error| Trouble {
        exit: if error.class == CheckpointClass::Permission { Exit::Unexpected } else { Exit::Usage },
        message: error.message,
        hint: error.hint,
    })?;
    let tree = Subject::tree("container", [found.pid]);
    Ok(match cgroup_of_process(layout, found.pid).filter(|path| exists(layout, path)) {
        Some(path) => tree.with_cgroup(&path),
        None => {
            output.warn(&format!(
                "`{name}` has no cgroup of its own that can be read here: only its processes are monitored"
            ));
            tree
        }
    })
}

fn refused(error: MonitorError) -> Trouble {
    match &error {
        MonitorError::Subject { source: SubjectError::NoProcess(_), .. } => {
            Trouble::usage(error, "`ps -e` lists the processes that there are")
        }
        MonitorError::Subject { .. } | MonitorError::Rate(_) | MonitorError::Twice(_) => {
            Trouble::usage(error, "`isodyne monitor --help` says what it takes")
        }
        MonitorError::Host(_) => Trouble::unexpected(error),
    }
}
