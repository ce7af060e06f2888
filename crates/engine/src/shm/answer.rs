//! The answering side of a session on this host, for `isodyne shm peer`.

use super::ask::{failure, whole};
use super::{Bells, HostSystem, WaitingMode};
use crate::calibrate::pin::stay_on;
use crate::clock::{Clock, thread_cpu_ns};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_shm::copy::{LINE_SPARE, on_a_line};
use isodyne_shm::lie::Lie;
use isodyne_shm::peer::Peer;
use isodyne_shm::region::Region;
use isodyne_shm::session;
use isodyne_shm::task::Task;
use isodyne_shm::wait::Limits;
use std::time::Duration;

/// What the answering side is told.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// What both sides do.
    pub task: Task,
    /// How this side waits.
    pub waiting: WaitingMode,
    /// The processor that this thread stays on.
    pub processor: Option<usize>,
    /// When all must be over.
    pub deadline: HostInstant,
    /// How long the other side may take for one step.
    pub patience: Duration,
    /// How it lies, in a trial.
    pub lie: Option<Lie>,
}

/// What a part of a session took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Processor time of this side.
    pub cpu_ns: u64,
    /// How long it lasted.
    pub wall_ns: u64,
}

/// Answers in the calling thread, and gives the processor time that each part took.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn answer(region: Region<'_>, bells: &Bells<'_>, answered: &Answered) -> Result<Vec<Part>, Failure> {
    let launch = |error: String| Failure::new(FailureClass::Launch, format!("the answering side: {error}"));
    if let Some(processor) = answered.processor {
        stay_on(processor).map_err(launch)?;
    }
    let waiting = bells.waiting(answered.waiting).map_err(launch)?;
    let limits = Limits { deadline_ns: answered.deadline.0, patience_ns: answered.patience.as_nanos() as u64 };
    let system = HostSystem::under(region);
    let peer = Peer { region, system: &system, waiting, limits, lie: answered.lie };
    let length = answered.task.copy_bytes();
    let mut copy: Vec<u8> = Vec::new();
    copy.try_reserve_exact(length + LINE_SPARE).map_err(|_| launch(format!("no memory for a frame of {length} B")))?;
    // Every page is written, so that the first copy finds it.
    copy.resize(length + LINE_SPARE, 1);
    let copy = on_a_line(&mut copy, length);
    let (mut parts, mut before) = (Vec::new(), (thread_cpu_ns(), Clock.now()));
    let done = session::answer(&peer, &answered.task, copy, |name| {
        let now = (thread_cpu_ns(), Clock.now());
        parts.push(Part { name, cpu_ns: now.0.saturating_sub(before.0), wall_ns: now.1.ns_since(before.1) });
        before = now;
    });
    whole(&system, done).map_err(|fault| failure(&fault))?;
    Ok(parts)
}
