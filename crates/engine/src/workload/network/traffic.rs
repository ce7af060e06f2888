//! The host's end of the traffic: round trips, an open loop, and bulk both ways. Every byte is checked.
//!
//! The other end is the agent's `net-serve`, which says how they speak.

use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::stats::Histogram;
use isodyne_core::unit::HostInstant;
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::Timespec;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroU64;
use std::time::Duration;

/// Bytes of the pattern before it repeats.
const PIECE: usize = 64 << 10;
/// Significant decimal digits of a latency: a quantile is off by at most 0.05 %.
const DIGITS: u8 = 3;
/// What a message is filled with behind its number.
const FILLING: u8 = 0xa5;

/// Round trips one after the other: a message is sent when the answer to the one before has come.
pub(super) fn closed_loop(
    mut stream: TcpStream,
    message_bytes: usize,
    count: u64,
    deadline: HostInstant,
) -> Result<Histogram, Failure> {
    let mut times = histogram()?;
    ask(&mut stream, b'e', 0, 0, deadline)?;
    let mut answer = vec![0; message_bytes];
    for number in 0..count {
        let message = message(number, message_bytes);
        let sent = Clock.now();
        stream.write_all(&message).map_err(|error| broken("send", &error))?;
        stream.read_exact(&mut answer).map_err(|error| broken("receive", &error))?;
        let received = Clock.now();
        check(&answer, &message, number)?;
        if received > deadline {
            return Err(late());
        }
        times.record(received.ns_since(sent));
    }
    Ok(times)
}

/// What an open loop saw.
pub(super) struct OpenLoop {
    /// From the time at which a message was to be sent to its answer.
    pub(super) latencies: Histogram,
    /// From the time at which a message was to be sent to when it was: the lab's own part of the latency.
    pub(super) delays: Histogram,
    /// Answers in the time from the first to be sent to the last answer.
    pub(super) achieved_per_s: f64,
}

/// Messages at a fixed rate, whether answers have come or not. A message that had to wait behind others is not late for
/// nothing: its latency counts from when it was to be sent.
pub(super) fn open_loop(
    mut stream: TcpStream,
    message_bytes: usize,
    rate_per_s: u64,
    duration: Duration,
    deadline: HostInstant,
) -> Result<OpenLoop, Failure> {
    let interval_ns = 1_000_000_000 / rate_per_s.max(1);
    let count = (u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX) / interval_ns.max(1)).max(1);
    let (mut latencies, mut delays) = (histogram()?, histogram()?);
    ask(&mut stream, b'e', 0, 0, deadline)?;
    let mut sender = stream.try_clone().map_err(|error| broken("send", &error))?;
    // A moment for both threads to be there before the first message is due.
    let begin = Clock.after(Duration::from_millis(2));
    let due = |number: u64| HostInstant(begin.0.saturating_add(number.saturating_mul(interval_ns)));
    let last = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            // The kernel may wake a thread 50 µs late, unless the thread asks for less; what it refuses shows as a delay.
            let _ = set_current_timer_slack(NonZeroU64::new(1));
            let sent = (0..count).try_for_each(|number| {
                sleep_until(due(number));
                delays.record(Clock.now().ns_since(due(number)));
                sender.write_all(&message(number, message_bytes)).map_err(|error| broken("send", &error))
            });
            if sent.is_err() {
                // The receiver would wait for what never comes.
                let _ = sender.shutdown(Shutdown::Both);
            }
            sent
        });
        let mut answer = vec![0; message_bytes];
        let mut last = begin;
        let received = (0..count).try_for_each(|number| {
            stream.read_exact(&mut answer).map_err(|error| broken("receive", &error))?;
            last = Clock.now();
            check(&answer, &message(number, message_bytes), number)?;
            latencies.record(last.ns_since(due(number)));
            if last > deadline { Err(late()) } else { Ok(()) }
        });
        if received.is_err() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let sent = sending.join().unwrap_or_else(|_| Err(Failure::new(FailureClass::Crash, "the sender panicked")));
        sent.and(received).map(|()| last)
    })?;
    let achieved_per_s = count as f64 * 1e9 / last.ns_since(begin).max(1) as f64;
    Ok(OpenLoop { latencies, delays, achieved_per_s })
}

/// Bytes to the sandbox: from before the first is sent until the sandbox has said that all of them came, and which.
/// Gives bytes per second.
pub(super) fn upload(mut stream: TcpStream, bytes: u64, seed: u64, deadline: HostInstant) -> Result<f64, Failure> {
    let expected = Pieces::new(seed, bytes).sum();
    let mut pieces = Pieces::new(seed, bytes);
    ask(&mut stream, b'u', bytes, seed, deadline)?;
    let begin = Clock.now();
    while let Some(piece) = pieces.next() {
        stream.write_all(piece).map_err(|error| broken("send", &error))?;
        if Clock.now() > deadline {
            return Err(late());
        }
    }
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).map_err(|error| broken("receive", &error))?;
    let end = Clock.now();
    if answer != *[bytes.to_le_bytes(), expected.to_le_bytes()].concat() {
        let taken = u64::from_le_bytes(std::array::from_fn(|at| answer[at]));
        let message = format!("of {bytes} B sent, {taken} B came, or their checksum is another");
        return Err(Failure::new(FailureClass::Integrity, message));
    }
    Ok(bytes as f64 * 1e9 / end.ns_since(begin).max(1) as f64)
}

