//! Numbers in the fields of a tar's header: octal digits, or base 256 where they do not suffice.

/// A field that holds no negative number.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    match field.first()? {
        0x80.. => {
            let mut bytes = field.iter();
            // The first bit says that this is base 256, the second is the sign.
            let first = bytes.next()? & 0x7f;
            if first & 0x40 != 0 {
                return None;
            }
            bytes.try_fold(u64::from(first), |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)))
        }
        _ => octal(field),
    }
}

/// A time: a negative one is 1970 here.
pub(super) fn time(field: &[u8]) -> Option<u64> {
    match field.first()? {
        first if first & 0xc0 == 0xc0 => Some(0),
        b'-' => Some(0),
        _ => unsigned(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = field.trim_ascii_start();
    let digits = text.iter().take_while(|byte| !matches!(byte, 0 | b' '));
    digits.into_iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// The decimal numbers of PAX.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds of a time in PAX, which may have a sign and a fraction: the second it lies in, and 1970 for what was before.
pub(super) fn decimal_time(text: &[u8]) -> Option<u64> {
    if text.first() == Some(&b'-') {
        return Some(0);
    }
    let seconds = text.split(|byte| *byte == b'.').next()?;
    decimal(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(unsigned(b"0000644\0"), Some(0o644));
        assert_eq!(unsigned(b"   644 \0"), Some(0o644));
        assert_eq!(unsigned(b"\0\0\0\0"), Some(0));
        assert_eq!(unsigned(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0x80, 0, 0, 0]), Some(10 << 30));
        assert_eq!(unsigned(b"0008\0"), None);
        assert_eq!(unsigned(&[0xff; 12]), None);
        assert_eq!(unsigned(&[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!((time(&[0xff; 12]), time(b"-7")), (Some(0), Some(0)));
        assert_eq!((decimal_time(b"12.999"), decimal_time(b"-1.5"), decimal_time(b".5")), (Some(12), Some(0), None));
        assert_eq!((decimal(b"99999999999999999999"), decimal(b"+1")), (None, None));
    }
}
