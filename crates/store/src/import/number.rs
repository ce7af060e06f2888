//! Numbers and durations as tools write them.

/// A finite number; `None` for what is none, for NaN and for infinities.
pub fn finite(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust also reads words (`nan`, `inf`), which no measurement is.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| numeric && number.is_finite())
}

/// A truth value as tools write it.
pub fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" | "1.0" | "ok" | "success" | "pass" | "passed" => Some(true),
        "false" | "no" | "n" | "0" | "0.0" | "fail" | "failed" | "failure" | "error" => Some(false),
        _ => None,
    }
}

/// A duration of Go's `time.Duration` (`1m2.3s`, `812µs`, `-1.5h`, `0`), or of a shell's `time` (`0m20.42s`), in
/// nanoseconds. The form is that of <https://pkg.go.dev/time#ParseDuration>.
pub fn go_duration_ns(text: &str) -> Option<f64> {
    const UNITS: &[(&str, f64)] = &[
        ("ns", 1.0),
        ("us", 1e3),
        ("\u{b5}s", 1e3),
        ("\u{3bc}s", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    let text = text.trim();
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut total = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|end| *end > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let length = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..length])?;
        total += number * factor;
        rest = &rest[length..];
        any = true;
    }
    (any && f64::is_finite(total)).then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_forms_of_go_are_read() {
        for (text, ns) in [
            ("1m2.3s", 62.3e9),
            ("812\u{b5}s", 812e3),
            ("812\u{3bc}s", 812e3),
            ("1.2ms", 1.2e6),
            ("0s", 0.0),
            ("0", 0.0),
            ("-1.5h", -5.4e12),
            ("1h0m0.5s", 3_600.5e9),
            ("0m20.42s", 20.42e9),
            (".5s", 0.5e9),
            ("17ns", 17.0),
        ] {
            let read = go_duration_ns(text).unwrap();
            assert!((read - ns).abs() <= 1e-6 * ns.abs(), "{text}: {read}");
        }
        for wrong in ["", "s", "1", "1x", "1s2", "..s", "1 s", "NaNs", "1e3s", "--1s", "+", "1h-2m"] {
            assert_eq!(go_duration_ns(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_are_no_numbers() {
        assert_eq!(finite(" 1e3 "), Some(1000.0));
        for wrong in ["", "nan", "inf", "-Infinity", "1e999", "0x10", "1,5", "1_000"] {
            assert_eq!(finite(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = (go_duration_ns(&text), finite(&text), flag(&text));
        }

        #[test]
        fn whole_nanoseconds_come_back(ns in 0_u64..1_000_000_000_000) {
            prop_assert_eq!(go_duration_ns(&format!("{ns}ns")), Some(ns as f64));
        }
    }
}
