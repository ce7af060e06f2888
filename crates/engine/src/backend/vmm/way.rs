//! The way to the agent, made before the monitor is.

use crate::channel::{AgentChannel, ListeningTransport, Transport};
use crate::clock::Clock;
use crate::ownership::OwnedProcess;
use std::io;

/// Bytes that may come on a serial line before the agent's hello.
const STRAY_BYTES: usize = 64 << 10;

/// A way that waits for its monitor.
pub enum Way {
    /// The guest connects to us.
    Listen(ListeningTransport),
    /// A serial line, on which others may write before the agent does.
    Serial(Box<dyn Transport>),
}

impl Way {
    /// The channel. A guest whose monitor has ended is not waited for.
    ///
    /// # Errors
    /// If this process may have no more descriptors.
    pub fn channel(self, monitor: &OwnedProcess, clock: Clock) -> io::Result<AgentChannel> {
        Ok(match self {
            Self::Listen(transport) => AgentChannel::new(Box::new(transport.while_alive(monitor.life()?)), clock),
            Self::Serial(transport) => AgentChannel::after_stray_bytes(transport, clock, STRAY_BYTES),
        })
    }
}
