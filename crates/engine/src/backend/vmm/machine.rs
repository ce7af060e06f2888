//! A live machine of a monitor that has a control API: its start, its signs, its use, its snapshots and its end.

use super::api::{self, ApiCall};
use super::card;
use super::console::ConsoleLog;
use super::disk;
use super::end::{diagnose, end, end_by_kill, end_without_guest, patience_after};
use super::first_sign::started_by_first_sign;
use super::logs::{Logs, tail};
use super::pin::{Pin, threads_numbered};
use super::usage::{threads_named, usage};
use super::way::Way;
use crate::backend::snapshot::{Taken, files_of};
use crate::backend::{AppRoot, Stamp, Stopped, class_of};
use crate::channel::{AgentChannel, ShutdownHow};
use crate::clock::Clock;
use crate::http::{Client, HttpError};
use crate::image::app::OverlayMethod;
use crate::lab::Lab;
use crate::network::{Network, OwnNetwork};
use crate::ownership::OwnedProcess;
use crate::watch::{Source, Watcher};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The answer to the request that ends the monitor.
const QUIT_DEADLINE: Duration = Duration::from_millis(500);
/// How long the exit of a monitor that has no guest any more is waited for.
const EXIT_AFTER_START: Duration = Duration::from_millis(500);

/// What a kind of monitor is called, and how its guest ends.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    /// In messages.
    pub name: &'static str,
    /// The names of the threads that run virtual processors begin with this.
    pub processor_thread: &'static str,
    /// What the guest does to end it.
    pub guest_ends_by: ShutdownHow,
    /// Whether it has a request that ends it without its guest.
    pub ends_by_request: bool,
}

impl Monitor {
    /// The failure of what the lab makes for it, before it starts.
    pub fn refused(self, error: &io::Error) -> Failure {
        Failure::new(class_of(error), format!("failed to make what {} needs: {error}", self.name))
    }

    /// The guest's console, from where its bytes come: logged, its first byte a milestone.
    ///
    /// # Errors
    /// As [`Monitor::refused`].
    pub fn console(self, from: OwnedFd, logs: &Logs) -> Result<Box<dyn Source>, Failure> {
        let console = ConsoleLog::new(from, &logs.console, MilestoneName::Kernel);
        Ok(Box::new(console.map_err(|error| self.refused(&error))?))
    }
}

/// Everything that a start takes, made already.
pub struct Start<'a> {
    /// What it is.
    pub monitor: Monitor,
    /// The program with its arguments and streams.
    pub command: Command,
    /// Its control socket, once it is there.
    pub socket: PathBuf,
    /// The requests, of which the last one makes the machine run; none where it runs by itself.
    pub calls: &'a [ApiCall],
    /// By-signals to watch for.
    pub sources: Vec<Box<dyn Source>>,
    /// The way to the agent.
    pub way: Way,
    /// Its logs.
    pub logs: Logs,
    /// The guest's memory.
    pub memory_bytes: u64,
    /// Where its virtual processors run.
    pub pinning: Pinning<'a>,
    /// The network of its card, if it has one.
    pub network: Option<Arc<OwnNetwork>>,
    /// Whether the program joins the network's namespace by itself.
    pub joins: bool,
    /// How the disk of the application was made, if there is one.
    pub disk: Option<OverlayMethod>,
}

/// Who pins virtual processors.
#[derive(Clone, Debug)]
pub enum Pinning<'a> {
    /// Nobody.
    None,
    /// The lab, once the guest runs. Where no request starts it, this one is answered when it has been started.
    ByLab(&'a Pin, ApiCall),
    /// The monitor, which was told to; the lab makes sure.
    ByMonitor(&'a Pin),
}

impl Pinning<'_> {
    /// How somebody pins them, if anybody does.
    pub fn of<'a>(pin: Option<&'a Pin>, how: impl FnOnce(&'a Pin) -> Pinning<'a>) -> Pinning<'a> {
        pin.map_or(Pinning::None, how)
    }
}

/// A live machine.
pub struct Machine {
    monitor: Monitor,
    clock: Clock,
    process: OwnedProcess,
    client: Client,
    channel: AgentChannel,
    /// Gone once everything that it can see has been seen.
    watcher: Option<Watcher>,
    stamps: Vec<Stamp>,
    logs: Logs,
    memory_bytes: u64,
    /// How long the guest may have run anywhere before it was pinned.
    unpinned_ns: Option<u64>,
    network: Option<Arc<OwnNetwork>>,
    disk: Option<OverlayMethod>,
    /// Whether it was left standing by what kept its state.
    stands_still: bool,
}