/// Bytes from the sandbox: from before they are asked for until the last has come and all were the right ones. Gives
/// bytes per second.
pub(super) fn download(mut stream: TcpStream, bytes: u64, seed: u64, deadline: HostInstant) -> Result<f64, Failure> {
    let mut pieces = Pieces::new(seed, bytes);
    let mut buffer = vec![0; PIECE];
    let begin = Clock.now();
    ask(&mut stream, b'd', bytes, seed, deadline)?;
    let mut at = 0_u64;
    while let Some(piece) = pieces.next() {
        let buffer = &mut buffer[..piece.len()];
        stream.read_exact(buffer).map_err(|error| broken("receive", &error))?;
        if buffer != piece {
            return Err(Failure::new(
                FailureClass::Integrity,
                format!("the bytes from {at} on are not the right ones"),
            ));
        }
        at += piece.len() as u64;
        if Clock.now() > deadline {
            return Err(late());
        }
    }
    Ok(bytes as f64 * 1e9 / Clock.now().ns_since(begin).max(1) as f64)
}

/// Sends the 24 bytes that begin a connection.
fn ask(stream: &mut TcpStream, task: u8, count: u64, seed: u64, deadline: HostInstant) -> Result<(), Failure> {
    let left = Clock.until(deadline);
    if left.is_zero() {
        return Err(late());
    }
    // The whole time that is left: nothing blocks longer than that.
    let limited = stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left)));
    let mut request = [0; 24];
    request[0] = task;
    request[8..16].copy_from_slice(&count.to_le_bytes());
    request[16..].copy_from_slice(&seed.to_le_bytes());
    limited.and_then(|()| stream.write_all(&request)).map_err(|error| broken("send", &error))
}

fn histogram() -> Result<Histogram, Failure> {
    Histogram::new(DIGITS).ok_or_else(|| Failure::new(FailureClass::Crash, "no histogram of this precision"))
}

fn late() -> Failure {
    Failure::new(FailureClass::Timeout, "the traffic took longer than `timeout`")
}

fn broken(action: &str, error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
        ErrorKind::UnexpectedEof => Failure::new(FailureClass::Crash, "the sandbox's end closed the connection early"),
        _ => Failure::new(FailureClass::Crash, format!("failed to {action}: {error}")),
    }
}

/// A message: its number, as far as it has room, and filling.
fn message(number: u64, bytes: usize) -> Vec<u8> {
    let mut message = vec![FILLING; bytes];
    for (to, from) in message.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    message
}

fn check(answer: &[u8], message: &[u8], number: u64) -> Result<(), Failure> {
    if answer == message {
        return Ok(());
    }
    Err(Failure::new(FailureClass::Integrity, format!("the answer to message {number} is not what was sent")))
}

fn sleep_until(at: HostInstant) {
    let request = Timespec { tv_sec: (at.0 / 1_000_000_000) as i64, tv_nsec: (at.0 % 1_000_000_000) as i64 };
    // Interrupted by a signal, it is asked again.
    while Clock.now() < at && clock_nanosleep_absolute(ClockId::Monotonic, &request).is_err() {}
}

/// The bytes of a seed: a pattern again and again, the first eight bytes of each piece being its number.
struct Pieces {
    piece: Vec<u8>,
    index: u64,
    left: u64,
}

impl Pieces {
    fn new(seed: u64, bytes: u64) -> Self {
        let mut piece = Vec::with_capacity(PIECE);
        let mut state = seed;
        while piece.len() < PIECE {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            piece.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        Self { piece, index: 0, left: bytes }
    }

    fn next(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        self.piece[..8].copy_from_slice(&self.index.to_le_bytes());
        self.index += 1;
        self.left -= length as u64;
        Some(&self.piece[..length]).filter(|piece| !piece.is_empty())
    }

    /// The checksum of all of them: rotate, then mix the next word in.
    fn sum(mut self) -> u64 {
        let mut sum = 0_u64;
        while let Some(piece) = self.next() {
            for word in piece.chunks(8) {
                let mut filled = [0; 8];
                filled[..word.len()].copy_from_slice(word);
                sum = sum.rotate_left(5) ^ u64::from_le_bytes(filled);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_and_its_checksum_are_what_the_agent_makes() {
        // The same numbers are in the agent's tests of its own end.
        let mut pieces = Pieces::new(7, PIECE as u64 + 10);
        assert_eq!(pieces.piece[..8], 0x63cb_e1e4_5932_0dd7_u64.to_le_bytes());
        assert_eq!(pieces.next().map(|piece| piece[..8].to_vec()), Some(vec![0; 8]));
        assert_eq!(pieces.next().map(<[u8]>::len), Some(10));
        assert_eq!(pieces.next(), None);
        assert_eq!(Pieces::new(7, 0).sum(), 0);
        // One word, then two bytes that are filled up: the first is the piece's number, 0.
        let mut tail = [0; 8];
        tail[..2].copy_from_slice(&Pieces::new(7, 10).piece[8..10]);
        assert_eq!(Pieces::new(7, 10).sum(), u64::from_le_bytes(tail));
    }

    #[test]
    fn messages_carry_their_number_as_far_as_they_have_room() {
        assert_eq!(message(258, 1), [2]);
        assert_eq!(message(258, 10), [2, 1, 0, 0, 0, 0, 0, 0, FILLING, FILLING]);
        assert!(check(&message(1, 4), &message(2, 4), 2).is_err());
    }
}
