//! Numbers and byte strings in a payload. Reading is total: it gives the value or says what is wrong.

use alloc::string::String;
use alloc::vec::Vec;

/// Reads a payload from front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

pub(crate) type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a flag is neither 0 nor 1"),
        }
    }

    /// A length and as many bytes. Nothing is allocated before the bytes are known to be there.
    pub(crate) fn bytes(&mut self) -> Read<Vec<u8>> {
        let length = self.u32()?;
        let length = usize::try_from(length).map_err(|_| "a length is out of range")?;
        self.take(length).map(<[u8]>::to_vec)
    }

    pub(crate) fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")
    }

    /// A count and as many byte strings without a zero byte.
    pub(crate) fn strings(&mut self) -> Read<Vec<Vec<u8>>> {
        let count = usize::from(self.u16()?);
        if count > crate::MAX_STRINGS {
            return Err("too many strings");
        }
        let mut strings = Vec::new();
        for _ in 0..count {
            let string = self.bytes()?;
            if string.contains(&0) {
                return Err("a string holds a zero byte");
            }
            strings.push(string);
        }
        Ok(strings)
    }

    pub(crate) fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err("bytes are left over") }
    }
}

/// Appends a length and the bytes. A length beyond `u32` is cut here and refused by the frame's own limit.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a count and the strings. The caller has checked the count.
pub(crate) fn put_strings(out: &mut Vec<u8>, strings: &[Vec<u8>]) {
    out.extend_from_slice(&u16::try_from(strings.len()).unwrap_or(u16::MAX).to_le_bytes());
    strings.iter().for_each(|string| put_bytes(out, string));
}
