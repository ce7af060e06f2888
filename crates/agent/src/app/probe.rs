//! One look at a service on the loopback interface: a connection, or a whole HTTP answer. Nothing here blocks.

use super::ProbeFd;
use crate::sys::Errno;
use crate::sys::poll::{Interest, READABLE, WRITABLE, interest};
use crate::sys::socket::{self, Address};
use alloc::format;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};
use isodyne_proto::MAX_EVIDENCE;

/// The longest head of an answer that is read.
const HEAD_LIMIT: usize = 16 << 10;

/// What a look has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not over yet.
    Nothing,
    /// Refused, reset, or no HTTP.
    Failed,
    /// The connection was accepted, and that is all that was asked.
    Accepted,
    /// A whole answer.
    Answer { status: u16, body_bytes: u64, text: Vec<u8> },
}

/// A look that is under way.
pub(super) struct Probe {
    socket: ProbeFd,
    connected: bool,
    /// What is still to be sent; `None` if only the connection is wanted.
    request: Option<Vec<u8>>,
    answer: Answer,
}

impl Probe {
    /// A look at a port; `None` if the kernel refuses at once.
    pub(super) fn tcp(port: u16) -> Option<Self> {
        let address = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let socket = socket::begin_connect(&address).ok()?;
        Some(Self { socket, connected: false, request: None, answer: Answer::default() })
    }

    /// A look at a page; `None` if the kernel refuses at once.
    pub(super) fn http(port: u16, path: &[u8]) -> Option<Self> {
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(
            format!(" HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: isodyne\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        Some(Self { request: Some(request), ..Self::tcp(port)? })
    }

    pub(super) fn interest(&self) -> Interest {
        let sending = !self.connected || self.request.as_ref().is_some_and(|request| !request.is_empty());
        interest(&self.socket, if sending { WRITABLE } else { READABLE })
    }

    /// Goes on as far as it can.
    pub(super) fn advance(&mut self) -> Seen {
        if !self.connected {
            match socket::connected(&self.socket) {
                Ok(true) => self.connected = true,
                Ok(false) => return Seen::Nothing,
                Err(_) => return Seen::Failed,
            }
        }
        let Some(request) = &mut self.request else { return Seen::Accepted };
        while !request.is_empty() {
            match self.socket.write(request) {
                Ok(written) => drop(request.drain(..written.min(request.len()))),
                Err(Errno::AGAIN) => return Seen::Nothing,
                Err(_) => return Seen::Failed,
            }
        }
        let mut buffer = [0; 16 << 10];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return self.answer.at_end(),
                Ok(length) => {
                    if let Some(seen) = self.answer.take(buffer.get(..length).unwrap_or_default()) {
                        return seen;
                    }
                }
                Err(Errno::AGAIN) => return Seen::Nothing,
                Err(_) => return Seen::Failed,
            }
        }
    }
}

/// An HTTP answer as it comes.
#[derive(Default)]
struct Answer {
    head: Vec<u8>,
    /// The status and the length of the body, if it is stated, once the head is whole.
    stated: Option<(u16, Option<u64>)>,
    body_bytes: u64,
    text: Vec<u8>,
}

impl Answer {
    fn take(&mut self, bytes: &[u8]) -> Option<Seen> {
        let mut body = bytes;
        if self.stated.is_none() {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let from = before.saturating_sub(3);
            let Some(end) = self.head.get(from..)?.windows(4).position(|four| four == b"\r\n\r\n") else {
                return (self.head.len() > HEAD_LIMIT).then_some(Seen::Failed);
            };
            let end = from + end + 4;
            let head = self.head.get(..end).unwrap_or_default();
            let Some(status) = status_of(head) else { return Some(Seen::Failed) };
            self.stated = Some((status, content_length(head)));
            body = bytes.get(end - before..).unwrap_or_default();
        }
        self.body_bytes = self.body_bytes.saturating_add(body.len() as u64);
        let room = MAX_EVIDENCE.min(512).saturating_sub(self.text.len());
        self.text.extend_from_slice(body.get(..room).unwrap_or(body));
        let (status, length) = self.stated?;
        (length.is_some_and(|length| self.body_bytes >= length)).then(|| self.whole(status))
    }

    /// The other end closed: a body of stated length must be whole, any other is.
    fn at_end(&mut self) -> Seen {
        match self.stated {
            Some((status, None)) => self.whole(status),
            _ => Seen::Failed,
        }
    }

    fn whole(&mut self, status: u16) -> Seen {
        Seen::Answer { status, body_bytes: self.body_bytes, text: core::mem::take(&mut self.text) }
    }
}

/// The status of `HTTP/1.1 200 OK`.
pub(crate) fn status_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|_| rest.get(1) == Some(&b' '))?;
    core::str::from_utf8(digits).ok()?.parse().ok().filter(|status| (100..600).contains(status))
}

/// The stated length of the body; a body without one ends with the connection.
pub(crate) fn content_length(head: &[u8]) -> Option<u64> {
    let name = b"content-length:";
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| core::str::from_utf8(value.trim_ascii()).ok()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(pieces: &[&[u8]]) -> Seen {
        let mut answer = Answer::default();
        pieces.iter().find_map(|piece| answer.take(piece)).unwrap_or_else(|| answer.at_end())
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let seen = || Seen::Answer { status: 200, body_bytes: 5, text: b"hello".to_vec() };
        assert_eq!(feed(&[whole]), seen());
        for cut in 1..whole.len() {
            let (first, second) = whole.split_at(cut);
            assert_eq!(feed(&[first, second]), seen(), "cut at {cut}");
            assert_eq!(feed(&[first]), Seen::Failed, "ended at {cut}");
        }
        let unstated = b"HTTP/1.0 503 Busy\r\n\r\nsorry".as_slice();
        assert_eq!(feed(&[unstated]), Seen::Answer { status: 503, body_bytes: 5, text: b"sorry".to_vec() });
        let empty = b"HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n".as_slice();
        assert_eq!(feed(&[empty]), Seen::Answer { status: 204, body_bytes: 0, text: Vec::new() });
    }

    #[test]
    fn what_is_no_http_has_failed() {
        assert_eq!(feed(&[b"SSH-2.0-OpenSSH\r\n\r\n"]), Seen::Failed);
        assert_eq!(feed(&[b"HTTP/1.1 99 ?\r\n\r\n"]), Seen::Failed);
        assert_eq!(feed(&[&[b'x'; HEAD_LIMIT + 1]]), Seen::Failed);
        assert_eq!(feed(&[]), Seen::Failed);
    }
}
