//! Reading: V0, V1 and V2, compressed or not, with limits.

use super::Histogram;
use flate2::{Decompress, FlushDecompress, Status};

/// What the numbers at the beginning mean; the second hexadecimal digit from the right is the size of a word.
pub(super) const PLAIN_V2: u32 = 0x1c84_9303;
pub(super) const COMPRESSED_V2: u32 = 0x1c84_9304;
const PLAIN_V1: u32 = 0x1c84_9301;
const COMPRESSED_V1: u32 = 0x1c84_9302;
const PLAIN_V0: u32 = 0x1c84_9308;
const COMPRESSED_V0: u32 = 0x1c84_9309;
const OF_DOUBLES: [u32; 2] = [0x0c72_124e, 0x0c72_124f];

/// The header of V1 and V2.
pub(super) const HEADER_BYTES: usize = 40;
const HEADER_V0_BYTES: usize = 32;

/// What decoding may still take, over all histograms of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes after decompression.
    pub bytes: usize,
    /// Buckets that are not empty.
    pub buckets: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: 256 << 20, buckets: 8_000_000 }
    }
}

/// Reads a histogram.
///
/// # Errors
/// If it is none, is cut off, or takes more than the budget has left; in words that follow a place.
pub(crate) fn decode(bytes: &[u8], budget: &mut Budget) -> Result<Histogram, String> {
    let mut reader = Reader(bytes);
    let cookie = reader.word()?;
    match cookie & !0xf0 {
        COMPRESSED_V2 | COMPRESSED_V1 | COMPRESSED_V0 => {
            let length = reader.word()? as usize;
            let compressed = reader.0.get(..length).ok_or("the compressed histogram is cut off")?;
            let plain = decompress(compressed, budget)?;
            decode_plain(&plain, budget)
        }
        PLAIN_V2 | PLAIN_V1 | PLAIN_V0 => decode_plain(bytes, budget),
        _ if OF_DOUBLES.contains(&(cookie & !0xf0)) || OF_DOUBLES.contains(&cookie) => {
            Err("a histogram of doubles (DHIST) is not supported".to_owned())
        }
        _ => Err(format!("{cookie:#010x} begins no known version of a histogram")),
    }
}

fn decode_plain(bytes: &[u8], budget: &mut Budget) -> Result<Histogram, String> {
    let mut reader = Reader(bytes);
    let cookie = reader.word()?;
    let base = cookie & !0xf0;
    let (payload, offset) = match base {
        PLAIN_V2 | PLAIN_V1 => (reader.word()? as usize, reader.word()?),
        PLAIN_V0 => (bytes.len().saturating_sub(HEADER_V0_BYTES), 0),
        _ => return Err(format!("{cookie:#010x} begins no known version of a histogram")),
    };
    if offset != 0 {
        return Err("a histogram with a shifted index is not supported".to_owned());
    }
    let digits = u8::try_from(reader.word()?).ok().filter(|digits| *digits <= 5);
    let digits = digits.ok_or("the number of significant digits is not within 0 to 5")?;
    let lowest = reader.long()?;
    let _highest = reader.long()?;
    let ratio = f64::from_bits(reader.long()?);
    if base != PLAIN_V0 && ratio != 1.0 {
        return Err(format!("values are scaled by {ratio}, which is not supported"));
    }
    let histogram = Histogram::with_lowest(lowest, digits);
    let mut histogram = histogram.ok_or("the least value and the digits do not go together")?;
    let words = reader.0.get(..payload).ok_or("the counts are cut off")?;
    let size = match (base, (cookie & 0xf0) >> 4 & 0xe) {
        (PLAIN_V2, _) => None,
        (_, size @ (2 | 4 | 8)) => Some(size as usize),
        (_, size) => return Err(format!("counts have {size} bytes")),
    };
    let (mut reader, mut index, mut total) = (Reader(words), 0_u64, 0_i64);
    while !reader.0.is_empty() {
        let count = match size {
            None => reader.signed()?,
            Some(size) => reader.fixed(size)?,
        };
        if count < 0 {
            if size.is_some() {
                return Err("a count is negative".to_owned());
            }
            index = index.checked_add(count.unsigned_abs()).ok_or("too many empty counts")?;
            continue;
        }
        if count > 0 {
            total = total.checked_add(count).ok_or("the counts are more than 2^63 together")?;
            budget.buckets = budget.buckets.checked_sub(1).ok_or("more counts than are read from one file")?;
            if !histogram.record_at(index, count.unsigned_abs()) {
                return Err("a value is beyond 2^63".to_owned());
            }
        }
        index = index.checked_add(1).ok_or("too many counts")?;
    }
    Ok(histogram)
}

