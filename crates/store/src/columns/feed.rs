//! A file of lines in stretches that end with a line.

use crate::LINE_LIMIT_BYTES;
use std::fs::File;
use std::io::{Read, Result};

/// How much is read at once; a stretch is at most as much again longer. Larger than any line.
pub(super) const STRETCH_BYTES: usize = 8 << 20;

/// Cuts a file into stretches.
pub(super) struct Feed<R = File> {
    file: R,
    /// The beginning of a line of which the end has not been read.
    begun: Vec<u8>,
    next: u64,
    ended: bool,
}

/// One stretch of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Stretch {
    /// Its number, from 0.
    pub number: u64,
    /// How many of the bytes are whole lines; behind them is a line without its end.
    pub whole: usize,
    /// Whether what is behind the whole lines is all that there is: the file has ended, or that line is too long.
    pub last: bool,
}

impl<R: Read> Feed<R> {
    pub fn new(file: R) -> Self {
        Self { file, begun: Vec::new(), next: 0, ended: false }
    }

    /// Reads the next stretch into a buffer; `None` after the last.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Stretch>> {
        if self.ended {
            return Ok(None);
        }
        buffer.clear();
        buffer.append(&mut self.begun);
        let begun = buffer.len();
        let read = (&mut self.file).take(STRETCH_BYTES as u64).read_to_end(buffer)?;
        let whole = buffer[begun..].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| begun + place + 1);
        // Less than asked for is only read at the end.
        let last = read < STRETCH_BYTES || buffer.len() - whole >= LINE_LIMIT_BYTES;
        if last {
            self.ended = true;
        } else {
            self.begun.extend_from_slice(&buffer[whole..]);
        }
        self.next += 1;
        Ok(Some(Stretch { number: self.next - 1, whole, last }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_the_file_again() {
        let text: Vec<u8> = (0..2_000_000_u32).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        let text = &text[..text.len() - 1];
        let mut feed = Feed::new(text);
        let (mut buffer, mut again) = (Vec::new(), Vec::new());
        let mut numbers = 0;
        while let Some(stretch) = feed.next(&mut buffer).unwrap() {
            assert_eq!(stretch.number, numbers);
            numbers += 1;
            assert!(buffer[..stretch.whole].ends_with(b"\n"));
            again.extend_from_slice(if stretch.last { &buffer } else { &buffer[..stretch.whole] });
        }
        assert!(numbers > 1);
        assert!(again == text);
    }

    #[test]
    fn an_endless_line_ends_it() {
        let text = [&b"one\n"[..], &vec![b'x'; 3 * STRETCH_BYTES]].concat();
        let mut feed = Feed::new(&text[..]);
        let mut buffer = Vec::new();
        assert_eq!(feed.next(&mut buffer).unwrap(), Some(Stretch { number: 0, whole: 4, last: true }));
        assert_eq!(feed.next(&mut buffer).unwrap(), None);
    }
}
