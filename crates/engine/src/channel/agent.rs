//! Speaking with the agent: hello, exec, ping, shutdown, and the stamps of their ends.

use super::Transport;
use super::trouble::{self, Received};
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_proto::{
    AwaitReply, AwaitRequest, Decoder, EndReply, EndRequest, ExecReply, ExecRequest, Hello, Message, Opening, Outcome,
    ShutdownHow, StartReply, StartRequest,
};

/// What one read takes at most.
const READ_BYTES: usize = 64 << 10;
/// What is waited for first, in messages.
pub(crate) const HELLO: &str = "hello";

/// The channel to one agent. [`AgentChannel::hello`] comes first, then any number of requests, one at a time.
///
/// The first failure stays: a channel that went wrong once has no message boundaries any more, so later calls give the
/// same failure again.
pub struct AgentChannel {
    transport: Box<dyn Transport>,
    clock: Clock,
    decoder: Decoder,
    received: Received,
    /// When the read that brought the newest bytes returned.
    read_at: HostInstant,
    /// The version that the next request announces; `None` once it has been announced.
    announce: Option<u16>,
    buffer: Vec<u8>,
    next_id: u32,
    failed: Option<Failure>,
}

/// A command that was run, and when.
pub type Executed = Answered<ExecReply>;

/// What the agent answered, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub reply: T,
    /// When the lab began to ask.
    pub asked: HostInstant,
    /// When the read that completed the answer returned.
    pub at: HostInstant,
}

/// What an agent has kept in its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How often the agent was asked to keep or to give back before.
    pub recalls: u64,
}

/// A ping that was answered, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinged {
    /// When the lab began to ask.
    pub asked: HostInstant,
    /// When the read that completed the answer returned.
    pub at: HostInstant,
}

impl Executed {
    /// Says whether the command ran and ended with code 0.
    ///
    /// # Errors
    /// A failure of class `exec` (`timeout` if the command ran too long) with the beginning of its standard error.
    pub fn succeeded(&self) -> Result<(), Failure> {
        let class = match self.reply.outcome {
            Outcome::Exited(0) => return Ok(()),
            Outcome::TimedOut => FailureClass::Timeout,
            _ => FailureClass::Exec,
        };
        let mut message = format!("the command inside: {}", self.reply.outcome);
        let said = self.reply.stderr.trim_ascii();
        if !said.is_empty() {
            let first = said.get(..200).unwrap_or(said);
            message = format!("{message}; it says: {}", String::from_utf8_lossy(first).escape_debug());
        }
        Err(Failure::new(class, message))
    }
}

impl AgentChannel {
    /// A channel of our own: the agent's hello is the first thing on it.
    pub fn new(transport: Box<dyn Transport>, clock: Clock) -> Self {
        Self::with_opening(transport, clock, Opening::Hello)
    }

    /// A channel that others write to before the agent does (a serial line and its firmware): up to `limit` stray bytes may
    /// come before the hello.
    pub fn after_stray_bytes(transport: Box<dyn Transport>, clock: Clock, limit: usize) -> Self {
        Self::with_opening(transport, clock, Opening::HelloAfterStrayBytes(limit))
    }

    /// A channel to an agent that has said hello before, to another end of it: what came back from a checkpoint goes on
    /// where it stood. `announce` is what [`AgentChannel::unannounced`] said then.
    pub fn continued(transport: Box<dyn Transport>, clock: Clock, announce: Option<u16>) -> Self {
        Self { announce, ..Self::with_opening(transport, clock, Opening::Frames) }
    }

    /// The version that the agent has not been told yet: it goes in front of the first request.
    pub fn unannounced(&self) -> Option<u16> {
        self.announce
    }

    /// Begins anew where the agent opens its channel again after a loss: its hello is the next thing. Nothing happens on a
    /// channel that there is only once.
    pub fn begin_anew(&mut self) {
        if self.transport.again() {
            self.decoder = Decoder::new(Opening::Hello);
            self.received = Received::default();
            self.announce = None;
            self.failed = None;
        }
    }

    fn with_opening(transport: Box<dyn Transport>, clock: Clock, opening: Opening) -> Self {
        Self {
            transport,
            clock,
            decoder: Decoder::new(opening),
            received: Received::default(),
            read_at: HostInstant(0),
            announce: None,
            buffer: vec![0; READ_BYTES],
            next_id: 1,
            failed: None,
        }
    }

