//! The host's end of the channel to the agent.
//!
//! A [`Transport`] carries bytes with deadlines; an [`AgentChannel`] speaks the protocol on it and takes the stamps. The
//! guest is not trusted: whatever it sends, or does not send, ends in a classed failure before the deadline.

mod agent;
mod fd;
mod late;
mod trouble;

pub use agent::{AgentChannel, Answered, Executed, Pinged, Recalled};
pub use fd::FdTransport;
pub use isodyne_proto::{
    AwaitOutcome, AwaitReply, AwaitRequest, Condition, EndReply, ExecReply, ExecRequest, Hello, Outcome, ShutdownHow,
    StartOutcome, StartReply, StartRequest,
};
pub use late::{ConnectingTransport, ListeningTransport};

pub(crate) use agent::HELLO;
pub(crate) use late::connect as connect_unix;

use isodyne_core::unit::HostInstant;
use std::io;

/// Carries bytes both ways, with deadlines on the host's clock.
pub trait Transport: Send {
    /// Reads what is there; waits for it until the deadline. Nothing read is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed; otherwise what the host says.
    fn read(&mut self, buffer: &mut [u8], deadline: HostInstant) -> io::Result<usize>;

    /// Writes everything before the deadline.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed; otherwise what the host says.
    fn write_all(&mut self, bytes: &[u8], deadline: HostInstant) -> io::Result<()>;

    /// Forgets a connection that has ended, and takes the next one; `false` where there is only ever one.
    fn again(&mut self) -> bool {
        false
    }
}

/// The agent's program: one static file for this build's architecture.
pub fn agent_binary() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/isodyne-agent"))
}
