//! Where the bytes of an image lie while it is worked on: a file, or memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes that can be read at any place.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// A file with its length.
    File(Arc<File>, u64),
    /// A file that is opened when it is read: a directory may hold more files than may be open.
    Path(Arc<Path>, u64),
    /// Memory.
    Memory(Arc<[u8]>),
}

/// Opens a file, if it is a file: a named pipe would wait for ever, and a link leads elsewhere.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
    }
}

impl Store {
    pub(crate) fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::File(Arc::new(file), length))
    }

    pub(crate) fn memory(bytes: &[u8]) -> Self {
        Self::Memory(bytes.into())
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File(_, length) | Self::Path(_, length) => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills the buffer from a place, or fails with `UnexpectedEof`.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.read_exact_at(buffer, at),
            Self::Path(path, _) => open_file(path)?.read_exact_at(buffer, at),
            Self::Memory(bytes) => {
                let begin = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                let end = begin.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(bytes.get(begin..end).ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// A part of it, as a stream.
    pub(crate) fn part(&self, at: u64, length: u64) -> Part {
        Part { store: self.clone(), at, left: length }
    }
}

/// A part of a store, read from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    store: Store,
    at: u64,
    left: u64,
}

impl io::Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.store.read_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The contents of a file in an image: where its pieces lie. What is between them is zero.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) store: Store,
    pub(crate) size: u64,
    /// In order, without overlap, each with at least one byte.
    pub(crate) pieces: Vec<Piece>,
}

/// Bytes of a file that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where in the file.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Where in the store.
    pub(crate) at: u64,
}

/// What is looked at for zeros: the block of every file system that is made here.
pub(crate) const BLOCK: usize = 4096;
const CHUNK: usize = 64 * BLOCK;

impl Content {
    /// All of a store.
    pub(crate) fn whole(store: Store) -> Self {
        let size = store.len();
        let pieces = if size == 0 { Vec::new() } else { vec![Piece { offset: 0, length: size, at: 0 }] };
        Self { store, size, pieces }
    }

    /// Fills the buffer from a place, which is zero where there is no piece, or fails with `UnexpectedEof`.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        let first = self.pieces.partition_point(|piece| piece.offset + piece.length <= at);
        for piece in self.pieces[first..].iter().take_while(|piece| piece.offset < end) {
            let (from, to) = (piece.offset.max(at), (piece.offset + piece.length).min(end));
            let into = &mut buffer[(from - at) as usize..(to - at) as usize];
            self.store.read_at(into, piece.at + (from - piece.offset))?;
        }
        Ok(())
    }

    pub(crate) fn memory(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        let pieces = if length == 0 { Vec::new() } else { vec![Piece { offset: 0, length, at: 0 }] };
        Self { store: Store::memory(bytes), size: length, pieces }
    }

    /// Calls with every run of blocks that is not zero, in order: aligned to blocks of the file, the last one cut at
    /// the file's end. What is not called with is zero. So a file is the same however its holes were written.
    pub(crate) fn data(&self, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = vec![0_u8; CHUNK];
        let (mut begin, mut next) = (0_u64, 0_usize);
        while let Some(piece) = self.pieces.get(next) {
            // A hole before the next piece is jumped over, to the beginning of the piece's block.
            begin = begin.max(piece.offset / BLOCK as u64 * BLOCK as u64);
            let end = (begin + CHUNK as u64).min(self.size);
            let chunk = &mut buffer[..usize::try_from(end.saturating_sub(begin)).unwrap_or(0)];
            if chunk.is_empty() {
                break;
            }
            chunk.fill(0);
            while let Some(piece) = self.pieces.get(next).filter(|piece| piece.offset < end) {
                let from = piece.offset.max(begin);
                let to = (piece.offset + piece.length).min(end);
                if from < to {
                    let (low, high) = ((from - begin) as usize, (to - begin) as usize);
                    self.store.read_at(&mut chunk[low..high], piece.at + (from - piece.offset))?;
                }
                if piece.offset + piece.length > end {
                    break;
                }
                next += 1;
            }
            let mut at = 0;
            while at < chunk.len() {
                let run: usize = chunk[at..].chunks(BLOCK).take_while(|block| !is_zero(block)).map(<[u8]>::len).sum();
                if run > 0 {
                    each(begin + at as u64, &chunk[at..at + run])?;
                }
                let zeros = chunk[at + run..].chunks(BLOCK).take_while(|block| is_zero(block)).map(<[u8]>::len);
                at += run + zeros.sum::<usize>();
            }
            begin = end;
        }
        Ok(())
    }
}

/// Whether there is nothing but zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().all(|chunk| u128::from_ne_bytes(*chunk) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_is_not_zero_however_it_is_cut() {
        // 10 blocks: two of ones, a block of zeros written out, a hole, then ones that begin inside a block.
        let mut bytes = vec![1_u8; 2 * BLOCK];
        bytes.extend(vec![0; BLOCK]);
        bytes.extend(vec![2; BLOCK / 2]);
        let pieces = vec![
            Piece { offset: 0, length: 100, at: 0 },
            Piece { offset: 100, length: 3 * BLOCK as u64 - 100, at: 100 },
            Piece { offset: 9 * BLOCK as u64 + 10, length: BLOCK as u64 / 2, at: 3 * BLOCK as u64 },
        ];
        let content = Content { store: Store::memory(&bytes), size: 10 * BLOCK as u64, pieces };
        let mut found = vec![0; 10 * BLOCK];
        let mut runs = Vec::new();
        content
            .data(|offset, run| {
                runs.push((offset, run.len()));
                found[offset as usize..offset as usize + run.len()].copy_from_slice(run);
                Ok(())
            })
            .unwrap();
        assert_eq!(runs, [(0, 2 * BLOCK), (9 * BLOCK as u64, BLOCK)]);
        assert!(found[..2 * BLOCK].iter().all(|byte| *byte == 1));
        assert_eq!(found[9 * BLOCK + 9..9 * BLOCK + 12], [0, 2, 2]);
    }

    #[test]
    fn a_hole_of_terabytes_costs_nothing() {
        let offset = (1_u64 << 42) + 5;
        let content =
            Content { store: Store::memory(b"x"), size: offset + 1, pieces: vec![Piece { offset, length: 1, at: 0 }] };
        let mut runs = Vec::new();
        content
            .data(|offset, run| {
                runs.push((offset, run.to_vec()));
                Ok(())
            })
            .unwrap();
        assert_eq!(runs, [(1 << 42, b"\0\0\0\0\0x".to_vec())]);
    }

    #[test]
    fn what_lies_behind_the_end_of_a_store_is_an_error() {
        let pieces = vec![Piece { offset: 0, length: 9, at: 0 }];
        let content = Content { store: Store::memory(b"x"), size: 9, pieces };
        assert_eq!(content.data(|_, _| Ok(())).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
