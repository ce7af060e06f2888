//! Trends against an independent implementation, and by their properties.

use super::divisive::{LEAST, MOST, SIGNIFICANCE, best_split, change_points};
use super::*;
use proptest::prelude::*;

/// Normal values by Box and Muller.
fn noise(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

fn places(values: &[f64]) -> Vec<usize> {
    change_points(values).iter().map(|split| split.index).collect()
}

#[test]
fn the_statistic_agrees_with_sums_over_all_pairs() {
    // Reference: the definition as double sums over all pairs, numpy 2.4.6.
    let step = [10.1, 9.8, 10.3, 10.0, 9.9, 10.2, 12.1, 11.8, 12.3, 12.0, 11.9, 12.2, 12.4];
    let (at, statistic) = best_split(&step).unwrap();
    assert_eq!(at, 6);
    assert!((statistic - 11.630_769_230_769_234).abs() < 1e-9, "{statistic}");
    let levels = [100., 103., 98., 101., 99., 150., 148., 152., 149., 151., 120., 119., 121., 122., 118., 120.];
    let (at, statistic) = best_split(&levels).unwrap();
    assert_eq!(at, 5);
    assert!((statistic - 162.5).abs() < 1e-9, "{statistic}");
    assert_eq!(places(&step), [6]);
    assert_eq!(places(&levels), [5, 10]);
}

#[test]
fn the_p_value_is_that_of_all_permutations() {
    // Among all 5040 orders of these values 288 have as clear a best split (numpy 2.4.6, all permutations): p = 0.057,
    // which is no change. The same step with four more values on either side is one.
    let few = [5.0, 1.5, 4.25, 3.0, 9.5, 7.75, 8.0];
    assert!((best_split(&few).unwrap().1 - 11.714_285_714_285_714).abs() < 1e-9);
    assert_eq!(places(&few), [0; 0]);
    let more = [5.0, 1.5, 4.25, 3.0, 2.5, 3.5, 4.0, 2.0, 9.5, 7.75, 8.0, 9.0, 8.5, 9.25, 7.5];
    let found = change_points(&more);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].index, 8);
    assert!(found[0].p_value <= 0.002, "{found:?}");
}

#[test]
fn there_is_no_change_in_noise_at_the_stated_rate() {
    let mut random = fastrand::Rng::with_seed(11);
    let trials = 1_000;
    let alarms = (0..trials)
        .filter(|_| {
            let values: Vec<f64> = (0..40).map(|_| 1e6 * (1.0 + 0.05 * noise(&mut random))).collect();
            !change_points(&values).is_empty()
        })
        .count();
    // A rate of 1 % has a standard error of 0.3 % here.
    let rate = alarms as f64 / f64::from(trials);
    assert!(rate <= SIGNIFICANCE + 0.0095, "{rate}");
    assert!(rate > 0.0, "a test that never alarms has another rate than it says");
}

#[test]
fn heavy_tails_do_not_raise_the_rate() {
    let mut random = fastrand::Rng::with_seed(12);
    let alarms = (0..300)
        .filter(|_| {
            // Log-normal with now and then a stall.
            let mut draw = || (0.3 * noise(&mut random)).exp() * if random.f64() < 0.05 { 20.0 } else { 1.0 };
            !change_points(&(0..30).map(|_| draw()).collect::<Vec<f64>>()).is_empty()
        })
        .count();
    assert!(alarms <= 9, "{alarms} of 300");
}

#[test]
fn a_step_of_three_sigma_is_found_where_it_is() {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut found, mut exact) = (0, 0);
    let trials = 200;
    for _ in 0..trials {
        let at = random.usize(8..32);
        let values: Vec<f64> = (0..40).map(|i| 100.0 + noise(&mut random) + if i >= at { 3.0 } else { 0.0 }).collect();
        let places = places(&values);
        found += u32::from(places.iter().any(|place| place.abs_diff(at) <= 2));
        exact += u32::from(places == [at]);
    }
    assert!(f64::from(found) >= 0.97 * f64::from(trials), "{found} of {trials}");
    assert!(f64::from(exact) >= 0.6 * f64::from(trials), "{exact} of {trials} at the exact place and nowhere else");
}

#[test]
fn a_shift_that_comes_and_goes_is_two_changes() {
    let mut random = fastrand::Rng::with_seed(6);
    let level = |i: usize| if (20..35).contains(&i) { 110.0 } else { 100.0 };
    let values: Vec<f64> = (0..60).map(|i| level(i) + noise(&mut random)).collect();
    assert_eq!(places(&values), [20, 35]);
}

