//! What goes wrong on a channel, as classed failures that show what was received.

use isodyne_core::failure::{Failure, FailureClass};
use isodyne_proto::{DecodeError, EncodeError};
use std::fmt::Write;
use std::io;

/// How many received bytes a message shows.
const SHOWN: usize = 32;

/// The first bytes that came since the last whole message, and how many there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    first: Vec<u8>,
    count: usize,
}

impl Received {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = SHOWN - self.first.len();
        self.first.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.count += bytes.len();
    }

    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.count = 0;
    }

    /// "nothing was received", or the bytes in hexadecimal and as text.
    fn describe(&self) -> String {
        if self.count == 0 {
            return "nothing was received".to_owned();
        }
        let mut text = format!("received {} bytes", self.count);
        text.push_str(if self.count > self.first.len() { ", the first:" } else { ":" });
        for byte in &self.first {
            // Writing to a string cannot fail.
            let _ = write!(text, " {byte:02x}");
        }
        let _ = write!(text, " \"{}\"", self.first.escape_ascii());
        text
    }
}

/// Nothing, or not enough, came before the deadline.
pub(super) fn late(waiting_for: &str, received: &Received) -> Failure {
    Failure::new(FailureClass::Timeout, format!("no {waiting_for} from the agent in time; {}", received.describe()))
}

/// The channel closed while something was still to come.
pub(super) fn closed(waiting_for: &str, received: &Received) -> Failure {
    let message = format!("the channel closed while waiting for the agent's {waiting_for}; {}", received.describe());
    Failure::new(FailureClass::Crash, message)
}

/// What came is no message.
pub(super) fn garbage(error: DecodeError, received: &Received) -> Failure {
    Failure::new(FailureClass::Protocol, format!("the agent broke the protocol: {error}; {}", received.describe()))
}

/// What came is a message, but not the one that was to come.
pub(super) fn unexpected(waiting_for: &str, what: &str) -> Failure {
    Failure::new(FailureClass::Protocol, format!("waiting for the agent's {waiting_for}, got {what}"))
}

/// The request itself is beyond a limit: nothing was sent.
pub(super) fn unsendable(error: EncodeError) -> Failure {
    Failure::new(FailureClass::Exec, format!("the request cannot be sent: {error}"))
}

/// The host's side of the channel refused.
pub(super) fn host(doing: &str, waiting_for: &str, error: &io::Error, received: &Received) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => late(waiting_for, received),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected => {
            closed(waiting_for, received)
        }
        _ => Failure::new(FailureClass::Crash, format!("failed to {doing} the agent's channel: {error}")),
    }
}
