//! The incremental decoder: bytes in, messages or one typed error out.

use crate::{DecodeError, HEADER_BYTES, Kind, MAGIC, Message};
use alloc::vec::Vec;

/// How the stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// With frames at once: the agent's side, which gets no hello.
    Frames,
    /// With the magic and a hello, and nothing in front of it: a channel of our own.
    Hello,
    /// With anything (firmware, a kernel's messages), then the magic and a hello, within this many stray bytes.
    HelloAfterStrayBytes(usize),
}

/// Takes bytes as they come and gives the messages in them, however the bytes are cut. After an error it stays with that
/// error: a stream that was wrong once has no frame boundaries any more.
#[derive(Clone, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the first byte lies that has not been consumed.
    start: usize,
    state: State,
    skipped: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Looking for the magic; how many stray bytes may stand in front of it.
    Seeking {
        stray_limit: usize,
        strict: bool,
    },
    /// The magic has been read; the next frame is the hello.
    HelloFrame,
    Frames,
    Failed(DecodeError),
}

impl Decoder {
    /// A decoder for a stream that begins in the given way.
    pub fn new(opening: Opening) -> Self {
        let state = match opening {
            Opening::Frames => State::Frames,
            Opening::Hello => State::Seeking { stray_limit: 0, strict: true },
            Opening::HelloAfterStrayBytes(stray_limit) => State::Seeking { stray_limit, strict: false },
        };
        Self { buffer: Vec::new(), start: 0, state, skipped: 0 }
    }

    /// Adds bytes. Call [`Decoder::next_message`] until it gives nothing before the next bytes are added: then no more is
    /// kept than one frame and what was added last.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next message, or nothing until more bytes are fed.
    ///
    /// # Errors
    /// The first [`DecodeError`] of the stream, again and again.
    pub fn next_message(&mut self) -> Result<Option<Message>, DecodeError> {
        let result = self.advance();
        if let Err(error) = result {
            self.state = State::Failed(error);
            self.buffer = Vec::new();
            self.start = 0;
        }
        result
    }

