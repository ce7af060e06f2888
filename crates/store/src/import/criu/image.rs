//! The form of CRIU's images: magic numbers, a length, and a message in the wire format of Protocol Buffers.
//!
//! `criu/include/magic.h` of CRIU: since version 1.1 a service image begins with `IMG_SERVICE_MAGIC` and then the
//! magic number of its kind; before, with the latter alone.

/// What service images begin with.
const SERVICE: u32 = 0x5510_5940;
/// What statistics begin with.
const STATISTICS: u32 = 0x5709_3306;
/// No message has more fields.
const FIELDS_LIMIT: usize = 1_000;

/// One value of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A variable-length or fixed number.
    Number(u64),
    /// Bytes: a message, a text.
    Bytes(&'a [u8]),
}

/// What follows the magic numbers; `None` if this is no image of statistics.
pub(super) fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = word(bytes)?;
    if first == STATISTICS {
        return Some(rest);
    }
    let (second, rest) = word(rest)?;
    (first == SERVICE && second == STATISTICS).then_some(rest)
}

/// The message of the one entry.
pub(super) fn entry(payload: &[u8]) -> Result<&[u8], String> {
    let (length, rest) = word(payload).ok_or("it ends before the length of its entry")?;
    let length = length as usize;
    if rest.len() < length {
        return Err(format!("its entry of {length} bytes is cut off after {}", rest.len()));
    }
    if rest.len() > length {
        return Err(format!("{} bytes follow its entry", rest.len() - length));
    }
    Ok(rest)
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

/// The fields of a message by number, in the order in which they stand.
pub(super) fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        if fields.len() == FIELDS_LIMIT {
            return Err(format!("a message has more than {FIELDS_LIMIT} fields"));
        }
        let tag = number(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Number(number(&mut bytes)?),
            1 => Value::Number(u64::from_le_bytes(fixed(&mut bytes)?)),
            2 => {
                let length = usize::try_from(number(&mut bytes)?).map_err(|_| "a field has no length that fits")?;
                let (inner, rest) = bytes.split_at_checked(length).ok_or("a field is cut off")?;
                bytes = rest;
                Value::Bytes(inner)
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(fixed(&mut bytes)?))),
            other => return Err(format!("a field has the unknown wire type {other}")),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

/// A variable-length number: seven bits a byte, least first, at most ten bytes.
fn number(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("a number is cut off")?;
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
    Err("a number has more than 64 bits".to_owned())
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (value, rest) = bytes.split_first_chunk().ok_or("a number is cut off")?;
    *bytes = rest;
    Ok(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_format_is_read() {
        // 150 as the format's own documentation encodes it, a text, and fixed numbers.
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0];
        let expected =
            [(1, Value::Number(150)), (2, Value::Bytes(b"hi")), (3, Value::Number(1)), (4, Value::Number(2))];
        assert_eq!(fields(&bytes).unwrap(), expected);
        let largest = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(fields(&largest).unwrap(), [(1, Value::Number(u64::MAX))]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(fields(&[0x08]).unwrap_err().contains("cut off"));
        assert!(
            fields(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap_err().contains("64")
        );
        assert!(fields(&[0x12, 9, 1]).unwrap_err().contains("cut off"));
        assert!(fields(&[0x0b]).unwrap_err().contains("wire type 3"));
        assert!(fields(&[8, 0].repeat(FIELDS_LIMIT + 1)).unwrap_err().contains("more than"));
        assert!(entry(&[2, 0, 0, 0, 1]).unwrap_err().contains("cut off after 1"));
        assert!(entry(&[0, 0, 0, 0, 1]).unwrap_err().contains("1 bytes follow"));
        assert_eq!(payload(&[0x40, 0x59, 0x10, 0x55, 0x06, 0x33, 0x09, 0x57, 7]), Some(&[7][..]));
    }
}
