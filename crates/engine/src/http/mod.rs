//! A thin HTTP/1.1 client over a unix socket, for control APIs whose calls are timed.
//!
//! One connection, one request at a time, no pool, no thread, no retry: what a reply costs is the daemon's time and one
//! `poll`. Replies are limited in size and every call has a deadline, since the other end is not trusted.

pub(crate) mod body;
mod error;
pub(crate) mod socket;

pub use error::HttpError;

use crate::clock::Clock;
use body::BodyKind;
use isodyne_core::unit::HostInstant;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The largest head of a reply that is read.
const HEAD_LIMIT: usize = 64 << 10;
/// The largest body of a reply that is read.
pub(crate) const BODY_LIMIT: usize = 16 << 20;
/// How much of a file is read at a time.
const FILE_PIECE: usize = 256 << 10;
/// The most headers that a reply may have.
const HEADER_COUNT_LIMIT: usize = 64;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query, encoded already.
    pub target: &'a str,
    /// The type of the body (`application/json`).
    pub content_type: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Self { method, target, content_type: "application/json", body: &[] }
    }

    /// The same with a body.
    pub fn with_body(self, content_type: &'a str, body: &'a [u8]) -> Self {
        Self { content_type, body, ..self }
    }

    /// `POST /containers/create`, for messages.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    fn head(&self, upgrade: bool) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", self.method, self.target);
        if upgrade {
            head.push_str("Connection: Upgrade\r\nUpgrade: tcp\r\n");
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Type: {}\r\n", self.content_type));
        }
        if !self.body.is_empty() || matches!(self.method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head
    }
}

/// A reply with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// When the lab began to send the request.
    pub asked: HostInstant,
    /// When the last byte of the reply had arrived.
    pub at: HostInstant,
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// What the daemon says about an error: its `message` (Docker) or `fault_message`, or the start of the text.
    pub fn message(&self) -> String {
        let json = self.json();
        let named = ["message", "cause", "fault_message", "error"].iter().find_map(|key| json.get(*key)?.as_str());
        let text = named.map_or_else(|| String::from_utf8_lossy(&self.body).into_owned(), str::to_owned);
        let line: String = text.trim().chars().take(400).collect();
        if line.is_empty() { format!("status {}", self.status) } else { line }
    }
}

/// A connection that has left HTTP: a raw stream in both directions.
#[derive(Debug)]
pub struct Upgraded {
    /// The connection, not blocking.
    pub stream: UnixStream,
    /// Bytes that came behind the reply's head.
    pub leftover: Vec<u8>,
    /// When the lab began to send the request.
    pub asked: HostInstant,
    /// When the reply's head had arrived.
    pub at: HostInstant,
}

/// A connection to a control API.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    socket: PathBuf,
    clock: Clock,
    buffer: Vec<u8>,
    pending: Option<(String, HostInstant)>,
}

