//! In what unit a number was written down, as far as its digits tell: decided by arithmetic, without writing it.

/// The digits that are looked at; what is behind them is the noise of conversions.
const DIGITS: i32 = 12;
/// Powers of ten that are exact as floating-point numbers.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Half a unit in the last place in which the number was written down, as far as its digits tell, and a little for the
/// arithmetic of conversions. A number that was converted from MiB or GiB shows its digits in that unit only.
pub(super) fn written_half(value: f64) -> f64 {
    let scales = [1.0, 1_024.0, 1_048_576.0, 1_073_741_824.0];
    let last_place = scales.iter().map(|scale| scale * last_place(value / scale)).fold(0.0, f64::max);
    (last_place * 0.5).min(value.abs() * 0.05) + value.abs() * 1e-9
}

/// The value of a number's last digit that is not 0, of twelve.
fn last_place(value: f64) -> f64 {
    let (digits, exponent) = twelve(value).unwrap_or_else(|| written(value));
    let mut digits = digits;
    let mut place = exponent;
    while digits != 0 && digits.is_multiple_of(10) {
        digits /= 10;
        place += 1;
    }
    // Of 0 the one digit is the last.
    10f64.powi(if digits == 0 { 0 } else { place })
}

/// The first twelve digits, rounded, and the exponent of the last of them; `None` where that takes more than one exact
/// step, or comes so near the middle between two that the rounding of that step could decide.
fn twelve(value: f64) -> Option<(u64, i32)> {
    let size = value.abs();
    if !(1e-8..1e32).contains(&size) {
        return None;
    }
    // One too high at most: the binary exponent times log₁₀ 2, rounded up.
    let binary = (size.to_bits() >> 52) as i32 - 1_023;
    let above = ((binary + 1) * 30_103).div_euclid(100_000) + 1;
    let shifted = |exponent: i32| {
        let power = POWERS.get(usize::try_from(exponent.abs()).ok()?)?;
        Some(if exponent >= 0 { size / power } else { size * power })
    };
    let mut exponent = above - DIGITS;
    let mut digits = shifted(exponent)?;
    if digits < 1e11 {
        exponent -= 1;
        digits = shifted(exponent)?;
    }
    let part = digits.fract();
    let clear = (1e11..1e12 - 1.0).contains(&digits) && !(0.499..=0.501).contains(&part);
    clear.then(|| (digits.round() as u64, exponent))
}

/// The same from the number as text.
fn written(value: f64) -> (u64, i32) {
    let text = format!("{:.11e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).fold(0, |all, digit| all * 10 + u64::from(digit - b'0'));
    (digits, exponent.parse().unwrap_or(0) - (DIGITS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_place_is_that_of_the_text() {
        for (value, expected) in [
            (450_000.0, 1e4),
            (110.2, 0.1),
            (-2.5, 0.1),
            (0.0, 1.0),
            (1e40, 1e40),
            (0.000_02, 1e-5),
            (999_999_999_999.9, 1e12),
        ] {
            assert!((last_place(value) / expected - 1.0).abs() < 1e-12, "{value}: {}", last_place(value));
        }
        assert!((last_place(1.0 / 3.0) / 1e-12 - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn arithmetic_finds_the_digits_of_the_text(
            whole in 0_u64..1 << 53, places in 0_i32..16, zeros in 0_u32..9, scale in prop::sample::select(vec![1.0, 1_024.0, 1_048_576.0]),
        ) {
            let ten = 10_u64.pow(zeros);
            let value = (whole / ten * ten) as f64 / 10f64.powi(places) / scale;
            if let Some(found) = twelve(value) {
                prop_assert_eq!(found, written(value));
            }
        }

        #[test]
        fn and_of_any_number(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            if let Some(found) = twelve(value) {
                prop_assert_eq!(found, written(value));
            }
        }
    }
}
