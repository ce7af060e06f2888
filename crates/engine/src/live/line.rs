//! One line of JSON on a stream, within a length and before a deadline.

use super::LiveError;
use crate::channel::Transport;
use isodyne_core::unit::HostInstant;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No line is longer: two outputs of the protocol's limit, in hexadecimal, and the rest of an answer.
pub(super) const LIMIT_BYTES: usize = 4 << 20;

/// Writes one.
pub(super) fn write(to: &mut dyn Transport, value: &impl Serialize, deadline: HostInstant) -> Result<(), LiveError> {
    let mut line = serde_json::to_vec(value).map_err(|error| LiveError::Protocol(error.to_string()))?;
    line.push(b'\n');
    Ok(to.write_all(&line, deadline)?)
}

/// Reads one; what comes behind it is not looked at.
pub(super) fn read<T: DeserializeOwned>(from: &mut dyn Transport, deadline: HostInstant) -> Result<T, LiveError> {
    let mut line: Vec<u8> = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let count = from.read(&mut buffer, deadline)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        line.extend(bytes.iter().take(end.unwrap_or(count)));
        if line.len() > LIMIT_BYTES {
            return Err(LiveError::Protocol(format!("a line has more than {LIMIT_BYTES} bytes")));
        }
        if end.is_some() {
            return serde_json::from_slice(&line).map_err(|error| LiveError::Protocol(error.to_string()));
        }
        if count == 0 {
            return Err(LiveError::Protocol("it ended in the middle of a line".to_owned()));
        }
    }
}