fn decompress(bytes: &[u8], budget: &mut Budget) -> Result<Vec<u8>, String> {
    let mut decompressor = Decompress::new(true);
    let mut out = Vec::new();
    loop {
        let taken = decompressor.total_in() as usize;
        let room = (bytes.len().max(1_024) * 2).max(out.len()).min(16 << 20);
        out.reserve(room.min(budget.bytes.saturating_sub(out.len()) + 1));
        let before = (taken, out.len());
        let status = decompressor.decompress_vec(&bytes[taken..], &mut out, FlushDecompress::Finish);
        if out.len() > budget.bytes {
            return Err("the histograms of the file are too large together".to_owned());
        }
        let after = (decompressor.total_in() as usize, out.len());
        match status {
            Ok(Status::StreamEnd) => break,
            Ok(_) if after != before || out.len() == out.capacity() => {}
            Ok(_) => return Err("the compressed histogram is cut off".to_owned()),
            Err(_) => return Err("the compressed histogram is damaged".to_owned()),
        }
    }
    budget.bytes -= out.len();
    Ok(out)
}

/// Big-endian numbers from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) = self.0.split_first_chunk().ok_or("the histogram is cut off")?;
        self.0 = rest;
        Ok(*array)
    }

    fn word(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_be_bytes)
    }

    fn fixed(&mut self, size: usize) -> Result<i64, String> {
        match size {
            2 => self.array().map(|bytes| i64::from(i16::from_be_bytes(bytes))),
            4 => self.array().map(|bytes| i64::from(i32::from_be_bytes(bytes))),
            _ => self.array().map(i64::from_be_bytes),
        }
    }

    /// As `put` of the writer has it.
    fn signed(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        for place in 0..9 {
            let [byte] = self.array()?;
            if place == 8 {
                value |= u64::from(byte) << 56;
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{encode, of};
    use super::*;

    #[test]
    fn hostile_histograms_are_refused() {
        let refused = |bytes: &[u8]| decode(bytes, &mut Budget::default()).unwrap_err();
        assert!(refused(b"").contains("cut off"));
        assert!(refused(&[0; 8]).contains("no known version"));
        assert!(refused(&0x0c72_124f_u32.to_be_bytes()).contains("DHIST"));
        let good = encode(&of([1, 5, 5, 900_000], 3));
        for cut in 0..good.len() {
            assert!(decode(&good[..cut], &mut Budget::default()).is_err(), "{cut}");
        }
        let mut small = Budget { bytes: 41, buckets: 1 };
        assert!(decode(&good, &mut small).unwrap_err().contains("too large together"));
        let mut few = Budget { bytes: 1 << 20, buckets: 1 };
        assert!(decode(&good, &mut few).unwrap_err().contains("more counts"));
    }

    #[test]
    fn versions_0_and_1_have_words() {
        // Two counts at the values 0 and 2, as 16 and 32 bits, uncompressed.
        let mut one = Vec::new();
        one.extend((PLAIN_V1 | 0x20).to_be_bytes());
        one.extend(6_u32.to_be_bytes());
        one.extend(0_u32.to_be_bytes());
        one.extend(2_u32.to_be_bytes());
        one.extend(1_u64.to_be_bytes());
        one.extend(1_000_u64.to_be_bytes());
        one.extend(1_f64.to_be_bytes());
        one.extend([0, 3, 0, 0, 0, 4]);
        let read = decode(&one, &mut Budget::default()).unwrap();
        let counts: Vec<(u64, u64)> = read.buckets().map(|bucket| (bucket.from, bucket.count)).collect();
        assert_eq!(counts, [(0, 3), (2, 4)]);
        let mut zero = Vec::new();
        zero.extend((PLAIN_V0 | 0x40).to_be_bytes());
        zero.extend(2_u32.to_be_bytes());
        zero.extend(1_u64.to_be_bytes());
        zero.extend(1_000_u64.to_be_bytes());
        zero.extend(7_u64.to_be_bytes());
        zero.extend([0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert!(decode(&zero, &mut Budget::default()).unwrap().buckets().eq(read.buckets()));
    }
}
