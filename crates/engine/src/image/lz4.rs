//! LZ4 in its legacy frames (`lz4 -l`), which distributions compress their kernels with.

/// The first four bytes.
pub const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// A block never unpacks to more than this.
const BLOCK_LIMIT: usize = 8 << 20;

/// Unpacks a stream of legacy frames; `None` if it is damaged or larger than `limit`.
pub fn unpack(stream: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut rest = stream.strip_prefix(&MAGIC)?;
    let mut out = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        rest = tail;
        if *head == MAGIC {
            continue;
        }
        let length = u32::from_le_bytes(*head) as usize;
        let block = rest.get(..length)?;
        rest = &rest[length..];
        unpack_block(block, &mut out)?;
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

/// Unpacks one block behind what is already in `out`. References do not reach before the block.
fn unpack_block(mut block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    loop {
        let token = take(&mut block)?;
        let literals = length(&mut block, token >> 4)?;
        out.extend_from_slice(block.get(..literals)?);
        block = &block[literals..];
        if block.is_empty() {
            return Some(());
        }
        let offset = usize::from(u16::from_le_bytes([take(&mut block)?, take(&mut block)?]));
        let match_length = length(&mut block, token & 15)? + 4;
        if offset == 0 || offset > out.len() - begin || out.len() - begin + match_length > BLOCK_LIMIT {
            return None;
        }
        let from = out.len() - offset;
        if offset >= match_length {
            out.extend_from_within(from..from + match_length);
        } else {
            // The match overlaps what it writes: it repeats itself.
            for index in 0..match_length {
                out.push(out[from + index]);
            }
        }
    }
}

fn take(block: &mut &[u8]) -> Option<u8> {
    let (first, rest) = block.split_first()?;
    *block = rest;
    Some(*first)
}

fn length(block: &mut &[u8], nibble: u8) -> Option<usize> {
    let mut length = usize::from(nibble);
    if nibble == 15 {
        loop {
            let byte = take(block)?;
            length += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(block: &[u8]) -> Vec<u8> {
        let mut stream = MAGIC.to_vec();
        stream.extend_from_slice(&(block.len() as u32).to_le_bytes());
        stream.extend_from_slice(block);
        stream
    }

    #[test]
    fn literals_and_overlapping_matches_unpack() {
        // Three literals "abc", a match of 7 at offset 3, then the last literal "!".
        let stream = framed(&[0x33, b'a', b'b', b'c', 3, 0, 0x10, b'!']);
        assert_eq!(unpack(&stream, 100).unwrap(), b"abcabcabca!");
        assert_eq!(unpack(&stream, 10), None);
    }

    #[test]
    fn damage_is_found() {
        assert_eq!(unpack(b"\x1f\x8b", 100), None);
        assert_eq!(unpack(&framed(&[0x33, b'a', b'b', b'c', 9, 0, 0]), 100), None);
        assert_eq!(unpack(&framed(&[0xf0]), 100), None);
        let mut cut = framed(&[0x30, b'a', b'b', b'c']);
        cut.pop();
        assert_eq!(unpack(&cut, 100), None);
    }
}
