//! Lines of a file that grows, with a limit on their length.

use crate::LINE_LIMIT_BYTES;
use std::io::{self, BufRead, Read};

/// One step through a file of lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line without its newline.
    Whole(&'a [u8]),
    /// The last bytes of the file, which no newline ends: the line is being written, or its writer died.
    Cut(usize),
    /// A line that is longer than any sample may be.
    TooLong,
    /// The end of the file, after a newline or at its beginning.
    End,
}

/// Reads lines and counts them.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The number of the line that was read last, from 1.
    pub number: u64,
    /// Bytes up to and including the last newline.
    pub whole_bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0, whole_bytes: 0 }
    }

    pub fn next(&mut self) -> io::Result<Line<'_>> {
        self.buffer.clear();
        let limit = LINE_LIMIT_BYTES as u64;
        let length = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)?;
        if length == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.whole_bytes += length as u64;
            return Ok(Line::Whole(&self.buffer[..length - 1]));
        }
        Ok(if length == LINE_LIMIT_BYTES { Line::TooLong } else { Line::Cut(length) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cut_and_endless_lines_are_told_apart() {
        let mut lines = Lines::new(&b"one\n\ntwo"[..]);
        assert_eq!(lines.next().unwrap(), Line::Whole(b"one"));
        assert_eq!(lines.next().unwrap(), Line::Whole(b""));
        assert_eq!(lines.next().unwrap(), Line::Cut(3));
        assert_eq!((lines.number, lines.whole_bytes), (3, 5));
        assert_eq!(lines.next().unwrap(), Line::End);
        let endless = vec![b'x'; LINE_LIMIT_BYTES + 5];
        assert_eq!(Lines::new(&endless[..]).next().unwrap(), Line::TooLong);
    }
}
