//! Writing a tar so that the same entries give the same bytes: ustar headers, PAX records only where they are needed.

use super::RECORD;
use super::pax;
use crate::image::app::store::{Content, Piece};
use crate::image::app::tree::Meta;
use std::io::{self, Write};

/// From this size on a file is looked through for holes.
const SPARSE_FROM: u64 = 1 << 20;
/// A hole is left out from this size on; a map with every hole of one block would be longer than what it saves.
const HOLE_FROM: u64 = 64 << 10;
/// The largest numbers that fit into a header's octal digits.
const SIZE_LIMIT: u64 = 0o777_7777_7777;
const OWNER_LIMIT: u32 = 0o777_7777;

/// Writes entries one after another.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// Ends the archive and gives the stream back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * RECORD as usize])?;
        Ok(self.out)
    }

    pub(crate) fn directory(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        let path = [if path.is_empty() { b"." } else { path }, b"/"].concat();
        self.header(b'5', &path, b"", meta, 0, Vec::new())
    }

    pub(crate) fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> io::Result<()> {
        self.header(b'2', path, target, meta, 0, Vec::new())
    }

    pub(crate) fn hard_link(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> io::Result<()> {
        // The attributes are those of the file and stand there.
        self.header(b'1', path, target, &Meta { xattrs: Default::default(), ..meta.clone() }, 0, Vec::new())
    }

    pub(crate) fn fifo(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        self.header(b'6', path, b"", meta, 0, Vec::new())
    }

    /// Writes a file. A large one with holes is written as GNU tar does it, map first, so that it stays small.
    pub(crate) fn file(&mut self, path: &[u8], content: &Content, meta: &Meta) -> io::Result<()> {
        let pieces = if content.size < SPARSE_FROM { Vec::new() } else { pieces_of(content)? };
        let data: u64 = pieces.iter().map(|piece| piece.length).sum();
        if content.size < SPARSE_FROM || content.size - data < SPARSE_FROM {
            return self.plain(path, content, meta);
        }
        let mut map = format!("{}\n", pieces.len());
        for piece in &pieces {
            map.push_str(&format!("{}\n{}\n", piece.offset, piece.length));
        }
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(RECORD as usize), 0);
        let mut records = Vec::new();
        pax::record(&mut records, b"GNU.sparse.major", b"1");
        pax::record(&mut records, b"GNU.sparse.minor", b"0");
        pax::record(&mut records, b"GNU.sparse.name", path);
        pax::record(&mut records, b"GNU.sparse.realsize", content.size.to_string().as_bytes());
        let size = map.len() as u64 + data;
        // Whoever does not know the records finds a file of this name.
        self.header(b'0', b"GNUSparseFile.0/file", b"", meta, size, records)?;
        self.out.write_all(&map)?;
        let (mut pieces, mut written) = (pieces.iter(), 0);
        let mut piece = pieces.next();
        content.data(|offset, run| {
            // Small holes are written out: they are inside of a piece.
            while let Some(now) = piece.filter(|now| offset >= now.offset + now.length) {
                zeros(&mut self.out, (now.offset + now.length).saturating_sub(written.max(now.offset)))?;
                piece = pieces.next();
            }
            let begin = piece.map_or(offset, |now| now.offset.max(written));
            zeros(&mut self.out, offset.saturating_sub(begin))?;
            written = offset + run.len() as u64;
            self.out.write_all(run)
        })?;
        self.pad(size)
    }

    /// Writes a file with its holes as zeros.
    pub(crate) fn plain(&mut self, path: &[u8], content: &Content, meta: &Meta) -> io::Result<()> {
        self.header(b'0', path, b"", meta, content.size, Vec::new())?;
        let mut written = 0;
        content.data(|offset, run| {
            zeros(&mut self.out, offset - written)?;
            written = offset + run.len() as u64;
            self.out.write_all(run)
        })?;
        zeros(&mut self.out, content.size - written)?;
        self.pad(content.size)
    }

    /// Writes a header that somebody else made.
    #[cfg(test)]
    pub(crate) fn raw(&mut self, header: &[u8]) -> io::Result<()> {
        self.out.write_all(header)
    }

    fn header(
        &mut self,
        kind: u8,
        path: &[u8],
        link: &[u8],
        meta: &Meta,
        size: u64,
        mut records: Vec<u8>,
    ) -> io::Result<()> {
        if path.len() > 100 {
            pax::record(&mut records, b"path", path);
        }
        if link.len() > 100 {
            pax::record(&mut records, b"linkpath", link);
        }
        for (key, number, limit) in [
            ("size", size, SIZE_LIMIT),
            ("uid", meta.uid.into(), OWNER_LIMIT.into()),
            ("gid", meta.gid.into(), OWNER_LIMIT.into()),
            ("mtime", meta.mtime, SIZE_LIMIT),
        ] {
            if number > limit {
                pax::record(&mut records, key.as_bytes(), number.to_string().as_bytes());
            }
        }
        for (name, value) in &meta.xattrs {
            pax::record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        if !records.is_empty() {
            let plain = Meta { mode: 0o644, ..Meta::default() };
            self.out.write_all(&block(b'x', b"PaxHeaders.0/file", b"", &plain, records.len() as u64))?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.out.write_all(&block(kind, path, link, meta, size))
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        zeros(&mut self.out, size.next_multiple_of(RECORD) - size)
    }
}

fn zeros(out: &mut impl Write, mut count: u64) -> io::Result<()> {
    let buffer = [0; 4096];
    while count > 0 {
        let now = count.min(buffer.len() as u64) as usize;
        out.write_all(&buffer[..now])?;
        count -= now as u64;
    }
    Ok(())
}

/// The runs of data of a file, with small holes between them taken in.
fn pieces_of(content: &Content) -> io::Result<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    content.data(|offset, run| {
        match pieces.last_mut() {
            Some(last) if offset - (last.offset + last.length) < HOLE_FROM => {
                last.length = offset + run.len() as u64 - last.offset;
            }
            _ => pieces.push(Piece { offset, length: run.len() as u64, at: 0 }),
        }
        Ok(())
    })?;
    Ok(pieces)
}

/// A header. What does not fit is cut: a record before it holds the whole.
fn block(kind: u8, path: &[u8], link: &[u8], meta: &Meta, size: u64) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, width: usize, bytes: &[u8]| {
        let count = bytes.len().min(width);
        header[at..at + count].copy_from_slice(&bytes[..count]);
    };
    let owner = |number: u32| format!("{:07o}", if number > OWNER_LIMIT { 0 } else { number });
    let long = |number: u64| format!("{:011o}", if number > SIZE_LIMIT { 0 } else { number });
    put(0, 100, path);
    put(100, 8, format!("{:07o}", meta.mode).as_bytes());
    put(108, 8, owner(meta.uid).as_bytes());
    put(116, 8, owner(meta.gid).as_bytes());
    put(124, 12, long(size).as_bytes());
    put(136, 12, long(meta.mtime).as_bytes());
    put(148, 8, b"        ");
    put(156, 1, &[kind]);
    put(157, 100, link);
    put(257, 8, b"ustar\x0000");
    put(329, 8, b"0000000");
    put(337, 8, b"0000000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
