//! The client of QEMU's control socket (QMP): commands with numbers, answers matched to them, everything with a deadline.

use crate::clock::Clock;
use crate::wait::readable;
use isodyne_core::unit::HostInstant;
use message::{Lines, Message, ParseError};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

pub mod message;

/// Events that nobody asked for are kept up to this many.
const EVENT_LIMIT: usize = 256;

/// Why QEMU did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The deadline passed.
    #[error("QEMU did not answer `{0}` in time")]
    Deadline(String),
    /// QEMU closed the socket: it has ended.
    #[error("QEMU closed its control socket before it answered `{0}`")]
    Closed(String),
    /// QEMU refused.
    #[error("QEMU refused `{command}`: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's words.
        description: String,
    },
    /// QEMU's words make no sense.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The socket failed.
    #[error("the control socket failed")]
    Io(#[source] io::Error),
}

/// A connection to QEMU.
pub struct QmpClient {
    socket: OwnedFd,
    clock: Clock,
    lines: Lines,
    next_id: u64,
    /// What the greeting said.
    version: [u32; 3],
    /// Answers that arrived while another was waited for.
    answers: VecDeque<(Message, HostInstant)>,
    events: VecDeque<Event>,
}

/// Something that happened by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name (`RESUME`).
    pub name: String,
    /// More about it.
    pub data: Value,
    /// When it arrived.
    pub at: HostInstant,
}

/// A command that has been sent.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    command: String,
}

impl QmpClient {
    /// Speaks over a connected stream socket.
    ///
    /// # Errors
    /// If the host refuses to make it non-blocking.
    pub fn new(socket: OwnedFd, clock: Clock) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket,
            clock,
            lines: Lines::default(),
            next_id: 1,
            version: [0; 3],
            answers: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Waits for the greeting and says when it arrived.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn greeting(&mut self, deadline: HostInstant) -> Result<HostInstant, QmpError> {
        loop {
            match self.receive("greeting", deadline)? {
                (Message::Greeting { version }, at) => {
                    self.version = version;
                    return Ok(at);
                }
                (other, at) => self.keep(other, at),
            }
        }
    }

    /// QEMU's version as its greeting told: major, minor, micro; zeros before.
    pub fn version(&self) -> [u32; 3] {
        self.version
    }

    /// Sends a command and does not wait.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn send(&mut self, command: &str, arguments: Option<Value>) -> Result<Pending, QmpError> {
        self.send_with(command, arguments, None)
    }

    /// Gives QEMU a descriptor, under a name that later commands know it by, and does not wait.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn give(&mut self, descriptor: BorrowedFd<'_>, name: &str) -> Result<Pending, QmpError> {
        self.send_with("getfd", Some(json!({ "fdname": name })), Some(descriptor))
    }

    /// Gives QEMU a descriptor of a file that it opens by the name `/dev/fdset/SET`, and does not wait. A set may hold
    /// several, which differ in what they are open for.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn give_to_set(&mut self, descriptor: BorrowedFd<'_>, set: u32) -> Result<Pending, QmpError> {
        self.send_with("add-fd", Some(json!({ "fdset-id": set })), Some(descriptor))
    }

    fn send_with(
        &mut self,
        command: &str,
        arguments: Option<Value>,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<Pending, QmpError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut body = json!({ "execute": command, "id": id });
        if let Some(arguments) = arguments {
            body["arguments"] = arguments;
        }
        let line = format!("{body}\n");
        // Commands are far smaller than the socket's buffer: a socket that is full is one that QEMU does not read.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        let given = descriptor.as_slice();
        if !given.is_empty() && !with.push(SendAncillaryMessage::ScmRights(given)) {
            return Err(QmpError::Io(io::Error::other("there is no room for a descriptor")));
        }
        match sendmsg(&self.socket, &[IoSlice::new(line.as_bytes())], &mut with, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == line.len() => Ok(Pending { id, command: command.to_owned() }),
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Err(QmpError::Deadline(command.to_owned())),
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Err(QmpError::Closed(command.to_owned())),
            Err(errno) => Err(QmpError::Io(errno.into())),
        }
    }

    /// Waits for the answer to a command and says when it arrived.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn wait(&mut self, pending: &Pending, deadline: HostInstant) -> Result<(Value, HostInstant), QmpError> {
        let mut early = self.answers.iter().position(|(message, _)| answers(message, pending.id));
        loop {
            let (message, at) = match early.take().and_then(|index| self.answers.remove(index)) {
                Some(kept) => kept,
                None => self.receive(&pending.command, deadline)?,
            };
            match message {
                Message::Return { id, value } if id == pending.id => return Ok((value, at)),
                Message::Error { id, description } if id.is_none_or(|id| id == pending.id) => {
                    return Err(QmpError::Refused { command: pending.command.clone(), description });
                }
                other => self.keep(other, at),
            }
        }
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn execute(&mut self, command: &str, deadline: HostInstant) -> Result<Value, QmpError> {
        let pending = self.send(command, None)?;
        Ok(self.wait(&pending, deadline)?.0)
    }

    /// Waits for an event that is wanted, one that has arrived beside an answer included. Events before it stay.
    ///
    /// # Errors
    /// [`QmpError`]
    pub fn wait_event(
        &mut self,
        awaited: &str,
        deadline: HostInstant,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event, QmpError> {
        loop {
            if let Some(event) = self.events.iter().position(&wanted).and_then(|index| self.events.remove(index)) {
                return Ok(event);
            }
            let (message, at) = self.receive(awaited, deadline)?;
            self.keep(message, at);
        }
    }

    /// The events that have arrived beside the answers, the oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    fn keep(&mut self, message: Message, at: HostInstant) {
        match message {
            Message::Event { name, data } => {
                if self.events.len() == EVENT_LIMIT {
                    self.events.pop_front();
                }
                self.events.push_back(Event { name, data, at });
            }
            Message::Return { .. } | Message::Error { .. } if self.answers.len() < EVENT_LIMIT => {
                self.answers.push_back((message, at));
            }
            _ => {}
        }
    }

    /// The next message, with the time at which the socket became readable.
    fn receive(&mut self, awaited: &str, deadline: HostInstant) -> Result<(Message, HostInstant), QmpError> {
        let mut at = self.clock.now();
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok((message::parse(&line)?, at));
            }
            match readable(self.clock, &self.socket, deadline) {
                Ok(true) => at = self.clock.now(),
                Ok(false) => return Err(QmpError::Deadline(awaited.to_owned())),
                Err(errno) => return Err(QmpError::Io(errno.into())),
            }
            let mut buffer = [0; 4096];
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::CONNRESET) => return Err(QmpError::Closed(awaited.to_owned())),
                Ok(count) => self.lines.feed(&buffer[..count])?,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(QmpError::Io(errno.into())),
            }
        }
    }
}