/// The head of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: BodyKind,
    pub(crate) length: usize,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`HttpError::Connect`] with the socket's path.
    pub fn connect(socket: &Path, clock: Clock) -> Result<Self, HttpError> {
        let refused = |source| HttpError::Connect { socket: socket.to_owned(), source };
        Self::on(UnixStream::connect(socket).map_err(refused)?, socket, clock)
    }

    /// A client on a connection that is there already; the path is for messages.
    ///
    /// # Errors
    /// [`HttpError::Connect`] if the connection cannot be made non-blocking.
    pub fn on(stream: UnixStream, socket: &Path, clock: Clock) -> Result<Self, HttpError> {
        let refused = |source| HttpError::Connect { socket: socket.to_owned(), source };
        stream.set_nonblocking(true).map_err(refused)?;
        Ok(Self { stream, socket: socket.to_owned(), clock, buffer: Vec::new(), pending: None })
    }

    /// Sends a request and waits for the whole reply. Any status is a reply.
    ///
    /// # Errors
    /// If the deadline passes, the connection breaks, or the reply is no valid or too large an HTTP message. The
    /// connection is not to be used again then.
    pub fn call(&mut self, request: &Request<'_>, deadline: HostInstant) -> Result<Reply, HttpError> {
        self.send(request, deadline)?;
        self.receive(deadline)
    }

    /// Sends a request whose reply comes much later; [`Client::receive`] waits for it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn send(&mut self, request: &Request<'_>, deadline: HostInstant) -> Result<(), HttpError> {
        let asked = self.clock.now();
        self.write(request, false, deadline)?;
        self.pending = Some((request.call(), asked));
        Ok(())
    }

    /// Waits for the reply to the request that was sent.
    ///
    /// # Errors
    /// As [`Client::call`]; a deadline that passes here may be followed by another try.
    pub fn receive(&mut self, deadline: HostInstant) -> Result<Reply, HttpError> {
        let Some((call, asked)) = self.pending.clone() else {
            return Err(HttpError::Invalid { call: "nothing was sent".to_owned(), what: "no reply is due".to_owned() });
        };
        let (head, body) = loop {
            if let Some(head) = parse_head(&self.buffer, &call)? {
                let rest = &self.buffer[head.length..];
                if let Some((body, used)) = body::decode(head.body, rest, BODY_LIMIT, false)
                    .map_err(|what| HttpError::Invalid { call: call.clone(), what })?
                {
                    self.buffer.drain(..head.length + used);
                    break (head, body);
                }
            }
            if !self.fill(&call, deadline)? {
                break self.until_close(&call)?;
            }
        };
        let at = self.clock.now();
        self.pending = None;
        Ok(Reply { status: head.status, body, asked, at })
    }

    /// Sends a file as the body of a request, piece by piece, and waits for the reply.
    ///
    /// # Errors
    /// As [`Client::call`], and [`HttpError::Broken`] if the file cannot be read.
    pub fn call_with_file(
        &mut self,
        request: &Request<'_>,
        file: &Path,
        deadline: HostInstant,
    ) -> Result<Reply, HttpError> {
        let asked = self.clock.now();
        let broken = |source| HttpError::Broken { call: request.call(), source };
        let mut file = File::open(file).map_err(broken)?;
        let length = file.metadata().map_err(broken)?.len();
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
            request.method, request.target, request.content_type
        );
        socket::write_all(&self.stream, head.as_bytes(), deadline, self.clock).map_err(broken)?;
        let mut piece = vec![0_u8; FILE_PIECE];
        loop {
            let count = file.read(&mut piece).map_err(broken)?;
            if count == 0 {
                break;
            }
            match socket::write_all(&self.stream, &piece[..count], deadline, self.clock) {
                Ok(()) => {}
                // Who has read enough to refuse has answered already.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(broken(error)),
            }
        }
        self.pending = Some((request.call(), asked));
        self.receive(deadline)
    }

    /// Sends a request that turns the connection into a raw stream (`Upgrade: tcp`).
    ///
    /// # Errors
    /// As [`Client::call`], and [`HttpError::Status`] if the daemon does not switch.
    pub fn upgrade(mut self, request: &Request<'_>, deadline: HostInstant) -> Result<Upgraded, HttpError> {
        let asked = self.clock.now();
        self.write(request, true, deadline)?;
        let call = request.call();
        let head = loop {
            if let Some(head) = parse_head(&self.buffer, &call)? {
                break head;
            }
            if !self.fill(&call, deadline)? {
                return Err(HttpError::Closed { call });
            }
        };
        let at = self.clock.now();
        // Old daemons answer 200 and switch as well.
        if head.status != 101 && head.status != 200 {
            self.pending = Some((call.clone(), asked));
            let reply = self.receive(deadline)?;
            return Err(HttpError::Status { call, status: reply.status, message: reply.message() });
        }
        let leftover = self.buffer.split_off(head.length);
        Ok(Upgraded { stream: self.stream, leftover, asked, at })
    }

    fn write(&mut self, request: &Request<'_>, upgrade: bool, deadline: HostInstant) -> Result<(), HttpError> {
        let broken = |source| HttpError::Broken { call: request.call(), source };
        let mut bytes = request.head(upgrade).into_bytes();
        bytes.extend_from_slice(request.body);
        socket::write_all(&self.stream, &bytes, deadline, self.clock).map_err(broken)
    }

    /// Reads once more; `false` if the other end has closed.
    fn fill(&mut self, call: &str, deadline: HostInstant) -> Result<bool, HttpError> {
        let mut chunk = [0_u8; 16 << 10];
        let count = socket::read(&self.stream, &mut chunk, deadline, self.clock).map_err(|source| {
            if source.kind() == std::io::ErrorKind::TimedOut {
                HttpError::Timeout { call: call.to_owned(), socket: self.socket.clone() }
            } else {
                HttpError::Broken { call: call.to_owned(), source }
            }
        })?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    }

    /// A reply without a length ends where the connection does.
    fn until_close(&mut self, call: &str) -> Result<(Head, Vec<u8>), HttpError> {
        let closed = || HttpError::Closed { call: call.to_owned() };
        let head = parse_head(&self.buffer, call)?.ok_or_else(closed)?;
        let decoded = body::decode(head.body, &self.buffer[head.length..], BODY_LIMIT, true)
            .map_err(|what| HttpError::Invalid { call: call.to_owned(), what })?;
        let (body, _) = decoded.ok_or_else(closed)?;
        Ok((head, body))
    }
}

/// Parses the head of a reply; `None` if it is not complete yet.
pub(crate) fn parse_head(buffer: &[u8], call: &str) -> Result<Option<Head>, HttpError> {
    let invalid = |what: String| HttpError::Invalid { call: call.to_owned(), what };
    let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(buffer).map_err(|error| invalid(error.to_string()))? {
        httparse::Status::Partial if buffer.len() > HEAD_LIMIT => {
            Err(invalid(format!("its head is larger than {HEAD_LIMIT} bytes")))
        }
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => {
            let status = response.code.unwrap_or(0);
            let body = BodyKind::of(status, response.headers).map_err(invalid)?;
            Ok(Some(Head { status, body, length }))
        }
    }
}

#[cfg(test)]
mod tests;
