//! What QEMU says on its control socket: a pure parser over foreign bytes.

use serde_json::Value;

/// A line longer than this is no answer to anything the lab asks.
pub const LINE_LIMIT: usize = 1 << 20;

/// One message of QEMU.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The first line.
    Greeting {
        /// QEMU's version: major, minor, micro; zeros if it does not tell.
        version: [u32; 3],
    },
    /// The answer to a command.
    Return {
        /// The command's number.
        id: u64,
        /// What it returned.
        value: Value,
    },
    /// A command was refused.
    Error {
        /// The command's number; QEMU leaves it out if it could not read the command.
        id: Option<u64>,
        /// Why.
        description: String,
    },
    /// Something happened by itself.
    Event {
        /// Its name (`SHUTDOWN`).
        name: String,
        /// More about it.
        data: Value,
    },
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No JSON.
    #[error("QEMU sent a line that is no JSON: {0}")]
    Json(String),
    /// JSON, but none of the known messages.
    #[error("QEMU sent an unknown message: {0}")]
    Unknown(String),
    /// A line without an end.
    #[error("QEMU sent a line of more than {LINE_LIMIT} bytes")]
    TooLong,
}

/// Reads one line.
///
/// # Errors
/// [`ParseError`] with the beginning of the line.
pub fn parse(line: &[u8]) -> Result<Message, ParseError> {
    let beginning = || String::from_utf8_lossy(&line[..line.len().min(100)]).into_owned();
    let mut value: Value = serde_json::from_slice(line).map_err(|_| ParseError::Json(beginning()))?;
    let id = value.get("id").and_then(Value::as_u64);
    if let Some(greeting) = value.get("QMP") {
        return Ok(Message::Greeting { version: version(greeting) });
    }
    if let (Some(returned), Some(id)) = (value.get_mut("return"), id) {
        return Ok(Message::Return { id, value: returned.take() });
    }
    if let Some(description) = value.get("error").and_then(|error| error.get("desc")).and_then(Value::as_str) {
        return Ok(Message::Error { id, description: description.to_owned() });
    }
    if let Some(name) = value.get("event").and_then(Value::as_str) {
        return Ok(Message::Event { name: name.to_owned(), data: value.get("data").cloned().unwrap_or(Value::Null) });
    }
    Err(ParseError::Unknown(beginning()))
}

/// The numbers in `{"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}`.
fn version(greeting: &Value) -> [u32; 3] {
    let numbers = greeting.get("version").and_then(|version| version.get("qemu"));
    let number = |key| u32::try_from(numbers?.get(key)?.as_u64()?).ok();
    ["major", "minor", "micro"].map(|key| number(key).unwrap_or(0))
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Takes more bytes in.
    ///
    /// # Errors
    /// [`ParseError::TooLong`] if what is held would be beyond the limit.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        if self.buffer.len() + bytes.len() > LINE_LIMIT {
            return Err(ParseError::TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line, without its end. Empty lines are left out.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
            let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
            line.pop();
            if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        assert_eq!(
            parse(br#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}"#),
            Ok(Message::Greeting { version: [7, 2, 22] })
        );
        assert_eq!(parse(br#"{"QMP": {"version": {}}}"#), Ok(Message::Greeting { version: [0; 3] }));
        assert_eq!(
            parse(br#"{"return": {"status": "running"}, "id": 7}"#),
            Ok(Message::Return { id: 7, value: serde_json::json!({"status": "running"}) })
        );
        assert_eq!(
            parse(br#"{"id": 3, "error": {"class": "CommandNotFound", "desc": "no such command"}}"#),
            Ok(Message::Error { id: Some(3), description: "no such command".to_owned() })
        );
        assert_eq!(
            parse(br#"{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"guest": true}}"#),
            Ok(Message::Event { name: "SHUTDOWN".to_owned(), data: serde_json::json!({"guest": true}) })
        );
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        for line in [&b""[..], b"{", b"[]", b"7", b"{}", b"\xff\xfe", br#"{"return": 1}"#, br#"{"error": 3}"#] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn lines_are_cut_wherever_the_stream_is_cut() {
        let stream = b"{\"a\":1}\r\n\r\n{\"b\":2}\n{\"c\"";
        for size in 1..stream.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for chunk in stream.chunks(size) {
                lines.feed(chunk).unwrap();
                found.extend(std::iter::from_fn(|| lines.next_line()));
            }
            assert_eq!(found, [b"{\"a\":1}\r".to_vec(), b"{\"b\":2}".to_vec()]);
        }
        assert_eq!(Lines::default().feed(&vec![b'x'; LINE_LIMIT + 1]), Err(ParseError::TooLong));
    }
}
