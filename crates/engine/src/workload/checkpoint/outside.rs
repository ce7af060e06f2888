//! The freeze as a client outside sees it: one TCP connection that asks again and again.

use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use isodyne_subject::{TRIP_ANSWER_BYTES, TRIP_QUESTION_BYTES, mix};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// From an answer to the next question.
const PACE: Duration = Duration::from_millis(1);
/// How often a client that waits looks whether it shall end.
const LOOK: Duration = Duration::from_millis(50);
/// What was answered at most: an hour of it.
const MOST: usize = 4_000_000;

/// The most of an HTTP answer that is read.
const HTTP_BYTES: usize = 16 << 20;

/// What is asked, and what makes an answer right.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// The subject: it must know the nonce.
    Nonce([u64; 2]),
    /// A server of HTTP: this status, and the same body every time.
    Http { path: String, status: u16 },
}

/// A client that asks until it is ended.
pub(super) struct Outside {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
    /// A word for each right answer: when it came.
    answered: Receiver<HostInstant>,
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
    pub(super) fn start(stream: TcpStream, question: Question, clock: Clock) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let name = "isodyne-outside".to_owned();
        let (tell, answered) = channel();
        let thread =
            std::thread::Builder::new().name(name).spawn(move || ask(stream, &question, clock, &told, &tell))?;
        Ok(Self { end, thread: Some(thread), answered })
    }

    /// Waits until so many answers have come behind a moment, or until none can come any more, or until the deadline.
    pub(super) fn wait_for(&self, count: usize, moment: HostInstant, deadline: HostInstant) {
        let mut behind = 0;
        while behind < count {
            match self.answered.recv_timeout(Clock.until(deadline)) {
                Ok(at) => behind += usize::from(at > moment),
                Err(_) => return,
            }
        }
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

fn ask(mut stream: TcpStream, question: &Question, clock: Clock, end: &AtomicBool, tell: &Sender<HostInstant>) -> Seen {
    let mut seen = Seen::default();
    let mut first_body = None;
    for number in 0.. {
        if end.load(Ordering::Relaxed) || seen.answers.len() >= MOST {
            break;
        }
        let answered = match question {
            Question::Nonce(nonce) => nonce_trip(&mut stream, number, *nonce, end),
            Question::Http { path, status } => http_trip(&mut stream, path, *status, &mut first_body, end),
        };
        match answered {
            Ok(Some(None)) => {
                let at = clock.now();
                seen.answers.push(at);
                // Whether somebody listens does not matter.
                let _ = tell.send(at);
            }
            Ok(Some(Some(wrong))) => {
                seen.wrong = Some(wrong);
                break;
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

/// What came of one question: nothing if the client was told to end meanwhile, else what is wrong with the answer, if
/// anything is.
type Answered = io::Result<Option<Option<String>>>;

fn nonce_trip(stream: &mut TcpStream, number: u64, nonce: [u64; 2], end: &AtomicBool) -> Answered {
    let challenge = fastrand::u64(..);
    Ok(trip(stream, number, challenge, end)?.map(|[answered, _, answer]| {
        let right = answered == number && answer == mix::answer(nonce, challenge);
        (!right).then(|| format!("question {number} was answered wrongly"))
    }))
}

/// One request on a connection that stays open.
fn http_trip(
    stream: &mut TcpStream,
    path: &str,
    status: u16,
    first_body: &mut Option<Vec<u8>>,
    end: &AtomicBool,
) -> Answered {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: isodyne\r\nUser-Agent: isodyne\r\n\r\n").as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some((found, body)) = http_answer(&bytes)? {
            if found != status {
                return Ok(Some(Some(format!("the server answered with the status {found}, not {status}"))));
            }
            if first_body.get_or_insert_with(|| body.to_vec()) != body {
                return Ok(Some(Some("the server answered with another body than before".to_owned())));
            }
            return Ok(Some(None));
        }
        match some(stream, &mut buffer, end)? {
            0 => return Ok(None),
            length => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        }
        if bytes.len() > HTTP_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an HTTP answer that does not end"));
        }
    }
}

/// Status and body, once all of it is there.
fn http_answer(bytes: &[u8]) -> io::Result<Option<(u16, &[u8])>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let head = match response.parse(bytes).map_err(|error| invalid(&error.to_string()))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(head) => head,
    };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| invalid("an HTTP answer without a length"))?;
    let body = bytes.get(head..head.saturating_add(length));
    Ok(body.map(|body| (response.code.unwrap_or(0), body)))
}

/// What comes next; 0 if the client was told to end.
fn some(stream: &mut TcpStream, buffer: &mut [u8], end: &AtomicBool) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed")),
            Ok(length) => return Ok(length),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if end.load(Ordering::Relaxed) {
                    return Ok(0);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
        match some(stream, answer.get_mut(filled..).unwrap_or_default(), end)? {
            0 => return Ok(None),
            length => filled += length,
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

    /// How many answers came before a moment.
    pub(super) fn count_before(&self, moment: HostInstant) -> usize {
        self.answers.iter().filter(|at| **at < moment).count()
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
        assert_eq!(seen.longest_gap_ns(HostInstant(1), HostInstant(2)), Some(1));
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
    fn an_http_answer_is_there_when_all_of_it_is() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..whole.len() {
            assert!(http_answer(&whole[..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(http_answer(whole).unwrap(), Some((200, b"abc".as_slice())));
        assert!(http_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err() && http_answer(b"nonsense\r\n\r\n").is_err());
    }

    /// A server that answers so many times, at last with something else.
    fn http(answers: &'static [&'static str]) -> Seen {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            for body in answers {
                if stream.read(&mut buffer).unwrap() == 0 {
                    return;
                }
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let question = Question::Http { path: "/".to_owned(), status: 200 };
        let client = Outside::start(TcpStream::connect(address).unwrap(), question, Clock).unwrap();
        while !client.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        client.end()
    }

    #[test]
    fn a_server_must_answer_the_same_every_time() {
        let seen = http(&["hello", "hello", "hello"]);
        assert_eq!((seen.count(), seen.wrong.is_none(), seen.broken.is_some()), (3, true, true));
        let seen = http(&["hello", "hellO"]);
        assert_eq!((seen.count(), seen.wrong.is_some()), (1, true));
    }

    #[test]
    fn right_answers_are_counted_and_a_wrong_one_is_told() {
        let right = Outside::start(serve([1, 2]), Question::Nonce([1, 2]), Clock).unwrap();
        while !right.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        let seen = right.end();
        assert_eq!((seen.count(), seen.wrong.is_none()), (5, true));
        assert!(seen.broken.is_some(), "it ended after five");
        let wrong = Outside::start(serve([1, 3]), Question::Nonce([1, 2]), Clock).unwrap();
        while !wrong.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        assert!(wrong.end().wrong.is_some());
    }
}