    /// Waits for the agent's hello; gives it and the stamp of the read that completed it.
    ///
    /// # Errors
    /// `timeout` if it does not come, `protocol` if something else comes, `crash` if the channel closes.
    pub fn hello(&mut self, deadline: HostInstant) -> Result<(Hello, HostInstant), Failure> {
        self.guarded(|channel| {
            let message = channel.receive(HELLO, deadline)?;
            let Message::Hello(hello) = message else { return Err(Self::refuse(HELLO, message)) };
            // The decoder refuses a hello without a common version.
            channel.announce = hello.common_version();
            Ok((hello, channel.read_at))
        })
    }

    /// Runs a command inside and waits for its end. The request's own `id` does not matter: the channel gives it one.
    ///
    /// A command that could not be run or that failed is a reply, not an error: see [`Executed::succeeded`].
    ///
    /// # Errors
    /// `timeout` if no reply comes, `protocol` if something else comes, `crash` if the channel closes, `exec` if the
    /// request is beyond a limit of the protocol.
    pub fn exec(&mut self, request: &ExecRequest, deadline: HostInstant) -> Result<Executed, Failure> {
        let request = request.clone();
        let request = |id| Message::ExecRequest(ExecRequest { id, ..request });
        self.ask(deadline, "reply to exec", request, |message| {
            if let Message::ExecReply(reply) = message { Ok((reply.id, reply)) } else { Err(Box::new(message)) }
        })
    }

