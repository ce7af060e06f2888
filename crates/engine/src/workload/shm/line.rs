//! The host's end of the memory: made for the session, or the device's.

use super::ShmOptions;
use crate::backend::shared_memory::SharedMemory;
use crate::backend::{Place, class_of, shared_directory};
use crate::clock::Clock;
use crate::shm::{EventBell, Handover, Memory, WaitingMode};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_shm::region::Region;
use isodyne_shm::task::Task;
use isodyne_shm::wait::Bell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The file's name in the shared directory.
const FILE: &str = "region";
/// The socket's.
const SOCKET: &str = "socket";

/// The host's end.
pub(super) struct Line<'a> {
    kind: LineKind<'a>,
    /// What tells the sandbox where the memory is.
    place: Vec<String>,
}

enum LineKind<'a> {
    Own { memory: Memory, handover: Option<(Handover, [OwnedFd; 2])>, events: Option<EventBell> },
    Device(&'a SharedMemory),
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(class_of(error), format!("{what}: {error}"))
}

impl<'a> Line<'a> {
    /// Makes the memory, or takes the device's.
    pub(super) fn open(
        inside: Option<&Path>,
        place: &Place,
        options: &ShmOptions,
        task: &Task,
        device: Option<&'a SharedMemory>,
    ) -> Result<Self, Failure> {
        if let Some(device) = device {
            let mapping = &options.mapping;
            let said = match device.host_id() {
                Some(host) if options.interrupts => format!("region=doorbell:{mapping}:{host}"),
                _ => format!("region=plain:{mapping}"),
            };
            return Ok(Self { kind: LineKind::Device(device), place: vec![said] });
        }
        let inside = inside.ok_or_else(|| {
            Failure::new(FailureClass::Launch, "the sandbox shares no memory that the lab could reach")
        })?;
        let directory = shared_directory(place);
        let length =
            task.region_bytes().ok_or_else(|| Failure::new(FailureClass::Launch, "no memory is large enough"))?;
        let memory =
            if options.file { Memory::create(&directory.join(FILE), length) } else { Memory::anonymous(length) };
        let memory = memory.map_err(|error| failed("the shared memory", &error))?;
        let mut said = Vec::new();
        if options.file {
            said.push(format!("region=file:{}", inside.join(FILE).display()));
        }
        let (mut handover, mut events) = (None, None);
        if !options.file || options.waiting == WaitingMode::Eventfd {
            let socket = Handover::listen(&directory.join(SOCKET)).map_err(|error| failed("the socket", &error))?;
            let (bell, given) = EventBell::pair().map_err(|error| failed("event counters", &error))?;
            handover = Some((socket, given));
            events = Some(bell);
            said.push(format!("socket={}", inside.join(SOCKET).display()));
        }
        Ok(Self { kind: LineKind::Own { memory, handover, events }, place: said })
    }

    /// The words for the other side.
    pub(super) fn words(&self, options: &ShmOptions, task: &Task, processor: Option<usize>) -> Vec<String> {
        let mut words = self.place.clone();
        words.push(format!("waiting={}", options.waiting.word()));
        words.push(format!("deadline_ms={}", options.timeout.as_millis()));
        words.push(format!("patience_ms={}", options.patience.as_millis()));
        words.extend(processor.map(|processor| format!("cpu={processor}")));
        words.extend(options.lie.map(|lie| format!("lie={}", lie.name())));
        words.extend(task.to_string().split(' ').map(str::to_owned));
        words
    }

    /// Gives the other side what it comes for.
    pub(super) fn hand_over(&self, clock: Clock, deadline: HostInstant) -> Result<(), Failure> {
        let LineKind::Own { memory, handover: Some((handover, [ring, sleep])), .. } = &self.kind else { return Ok(()) };
        let descriptors: [&dyn AsFd; 3] = [ring, sleep, memory];
        handover.give(&descriptors, clock, deadline).map_err(|error| failed("handing over the memory", &error))
    }

    /// What a mode sleeps on that is not in the memory itself.
    pub(super) fn bell(
        &mut self,
        waiting: WaitingMode,
        deadline: HostInstant,
    ) -> Result<Option<Box<dyn Bell + Send + Sync>>, Failure> {
        Ok(match (&mut self.kind, waiting) {
            (LineKind::Own { events, .. }, WaitingMode::Eventfd) => {
                events.take().map(|bell| Box::new(bell) as Box<dyn Bell + Send + Sync>)
            }
            (LineKind::Device(device), WaitingMode::Doorbell) => Some(Box::new(device.bell(None, 0, deadline)?)),
            _ => None,
        })
    }

    /// Whether another program can cut the memory short.
    pub(super) fn can_be_cut(&self) -> bool {
        match &self.kind {
            LineKind::Own { memory, .. } => memory.can_be_cut(),
            LineKind::Device(device) => device.can_be_cut(),
        }
    }

    /// The memory.
    pub(super) fn region(&self) -> Result<Region<'_>, Failure> {
        match &self.kind {
            LineKind::Own { memory, .. } => memory.region().map_err(|error| failed("the shared memory", &error)),
            LineKind::Device(device) => Ok(device.region()),
        }
    }
}
