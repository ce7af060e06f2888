//! Records of PAX: what did not fit into a header.

use super::number::{decimal, decimal_time};
use std::collections::BTreeMap;

/// The records before an entry, or before all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<u64>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) sparse: Sparse,
}

/// What GNU tar says of a sparse file, in the three ways it has had.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    /// 1 for the format whose map lies before the data.
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    /// The size of the file with its holes.
    pub(super) real_size: Option<u64>,
    /// Offset and length of every piece.
    pub(super) map: Option<Vec<(u64, u64)>>,
    /// The offset that waits for its length, in the oldest format.
    offset: Option<u64>,
}

impl Pax {
    /// Adds the records of a header; `None` if they are damaged or there are too many pieces.
    pub(super) fn add(&mut self, mut records: &[u8], pieces: usize) -> Option<()> {
        while !records.is_empty() {
            // What follows the last record may be filled up with zeros.
            if records.iter().all(|byte| *byte == 0) {
                break;
            }
            let space = records.iter().take(21).position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&records[..space])?).ok()?;
            let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            self.set(&record[..equals], &record[equals + 1..], pieces)?;
            records = &records[length..];
        }
        Some(())
    }

    fn set(&mut self, key: &[u8], value: &[u8], pieces: usize) -> Option<()> {
        let text = || Some(value.to_vec()).filter(|value| !value.is_empty());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            // An empty value takes back what a global header said.
            b"size" => self.size = optional(value, decimal)?,
            b"uid" => self.uid = optional(value, decimal)?,
            b"gid" => self.gid = optional(value, decimal)?,
            b"mtime" => self.mtime = optional(value, decimal_time)?,
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse.name = text(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(decimal(value)?),
            b"GNU.sparse.numbytes" => {
                let piece = (self.sparse.offset.take()?, decimal(value)?);
                let map = self.sparse.map.get_or_insert_default();
                if map.len() > pieces {
                    return None;
                }
                map.push(piece);
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|byte| *byte == b',').filter(|text| !text.is_empty());
                let mut map = Vec::new();
                while let Some(offset) = numbers.next() {
                    map.push((decimal(offset)?, decimal(numbers.next()?)?));
                }
                self.sparse.map = Some(map);
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.insert(name.to_vec(), value.to_vec());
                }
            }
        }
        Some(())
    }
}

fn optional(value: &[u8], parse: fn(&[u8]) -> Option<u64>) -> Option<Option<u64>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
pub(super) fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_are_written() {
        for length in 0..1200 {
            let mut bytes = Vec::new();
            let path = vec![b'a'; length + 1];
            record(&mut bytes, b"path", &path);
            record(&mut bytes, b"SCHILY.xattr.security.capability", b"\n\0=\x01");
            let mut pax = Pax::default();
            pax.add(&bytes, 9).unwrap();
            assert_eq!(pax.path, Some(path));
            assert_eq!(pax.xattrs[&b"security.capability"[..]], b"\n\0=\x01");
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        let records: [&[u8]; 8] = [
            b"x",
            b"0 a=b\n",
            b"99 a=b\n",
            b"6 a=b ",
            b"5 ab\n",
            b"12 size=1x2\n",
            b"99999999999999999999999 a=b\n",
            b"26 GNU.sparse.numbytes=12\n",
        ];
        for bytes in records {
            assert!(Pax::default().add(bytes, 9).is_none(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
