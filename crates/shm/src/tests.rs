//! Both sides against each other, against liars, and against a peer that writes at random.

use crate::check::Check;
use crate::copy::CopyBy;
use crate::fault::{Fault, Step};
use crate::frames::{self, FrameTimes, Ring, Sender, fill};
use crate::lie::Lie;
use crate::peer::Peer;
use crate::ping_pong::PacedTimes;
use crate::region::Region;
use crate::region::testing::Memory;
use crate::session::{self, Listener, Loan};
use crate::task::{Protocol, Task};
use crate::two_phase::MessageTimes;
use crate::wait::{Limits, System, Waiting};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{thread, vec};

struct Host(Instant);

impl System for Host {
    fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
    fn yield_now(&self) {
        thread::yield_now();
    }
    fn sleep_ns(&self, time_ns: u64) {
        thread::sleep(Duration::from_nanos(time_ns));
    }
}

#[derive(Debug, Default, PartialEq)]
struct Heard {
    trips: u32,
    trains: u32,
    messages: u32,
    frames: u32,
    streamed: u32,
    zero_times: u32,
    paced: vec::Vec<PacedTimes>,
}

impl Listener for Heard {
    fn trips(&mut self, first: u32, _: u64, times_ns: &[u64]) {
        assert_eq!(first, self.trips + 1);
        self.trips += times_ns.len() as u32;
    }
    fn train(&mut self, trips: u32, took_ns: u64) {
        self.trains += 1;
        self.zero_times += u32::from(took_ns == 0 || trips != crate::ping_pong::TRAIN);
    }
    fn paced(&mut self, times: PacedTimes) {
        self.paced.push(times);
    }
    fn message(&mut self, number: u32, _: MessageTimes) {
        self.messages = number;
    }
    fn frame(&mut self, number: u32, times: FrameTimes) {
        self.frames = number;
        self.zero_times += u32::from(times.total_ns < times.copy_in_ns + times.answer_ns);
    }
    fn stream(&mut self, frames: u32, took_ns: u64) {
        self.streamed = frames;
        self.zero_times += u32::from(took_ns == 0);
    }
}

/// Threads of one processor still come to their turns.
const WAITING: Waiting<'static> = Waiting::Yield;

fn peer<'a>(region: Region<'a>, system: &'a Host, patience_ms: u64, lie: Option<Lie>) -> Peer<'a, Host> {
    let limits = Limits { deadline_ns: 20_000_000_000, patience_ns: patience_ms * 1_000_000 };
    Peer { region, system, waiting: WAITING, limits, lie }
}

fn ask_through(memory: &Memory, system: &Host, task: &Task, patience_ms: u64) -> (Result<(), Fault>, Heard) {
    ask_at_pace(memory, system, task, patience_ms, None)
}

fn ask_at_pace(
    memory: &Memory,
    system: &Host,
    task: &Task,
    patience_ms: u64,
    pace_ns: Option<u64>,
) -> (Result<(), Fault>, Heard) {
    let length = task.copy_bytes();
    let (mut one, mut two) = (vec![0; length], vec![0; length]);
    fill(9, &mut one, &mut two);
    let mut proofs = vec![[0; 32]; task.stream as usize];
    let mut heard = Heard::default();
    let loan = Loan { sources: [&one, &two], proofs: &mut proofs, seed: 0x1234_5678_9abc_def1, pace_ns };
    let done = session::ask(&peer(memory.region(), system, patience_ms, None), task, loan, &mut heard);
    (done, heard)
}

type Done = Result<(), Fault>;

/// A session of two threads; what came of who asked, of who answered, and what was heard.
fn run(asked: &Task, answered: &Task, lie: Option<Lie>) -> (Done, Done, Heard) {
    let memory = Memory::new(asked.region_bytes().unwrap().max(answered.region_bytes().unwrap()));
    let system = Host(Instant::now());
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let mut copy = vec![0; answered.copy_bytes()];
            session::answer(&peer(memory.region(), &system, 1_000, lie), answered, &mut copy, |_| {})
        });
        let (asked, heard) = ask_through(&memory, &system, asked, 1_000);
        (asked, answering.join().unwrap(), heard)
    })
}

fn task() -> Task {
    let ring = Ring { frame_bytes: 10_000, slots: 3, check: Check::Fast, cold: false };
    Task { trips: 3_000, trains: 5, single: 7, stream: 20, ring, ..Task::default() }
}

