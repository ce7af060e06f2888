//! Quantities: what is written is read exactly, what is shown is read again as what it was, to three digits.

use isodyne_core::unit::{DisplayBytes, DisplayNs, QuantityError, parse_bytes, parse_duration_ns};
use proptest::prelude::*;

type Units = &'static [(&'static str, u64)];
type Parse = fn(&str) -> Result<u64, QuantityError>;

const TIMES: Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZES: Units = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

fn quantity() -> impl Strategy<Value = (Parse, &'static str, u64)> {
    let one =
        |parse: Parse, units: Units| prop::sample::select(units).prop_map(move |(unit, factor)| (parse, unit, factor));
    prop_oneof![one(parse_duration_ns, TIMES), one(parse_bytes, SIZES)]
}

/// Values of every order of magnitude.
fn value() -> impl Strategy<Value = f64> {
    (0.0..18.9_f64).prop_map(|exponent| 10_f64.powf(exponent))
}

/// What a shown value says: the units of times and of memory have no name in common.
fn read(shown: &str) -> f64 {
    parse_duration_ns(shown).or_else(|_| parse_bytes(shown)).unwrap_or_else(|error| panic!("{shown}: {error}")) as f64
}

proptest! {
    #[test]
    fn whole_numbers_are_exact_or_refused(
        (parse, unit, factor) in quantity(),
        large in any::<u64>(),
        small in 0..10_000_u64,
        space in " {0,3}",
    ) {
        for number in [large, small] {
            let text = format!("{space}{number}{space}{unit}{space}");
            match number.checked_mul(factor) {
                Some(product) => prop_assert_eq!(parse(&text), Ok(product)),
                None => prop_assert_eq!(parse(&text), Err(QuantityError::BadNumber(text.trim().to_owned()))),
            }
        }
    }

    #[test]
    fn fractions_are_rounded((parse, unit, factor) in quantity(), thousandths in 0..1_000_000_u64) {
        let text = format!("{}.{:03} {unit}", thousandths / 1000, thousandths % 1000);
        let exact = thousandths as f64 * factor as f64 / 1000.0;
        let parsed = parse(&text).unwrap() as f64;
        prop_assert!((parsed - exact).abs() <= 0.5 + exact * 1e-15, "{} is {} and not {}", text, parsed, exact);
    }

    #[test]
    fn what_is_shown_is_read_again(value in value()) {
        for shown in [DisplayNs(value).to_string(), DisplayBytes(value).to_string()] {
            prop_assert!((read(&shown) - value).abs() <= 0.5 + value * 0.0051, "{} is shown as {}", value, shown);
        }
    }

    #[test]
    fn larger_is_never_shown_as_smaller(one in value(), ratio in 1.0..1.01_f64) {
        let other = one * ratio;
        prop_assert!(read(&DisplayNs(one).to_string()) <= read(&DisplayNs(other).to_string()));
        prop_assert!(read(&DisplayBytes(one).to_string()) <= read(&DisplayBytes(other).to_string()));
    }

    #[test]
    fn any_text_is_answered(text in "[0-9._ -]{0,24}[a-zA-Zµ ]{0,4}|.{0,30}") {
        let _ = (parse_bytes(&text), parse_duration_ns(&text));
    }
}
