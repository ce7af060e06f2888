//! A whole session of either side: meet, do the task, part.

use crate::check::PROOF;
use crate::copy::CopyBy;
use crate::fault::Fault;
use crate::frames::{self, FrameTimes, Sender};
use crate::peer::Peer;
use crate::ping_pong::PacedTimes;
use crate::task::{Protocol, Task};
use crate::two_phase::MessageTimes;
use crate::wait::System;
use crate::{ping_pong, two_phase};

/// Who hears what was measured, between the measurements.
pub trait Listener {
    /// Round trips: the number of the first, when they began, and how long each took.
    fn trips(&mut self, first: u32, began_ns: u64, times_ns: &[u64]);
    /// So many round trips between two stamps took so long.
    fn train(&mut self, trips: u32, took_ns: u64);
    /// A round trip at a fixed rate.
    fn paced(&mut self, times: PacedTimes);
    /// A message of the protocol in two phases.
    fn message(&mut self, number: u32, times: MessageTimes);
    /// A single frame.
    fn frame(&mut self, number: u32, times: FrameTimes);
    /// A stream of so many frames took so long.
    fn stream(&mut self, frames: u32, took_ns: u64);
    /// Frames will be copied in by this way.
    fn copies(&mut self, _by: CopyBy) {}
    /// The task's next part begins.
    fn part(&mut self, _name: &'static str) {}
}

/// What the asking side lends to a session.
pub struct Loan<'b> {
    /// Two frames that differ in every byte; of a message's size for the protocol in two phases. Empty without frames.
    pub sources: [&'b [u8]; 2],
    /// Room for the proof of each frame of the stream.
    pub proofs: &'b mut [[u8; PROOF]],
    /// A random number that the other side cannot know.
    pub seed: u64,
    /// From the moment of one round trip to that of the next; without it each begins when the one before has ended.
    pub pace_ns: Option<u64>,
}

/// Asks: a whole session.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn ask<S: System>(
    peer: &Peer<'_, S>,
    task: &Task,
    loan: Loan<'_>,
    listener: &mut impl Listener,
) -> Result<(), Fault> {
    let needed = task.region_bytes().unwrap_or(usize::MAX);
    if peer.region.len() < needed {
        return Err(peer.too_small(needed));
    }
    let by = if task.frames() > 0 {
        // The frame that comes second: what a trial leaves in a slot must not be what is sent through it first.
        frames::way_in(peer, task.ring, loan.sources[1])?
    } else {
        CopyBy::default()
    };
    peer.open(task.digest(), loan.seed | 1)?;
    let done = work(peer, task, loan, by, listener);
    peer.close();
    done
}

fn work<S: System>(
    peer: &Peer<'_, S>,
    task: &Task,
    loan: Loan<'_>,
    by: CopyBy,
    listener: &mut impl Listener,
) -> Result<(), Fault> {
    if task.protocol == Protocol::TwoPhase {
        listener.part("messages");
        return two_phase::ask(peer, task.trips, loan.sources[0], |number, times| listener.message(number, times));
    }
    listener.part("trips");
    let trips = (task.trips, task.trains);
    match loan.pace_ns {
        Some(pace_ns) => ping_pong::ask_paced(peer, trips, pace_ns, loan.seed, listener)?,
        None => ping_pong::ask(peer, trips, loan.seed, listener)?,
    }
    if task.frames() == 0 {
        return Ok(());
    }
    listener.copies(by);
    let mut sender = Sender::new(peer, task.ring, loan.sources, loan.seed, by)?;
    listener.part("frames");
    for number in 1..=task.single {
        listener.frame(number, sender.single()?);
    }
    if task.stream > 0 {
        listener.part("stream");
        let proofs = loan.proofs.get_mut(..task.stream as usize).ok_or(Fault::Buffer)?;
        listener.stream(task.stream, sender.stream(proofs)?);
    }
    Ok(())
}

/// Answers: a whole session. `copy` has [`Task::copy_bytes`]; `part` is told after each part of the task.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn answer<S: System>(
    peer: &Peer<'_, S>,
    task: &Task,
    copy: &mut [u8],
    mut part: impl FnMut(&'static str),
) -> Result<(), Fault> {
    let needed = task.region_bytes().unwrap_or(usize::MAX);
    if peer.region.len() < needed {
        return Err(peer.too_small(needed));
    }
    let by = if task.frames() > 0 { frames::way_out(peer, task.ring, copy)? } else { CopyBy::default() };
    peer.join(task.digest())?;
    part("meeting");
    if task.protocol == Protocol::TwoPhase {
        two_phase::answer(peer, task.trips, copy)?;
        part("messages");
        return Ok(());
    }
    ping_pong::answer(peer, (task.trips, task.trains))?;
    part("trips");
    if task.frames() > 0 {
        frames::answer(peer, task.ring, task.frames(), copy, by)?;
        part("frames");
    }
    Ok(())
}
