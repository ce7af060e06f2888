//! Frames through a ring of slots: copied in, announced, copied out and checked, each timed apart.
//!
//! The proof of a frame is keyed with a number that is told only when the frame is in its slot, and who asks knows what
//! it must be. So an acknowledgement before the work, a skipped frame and a flipped bit are all found. Consecutive frames
//! in one slot differ in every byte, so that stale bytes are found as well.

use crate::check::{Check, PROOF, mix};
use crate::copy::{CopyBy, evict_private};
use crate::fault::{Fault, Step};
use crate::layout::{
    ANSWER_TAIL, ASK_HEAD, LINE, SLOT_COPY_NS, SLOT_DONE, SLOT_HEADER, SLOT_KEY, SLOT_LENGTH, SLOT_NUMBER, SLOT_PROOF,
    SLOT_VERIFY_NS, region_bytes, slot_bytes, slot_offset,
};
use crate::lie::Lie;
use crate::peer::Peer;
use crate::region::Region;
use crate::wait::{Limits, System, Waiting};
use crate::way;
use core::sync::atomic::Ordering;

/// How long a late proof is waited for, to tell an early acknowledgement from a skipped frame.
const GRACE_NS: u64 = 500_000_000;

/// How long a lying peer dawdles between its acknowledgement and the work.
const LIE_NS: u64 = 100_000_000;

/// The shape of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of a frame.
    pub frame_bytes: usize,
    /// Frames that may be under way at the same time.
    pub slots: usize,
    /// How a frame is checked.
    pub check: Check,
    /// Whether the frame and its place are taken out of all caches before each copy.
    pub cold: bool,
}

/// What one frame took. All by the asking side's clock, but for two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// Copying the frame into the slot.
    pub copy_in_ns: u64,
    /// Announcing it: its words, and the ring of a bell.
    pub notify_ns: u64,
    /// From announced to proved.
    pub answer_ns: u64,
    /// All of it.
    pub total_ns: u64,
    /// Copying out of the slot, as the other side says, by its clock.
    pub copy_out_ns: u64,
    /// Checking the copy, as the other side says, by its clock.
    pub verify_ns: u64,
}

/// Two frames that differ in every byte, made from a seed.
pub fn fill(seed: u64, first: &mut [u8], second: &mut [u8]) {
    for (index, (one, two)) in first.chunks_mut(8).zip(second.chunks_mut(8)).enumerate() {
        let word = mix(seed.wrapping_add(index as u64)).to_le_bytes();
        for ((one, two), byte) in one.iter_mut().zip(two).zip(word) {
            (*one, *two) = (byte, !byte);
        }
    }
}

/// The asking side's end of the ring, over the single frames and the stream of one session.
pub struct Sender<'a, 'b, S> {
    peer: &'b Peer<'a, S>,
    ring: Ring,
    sources: [&'b [u8]; 2],
    seed: u64,
    /// How frames are copied in.
    by: CopyBy,
    /// Frames published.
    head: u64,
    /// Frames proved.
    tail: u64,
}

/// One slot as a region, by its number, which is this side's own.
struct Slot<'a>(Region<'a>);

impl<'a> Slot<'a> {
    fn of<S: System>(peer: &Peer<'a, S>, ring: Ring, frame: u64) -> Result<Self, Fault> {
        let slot = (frame.wrapping_sub(1) % ring.slots.max(1) as u64) as usize;
        let place = slot_offset(ring.frame_bytes, slot).zip(slot_bytes(ring.frame_bytes));
        let needed = region_bytes(ring.frame_bytes, ring.slots).unwrap_or(usize::MAX);
        let region = place.and_then(|(offset, length)| peer.region.part(offset, length));
        region.map(Self).ok_or(peer.too_small(needed))
    }

    fn set(&self, offset: usize, value: u64) {
        // Every word of a slot lies in its first page, which a slot has.
        if let Some(word) = self.0.u64(offset) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn get(&self, offset: usize) -> u64 {
        self.0.load_u64(offset).unwrap_or_default()
    }

    fn copy_in(&self, source: &[u8], by: CopyBy) -> Result<(), Fault> {
        self.0.copying_by(by).write(SLOT_HEADER, source).ok_or(Fault::Buffer)
    }

    fn copy_out(&self, copy: &mut [u8], by: CopyBy) -> Result<(), Fault> {
        self.0.copying_by(by).read(SLOT_HEADER, copy).ok_or(Fault::Buffer)
    }

    fn proof(&self) -> [u8; PROOF] {
        let mut proof = [0; PROOF];
        let _ = self.0.read(SLOT_PROOF, &mut proof);
        proof
    }
}

impl<'a, 'b, S: System> Sender<'a, 'b, S> {
    /// A sender of these two frames, which must have the ring's size. They are copied in `by` this way.
    ///
    /// # Errors
    /// If they have not, or the region is too small.
    pub fn new(
        peer: &'b Peer<'a, S>,
        ring: Ring,
        sources: [&'b [u8]; 2],
        seed: u64,
        by: CopyBy,
    ) -> Result<Self, Fault> {
        if ring.slots == 0 || sources.iter().any(|source| source.len() != ring.frame_bytes) {
            return Err(Fault::Buffer);
        }
        let needed = region_bytes(ring.frame_bytes, ring.slots).unwrap_or(usize::MAX);
        if peer.region.len() < needed {
            return Err(peer.too_small(needed));
        }
        for frame in 1..=ring.slots as u64 {
            // An earlier session's words would be taken for this one's.
            Slot::of(peer, ring, frame)?.0.clear(0, 2 * LINE);
        }
        Ok(Self { peer, ring, sources, seed, by, head: 0, tail: 0 })
    }

    /// The bytes of a frame: another source for each turn of the ring.
    fn source(&self, frame: u64) -> &'b [u8] {
        self.sources[((frame.wrapping_sub(1) / self.ring.slots as u64) % 2) as usize]
    }

