//! Maps of sparse files.

use super::error::EntryProblem;
use super::number::{decimal, unsigned};
use crate::image::app::store::{Content, Piece, Store};

/// The pieces of GNU tar's old format: offset and length of 12 bytes each, up to the first empty one.
pub(super) fn old_pieces(fields: &[u8], map: &mut Vec<(u64, u64)>) -> Option<()> {
    for piece in fields.chunks_exact(24) {
        if piece[0] == 0 {
            break;
        }
        map.push((unsigned(&piece[..12])?, unsigned(&piece[12..])?));
    }
    Some(())
}

/// The map that lies before the data: decimal numbers on lines, the count first, filled up to a whole record.
pub(super) fn read_map(
    store: &Store,
    at: u64,
    size: u64,
    limit: usize,
) -> Result<(Vec<(u64, u64)>, u64), EntryProblem> {
    let mut lines = Lines { store, at, end: at.saturating_add(size), buffer: Vec::new(), used: 0 };
    let count = lines.number()?;
    if count > limit as u64 {
        return Err(EntryProblem::Pieces(limit));
    }
    let mut map = Vec::new();
    for _ in 0..count {
        map.push((lines.number()?, lines.number()?));
    }
    Ok((map, lines.at - at))
}

struct Lines<'a> {
    store: &'a Store,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Lines<'_> {
    fn number(&mut self) -> Result<u64, EntryProblem> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                digit if digits.len() < 20 => digits.push(digit),
                _ => return Err(EntryProblem::Sparse("a number in it cannot be read")),
            }
        }
        decimal(&digits).ok_or(EntryProblem::Sparse("a number in it cannot be read"))
    }

    fn byte(&mut self) -> Result<u8, EntryProblem> {
        if self.used == self.buffer.len() {
            if self.at + super::RECORD > self.end {
                return Err(EntryProblem::Sparse("it is longer than the file"));
            }
            self.buffer.resize(super::RECORD as usize, 0);
            let read = self.store.read_at(&mut self.buffer, self.at);
            read.map_err(|_| EntryProblem::Sparse("it is cut short"))?;
            (self.at, self.used) = (self.at + super::RECORD, 0);
        }
        self.used += 1;
        Ok(self.buffer[self.used - 1])
    }
}

/// Puts the pieces, which lie one behind the other in the tar, where the map says.
pub(super) fn lay_out(
    store: &Store,
    map: &[(u64, u64)],
    mut at: u64,
    data_bytes: u64,
    real_size: u64,
) -> Result<Content, EntryProblem> {
    let (mut pieces, mut behind, mut left) = (Vec::with_capacity(map.len()), 0_u64, data_bytes);
    for &(offset, length) in map {
        let end = offset.checked_add(length).filter(|end| *end <= real_size);
        let end = end.ok_or(EntryProblem::Sparse("a piece lies behind the end of the file"))?;
        if offset < behind {
            return Err(EntryProblem::Sparse("its pieces overlap or are out of order"));
        }
        left = left.checked_sub(length).ok_or(EntryProblem::Sparse("there is less data than it says"))?;
        if length > 0 {
            pieces.push(Piece { offset, length, at });
        }
        (at, behind) = (at + length, end);
    }
    Ok(Content { store: store.clone(), size: real_size, pieces })
}
