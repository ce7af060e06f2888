//! Numbers as JSON writes them, read without a detour where that is exact.

/// The powers of ten that are exact as `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Whole numbers below it are exact as `f64`.
const EXACT: u64 = 1 << 53;

/// A whole number without a sign at the beginning of the text, and its length. `None` for anything else, above all for
/// what could go on as another kind of number.
pub(super) fn whole(text: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        length += 1;
    }
    let leading_zero = length > 1 && text[0] == b'0';
    let goes_on = matches!(text.get(length), Some(b'.' | b'e' | b'E'));
    (length > 0 && !leading_zero && !goes_on).then_some((value, length))
}

/// A finite number at the beginning of the text, and its length. `None` for what JSON does not call a number.
pub(super) fn float(text: &[u8]) -> Option<(f64, usize)> {
    plain(text).or_else(|| any(text))
}

/// Digits with at most one point, few enough to be exact, in one pass over them; `None` goes the long way.
fn plain(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let mut mantissa = 0_u64;
    let mut end = begin;
    let mut digits = |end: &mut usize| {
        let from = *end;
        while let Some(digit) = text.get(*end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            *end += 1;
        }
        *end - from
    };
    let before = digits(&mut end);
    let mut after = 0;
    if text.get(end) == Some(&b'.') {
        end += 1;
        after = digits(&mut end);
        if after == 0 {
            return None;
        }
    }
    let leading_zero = before > 1 && text[begin] == b'0';
    let goes_on = matches!(text.get(end), Some(b'e' | b'E'));
    // Of 18 digits nothing has been lost.
    if before == 0 || leading_zero || goes_on || before + after > 18 || mantissa >= EXACT {
        return None;
    }
    let value = mantissa as f64 / POWERS.get(after)?;
    Some((if negative { -value } else { value }, end))
}

/// As [`float`], whatever the number looks like.
fn any(text: &[u8]) -> Option<(f64, usize)> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let negative = text.first() == Some(&b'-');
    let begin = usize::from(negative);
    let before = digits(begin);
    if before == 0 || (before > 1 && text[begin] == b'0') {
        return None;
    }
    let mut end = begin + before;
    let mut after = 0;
    if text.get(end) == Some(&b'.') {
        after = digits(end + 1);
        if after == 0 {
            return None;
        }
        end += 1 + after;
    }
    let plain = end;
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    let value = match exact(&text[begin..plain], before + after, after) {
        // Both are exact and the division rounds once: the nearest number, as a full parser finds it.
        Some((mantissa, power)) if plain == end => {
            if negative {
                -(mantissa / power)
            } else {
                mantissa / power
            }
        }
        _ => std::str::from_utf8(&text[..end]).ok()?.parse().ok()?,
    };
    value.is_finite().then_some((value, end))
}

/// Digits with at most one point as a whole number and the power of ten it is to be divided by, if both are exact.
fn exact(text: &[u8], digits: usize, after: usize) -> Option<(f64, f64)> {
    if digits > 18 {
        return None;
    }
    let significant = text.iter().filter(|byte| **byte != b'.');
    let mantissa = significant.fold(0_u64, |value, byte| value * 10 + u64::from(byte - b'0'));
    Some((mantissa as f64, *POWERS.get(after)?)).filter(|_| mantissa < EXACT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_numbers_of_json_are_numbers() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "NaN", "+1", "1e999", "-1e999", "x", "-01"] {
            assert_eq!(float(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["", "01", "1.0", "1e3", "-1", "18446744073709551616"] {
            assert_eq!(whole(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(whole(b"18446744073709551615,"), Some((u64::MAX, 20)));
        assert_eq!(float(b"-0.0}").map(|(value, length)| (value.is_sign_negative(), length)), Some((true, 4)));
    }

    proptest! {
        #[test]
        fn floats_are_read_as_by_the_full_parser(bits in proptest::prelude::any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(float(text.as_bytes()), Some((value, text.len())));
        }

        #[test]
        fn decimals_are_read_as_by_the_full_parser(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,24})?(e-?[0-9]{1,2})?") {
            let expected: f64 = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(float(text.as_bytes()), Some((expected, text.len())));
        }
    }
}