    fn key(&self, frame: u64) -> u64 {
        mix(self.seed ^ mix(frame))
    }

    /// What the other side must prove of a frame. Takes as long as a check does.
    fn expected(&self, frame: u64) -> [u8; PROOF] {
        self.ring.check.proof(self.key(frame), self.source(frame))
    }

    fn announce(&mut self, frame: u64, slot: &Slot<'_>) -> Result<(), Fault> {
        // The frame itself before its words.
        self.peer.region.let_go();
        slot.set(SLOT_NUMBER, frame);
        slot.set(SLOT_LENGTH, self.ring.frame_bytes as u64);
        slot.set(SLOT_KEY, self.key(frame));
        self.head = frame;
        self.peer.word(ASK_HEAD)?.store(frame, Ordering::Release);
        self.peer.notify(Step::Acknowledgement(frame))
    }

    /// Waits for more frames to be acknowledged, and says how many are.
    fn acknowledged(&self) -> Result<u64, Fault> {
        let step = Step::Acknowledgement(self.tail + 1);
        let seen = self.peer.other_than(self.peer.word(ANSWER_TAIL)?, self.tail, step)?;
        if seen <= self.tail || seen > self.head {
            return Err(Fault::Number { step, seen });
        }
        Ok(seen)
    }

    /// Holds an acknowledged frame's proof against what it must be.
    fn prove(&self, frame: u64, slot: &Slot<'_>, expected: &[u8; PROOF]) -> Result<(), Fault> {
        let right = || slot.get(SLOT_DONE) == frame && slot.proof() == *expected;
        if right() {
            return Ok(());
        }
        // The cell is void in any case; a little patience tells why.
        let limits = Limits { patience_ns: GRACE_NS, ..self.peer.limits };
        let done = || (slot.get(SLOT_DONE) == frame).then_some(());
        let early = slot.get(SLOT_DONE) != frame;
        let came = Waiting::Poll { period_ns: 100_000 }.until(self.peer.system, limits, done).is_ok();
        Err(match (early, came) {
            (true, true) => Fault::Early(frame),
            (true, false) => Fault::Skipped(frame),
            (false, _) => Fault::Bytes(frame),
        })
    }

    /// Sends one frame and waits until it is proved.
    ///
    /// # Errors
    /// As soon as the other side is late or wrong.
    pub fn single(&mut self) -> Result<FrameTimes, Fault> {
        let frame = self.head + 1;
        let (peer, source) = (self.peer, self.source(frame));
        let slot = Slot::of(peer, self.ring, frame)?;
        let expected = self.expected(frame);
        if self.ring.cold {
            evict_private(source);
            slot.0.evict(SLOT_HEADER, self.ring.frame_bytes);
        }
        let begin = peer.system.now_ns();
        slot.copy_in(source, self.by)?;
        let copied = peer.system.now_ns();
        self.announce(frame, &slot)?;
        let announced = peer.system.now_ns();
        self.acknowledged()?;
        // Not before the proof is there.
        self.prove(frame, &slot, &expected)?;
        let end = peer.system.now_ns();
        self.tail = frame;
        Ok(FrameTimes {
            copy_in_ns: copied.saturating_sub(begin),
            notify_ns: announced.saturating_sub(copied),
            answer_ns: end.saturating_sub(announced),
            total_ns: end.saturating_sub(begin),
            copy_out_ns: slot.get(SLOT_COPY_NS),
            verify_ns: slot.get(SLOT_VERIFY_NS),
        })
    }

