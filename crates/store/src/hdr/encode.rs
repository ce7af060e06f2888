//! Writing: V2, compressed.

use super::decode::{COMPRESSED_V2, HEADER_BYTES, PLAIN_V2};
use super::{Histogram, greatest};
use flate2::{Compress, Compression, FlushCompress};

/// The histogram as V2, compressed.
pub(crate) fn encode(histogram: &Histogram) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut next = 0;
    for (index, count) in histogram.places() {
        match index - next {
            0 => {}
            1 => put(&mut payload, 0),
            empty => put(&mut payload, -(empty as i64)),
        }
        put(&mut payload, i64::try_from(count).unwrap_or(i64::MAX));
        next = index + 1;
    }
    let mut plain = Vec::with_capacity(HEADER_BYTES + payload.len());
    plain.extend((PLAIN_V2 | 0x10).to_be_bytes());
    plain.extend((payload.len() as u32).to_be_bytes());
    plain.extend(0_u32.to_be_bytes());
    plain.extend(u32::from(histogram.digits()).to_be_bytes());
    plain.extend(histogram.lowest().to_be_bytes());
    // Readers want at least twice the least value.
    plain.extend(greatest(histogram).max(2 * histogram.lowest()).to_be_bytes());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(&payload);
    let compressed = compress(&plain);
    let mut out = Vec::with_capacity(8 + compressed.len());
    out.extend((COMPRESSED_V2 | 0x10).to_be_bytes());
    out.extend((compressed.len() as u32).to_be_bytes());
    out.extend(compressed);
    out
}

/// zlib's format.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::best(), true);
    // More than deflate ever needs: stored blocks of incompressible bytes, header and checksum.
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1_000 + 64);
    let mut taken = 0;
    loop {
        let status = compressor.compress_vec(&bytes[taken..], &mut out, FlushCompress::Finish);
        taken = compressor.total_in() as usize;
        match status {
            Ok(flate2::Status::StreamEnd) | Err(_) => return out,
            Ok(_) => out.reserve(bytes.len() / 2 + 64),
        }
    }
}

/// A signed number, its sign in the lowest bit, seven bits a byte, least first; the ninth byte has eight.
fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            out.push(rest as u8);
            return;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
