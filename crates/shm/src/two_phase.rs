//! The protocol of the benchmark that this one replaces, done right: one header and one buffer, an acknowledgement in two
//! phases, SHA-256 over the buffer.
//!
//! | offset | word | written by |
//! | --- | --- | --- |
//! | 0 | `0xDEADBEEF`, last | who asks |
//! | 4 | number of the message | who asks |
//! | 8 | 0 none, 1 received, 2 processed, 3 error | who answers; none: who asks |
//! | 12 | bytes in the buffer | who asks |
//! | 16 | `0xDEADBEEF`: there is a digest | who asks |
//! | 20 | SHA-256 of the buffer | who asks |
//! | 52 | 1: the digest is another | who answers |
//! | 60 | buffer | who asks |
//!
//! As there, header and buffer begin on one cache line. Unlike there, a message is acknowledged as processed only after
//! its digest was checked, its number included, and nothing is overwritten before that.

use crate::fault::{Fault, Step};
use crate::layout::CONTROL;
use crate::lie::Lie;
use crate::peer::Peer;
use crate::region::Region;
use crate::sha256::Sha256;
use crate::wait::System;
use core::sync::atomic::{AtomicU32, Ordering};

const WORD: u32 = 0xdead_beef;
const SEQUENCE: usize = 4;
const ACKNOWLEDGED: usize = 8;
const SIZE: usize = 12;
const SIGNED: usize = 16;
const DIGEST: usize = 20;
const ERROR: usize = 52;
const BUFFER: usize = 60;

const NONE: u32 = 0;
const RECEIVED: u32 = 1;
const PROCESSED: u32 = 2;
const FAILED: u32 = 3;

/// What one message took, by the asking side's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageTimes {
    /// From before the copy until the message is announced.
    pub send_ns: u64,
    /// From announced to received.
    pub received_ns: u64,
    /// From announced to processed.
    pub processed_ns: u64,
}

/// Bytes of a region for messages of this size; `None` if no memory has so many.
pub fn region_bytes(message_bytes: usize) -> Option<usize> {
    CONTROL.checked_add(BUFFER)?.checked_add(message_bytes)
}

struct Header<'a>(Region<'a>);

impl<'a> Header<'a> {
    fn of<S: System>(peer: &Peer<'a, S>, message_bytes: usize) -> Result<Self, Fault> {
        let needed = region_bytes(message_bytes).unwrap_or(usize::MAX);
        let part = peer.region.part(CONTROL, needed.saturating_sub(CONTROL));
        part.map(Self).ok_or(peer.too_small(needed))
    }

    fn word(&self, offset: usize) -> Result<&'a AtomicU32, Fault> {
        self.0.u32(offset).ok_or(Fault::Region { needed: CONTROL + BUFFER, found: self.0.len() })
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// Waits for a word to have one of the wanted values.
fn wait_for<S: System>(
    peer: &Peer<'_, S>,
    word: &AtomicU32,
    step: Step,
    wanted: impl Fn(u32) -> bool,
) -> Result<u32, Fault> {
    let came = || {
        let seen = word.load(Ordering::Acquire);
        wanted(seen).then_some(seen)
    };
    peer.waiting.until(peer.system, peer.limits, came).map_err(|error| Fault::of_wait(step, error))
}

/// Sends so many messages of this content, each after the one before was processed.
///
/// # Errors
/// As soon as the other side is late or wrong.
pub fn ask<S: System>(
    peer: &Peer<'_, S>,
    messages: u32,
    content: &[u8],
    mut record: impl FnMut(u32, MessageTimes),
) -> Result<(), Fault> {
    let header = Header::of(peer, content.len())?;
    let (magic, acknowledged) = (header.word(0)?, header.word(ACKNOWLEDGED)?);
    let size = u32::try_from(content.len()).map_err(|_| Fault::Buffer)?;
    let of_content = digest(content);
    for number in 1..=messages {
        let step = Step::Acknowledgement(u64::from(number));
        magic.store(0, Ordering::Release);
        acknowledged.store(NONE, Ordering::Release);
        header.word(ERROR)?.store(0, Ordering::Relaxed);
        let begin = peer.system.now_ns();
        header.0.write(BUFFER, content).ok_or(Fault::Buffer)?;
        header.0.write(DIGEST, &of_content).ok_or(Fault::Buffer)?;
        header.word(SEQUENCE)?.store(number, Ordering::Relaxed);
        header.word(SIZE)?.store(size, Ordering::Relaxed);
        header.word(SIGNED)?.store(WORD, Ordering::Relaxed);
        magic.store(WORD, Ordering::Release);
        peer.notify(step)?;
        let announced = peer.system.now_ns();
        let mut state = wait_for(peer, acknowledged, step, |seen| seen != NONE)?;
        let received = peer.system.now_ns();
        if state == RECEIVED {
            state = wait_for(peer, acknowledged, step, |seen| seen != RECEIVED)?;
        }
        let processed = peer.system.now_ns();
        match state {
            PROCESSED => {}
            FAILED => return Err(Fault::Refused(u64::from(number))),
            other => return Err(Fault::State(other)),
        }
        record(
            number,
            MessageTimes {
                send_ns: announced.saturating_sub(begin),
                received_ns: received.saturating_sub(announced),
                processed_ns: processed.saturating_sub(announced),
            },
        );
    }
    Ok(())
}

/// Takes so many messages into `copy`, which is as large as a message may be.
///
/// # Errors
/// As soon as the other side is late or wrong, or a message's digest is not that of its bytes.
pub fn answer<S: System>(peer: &Peer<'_, S>, messages: u32, copy: &mut [u8]) -> Result<(), Fault> {
    let header = Header::of(peer, copy.len())?;
    let (magic, sequence, acknowledged) = (header.word(0)?, header.word(SEQUENCE)?, header.word(ACKNOWLEDGED)?);
    for number in 1..=messages {
        let step = Step::Frame(u64::from(number));
        let came = || {
            let seen = (magic.load(Ordering::Acquire) == WORD).then(|| sequence.load(Ordering::Acquire))?;
            (seen != number.wrapping_sub(1)).then_some(seen)
        };
        let seen = peer.waiting.until(peer.system, peer.limits, came).map_err(|error| Fault::of_wait(step, error))?;
        if seen != number {
            return Err(Fault::Number { step, seen: u64::from(seen) });
        }
        acknowledged.store(RECEIVED, Ordering::Release);
        peer.notify(step)?;
        let length = header.word(SIZE)?.load(Ordering::Acquire);
        let fault = Fault::Length { frame: u64::from(number), seen: u64::from(length) };
        let bytes = usize::try_from(length).ok().and_then(|length| copy.get_mut(..length)).ok_or(fault)?;
        header.0.read(BUFFER, bytes).ok_or(fault)?;
        if peer.lie == Some(Lie::FlipBit) {
            bytes.iter_mut().take(1).for_each(|byte| *byte ^= 16);
        }
        let mut told = [0; 32];
        header.0.read(DIGEST, &mut told).ok_or(fault)?;
        let right = header.word(SIGNED)?.load(Ordering::Acquire) == WORD && digest(bytes) == told;
        if !right {
            header.word(ERROR)?.store(1, Ordering::Relaxed);
        }
        acknowledged.store(if right { PROCESSED } else { FAILED }, Ordering::Release);
        peer.notify(step)?;
        if !right {
            return Err(Fault::Bytes(u64::from(number)));
        }
    }
    Ok(())
}
