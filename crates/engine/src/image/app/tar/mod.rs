//! Tar as images come in it: ustar, GNU and PAX, with all four ways to write a sparse file.
//!
//! A reader of our own, because what is read is foreign: every name, every map and every header has a limit, contents
//! are never held in memory, and a file of terabytes that is all hole costs what its header costs.

mod error;
mod number;
mod pax;
mod sparse;
mod write;

pub(crate) use error::shown;
pub use error::{EntryProblem, TarError};
pub(crate) use write::Writer;

use super::limits::Limits;
use super::store::{Content, Piece, Store};
use number::{time, unsigned};
use pax::Pax;
use std::collections::BTreeMap;

/// What everything in a tar is a multiple of.
pub(crate) const RECORD: u64 = 512;
/// What stands before an entry (long names, PAX records) is never larger; names have 4096 bytes, attributes 2048.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// An entry as it stands in the tar: no path is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct RawEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) kind: RawKind,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub(crate) enum RawKind {
    File(Content),
    Directory,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Fifo,
    Device { character: bool, major: u64, minor: u64 },
}

/// Reads entries one after another.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    store: &'a Store,
    limits: &'a Limits,
    at: u64,
    global: Pax,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(store: &'a Store, limits: &'a Limits) -> Self {
        Self { store, limits, at: 0, global: Pax::default() }
    }

    /// The next entry; `None` at the end, which is a record of zeros or the end of the bytes.
    pub(crate) fn next(&mut self) -> Result<Option<RawEntry>, TarError> {
        let (mut pax, mut long_path, mut long_link) = (self.global.clone(), None, None);
        // Extensions are counted, so that a tar of nothing else cannot go on for ever.
        for _ in 0..16 {
            let header_at = self.at;
            let damaged = |problem| TarError::Damaged { at: header_at, problem };
            let Some(header) = self.header()? else { return Ok(None) };
            let size = unsigned(&header[124..136]).ok_or_else(|| damaged("its size is no number"))?;
            match header[156] {
                kind @ (b'x' | b'g') => {
                    let records = self.extension(header_at, size)?;
                    let to = if kind == b'x' { &mut pax } else { &mut self.global };
                    to.add(&records, self.limits.pieces).ok_or_else(|| damaged("its PAX records are not valid"))?;
                    if kind == b'g' {
                        pax = self.global.clone();
                    }
                }
                kind @ (b'L' | b'K') => {
                    let mut name = self.extension(header_at, size)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    *(if kind == b'L' { &mut long_path } else { &mut long_link }) = Some(name);
                }
                // The name of a volume.
                b'V' => self.skip(header_at, size)?,
                _ => return self.entry(header_at, &header, size, pax, long_path, long_link).map(Some),
            }
        }
        Err(TarError::Damaged { at: self.at, problem: "an entry has more than 16 extensions" })
    }

    fn header(&mut self) -> Result<Option<[u8; 512]>, TarError> {
        let left = self.store.len().saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let mut header = [0; 512];
        if left < RECORD {
            return Err(TarError::Damaged { at: self.at, problem: "it is cut short inside a header" });
        }
        self.store.read_at(&mut header, self.at)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let stated = unsigned(&header[148..156]);
        let sum = |value: fn(u8) -> i64| -> i64 {
            let blank = |(at, byte): (usize, &u8)| value(if (148..156).contains(&at) { b' ' } else { *byte });
            header.iter().enumerate().map(blank).sum()
        };
        let stated = stated.and_then(|stated| i64::try_from(stated).ok());
        // Some old programs added the bytes up with a sign.
        if stated != Some(sum(i64::from)) && stated != Some(sum(|byte| i64::from(byte.cast_signed()))) {
            return Err(TarError::Damaged { at: self.at, problem: "the checksum of the header is wrong" });
        }
        self.at += RECORD;
        Ok(Some(header))
    }

    /// Contents that belong to the reader itself.
    fn extension(&mut self, header_at: u64, size: u64) -> Result<Vec<u8>, TarError> {
        if size > EXTENSION_LIMIT {
            return Err(TarError::Damaged { at: header_at, problem: "an extension has more than 1 MiB" });
        }
        let from = self.at;
        self.skip(header_at, size)?;
        let mut bytes = vec![0; size as usize];
        self.store.read_at(&mut bytes, from)?;
        Ok(bytes)
    }

    fn skip(&mut self, header_at: u64, size: u64) -> Result<(), TarError> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.store.len());
        let end = end.ok_or(TarError::Damaged { at: header_at, problem: "the file behind it is cut short" })?;
        self.at = end.next_multiple_of(RECORD);
        Ok(())
    }

    fn entry(
        &mut self,
        header_at: u64,
        header: &[u8; 512],
        size: u64,
        pax: Pax,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<RawEntry, TarError> {
        let damaged = |problem| TarError::Damaged { at: header_at, problem };
        let number = |range: std::ops::Range<usize>| unsigned(&header[range]).ok_or(damaged("a field is no number"));
        let size = pax.size.unwrap_or(size);
        let path = pax.path.clone().or(long_path).unwrap_or_else(|| path_of(header));
        let link = pax.link.clone().or(long_link).unwrap_or_else(|| until_zero(&header[157..257]).to_vec());
        let refused = |problem| TarError::Entry { path: shown(&path), problem };
        // Only files have contents; a size in another entry is nothing that would follow.
        let kind = match header[156] {
            b'5' => RawKind::Directory,
            b'2' => RawKind::Symlink(link),
            b'1' => {
                // A hard link may repeat the contents of the file.
                self.skip(header_at, size)?;
                RawKind::HardLink(link)
            }
            b'6' => RawKind::Fifo,
            kind @ (b'3' | b'4') => {
                RawKind::Device { character: kind == b'3', major: number(329..337)?, minor: number(337..345)? }
            }
            b'S' => self.old_sparse(header_at, header, size, &path)?,
            0 | b'0' | b'7' if path.ends_with(b"/") && pax.sparse.name.is_none() => RawKind::Directory,
            0 | b'0' | b'7' => self.file(header_at, size, &pax, &path)?,
            other => return Err(refused(EntryProblem::Type(char::from(other)))),
        };
        Ok(RawEntry {
            mode: number(100..108)? as u32 & 0o7777,
            uid: pax.uid.map_or_else(|| number(108..116), Ok)?,
            gid: pax.gid.map_or_else(|| number(116..124), Ok)?,
            mtime: pax.mtime.or_else(|| time(&header[136..148])).ok_or(damaged("a field is no number"))?,
            path: pax.sparse.name.unwrap_or(path),
            xattrs: pax.xattrs,
            kind,
        })
    }

    fn file(&mut self, header_at: u64, size: u64, pax: &Pax, path: &[u8]) -> Result<RawKind, TarError> {
        let at = self.at;
        self.skip(header_at, size)?;
        let refused = |problem| TarError::Entry { path: shown(path), problem };
        let content = if pax.sparse.major == Some(1) {
            let (map, map_bytes) = sparse::read_map(self.store, at, size, self.limits.pieces).map_err(refused)?;
            let real_size = pax.sparse.real_size.ok_or(refused(EntryProblem::Sparse("it has no size")))?;
            sparse::lay_out(self.store, &map, at + map_bytes, size - map_bytes, real_size).map_err(refused)?
        } else if let Some(map) = &pax.sparse.map {
            if map.len() > self.limits.pieces {
                return Err(refused(EntryProblem::Pieces(self.limits.pieces)));
            }
            let real_size = pax.sparse.real_size.ok_or(refused(EntryProblem::Sparse("it has no size")))?;
            sparse::lay_out(self.store, map, at, size, real_size).map_err(refused)?
        } else {
            let pieces = if size == 0 { Vec::new() } else { vec![Piece { offset: 0, length: size, at }] };
            Content { store: self.store.clone(), size, pieces }
        };
        Ok(RawKind::File(content))
    }

    /// The format of GNU tar before PAX: four pieces in the header, the others in records behind it.
    fn old_sparse(&mut self, at: u64, header: &[u8; 512], size: u64, path: &[u8]) -> Result<RawKind, TarError> {
        let refused = |problem| TarError::Entry { path: shown(path), problem };
        let unreadable = || refused(EntryProblem::Sparse("a number in it cannot be read"));
        let real_size = unsigned(&header[483..495]).ok_or_else(unreadable)?;
        let mut map = Vec::new();
        sparse::old_pieces(&header[386..482], &mut map).ok_or_else(unreadable)?;
        let mut more = header[482] != 0;
        while more {
            let mut record = [0; 512];
            let from = self.at;
            self.skip(at, RECORD)?;
            self.store.read_at(&mut record, from)?;
            sparse::old_pieces(&record[..504], &mut map).ok_or_else(unreadable)?;
            if map.len() > self.limits.pieces {
                return Err(refused(EntryProblem::Pieces(self.limits.pieces)));
            }
            more = record[504] != 0;
        }
        let from = self.at;
        self.skip(at, size)?;
        sparse::lay_out(self.store, &map, from, size, real_size).map(RawKind::File).map_err(refused)
    }
}

/// The name in a header; POSIX has a field for what comes before it.
fn path_of(header: &[u8; 512]) -> Vec<u8> {
    let (name, prefix) = (until_zero(&header[..100]), until_zero(&header[345..500]));
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
