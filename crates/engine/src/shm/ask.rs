//! The asking side of a session, in a thread of its own that stays on its processor.

use super::{Bells, HostSystem, Record, WaitingMode};
use crate::calibrate::pin::stay_on;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_shm::copy::{LINE_SPARE, on_a_line};
use isodyne_shm::fault::Fault;
use isodyne_shm::frames::fill;
use isodyne_shm::peer::Peer;
use isodyne_shm::region::Region;
use isodyne_shm::session::{self, Loan};
use isodyne_shm::task::{Protocol, Task};
use isodyne_shm::wait::{Limits, System};
use rustix::thread::set_current_timer_slack;
use std::num::NonZeroU64;
use std::time::Duration;

/// What the asking side is told.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What both sides do.
    pub task: Task,
    /// How this side waits.
    pub waiting: WaitingMode,
    /// The processor that its thread stays on.
    pub processor: Option<usize>,
    /// Trips in front that are not counted; they are part of the task.
    pub warmup: u32,
    /// From the moment of one round trip to that of the next; without it each begins when the one before has ended.
    pub pace: Option<Duration>,
    /// The process of this host that runs the other side's machine, if it is in one.
    pub monitor: Option<u32>,
    /// When all must be over.
    pub deadline: HostInstant,
    /// How long the other side may take for one step.
    pub patience: Duration,
}

/// Asks, and gives what was measured.
///
/// # Errors
/// As soon as the other side is late or wrong: integrity, a timeout, or a broken protocol, in words.
pub fn ask(region: Region<'_>, bells: &Bells<'_>, asked: &Asked) -> Result<Record, Failure> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("shm-ask".to_owned());
        // The bells may be for one thread only: this one waits meanwhile.
        let joined =
            thread.spawn_scoped(scope, || session(region, bells, asked)).map_err(|error| launch(&error))?.join();
        joined.unwrap_or_else(|_| Err(Failure::new(FailureClass::Crash, "the measuring thread panicked")))
    })
}

fn launch(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Launch, format!("the asking side: {error}"))
}

fn session(region: Region<'_>, bells: &Bells<'_>, asked: &Asked) -> Result<Record, Failure> {
    if let Some(processor) = asked.processor {
        stay_on(processor).map_err(|error| launch(&error))?;
    }
    let Asked { task, .. } = asked;
    let waiting = bells.waiting(asked.waiting).map_err(|error| launch(&error))?;
    let limits = Limits { deadline_ns: asked.deadline.0, patience_ns: asked.patience.as_nanos() as u64 };
    let system = HostSystem::under(region);
    let peer = Peer { region, system: &system, waiting, limits, lie: None };
    let length = task.copy_bytes();
    let (mut one, mut two) = (buffer(length + LINE_SPARE)?, buffer(length + LINE_SPARE)?);
    let seed = fastrand::u64(..);
    let (one, two) = (on_a_line(&mut one, length), on_a_line(&mut two, length));
    fill(seed, one, two);
    let stream = if task.protocol == Protocol::Sequence { task.stream as usize } else { 0 };
    let mut proofs = vec![[0; 32]; stream];
    let mut record = Record::new(asked.warmup.min(task.trips)).ok_or_else(|| launch(&"no histogram"))?;
    record.watch(asked.monitor);
    let pace_ns = asked.pace.map(|pace| pace.as_nanos() as u64);
    if pace_ns.is_some() {
        // The kernel may wake a thread 50 µs late, unless the thread asks for less; what it refuses shows as a delay.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
    }
    let loan = Loan { sources: [one, two], proofs: &mut proofs, seed: fastrand::u64(..), pace_ns };
    let done = session::ask(&peer, task, loan, &mut record);
    whole(&system, done).map_err(|fault| failure(&fault))?;
    record.finish();
    record.missed_rings = system.missed_rings();
    Ok(record)
}

fn buffer(length: usize) -> Result<Vec<u8>, Failure> {
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(length)
        .map_err(|_| Failure::new(FailureClass::Launch, format!("no memory for a frame of {length} B")))?;
    buffer.resize(length, 0);
    Ok(buffer)
}

/// What came of a session: nothing, if its memory is gone, whatever was taken for its end.
pub(super) fn whole(system: &HostSystem, done: Result<(), Fault>) -> Result<(), Fault> {
    const BAD_ADDRESS: u32 = libc::EFAULT.unsigned_abs();
    // The kernel itself looks at a futex, and is not ended by a page that is not there.
    if system.has_lost_memory() || done == Err(Fault::Bell(BAD_ADDRESS)) { Err(Fault::Gone) } else { done }
}

/// A fault as a sample's failure.
pub(super) fn failure(fault: &Fault) -> Failure {
    let class = match fault {
        fault if fault.is_integrity() => FailureClass::Integrity,
        Fault::TimedOut(_) => FailureClass::Timeout,
        Fault::Bell(_) | Fault::Region { .. } | Fault::Buffer => FailureClass::Launch,
        _ => FailureClass::Protocol,
    };
    Failure::new(class, fault.to_string())
}
