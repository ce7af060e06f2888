//! The freeze as a client outside sees it: one TCP connection that asks the subject again and again.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use isodyne_subject::{TRIP_ANSWER_BYTES, TRIP_QUESTION_BYTES, mix};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// From an answer to the next question.
const PACE: Duration = Duration::from_millis(1);
/// How often a client that waits looks whether it shall end.
const LOOK: Duration = Duration::from_millis(50);
/// What was answered at most: an hour of it.
const MOST: usize = 4_000_000;

/// A client that asks until it is ended.
pub(super) struct Outside {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What the client saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// When each answer came.
    answers: Vec<HostInstant>,
    /// Why the connection ended before the client did.
    pub(super) broken: Option<String>,
    /// An answer that was not the right one.
    pub(super) wrong: Option<String>,
}

impl Outside {
    /// Starts to ask.
    pub(super) fn start(stream: TcpStream, nonce: [u64; 2], clock: Clock) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let name = "isodyne-outside".to_owned();
        let thread = std::thread::Builder::new().name(name).spawn(move || ask(stream, nonce, clock, &told))?;
        Ok(Self { end, thread: Some(thread) })
    }

    /// Ends it; what it saw.
    pub(super) fn end(mut self) -> Seen {
        self.end.store(true, Ordering::Relaxed);
        let seen = self.thread.take().and_then(|thread| thread.join().ok());
        seen.unwrap_or_else(|| Seen { broken: Some("the client died".to_owned()), ..Seen::default() })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn ask(mut stream: TcpStream, nonce: [u64; 2], clock: Clock, end: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    for number in 0.. {
        if end.load(Ordering::Relaxed) || seen.answers.len() >= MOST {
            break;
        }
        let challenge = fastrand::u64(..);
        match trip(&mut stream, number, challenge, end) {
            Ok(Some([answered, _, answer])) => {
                let at = clock.now();
                if answered != number || answer != mix::answer(nonce, challenge) {
                    seen.wrong = Some(format!("question {number} was answered wrongly"));
                    break;
                }
                seen.answers.push(at);
            }
            Ok(None) => break,
            Err(error) => {
                seen.broken = Some(error.to_string());
                break;
            }
        }
        std::thread::sleep(PACE);
    }
    seen
}

/// One question and its answer; nothing if the client was told to end meanwhile.
fn trip(stream: &mut TcpStream, number: u64, challenge: u64, end: &AtomicBool) -> io::Result<Option<[u64; 3]>> {
    let mut question = [0; TRIP_QUESTION_BYTES];
    for (to, word) in question.as_chunks_mut::<8>().0.iter_mut().zip([number, challenge]) {
        *to = word.to_le_bytes();
    }
    stream.write_all(&question)?;
    let (mut answer, mut filled) = ([0; TRIP_ANSWER_BYTES], 0);
    while filled < TRIP_ANSWER_BYTES {
        match stream.read(answer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed")),
            Ok(length) => filled += length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if end.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let words = answer.as_chunks::<8>().0;
    Ok(Some(std::array::from_fn(|word| words.get(word).map_or(0, |bytes| u64::from_le_bytes(*bytes)))))
}

impl Seen {
    /// How many answers came.
    pub(super) fn count(&self) -> usize {
        self.answers.len()
    }

    /// How many answers came after a moment.
    pub(super) fn count_after(&self, moment: HostInstant) -> usize {
        self.answers.iter().filter(|at| **at > moment).count()
    }

    /// The longest time without an answer that lies in a span, as a client sees it: from the answer before to the answer
    /// behind. None if no answer came behind it.
    pub(super) fn longest_gap_ns(&self, from: HostInstant, to: HostInstant) -> Option<u64> {
        let gaps = self.answers.windows(2).filter_map(|pair| match pair {
            [before, behind] if *behind >= from && *before <= to => Some(behind.ns_since(*before)),
            _ => None,
        });
        let is_over = self.answers.last().is_some_and(|last| *last >= to);
        gaps.max().filter(|_| is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn gaps_are_those_that_touch_the_span_and_have_ended() {
        let answers = [1, 2, 3, 50, 51, 90].map(HostInstant).to_vec();
        let seen = Seen { answers, ..Seen::default() };
        assert_eq!(seen.longest_gap_ns(HostInstant(5), HostInstant(10)), Some(47));
        assert_eq!(seen.longest_gap_ns(HostInstant(1), HostInstant(3)), Some(47));
        assert_eq!(
            seen.longest_gap_ns(HostInstant(1), HostInstant(2)),
            Some(1).max(seen.longest_gap_ns(HostInstant(1), HostInstant(2)))
        );
        assert_eq!(seen.longest_gap_ns(HostInstant(60), HostInstant(95)), None, "no answer came behind it");
        assert_eq!((seen.count(), seen.count_after(HostInstant(50))), (6, 2));
    }

    /// A server that knows a nonce, and one that only pretends to.
    fn serve(nonce: [u64; 2]) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; TRIP_QUESTION_BYTES];
            for _ in 0..5 {
                if stream.read_exact(&mut question).is_err() {
                    return;
                }
                let [number, challenge] = [0, 8].map(|at| u64::from_le_bytes(question[at..at + 8].try_into().unwrap()));
                let answer = [number, 1, mix::answer(nonce, challenge)].map(u64::to_le_bytes).concat();
                stream.write_all(&answer).unwrap();
            }
        });
        TcpStream::connect(address).unwrap()
    }

    #[test]
    fn right_answers_are_counted_and_a_wrong_one_is_told() {
        let right = Outside::start(serve([1, 2]), [1, 2], Clock).unwrap();
        while !right.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        let seen = right.end();
        assert_eq!((seen.count(), seen.wrong.is_none()), (5, true));
        assert!(seen.broken.is_some(), "it ended after five");
        let wrong = Outside::start(serve([1, 3]), [1, 2], Clock).unwrap();
        while !wrong.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        assert!(wrong.end().wrong.is_some());
    }
}