    /// Starts the sandbox's application. One that could not be started is a reply, not an error.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn start_app(
        &mut self,
        request: &StartRequest,
        deadline: HostInstant,
    ) -> Result<Answered<StartReply>, Failure> {
        let request = request.clone();
        self.ask(
            deadline,
            "reply to start",
            |id| Message::StartRequest(StartRequest { id, ..request }),
            |message| {
                if let Message::StartReply(reply) = message { Ok((reply.id, reply)) } else { Err(Box::new(message)) }
            },
        )
    }

    /// Waits until the application is ready. One that does not become so is a reply, not an error.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn await_app(
        &mut self,
        request: &AwaitRequest,
        deadline: HostInstant,
    ) -> Result<Answered<AwaitReply>, Failure> {
        let request = request.clone();
        self.ask(
            deadline,
            "reply to await",
            |id| Message::AwaitRequest(AwaitRequest { id, ..request }),
            |message| {
                if let Message::AwaitReply(reply) = message { Ok((reply.id, reply)) } else { Err(Box::new(message)) }
            },
        )
    }

    /// Ends the application by a signal, and kills it after `timeout_ms`.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn end_app(
        &mut self,
        signal: u8,
        timeout_ms: u32,
        deadline: HostInstant,
    ) -> Result<Answered<EndReply>, Failure> {
        let request = |id| Message::EndRequest(EndRequest { id, signal, timeout_ms });
        self.ask(deadline, "reply to end", request, |message| {
            if let Message::EndReply(reply) = message { Ok((reply.id, reply)) } else { Err(Box::new(message)) }
        })
    }

    /// Has the agent keep these bytes in its memory.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn remember(&mut self, bytes: &[u8], deadline: HostInstant) -> Result<Answered<Recalled>, Failure> {
        let request = |id| Message::Remember { id, bytes: bytes.to_vec() };
        self.ask(deadline, "memory", request, recalled)
    }

    /// Has the agent give back what it keeps.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn recall(&mut self, deadline: HostInstant) -> Result<Answered<Recalled>, Failure> {
        self.ask(deadline, "memory", |id| Message::Recall { id }, recalled)
    }

    /// Sends a request with an id of its own and takes the one answer to it.
    fn ask<T>(
        &mut self,
        deadline: HostInstant,
        waiting_for: &str,
        request: impl FnOnce(u32) -> Message,
        answer: impl FnOnce(Message) -> Result<(u32, T), Box<Message>>,
    ) -> Result<Answered<T>, Failure> {
        self.guarded(|channel| {
            let id = channel.take_id();
            let asked = channel.send(&request(id), waiting_for, deadline)?;
            let message = channel.receive(waiting_for, deadline)?;
            match answer(message) {
                Ok((answered, reply)) if answered == id => Ok(Answered { reply, asked, at: channel.read_at }),
                Ok((answered, _)) => Err(wrong_id(waiting_for, id, answered)),
                Err(other) => Err(Self::refuse(waiting_for, *other)),
            }
        })
    }

    /// Asks for an answer at once: the round trip of the channel itself.
    ///
    /// # Errors
    /// As for [`AgentChannel::exec`].
    pub fn ping(&mut self, deadline: HostInstant) -> Result<Pinged, Failure> {
        let pong = self.ask(
            deadline,
            "pong",
            |id| Message::Ping { id },
            |message| {
                if let Message::Pong { id } = message { Ok((id, ())) } else { Err(Box::new(message)) }
            },
        )?;
        Ok(Pinged { asked: pong.asked, at: pong.at })
    }

    /// Tells the agent to end and waits until it has taken notice: its last message, or the end of the channel. What it
    /// runs in may take longer to be gone.
    ///
    /// # Errors
    /// `timeout` if it does not react, `protocol` if something else comes.
    pub fn shutdown(&mut self, how: ShutdownHow, deadline: HostInstant) -> Result<(), Failure> {
        self.guarded(|channel| {
            channel.send(&Message::Shutdown(how), "bye", deadline)?;
            match channel.receive("bye", deadline) {
                Ok(Message::Bye) => Ok(()),
                Ok(other) => Err(Self::refuse("bye", other)),
                // It was to end, and it has.
                Err(failure) if failure.class == FailureClass::Crash => Ok(()),
                Err(failure) => Err(failure),
            }
        })
    }

    /// How many stray bytes came before the hello.
    pub fn stray_bytes(&self) -> usize {
        self.decoder.skipped()
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let result = work(self);
        // A request that could not be sent (class `exec`) has not touched the channel.
        if let Err(failure) = &result
            && failure.class != FailureClass::Exec
        {
            self.failed = Some(failure.clone());
        }
        result
    }

    fn take_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Sends a message, with the welcome in front of the first one; gives the stamp right before the write.
    fn send(&mut self, message: &Message, waiting_for: &str, deadline: HostInstant) -> Result<HostInstant, Failure> {
        let mut bytes = Vec::new();
        if let Some(version) = self.announce {
            Message::Welcome { version }.encode(&mut bytes).map_err(trouble::unsendable)?;
        }
        message.encode(&mut bytes).map_err(trouble::unsendable)?;
        self.announce = None;
        let asked = self.clock.now();
        match self.transport.write_all(&bytes, deadline) {
            Ok(()) => Ok(asked),
            Err(error) => {
                // An agent that gave up has said why before it closed.
                if let Ok(Message::Error { text }) = self.receive(waiting_for, asked) {
                    return Err(gave_up(&text));
                }
                Err(trouble::host("write to", waiting_for, &error, &self.received))
            }
        }
    }

    /// The agent's next message; `read_at` is then the stamp of the read that completed it, taken before decoding.
    fn receive(&mut self, waiting_for: &str, deadline: HostInstant) -> Result<Message, Failure> {
        loop {
            match self.decoder.next_message() {
                Ok(Some(message)) => {
                    self.received.clear();
                    return Ok(message);
                }
                // A guest that keeps sending bits of something must not keep us past the deadline.
                Ok(None) if self.read_at > deadline => return Err(trouble::late(waiting_for, &self.received)),
                Ok(None) => {}
                Err(error) => return Err(trouble::garbage(error, &self.received)),
            }
            let read = self.transport.read(&mut self.buffer, deadline);
            let at = self.clock.now();
            match read {
                Ok(0) => return Err(trouble::closed(waiting_for, &self.received)),
                Ok(length) => {
                    self.read_at = at;
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    self.received.add(bytes);
                    self.decoder.feed(bytes);
                }
                Err(error) => return Err(trouble::host("read", waiting_for, &error, &self.received)),
            }
        }
    }

    fn refuse(waiting_for: &str, message: Message) -> Failure {
        match message {
            Message::Error { text } => gave_up(&text),
            other => trouble::unexpected(waiting_for, &format!("a message of kind `{}`", other.kind())),
        }
    }
}

fn recalled(message: Message) -> Result<(u32, Recalled), Box<Message>> {
    if let Message::Memory { id, bytes, recalls } = message {
        Ok((id, Recalled { bytes, recalls }))
    } else {
        Err(Box::new(message))
    }
}

fn wrong_id(waiting_for: &str, asked: u32, answered: u32) -> Failure {
    trouble::unexpected(waiting_for, &format!("the answer to request {answered} instead of {asked}"))
}

/// The agent says that it cannot go on.
fn gave_up(text: &str) -> Failure {
    let short: String = text.chars().take(200).collect();
    Failure::new(FailureClass::Protocol, format!("the agent gave up: {}", short.escape_debug()))
}