#[test]
fn an_honest_session_is_heard_from_end_to_end() {
    // The last with frames for which each side tries its ways of copying.
    let small = task().ring.frame_bytes;
    for (check, cold, slots, frame_bytes) in [
        (Check::Fast, false, 3, small),
        (Check::Sha256, true, 1, small),
        (Check::Fast, true, 2, crate::way::LEAST_BYTES),
    ] {
        let ring = Ring { check, cold, slots, frame_bytes };
        let task = Task { ring, ..task() };
        let (asked, answered, heard) = run(&task, &task, None);
        assert_eq!((asked, answered), (Ok(()), Ok(())));
        assert_eq!(heard, Heard { trips: 3_000, trains: 5, frames: 7, streamed: 20, ..Heard::default() });
    }
}

#[test]
fn frames_are_proved_whatever_way_they_are_copied() {
    let ring = Ring { frame_bytes: 70_001, ..task().ring };
    for (way_in, way_out) in
        [(CopyBy::Past, CopyBy::Past), (CopyBy::Past, CopyBy::Vectors), (CopyBy::Strings, CopyBy::Past)]
    {
        let memory = Memory::new(crate::layout::region_bytes(ring.frame_bytes, ring.slots).unwrap());
        let system = Host(Instant::now());
        let (mut one, mut two) = (vec![0; ring.frame_bytes], vec![0; ring.frame_bytes]);
        fill(5, &mut one, &mut two);
        thread::scope(|scope| {
            let answering = scope.spawn(|| {
                let peer = peer(memory.region(), &system, 2_000, None);
                frames::answer(&peer, ring, 50, &mut vec![0; ring.frame_bytes], way_out)
            });
            let peer = peer(memory.region(), &system, 2_000, None);
            let mut sender = Sender::new(&peer, ring, [&one, &two], 3, way_in).unwrap();
            for _ in 0..20 {
                sender.single().unwrap();
            }
            sender.stream(&mut [[0; 32]; 30]).unwrap();
            assert_eq!(answering.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn messages_in_two_phases_are_processed_each() {
    let task = Task { protocol: Protocol::TwoPhase, trips: 50, message_bytes: 1_000, ..task() };
    let (asked, answered, heard) = run(&task, &task, None);
    assert_eq!((asked, answered, heard.messages), (Ok(()), Ok(()), 50));
    let (asked, answered, heard) = run(&task, &task, Some(Lie::FlipBit));
    assert_eq!((asked, answered, heard.messages), (Err(Fault::Refused(1)), Err(Fault::Bytes(1)), 0));
}

#[test]
fn every_lie_is_found_and_named() {
    let frames = Task { trips: 10, ..task() };
    for (lie, single, expected) in [
        (Lie::AcknowledgeFirst, 7, Fault::Early(1)),
        (Lie::FlipBit, 7, Fault::Bytes(1)),
        (Lie::SkipFrames, 7, Fault::Skipped(3)),
        (Lie::SkipFrames, 0, Fault::Skipped(3)),
        (Lie::Stop, 2, Fault::TimedOut(Step::Acknowledgement(12))),
    ] {
        let task = Task { single, ..frames };
        let (asked, _, heard) = run(&task, &task, Some(lie));
        match (asked, expected) {
            // Where the host is so busy that this side comes to look too late, a later frame tells.
            (Err(Fault::Early(_)), Fault::Early(_)) => {}
            _ => assert_eq!(asked, Err(expected), "{lie:?}: {heard:?}"),
        }
        assert_eq!(heard.streamed, 0);
        assert_eq!(expected.is_integrity(), lie != Lie::Stop);
        assert_eq!(Lie::parse(lie.name()), Some(lie));
    }
    for (lie, is_token) in [(Lie::Backwards, false), (Lie::Ahead, false), (Lie::Guess, true)] {
        let (asked, ..) = run(&task(), &task(), Some(lie));
        match asked {
            Err(Fault::Token(1_501)) => assert!(is_token),
            Err(Fault::Number { step: Step::Answer(1_501), .. }) => assert!(!is_token),
            other => panic!("{lie:?}: {other:?}"),
        }
    }
}

#[test]
fn sides_with_other_tasks_part_at_once() {
    let other = Task { trips: 3_001, ..task() };
    let (asked, answered, heard) = run(&task(), &other, None);
    assert_eq!((asked, answered), (Err(Fault::OtherTask), Err(Fault::OtherTask)));
    assert_eq!(heard, Heard::default());
}

#[test]
fn what_an_earlier_session_left_is_not_taken_for_a_session() {
    let task = Task { trips: 10, ..Task::default() };
    let memory = Memory::new(task.region_bytes().unwrap());
    let system = Host(Instant::now());
    let region = memory.region();
    // A side that was killed in the middle.
    region.write(0, &[0; 4096]).unwrap();
    region.store_u64(crate::layout::ASK_TASK, task.digest()).unwrap();
    region.store_u64(crate::layout::ASK_SESSION, 77).unwrap();
    region.store_u64(crate::layout::ASK_GO, 77).unwrap();
    region.store_u64(crate::layout::ASK_WORD, 5 << 32).unwrap();
    region.store_u64(crate::layout::ASK_MAGIC, crate::layout::MAGIC).unwrap();
    thread::scope(|scope| {
        let answering = scope.spawn(|| session::answer(&peer(region, &system, 1_000, None), &task, &mut [], |_| {}));
        thread::sleep(Duration::from_millis(20));
        assert_eq!(ask_through(&memory, &system, &task, 1_000).0, Ok(()));
        assert_eq!(answering.join().unwrap(), Ok(()));
    });
    // And one that is over is not joined.
    let late = Peer {
        limits: Limits { deadline_ns: system.now_ns() + 50_000_000, patience_ns: 0 },
        ..peer(region, &system, 0, None)
    };
    assert_eq!(session::answer(&late, &task, &mut [], |_| {}), Err(Fault::TimedOut(Step::Meeting)));
}

#[test]
fn a_region_that_is_too_small_is_refused_before_anything_is_written() {
    let memory = Memory::new(4096);
    let system = Host(Instant::now());
    let (asked, _) = ask_through(&memory, &system, &task(), 10);
    assert!(matches!(asked, Err(Fault::Region { needed: 53_248, found: 4096 })), "{asked:?}");
    assert_eq!(memory.region().load_u64(crate::layout::ASK_MAGIC), Some(0));
}

/// A peer that writes random words at random places, and sometimes the words that are waited for.
fn scribble(region: Region<'_>, seed: u64, over: &AtomicBool) {
    let mut state = seed;
    let mut next = || {
        state = crate::check::mix(state);
        state
    };
    while !over.load(Ordering::Relaxed) {
        let (place, value) = (next(), next());
        let near = (place % 24) as usize * 64 + (place >> 32) as usize % 5 * 8;
        let anywhere = place as usize % region.len() / 8 * 8;
        let small = [0, 1, 2, 3, value & 0xff, value & 0xff << 32, u64::MAX, value][(value >> 60) as usize % 8];
        let _ = region.store_u64(if place >> 63 == 0 { near } else { anywhere }, small);
        if value % 5 == 0 {
            // The other side's own words, as if it were there.
            let session = region.load_u64(crate::layout::ASK_SESSION).unwrap_or_default();
            let task = region.load_u64(crate::layout::ASK_TASK).unwrap_or_default();
            for (at, word) in [
                (crate::layout::ANSWER_TASK, task),
                (crate::layout::ANSWER_SESSION, session),
                (crate::layout::ASK_GO, session),
            ] {
                let _ = region.store_u64(at, word);
            }
        }
        if value % 64 == 0 {
            thread::yield_now();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    /// Whatever is written: an end in time, no panic, nothing outside of the region (the memory has a canary behind it),
    /// and never a frame that counts.
    #[test]
    fn a_hostile_peer_is_never_followed(seed in any::<u64>(), asks in any::<bool>(), two_phase in any::<bool>()) {
        let protocol = if two_phase { Protocol::TwoPhase } else { Protocol::Sequence };
        let task = Task { protocol, trips: if seed % 2 == 0 { 0 } else { 50 }, message_bytes: 100, ..task() };
        let memory = Memory::new(task.region_bytes().unwrap() + 8192);
        let whole = memory.region();
        let inner = whole.part(0, task.region_bytes().unwrap()).unwrap();
        let canary = vec![0x5a_u8; whole.len() - inner.len()];
        whole.write(inner.len(), &canary).unwrap();
        let system = Host(Instant::now());
        let over = AtomicBool::new(false);
        let limits = Limits { deadline_ns: 150_000_000, patience_ns: 40_000_000 };
        let (done, heard) = thread::scope(|scope| {
            scope.spawn(|| scribble(inner, seed, &over));
            let this = Peer { region: inner, system: &system, waiting: WAITING, limits, lie: None };
            let mut heard = Heard::default();
            let done = if asks {
                let length = task.copy_bytes();
                let (mut one, mut two) = (vec![0; length], vec![0; length]);
                fill(seed, &mut one, &mut two);
                let mut proofs = vec![[0; 32]; task.stream as usize];
                let loan = Loan { sources: [&one, &two], proofs: &mut proofs, seed: seed ^ 0xfeed, pace_ns: None };
                session::ask(&this, &task, loan, &mut heard)
            } else {
                let mut copy = vec![0; task.copy_bytes()];
                session::answer(&this, &task, &mut copy, |_| {})
            };
            over.store(true, Ordering::Relaxed);
            (done, heard)
        });
        prop_assert!(system.now_ns() < 10_000_000_000);
        prop_assert_eq!((heard.frames, heard.streamed), (0, 0));
        if asks && (!two_phase || task.trips > 0) {
            prop_assert!(two_phase || done.is_err(), "{:?}", done);
        }
        let mut behind = vec![0; canary.len()];
        whole.read(inner.len(), &mut behind).unwrap();
        prop_assert_eq!(behind, canary);
    }
}

/// A bell that nobody hears, or only behind the end of each sleep.
struct DeafBell {
    late: bool,
}

impl crate::wait::Bell for DeafBell {
    fn ring(&self) -> Result<(), u32> {
        Ok(())
    }
    fn wait(&self, _: u32, deadline_ns: u64) -> crate::wait::Woken {
        // Who waits until a moment that has passed asks whether a ring is there.
        if self.late && deadline_ns < BEFORE_THE_FIRST_SLEEP_ENDS_NS {
            return crate::wait::Woken::Rung;
        }
        thread::sleep(Duration::from_nanos(deadline_ns.min(5_000_000)));
        crate::wait::Woken::TimedOut
    }
}

/// A sleeper looks by itself after more than this.
const BEFORE_THE_FIRST_SLEEP_ENDS_NS: u64 = 150_000_000;

/// Counts the rings that were missed.
struct Counting(Host, std::sync::atomic::AtomicU32);

impl System for Counting {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }
    fn yield_now(&self) {}
    fn sleep_ns(&self, _: u64) {}
    fn missed_ring(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_lost_ring_is_told_and_does_not_end_the_session() {
    assert_eq!(missed(&DeafBell { late: false }), 1);
    // One that came while the sleep ended by itself is not lost.
    assert_eq!(missed(&DeafBell { late: true }), 0);
}

fn missed(bell: &DeafBell) -> u32 {
    let system = Counting(Host(Instant::now()), 0.into());
    let limits = Limits { deadline_ns: 10_000_000_000, patience_ns: 5_000_000_000 };
    let looks = std::cell::Cell::new(0);
    let look = || {
        looks.set(looks.get() + 1);
        (looks.get() == 4).then_some(7)
    };
    // Before the first sleep, after it, before the second, and then it is there.
    assert_eq!(Waiting::Bell(bell).until(&system, limits, look), Ok(7));
    system.1.load(Ordering::Relaxed)
}

/// Answers late once, long enough for several moments to pass.
#[test]
fn a_round_trip_that_had_to_wait_keeps_its_moment() {
    const PACE_NS: u64 = 2_000_000;
    let task = Task { trips: 30, trains: 0, single: 0, stream: 0, ..task() };
    let memory = Memory::new(task.region_bytes().unwrap());
    let system = Host(Instant::now());
    let (asked, answered, heard) = thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let slow = Slow { host: &system, word: &memory.region(), slept: std::cell::Cell::new(false) };
            let limits = Limits { deadline_ns: 20_000_000_000, patience_ns: 5_000_000_000 };
            let peer = Peer { region: memory.region(), system: &slow, waiting: WAITING, limits, lie: None };
            session::answer(&peer, &task, &mut [], |_| {})
        });
        let (asked, heard) = ask_at_pace(&memory, &system, &task, 5_000, Some(PACE_NS));
        (asked, answering.join().unwrap(), heard)
    });
    assert_eq!((asked, answered, heard.paced.len(), heard.trips), (Ok(()), Ok(()), 30, 0));
    for (one, next) in heard.paced.iter().zip(&heard.paced[1..]) {
        assert_eq!(next.due_ns - one.due_ns, PACE_NS);
        // None begins before its moment, nor before the answer to the one before.
        assert!(next.due_ns + next.delay_ns >= one.due_ns + one.delay_ns + one.answer_ns);
    }
    // Those behind the late answer were late by what was left of it.
    // The sleep may have begun up to a moment before the message that has to wait for its end.
    let late = heard.paced.iter().position(|times| times.answer_ns >= 20_000_000 - PACE_NS).unwrap();
    assert!(heard.paced[late + 1].delay_ns >= heard.paced[late].answer_ns - PACE_NS, "{:?}", heard.paced);
}

/// Once sleeps for 20 ms, in the middle of the session, where others would let others run.
struct Slow<'a> {
    host: &'a Host,
    word: &'a Region<'a>,
    slept: std::cell::Cell<bool>,
}

impl System for Slow<'_> {
    fn now_ns(&self) -> u64 {
        self.host.now_ns()
    }
    fn yield_now(&self) {
        if self.word.load_u64(crate::layout::ASK_WORD).is_some_and(|word| word >> 32 == 10) && !self.slept.replace(true)
        {
            thread::sleep(Duration::from_millis(20));
        }
        thread::yield_now();
    }
    fn sleep_ns(&self, time_ns: u64) {
        self.host.sleep_ns(time_ns);
    }
}