impl Machine {
    /// Starts the monitor and sends it the requests. Nothing is left running if this fails.
    ///
    /// # Errors
    /// A classed failure with the monitor's own words.
    pub fn start(start: Start<'_>, lab: &Lab) -> Result<Self, Failure> {
        let Start { monitor, command, socket, calls, sources, way, logs, memory_bytes, pinning, network, joins, disk } =
            start;
        let refused = |error: io::Error| monitor.refused(&error);
        let watcher = Watcher::start(lab.clock, sources).map_err(refused)?;
        let mut process = match &network {
            Some(network) if !joins => card::spawn_inside(network, command, lab)?,
            _ => {
                let spawned = lab.owner.spawn(command);
                spawned.map_err(|error| Failure::new(FailureClass::Launch, crate::backend::chain(&error)))?
            }
        };
        let channel = way.channel(&process, lab.clock).map_err(refused)?;
        let (stamps, mut client) = match converse(calls, &socket, &mut process, lab.clock) {
            Ok(started) => started,
            Err(error) => return Err(api::explain(monitor.name, &error, &mut process, watcher, &logs, lab.clock)),
        };
        let wait = calls.is_empty();
        let unpinned_ns = match pin(&pinning, monitor, &process, &stamps, wait.then_some(&mut client), lab.clock) {
            Ok(unpinned_ns) => unpinned_ns,
            Err(failure) => {
                // A monitor without threads to pin has probably ended, and its own words say why.
                let exit = process.wait(lab.clock.after(EXIT_AFTER_START));
                watcher.finish();
                return Err(diagnose(monitor.name, failure, exit, &logs));
            }
        };
        Ok(Self {
            monitor,
            clock: lab.clock,
            process,
            client,
            channel,
            watcher: Some(watcher),
            stamps,
            logs,
            memory_bytes,
            unpinned_ns,
            network,
            disk,
            stands_still: false,
        })
    }

    /// t0.
    pub fn origin(&self) -> HostInstant {
        self.process.forked_at
    }

    /// The milestones so far.
    pub fn stamps(&self) -> Vec<Stamp> {
        let mut stamps = self.stamps.clone();
        stamps.extend(self.watcher.iter().flat_map(Watcher::stamps));
        started_by_first_sign(&mut stamps);
        stamps
    }

    /// The channel to the agent.
    pub fn agent(&mut self) -> &mut AgentChannel {
        &mut self.channel
    }

    /// The power of being connected to.
    pub fn network(&self) -> Option<Arc<dyn Network>> {
        self.network.clone().map(|network| network as Arc<dyn Network>)
    }

    /// Where a user's own application finds its root.
    pub fn app_root(&self) -> AppRoot {
        disk::app_root(self.disk)
    }

    /// What monitor and guest have used, by metric name.
    pub fn usage(&self) -> Vec<(String, f64)> {
        let pid = self.process.pid();
        let mut values = usage(pid, threads_named(pid, self.monitor.processor_thread), self.memory_bytes);
        values.extend(self.unpinned_ns.map(|unpinned| ("unpinned_ns".to_owned(), unpinned as f64)));
        values
    }

    /// Says more about a failure.
    pub fn diagnose(&mut self, failure: Failure) -> Failure {
        let exit = self.process.wait(self.clock.after(patience_after(&failure)));
        if exit.is_some() {
            self.finish_watching();
        }
        let failure =
            if self.disk.is_some() { disk::without_disk(failure, &tail(&self.logs.console)) } else { failure };
        let failure = diagnose(self.monitor.name, failure, exit, &self.logs);
        // A monitor that reads its configuration behind its socket can end of it after it has been connected to.
        let never_ran = self.stamps().iter().all(|stamp| stamp.name < MilestoneName::Started);
        if failure.class == FailureClass::Crash && never_ran && exit.is_some_and(|exit| !exit.status.success()) {
            return Failure { class: FailureClass::Launch, ..failure };
        }
        failure
    }

