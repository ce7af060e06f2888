//! What can go wrong with a call.

use std::io;
use std::path::PathBuf;

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The socket does not accept.
    #[error("failed to connect to {socket}", socket = .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("`{call}` failed")]
    Broken {
        /// The request.
        call: String,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// The connection was closed before the reply was complete.
    #[error("the connection was closed before `{call}` was answered")]
    Closed {
        /// The request.
        call: String,
    },
    /// The deadline passed.
    #[error("`{call}` on {socket} was not answered in time", socket = .socket.display())]
    Timeout {
        /// The request.
        call: String,
        /// The socket.
        socket: PathBuf,
    },
    /// The reply is no HTTP, or beyond a limit.
    #[error("the reply to `{call}` is not valid: {what}")]
    Invalid {
        /// The request.
        call: String,
        /// What is wrong.
        what: String,
    },
    /// The daemon refused.
    #[error("`{call}` was answered {status}: {message}")]
    Status {
        /// The request.
        call: String,
        /// The status code.
        status: u16,
        /// What the daemon says.
        message: String,
    },
}
