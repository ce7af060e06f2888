//! The wire format of Protocol Buffers, read in place.

use crate::ImageError;

/// One value of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number of variable length.
    Number(u64),
    /// A number of eight bytes.
    Fixed64(u64),
    /// A number of four bytes.
    Fixed32(u32),
    /// Bytes: a message, a text, packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of a message in the order in which they stand. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Reads a message's fields. Nothing is copied, and nothing is looked at before it is asked for.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Value<'a>), ImageError> {
        let tag = number(&mut self.rest)?;
        let field = u32::try_from(tag >> 3).map_err(|_| ImageError::Wire("the number of a field is too big"))?;
        let value = match tag & 7 {
            0 => Value::Number(number(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(fixed(&mut self.rest)?)),
            2 => {
                let length = usize::try_from(number(&mut self.rest)?).unwrap_or(usize::MAX);
                let (inner, rest) = self.rest.split_at_checked(length).ok_or(ImageError::Cut("a field"))?;
                self.rest = rest;
                Value::Bytes(inner)
            }
            5 => Value::Fixed32(u32::from_le_bytes(fixed(&mut self.rest)?)),
            _ => return Err(ImageError::Wire("a field has an unknown wire type")),
        };
        Ok((field, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), ImageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A number of variable length: seven bits a byte, least first, at most ten bytes.
pub(crate) fn number(bytes: &mut &[u8]) -> Result<u64, ImageError> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(ImageError::Cut("a number"))?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            break;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ImageError::Wire("a number has more than 64 bits"))
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], ImageError> {
    let (value, rest) = bytes.split_first_chunk().ok_or(ImageError::Cut("a number"))?;
    *bytes = rest;
    Ok(*value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, ImageError> {
        fields(bytes).collect()
    }

    #[test]
    fn the_wire_format_is_read() {
        // 150 as the format's own documentation encodes it, a text, and fixed numbers.
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0];
        let expected =
            [(1, Value::Number(150)), (2, Value::Bytes(b"hi")), (3, Value::Fixed32(1)), (4, Value::Fixed64(2))];
        assert_eq!(all(&bytes).unwrap(), expected);
        let largest = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(all(&largest).unwrap(), [(1, Value::Number(u64::MAX))]);
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        assert_eq!(all(&[0x08]), Err(ImageError::Cut("a number")));
        assert_eq!(all(&[0x12, 9, 1]), Err(ImageError::Cut("a field")));
        assert_eq!(all(&[0x0b]), Err(ImageError::Wire("a field has an unknown wire type")));
        let long = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(all(&long), Err(ImageError::Wire("a number has more than 64 bits")));
        assert_eq!(fields(&[0x0b, 8, 1]).count(), 1);
    }

    /// A number as the format has it.
    fn written(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    proptest! {
        #[test]
        fn every_number_comes_back(value: u64, rest: Vec<u8>) {
            let bytes = [written(value), rest.clone()].concat();
            let mut cursor = bytes.as_slice();
            prop_assert_eq!(number(&mut cursor), Ok(value));
            prop_assert_eq!(cursor, rest);
        }

        #[test]
        fn foreign_bytes_end(bytes: Vec<u8>) {
            prop_assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}
