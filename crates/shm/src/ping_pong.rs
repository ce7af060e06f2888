//! Round trips: a question in one line, an answer in another, one word each.
//!
//! A word holds the number of the trip above and a token below. The answer's token is made from the question's, so that
//! nobody can answer what was not asked.

use crate::check::mix;
use crate::fault::{Fault, Step};
use crate::layout::{ANSWER_WORD, ASK_WORD};
use crate::lie::Lie;
use crate::peer::Peer;
use crate::session::Listener;
use crate::wait::System;
use core::sync::atomic::{AtomicU64, Ordering};

/// Trips are recorded so many at a time: in between, nothing but the trips is done.
pub const BATCH: usize = 1024;

/// Trips between the two stamps of a train.
pub const TRAIN: u32 = 64;

/// The most trips of a session.
pub const MOST: u32 = 1 << 30;

/// The most trains of a session.
pub const MOST_TRAINS: u32 = 1 << 24;

#[inline]
fn word(number: u32, token: u32) -> u64 {
    u64::from(number) << 32 | u64::from(token)
}

#[inline]
fn answer_to(token: u32) -> u32 {
    token.rotate_left(16).wrapping_mul(0x9e37_79b1) ^ 0x5bd1_e995
}

/// The asking side's end of the two lines.
struct Questions<'p, 'a, S> {
    peer: &'p Peer<'a, S>,
    question: &'a AtomicU64,
    answer: &'a AtomicU64,
    token: u32,
    previous: u64,
}

impl<'p, 'a, S: System> Questions<'p, 'a, S> {
    fn new(peer: &'p Peer<'a, S>, seed: u64) -> Result<Self, Fault> {
        let (question, answer) = (peer.word(ASK_WORD)?, peer.word(ANSWER_WORD)?);
        match answer.load(Ordering::Acquire) {
            0 => Ok(Self { peer, question, answer, token: mix(seed) as u32 | 1, previous: 0 }),
            seen => Err(Fault::Number { step: Step::Answer(1), seen }),
        }
    }

    /// One trip; the readings of the clock are around it.
    #[inline(always)]
    fn trip(&mut self, number: u32) -> Result<(), Fault> {
        self.token ^= self.token << 13;
        self.token ^= self.token >> 17;
        self.token ^= self.token << 5;
        let step = Step::Answer(u64::from(number));
        self.question.store(word(number, self.token), Ordering::Release);
        self.peer.notify(step)?;
        let seen = self.peer.other_than(self.answer, self.previous, step)?;
        if seen != word(number, answer_to(self.token)) {
            return Err(if seen >> 32 == u64::from(number) {
                Fault::Token(u64::from(number))
            } else {
                Fault::Number { step, seen }
            });
        }
        self.previous = seen;
        Ok(())
    }
}

/// Asks: so many trips with stamps around each, from before the question is written until after the answer is seen; then
/// so many trains of [`TRAIN`] trips with stamps around each train, which tell a trip below the clock's resolution.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn ask<S: System>(
    peer: &Peer<'_, S>,
    (trips, trains): (u32, u32),
    seed: u64,
    record: &mut impl Listener,
) -> Result<(), Fault> {
    let mut questions = Questions::new(peer, seed)?;
    let mut times = [0; BATCH];
    let mut done = 0;
    while done < trips {
        let length = BATCH.min((trips - done) as usize);
        let batch = times.get_mut(..length).unwrap_or_default();
        let began = peer.system.now_ns();
        for (number, time) in (done + 1..).zip(batch.iter_mut()) {
            let begin = peer.system.now_ns();
            questions.trip(number)?;
            *time = peer.system.now_ns().saturating_sub(begin);
        }
        record.trips(done + 1, began, batch);
        done += batch.len() as u32;
    }
    for _ in 0..trains {
        let begin = peer.system.now_ns();
        for number in done + 1..=done + TRAIN {
            questions.trip(number)?;
        }
        record.train(TRAIN, peer.system.now_ns().saturating_sub(begin));
        done += TRAIN;
    }
    Ok(())
}

/// The times of a trip that had its moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacedTimes {
    /// When it was to begin.
    pub due_ns: u64,
    /// How much later it began: the asking side's own timer, or an answer before it that was late.
    pub delay_ns: u64,
    /// From then to its answer.
    pub answer_ns: u64,
}

/// Asks at a fixed rate, whatever the answers take: each trip has its moment, and one that has to wait for the answer before
/// it keeps its moment. The asking side sleeps until then; who answers need not know.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn ask_paced<S: System>(
    peer: &Peer<'_, S>,
    (trips, trains): (u32, u32),
    pace_ns: u64,
    seed: u64,
    record: &mut impl Listener,
) -> Result<(), Fault> {
    let mut questions = Questions::new(peer, seed)?;
    let first = peer.system.now_ns().saturating_add(pace_ns);
    for number in 1..=all(trips, trains) {
        let due_ns = first.saturating_add(pace_ns.saturating_mul(u64::from(number - 1)));
        let mut begin = peer.system.now_ns();
        while begin < due_ns {
            peer.system.sleep_ns(due_ns - begin);
            begin = peer.system.now_ns();
        }
        questions.trip(number)?;
        let answer_ns = peer.system.now_ns().saturating_sub(begin);
        record.paced(PacedTimes { due_ns, delay_ns: begin - due_ns, answer_ns });
    }
    Ok(())
}

/// Trips of a task, those of its trains included.
fn all(trips: u32, trains: u32) -> u32 {
    trips.saturating_add(trains.saturating_mul(TRAIN))
}

/// Answers.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn answer<S: System>(peer: &Peer<'_, S>, (trips, trains): (u32, u32)) -> Result<(), Fault> {
    let (question, answer) = (peer.word(ASK_WORD)?, peer.word(ANSWER_WORD)?);
    let mut previous = 0;
    let lies_at = if peer.lie.is_some() { trips / 2 + 1 } else { 0 };
    for number in 1..=all(trips, trains) {
        let step = Step::Question(u64::from(number));
        let seen = peer.other_than(question, previous, step)?;
        if seen >> 32 != u64::from(number) {
            return Err(Fault::Number { step, seen });
        }
        previous = seen;
        let told =
            if number == lies_at { lie(peer, number, seen as u32) } else { word(number, answer_to(seen as u32)) };
        answer.store(told, Ordering::Release);
        peer.notify(step)?;
    }
    Ok(())
}

#[cold]
fn lie<S>(peer: &Peer<'_, S>, number: u32, token: u32) -> u64 {
    match peer.lie {
        Some(Lie::Backwards) => word(number.wrapping_sub(2), answer_to(token)),
        Some(Lie::Ahead) => word(number + 1, answer_to(token)),
        Some(Lie::Guess) => word(number, token),
        _ => word(number, answer_to(token)),
    }
}