    /// Stands still, is written, and runs again where there is a request for it.
    ///
    /// # Errors
    /// A classed failure with the monitor's own words. The machine may stand still then.
    pub fn keep(
        &mut self,
        [pause, write]: [ApiCall; 2],
        resume: Option<ApiCall>,
        directory: &Path,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        let (client, name) = (&mut self.client, self.monitor.name);
        let mut call = |call: &ApiCall| api::call(client, call, deadline).map_err(|error| api::failure(name, &error));
        self.stands_still = true;
        let paused = call(&pause)?;
        let written = call(&write)?;
        let resumed = resume.map(|resume| call(&resume)).transpose()?.map(|reply| reply.at);
        self.stands_still = resumed.is_none();
        let files = files_of(directory);
        Ok(Taken {
            asked: paused.asked,
            paused: Some(paused.at),
            written: written.at,
            resumed,
            running_says_hello: false,
            restored_says_hello: false,
            files,
            engine: Vec::new(),
        })
    }

    /// Ends it: the guest is asked, unless it stands still and hears nobody, then the monitor by its own request, then it is
    /// killed.
    pub fn stop(&mut self, quit: &ApiCall, deadline: HostInstant) -> Stopped {
        let (client, clock, process) = (&mut self.client, self.clock, &mut self.process);
        let Monitor { name, guest_ends_by, ends_by_request, .. } = self.monitor;
        // The answer does not matter, the exit does.
        let quit = || drop(api::call(client, quit, clock.after(QUIT_DEADLINE)));
        let ended = match (self.stands_still, ends_by_request) {
            (true, true) => end_without_guest(process, quit, deadline),
            (true, false) => end_by_kill(process),
            (false, _) => end(process, &mut self.channel, guest_ends_by, name, quit, clock, deadline),
        };
        self.finish_watching();
        ended.into_stopped(name, &self.process, &self.logs)
    }

    /// Once the monitor has ended nothing more arrives: the watcher reads what is left and ends, and the logs are whole.
    fn finish_watching(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            self.stamps.extend(watcher.finish());
        }
    }
}

/// Pins the threads of virtual processors; gives how long the guest may have run anywhere before.
fn pin(
    pinning: &Pinning<'_>,
    monitor: Monitor,
    process: &OwnedProcess,
    stamps: &[Stamp],
    wait: Option<&mut Client>,
    clock: Clock,
) -> Result<Option<u64>, Failure> {
    let threads = || threads_numbered(process.pid(), monitor.processor_thread);
    let (pin, running) = match pinning {
        Pinning::None => return Ok(None),
        Pinning::ByMonitor(pin) => return pin.verify(&threads()).map(|()| None),
        Pinning::ByLab(pin, running) => (pin, running),
    };
    if let Some(client) = wait {
        let answer = api::call(client, running, clock.after(api::ANSWER_DEADLINE));
        answer.map_err(|error| api::failure(monitor.name, &error))?;
    }
    pin.apply(&threads())?;
    let asked = stamps.iter().find(|stamp| stamp.name == MilestoneName::Started).and_then(|stamp| stamp.asked);
    Ok(Some(clock.now().ns_since(asked.unwrap_or(process.forked_at))))
}

/// From the socket to the running guest.
fn converse(
    calls: &[ApiCall],
    socket: &Path,
    process: &mut OwnedProcess,
    clock: Clock,
) -> Result<(Vec<Stamp>, Client), HttpError> {
    let deadline = clock.after(api::ANSWER_DEADLINE);
    let mut client = api::connect(socket, process, clock, deadline)?;
    let connected = clock.now();
    let stamp = |name, at, asked, signal| Stamp { name, at, asked, signal };
    let mut stamps = vec![
        stamp(MilestoneName::Spawned, process.spawned_at, Some(process.forked_at), SignalName::Exec),
        stamp(MilestoneName::ApiReady, connected, None, SignalName::Notify),
    ];
    let Some((start, configure)) = calls.split_last() else { return Ok((stamps, client)) };
    let mut asked = None;
    let mut answered = None;
    for call in configure {
        let reply = api::call(&mut client, call, deadline)?;
        asked.get_or_insert(reply.asked);
        answered = Some(reply.at);
    }
    if let Some(answered) = answered {
        stamps.push(stamp(MilestoneName::Configured, answered, asked, SignalName::Reply));
    }
    let started = api::call(&mut client, start, deadline)?;
    stamps.push(stamp(MilestoneName::Started, started.at, Some(started.asked), SignalName::Reply));
    Ok((stamps, client))
}