fn answers(message: &Message, wanted: u64) -> bool {
    match message {
        Message::Return { id, .. } => *id == wanted,
        Message::Error { id, .. } => *id == Some(wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn pair() -> (QmpClient, UnixStream) {
        let (ours, qemu) = UnixStream::pair().unwrap();
        (QmpClient::new(ours.into(), Clock).unwrap(), qemu)
    }

    #[test]
    fn answers_find_their_commands_in_any_order_and_events_are_kept() {
        let (mut client, mut qemu) = pair();
        let soon = Clock.after(Duration::from_secs(5));
        qemu.write_all(b"{\"QMP\": {}}\r\n").unwrap();
        client.greeting(soon).unwrap();
        let (first, second) = (client.send("a", None).unwrap(), client.send("b", Some(json!({"x": 1}))).unwrap());
        qemu.write_all(b"{\"event\": \"RESUME\"}\n{\"return\": 2, \"id\": 2}\n{\"return\": 1, \"id\": 1}\n").unwrap();
        assert_eq!(client.wait(&first, soon).unwrap().0, json!(1));
        assert_eq!(client.wait(&second, soon).unwrap().0, json!(2));
        let events = client.take_events();
        assert_eq!((events.len(), events[0].name.as_str(), &events[0].data), (1, "RESUME", &Value::Null));
        assert!(events[0].at < soon);
        let third = client.send("c", None).unwrap();
        qemu.write_all(b"{\"error\": {\"desc\": \"no\"}, \"id\": 3}\n").unwrap();
        assert!(matches!(client.wait(&third, soon), Err(QmpError::Refused { .. })));
    }

    #[test]
    fn an_event_is_waited_for_wherever_it_comes() {
        let (mut client, mut qemu) = pair();
        let soon = Clock.after(Duration::from_secs(5));
        let status = |wanted: &'static str| move |event: &Event| event.data["status"] == wanted;
        let asked = client.send("migrate", None).unwrap();
        qemu.write_all(b"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"setup\"}}\n").unwrap();
        qemu.write_all(b"{\"return\": {}, \"id\": 1}\n").unwrap();
        qemu.write_all(b"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\n").unwrap();
        client.wait(&asked, soon).unwrap();
        assert_eq!(client.wait_event("completed", soon, status("completed")).unwrap().name, "MIGRATION");
        client.wait_event("setup", soon, status("setup")).unwrap();
        let now = Clock.now();
        assert!(matches!(client.wait_event("more", now, status("setup")), Err(QmpError::Deadline(_))));
    }

    #[test]
    fn a_descriptor_goes_with_its_name() {
        use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
        let (mut client, qemu) = pair();
        let file = tempfile::tempfile().unwrap();
        client.give(file.as_fd(), "state").unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let (mut with, mut line) = (RecvAncillaryBuffer::new(&mut space), [0; 200]);
        let mut parts = [io::IoSliceMut::new(&mut line)];
        let received = recvmsg(&qemu, &mut parts, &mut with, RecvFlags::empty()).unwrap();
        let given = with.drain().any(|one| matches!(one, RecvAncillaryMessage::ScmRights(_)));
        let text = String::from_utf8_lossy(&line[..received.bytes]).into_owned();
        assert!(given && text.contains("getfd") && text.contains("\"fdname\":\"state\""), "{text}");
    }

    #[test]
    fn silence_garbage_and_an_end_are_told_apart() {
        let (mut client, mut qemu) = pair();
        let now = Clock.now();
        assert!(matches!(client.greeting(now), Err(QmpError::Deadline(_))));
        qemu.write_all(b"hello\n").unwrap();
        let soon = Clock.after(Duration::from_secs(5));
        assert!(matches!(client.greeting(soon), Err(QmpError::Parse(_))));
        drop(qemu);
        assert!(matches!(client.greeting(soon), Err(QmpError::Closed(_))));
        assert!(matches!(client.send("quit", None), Err(QmpError::Closed(_))));
    }
}