#[test]
fn little_is_nothing_and_nonsense_is_nothing() {
    assert_eq!(places(&[]), [0; 0]);
    assert_eq!(places(&[1.0; 500]), [0; 0]);
    assert_eq!(places(&[1.0, 1.0, 9.0, 9.0, 9.0]), [0; 0]);
    assert_eq!(places(&[1.0, f64::NAN, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]), [0; 0]);
    // The range of these does not fit into a number.
    let huge: Vec<f64> = (0..20).map(|i| if i < 10 { -1e308 } else { 1e308 }).collect();
    assert_eq!(places(&huge), [10]);
}

#[test]
fn only_the_latest_values_are_searched_and_places_are_of_the_whole() {
    let values: Vec<f64> = (0..MOST + 100).map(|i| if i < 1_500 { 1.0 } else { 2.0 }).collect();
    assert_eq!(places(&values), [1_500]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_statistic_is_the_definition(values in prop::collection::vec(-1e9_f64..1e9, 6..40)) {
        let within = |part: &[f64]| {
            let sum: f64 = part.iter().enumerate().flat_map(|(i, a)| part[..i].iter().map(move |b| (a - b).abs())).sum();
            sum / (part.len() * (part.len() - 1) / 2) as f64
        };
        let of = |at: usize| {
            let (x, y) = values.split_at(at);
            let (m, n) = (x.len() as f64, y.len() as f64);
            let across: f64 = x.iter().flat_map(|a| y.iter().map(move |b| (a - b).abs())).sum();
            m * n / (m + n) * (2.0 * across / (m * n) - within(x) - within(y))
        };
        let best = (LEAST..=values.len() - LEAST).map(of).fold(f64::NEG_INFINITY, f64::max);
        if let Some((at, statistic)) = best_split(&values) {
            prop_assert!((statistic - best).abs() <= 1e-6 * best.abs().max(1.0), "{statistic} and {best}");
            prop_assert!((of(at) - best).abs() <= 1e-6 * best.abs().max(1.0));
        } else {
            prop_assert!(best <= 1.0, "{best}");
        }
    }

    #[test]
    fn changes_do_not_depend_on_the_unit_and_are_found_again(
        values in prop::collection::vec(1.0_f64..2.0, 6..30), at in 0_usize..30, step in 0.0_f64..5.0,
    ) {
        let values: Vec<f64> = values.iter().enumerate().map(|(i, v)| v + if i >= at { step } else { 0.0 }).collect();
        let scaled: Vec<f64> = values.iter().map(|value| value * 1024.0).collect();
        let found = places(&values);
        prop_assert_eq!(&found, &places(&values));
        prop_assert_eq!(&found, &places(&scaled));
        let mut bounds = found.clone();
        bounds.insert(0, 0);
        bounds.push(values.len());
        prop_assert!(bounds.windows(2).all(|pair| pair[1] - pair[0] >= LEAST || found.is_empty()));
    }

    #[test]
    fn a_pattern_without_signs_is_the_text(text in "[a-z\\[\\]=,/]{0,12}") {
        prop_assert!(matches(&text, &text));
        prop_assert!(matches("*", &text));
        let within = matches(&format!("*{text}*"), &format!("x{text}y"));
        prop_assert!(within);
    }
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("boot/*", "boot/qemu[machine=q35]", true),
        ("*machine=q35*", "boot/qemu[machine=q35]", true),
        ("boot/runc", "boot/runc~quiet", false),
        ("boot/run?", "boot/runc", true),
        ("", "", true),
        ("?", "", false),
        ("*a*b", "xaxbxb", true),
        ("*a*b", "xaxbx", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
    }
    // No pattern takes exponential time.
    assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
}

#[test]
fn a_change_says_by_how_much_and_what_else_changed() {
    let point = |index: usize| Point {
        run_id: format!("{index:08x}"),
        created_at: format!("2026-11-{:02}T00:00:00Z", index + 1),
        isodyne_version: "0.1.0".into(),
        p50: if index < 6 { 1e6 } else { 1.2e6 } + 1e3 * index as f64,
        ci95: None,
        n: 20,
        tools: vec![if index < 6 { "runc 1.1.5" } else { "runc 1.2.0" }.to_owned(), "crun 1.8".to_owned()],
    };
    let trend = Trend::of("total_ns", "boot/runc", TrendHost::default(), (None, None), (0..14).map(point).collect());
    assert_eq!(trend.change_points.len(), 1);
    let change = &trend.change_points[0];
    assert_eq!((change.index, change.run_id.as_str()), (6, "00000006"));
    assert_eq!((change.before, change.after), (Level { p50: 1.0025e6, n: 6 }, Level { p50: 1.2095e6, n: 8 }));
    let ratio = change.change_ratio.unwrap();
    let [low, high] = change.change_ci95.unwrap();
    assert!((ratio - 0.2065).abs() < 1e-3 && low <= ratio && ratio <= high, "{change:?}");
    assert_eq!(change.changed, ["runc 1.1.5 before, runc 1.2.0 after"]);
}