    /// Sends a stream of frames, as many under way as there are slots, and says how long it took until the last was
    /// proved. `proofs` is room for the proof of each.
    ///
    /// # Errors
    /// As soon as the other side is late or wrong.
    pub fn stream(&mut self, proofs: &mut [[u8; PROOF]]) -> Result<u64, Fault> {
        let first = self.head;
        for (frame, place) in (first + 1..).zip(proofs.iter_mut()) {
            *place = self.expected(frame);
        }
        let last = first + proofs.len() as u64;
        let begin = self.peer.system.now_ns();
        while self.tail < last {
            if self.head < last && self.head - self.tail < self.ring.slots as u64 {
                let frame = self.head + 1;
                let slot = Slot::of(self.peer, self.ring, frame)?;
                slot.copy_in(self.source(frame), self.by)?;
                self.announce(frame, &slot)?;
                continue;
            }
            let acknowledged = self.acknowledged()?;
            while self.tail < acknowledged {
                let frame = self.tail + 1;
                let expected = proofs.get((frame - first - 1) as usize).ok_or(Fault::Buffer)?;
                self.prove(frame, &Slot::of(self.peer, self.ring, frame)?, expected)?;
                self.tail = frame;
            }
        }
        Ok(self.peer.system.now_ns().saturating_sub(begin))
    }
}

/// The quicker way to copy frames into this ring; see [`way`](crate::way). It writes to the first slot: before the sides
/// meet.
///
/// # Errors
/// If the region is too small.
pub fn way_in<S: System>(peer: &Peer<'_, S>, ring: Ring, frame: &[u8]) -> Result<CopyBy, Fault> {
    let slot = Slot::of(peer, ring, 1)?;
    Ok(way::quicker(ring.frame_bytes, peer.region.copied_by(), |by| {
        if ring.cold {
            evict_private(frame);
            slot.0.evict(SLOT_HEADER, ring.frame_bytes);
        }
        way::timed(peer.system, || _ = slot.copy_in(frame, by))
    }))
}

/// The quicker way to copy frames out of this ring. It reads whatever is in the first slot.
///
/// # Errors
/// If the region is too small.
pub fn way_out<S: System>(peer: &Peer<'_, S>, ring: Ring, copy: &mut [u8]) -> Result<CopyBy, Fault> {
    let slot = Slot::of(peer, ring, 1)?;
    Ok(way::quicker(ring.frame_bytes, peer.region.copied_by(), |by| {
        if ring.cold {
            evict_private(copy);
        }
        way::timed(peer.system, || _ = slot.copy_out(copy, by))
    }))
}

/// Takes so many frames, copies each into `copy`, which must have a frame's size, and proves it. They are copied out `by`
/// this way.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn answer<S: System>(
    peer: &Peer<'_, S>,
    ring: Ring,
    frames: u64,
    copy: &mut [u8],
    by: CopyBy,
) -> Result<(), Fault> {
    if copy.len() != ring.frame_bytes || ring.slots == 0 {
        return Err(Fault::Buffer);
    }
    let (head, tail) = (peer.word(ASK_HEAD)?, peer.word(ANSWER_TAIL)?);
    let mut known = 0;
    for frame in 1..=frames {
        if ring.cold {
            evict_private(copy);
        }
        let step = Step::Frame(frame);
        if known < frame {
            let seen = peer.other_than(head, known, step)?;
            if seen < frame || seen - frame >= ring.slots as u64 {
                return Err(Fault::Number { step, seen });
            }
            known = seen;
        }
        let slot = Slot::of(peer, ring, frame)?;
        let (number, length) = (slot.get(SLOT_NUMBER), slot.get(SLOT_LENGTH));
        if number != frame {
            return Err(Fault::Number { step, seen: number });
        }
        if length != ring.frame_bytes as u64 {
            return Err(Fault::Length { frame, seen: length });
        }
        let acknowledge = || {
            peer.region.let_go();
            tail.store(frame, Ordering::Release);
            peer.notify(step)
        };
        match peer.lie {
            Some(Lie::AcknowledgeFirst) => {
                acknowledge()?;
                // Who asks would find the work done after all.
                peer.system.sleep_ns(LIE_NS);
            }
            Some(Lie::SkipFrames) if frame.is_multiple_of(3) => {
                acknowledge()?;
                continue;
            }
            Some(Lie::Stop) if frame > frames / 2 => return Ok(()),
            _ => {}
        }
        let begin = peer.system.now_ns();
        slot.copy_out(copy, by)?;
        let copied = peer.system.now_ns();
        if peer.lie == Some(Lie::FlipBit) {
            let middle = copy.len() / 2;
            copy.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 16);
        }
        let proof = ring.check.proof(slot.get(SLOT_KEY), copy);
        let verified = peer.system.now_ns();
        slot.set(SLOT_COPY_NS, copied.saturating_sub(begin));
        slot.set(SLOT_VERIFY_NS, verified.saturating_sub(copied));
        slot.0.write(SLOT_PROOF, &proof).ok_or(Fault::Buffer)?;
        if let Some(done) = slot.0.u64(SLOT_DONE) {
            done.store(frame, Ordering::Release);
        }
        if peer.lie != Some(Lie::AcknowledgeFirst) {
            acknowledge()?;
        }
    }
    Ok(())
}