    /// Says whether the stream may end here.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if it is in the middle of a frame, or the error that the stream already has.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let left = self.buffer.len() - self.start;
        match self.state {
            State::Failed(error) => Err(error),
            State::HelloFrame => Err(DecodeError::Truncated(MAGIC.len() + left)),
            State::Frames | State::Seeking { strict: true, .. } if left > 0 => Err(DecodeError::Truncated(left)),
            _ => Ok(()),
        }
    }

    /// How many stray bytes stood in front of the magic so far.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether the hello's magic has been seen, or none was to be expected.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::HelloFrame | State::Frames)
    }

    fn advance(&mut self) -> Result<Option<Message>, DecodeError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Seeking { stray_limit, strict } => {
                    if !self.seek(stray_limit, strict)? {
                        return Ok(None);
                    }
                    self.state = State::HelloFrame;
                }
                State::HelloFrame => {
                    let message = self.frame(true)?;
                    if message.is_some() {
                        self.state = State::Frames;
                    }
                    return Ok(message);
                }
                State::Frames => return self.frame(false),
            }
        }
    }

    /// Consumes up to and including the magic; false if more bytes are needed.
    fn seek(&mut self, stray_limit: usize, strict: bool) -> Result<bool, DecodeError> {
        loop {
            let rest = &self.buffer[self.start..];
            let known = rest.len().min(MAGIC.len());
            if rest[..known] == MAGIC[..known] {
                let complete = known == MAGIC.len();
                self.start += if complete { known } else { 0 };
                return Ok(complete);
            }
            if strict {
                // The message shows all eight bytes, so it waits for them.
                let Some(first) = rest.first_chunk::<8>() else { return Ok(false) };
                return Err(DecodeError::BadMagic(*first));
            }
            self.start += 1;
            self.skipped += 1;
            if self.skipped > stray_limit {
                return Err(DecodeError::NoMagic(stray_limit));
            }
        }
    }

    /// Consumes one frame if it is complete. A frame that cannot become valid is refused as soon as its header is there.
    fn frame(&mut self, hello: bool) -> Result<Option<Message>, DecodeError> {
        let rest = &self.buffer[self.start..];
        let Some(&[a, b, c, d, kind]) = rest.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let kind = Kind::from_byte(kind).ok_or(DecodeError::UnknownKind(kind))?;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > kind.limit() {
            return Err(DecodeError::Oversized { kind, length, limit: kind.limit() });
        }
        if hello != (kind == Kind::Hello) {
            let what = if hello { "a hello was to come first" } else { "a hello in the middle" };
            return Err(DecodeError::Malformed { kind, what });
        }
        let end = HEADER_BYTES + length;
        let Some(payload) = rest.get(HEADER_BYTES..end) else { return Ok(None) };
        let message = Message::decode(kind, payload)?;
        self.start += end;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Opening;
    use alloc::vec;

    fn all(decoder: &mut Decoder) -> Result<Vec<Message>, DecodeError> {
        let mut messages = Vec::new();
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn stray_bytes_are_an_error_unless_they_are_expected() {
        let mut decoder = Decoder::new(Opening::Hello);
        decoder.feed(b"SeaBIOS (version");
        assert_eq!(decoder.next_message(), Err(DecodeError::BadMagic(*b"SeaBIOS ")));
        assert_eq!(decoder.next_message(), Err(DecodeError::BadMagic(*b"SeaBIOS ")));

        let mut decoder = Decoder::new(Opening::HelloAfterStrayBytes(16));
        decoder.feed(b"SeaBIOS (versi\x89I");
        assert_eq!(all(&mut decoder), Ok(vec![]));
        assert_eq!(decoder.skipped(), 14);
        decoder.feed(b"no more");
        assert_eq!(decoder.next_message(), Err(DecodeError::NoMagic(16)));
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_header() {
        let mut decoder = Decoder::new(Opening::Frames);
        decoder.feed(&[0, 0, 0, 4, Kind::ExecReply as u8]);
        let expected =
            DecodeError::Oversized { kind: Kind::ExecReply, length: 64 << 20, limit: crate::MAX_DATA_PAYLOAD };
        assert_eq!(decoder.next_message(), Err(expected));
    }

    #[test]
    fn strangers_are_told_by_their_versions_alone() {
        let mut decoder = Decoder::new(Opening::Hello);
        decoder.feed(&MAGIC);
        decoder.feed(&[6, 0, 0, 0, Kind::Hello as u8, 9, 0, 7, 0, 0xff, 0xff]);
        assert_eq!(decoder.next_message(), Err(DecodeError::UnknownVersion { oldest: 7, newest: 9 }));
    }

    #[test]
    fn a_second_hello_and_a_first_ping_are_refused() {
        let mut decoder = Decoder::new(Opening::Frames);
        decoder.feed(&[0, 0, 0, 0, Kind::Hello as u8]);
        assert!(matches!(decoder.next_message(), Err(DecodeError::Malformed { kind: Kind::Hello, .. })));
        let mut decoder = Decoder::new(Opening::Hello);
        decoder.feed(&MAGIC);
        decoder.feed(&[4, 0, 0, 0, Kind::Ping as u8, 1, 2, 3, 4]);
        assert!(matches!(decoder.next_message(), Err(DecodeError::Malformed { kind: Kind::Ping, .. })));
    }

    #[test]
    fn the_end_of_the_stream_is_good_only_between_frames() {
        let mut decoder = Decoder::new(Opening::Frames);
        assert_eq!(decoder.finish(), Ok(()));
        decoder.feed(&[4, 0, 0, 0, Kind::Ping as u8, 1]);
        assert_eq!(decoder.next_message(), Ok(None));
        assert_eq!(decoder.finish(), Err(DecodeError::Truncated(6)));
        decoder.feed(&[0, 0, 0]);
        assert_eq!(decoder.next_message(), Ok(Some(Message::Ping { id: 1 })));
        assert_eq!(decoder.finish(), Ok(()));
    }
}
