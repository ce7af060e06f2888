//! Properties of the shifts, of their tests, and of what is derived from them.

use crate::stats::*;
use proptest::prelude::*;

fn normal(random: &mut fastrand::Rng) -> f64 {
    normal_quantile(random.f64().max(f64::MIN_POSITIVE))
}

#[test]
fn too_few_pairs_carry_no_interval() {
    let values: Vec<f64> = (1..=6).map(f64::from).collect();
    assert_eq!(signed_rank_shift(&values[..5], 0.95), None);
    let found = signed_rank_shift(&values, 0.95).unwrap();
    assert_eq!((found.low, found.high, found.confidence), (1.0, 6.0, 0.968_75));
    assert_eq!(signed_rank_shift(&[f64::NAN; 9], 0.95), None);
    assert_eq!(signed_rank_shift(&values, 1.0), None);
    assert_eq!(rank_sum_shift(&values[..3], &values[..3], 0.95, 1.0), None);
    assert!(rank_sum_shift(&values[..4], &values[..4], 0.95, 1.0).is_some());
    assert_eq!(rank_sum_shift(&values, &values, 0.95, 0.5), None);
    assert_eq!(signed_rank_p(&[]), None);
    assert_eq!(signed_rank_p(&[0.0, 0.0]), Some(1.0));
    assert_eq!(mann_whitney_p(&[1.0], &[1.0]), Some(1.0));
    assert_eq!(mann_whitney_p(&[], &[1.0]), None);
}

#[test]
fn huge_differences_do_not_overflow() {
    let found = signed_rank_shift(&[f64::MAX; 8], 0.95).unwrap();
    assert_eq!((found.low, found.value, found.high), (f64::MAX, f64::MAX, f64::MAX));
    // The difference of the two sides is no number: there is no shift.
    assert_eq!(rank_sum_shift(&[-f64::MAX; 8], &[f64::MAX; 8], 0.95, 1.0), None);
}

#[test]
fn a_hundred_thousand_differences_are_no_trouble() {
    // Symmetric about 3 with heavy tails, and a coarse clock with a few thousand distinct values.
    let mut random = fastrand::Rng::with_seed(11);
    let heavy: Vec<f64> = (0..100_000).map(|_| 3.0 + (std::f64::consts::PI * (random.f64() - 0.5)).tan()).collect();
    let found = signed_rank_shift(&heavy, 0.95).unwrap();
    assert!(found.low < found.value && found.value < found.high && (found.value - 3.0).abs() < 0.05, "{found:?}");
    assert!(found.high - found.low < 0.04, "{found:?}");
    let coarse: Vec<f64> = (0..100_000).map(|_| (normal(&mut random) * 1_000.0).round() + 250.0).collect();
    let found = signed_rank_shift(&coarse, 0.95).unwrap();
    assert!((found.value - 250.0).abs() <= 15.0 && found.high - found.low <= 14.0, "{found:?}");
}

#[test]
fn what_is_detectable_is_detected_as_often_as_promised() {
    // 400 experiments of 40 pairs with a true shift of what one reference experiment of 4,000 pairs says is detectable
    // with 90 %: the standard error of the count is 1.5 %.
    let mut random = fastrand::Rng::with_seed(5);
    let reference: Vec<f64> = (0..4_000).map(|_| normal(&mut random)).collect();
    let effect = minimum_detectable(&reference, 0.95, 0.9).unwrap() * 10.0;
    // Of the normal distribution the shift has the variance π/3 · σ²/n.
    let theory = (1.959_964 + 1.281_552) * (std::f64::consts::PI / 3.0 / 40.0).sqrt();
    assert!((effect / theory - 1.0).abs() < 0.05, "{effect}, by theory {theory}");
    let found = (0..400).filter(|_| {
        let shifted: Vec<f64> = (0..40).map(|_| normal(&mut random) + effect).collect();
        signed_rank_p(&shifted).is_some_and(|p| p <= 0.05)
    });
    let share = found.count() as f64 / 400.0;
    assert!((0.84..0.96).contains(&share), "found in {share}");
}

#[test]
fn samples_needed_grow_with_the_square_of_the_wanted_precision() {
    let values: Vec<f64> = (0..60).map(|index| f64::from((index * 37) % 61) - 30.0).collect();
    let found = minimum_detectable(&values, 0.95, 0.9).unwrap();
    assert_eq!(samples_for(&values, found, 0.95, 0.9), Some(60));
    let half = samples_for(&values, found / 2.0, 0.95, 0.9).unwrap();
    assert!((240..=241).contains(&half), "{half}");
    assert_eq!(samples_for(&values, found * 1e6, 0.95, 0.9), Some(6));
    assert_eq!(samples_for(&values, 0.0, 0.95, 0.9), None);
    assert_eq!(minimum_detectable(&values, 0.95, 1.5), None);
}

#[test]
fn correlated_values_are_worth_fewer() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut series = |phi: f64, n: usize| -> Vec<f64> {
        let mut value = 0.0;
        (0..n)
            .map(|_| {
                value = phi * value + normal(&mut random);
                value
            })
            .collect()
    };
    // AR(1) with φ: n (1 − φ)/(1 + φ).
    let correlated = effective_n(&series(0.7, 20_000)).unwrap() / 20_000.0;
    assert!((correlated - 0.3 / 1.7).abs() < 0.03, "{correlated}");
    let independent = effective_n(&series(0.0, 20_000)).unwrap() / 20_000.0;
    assert!(independent > 0.95, "{independent}");
    assert_eq!(effective_n(&[1.0; 9]), None);
    assert_eq!(effective_n(&[1.0, 2.0]), None);
}

#[test]
fn pairs_that_drift_apart_have_a_wider_interval_that_holds() {
    // AR(1) with φ = 0.7 around 0, 60 differences, 400 series: the exact interval for independent ones holds 0 in about
    // 60 %, the widened one in 94 % (its standard error here is 1.2 %).
    let mut random = fastrand::Rng::with_seed(11);
    let (mut exact, mut widened) = (0, 0);
    for _ in 0..400 {
        let mut value = normal(&mut random);
        let mut next = || {
            value = 0.7 * value + 0.51_f64.sqrt() * normal(&mut random);
            value
        };
        let values: Vec<f64> = (0..60).map(|_| next()).collect();
        let inflation = apparent_inflation(&values, &Sorted::new(values.iter().copied()).unwrap(), 0.5);
        let holds = |inflation| {
            signed_rank_shift_widened(&values, 0.95, inflation)
                .is_some_and(|found| found.low <= 0.0 && 0.0 <= found.high)
        };
        exact += u32::from(holds(1.0));
        widened += u32::from(holds(inflation));
    }
    assert!(exact < 300 && widened >= 364, "{exact} {widened}");
}

#[test]
fn what_does_not_look_correlated_is_not_inflated() {
    let inflation = |values: &[f64]| apparent_inflation(values, &Sorted::new(values.iter().copied()).unwrap(), 0.5);
    let alternating: Vec<f64> = (0..40).map(|index| f64::from(index % 2)).collect();
    let rising: Vec<f64> = (0..40).map(f64::from).collect();
    assert_eq!((inflation(&alternating), inflation(&[1.0; 30]), inflation(&[1.0, 2.0, 3.0])), (1.0, 1.0, 1.0));
    assert!(inflation(&rising) > 5.0);
    // Ten values must show far more: lag 1 is 0.31 here.
    assert_eq!(inflation(&[1.0, 2.0, 3.0, 4.0, 5.0, 3.0, 1.0, 4.0, 1.5, 5.0]), 1.0);
}

proptest! {
    #[test]
    fn the_paired_interval_and_its_test_say_the_same(values in prop::collection::vec(-10.0_f64..30.0, 6..60)) {
        let found = signed_rank_shift(&values, 0.95).unwrap();
        prop_assert!(found.low <= found.value && found.value <= found.high && found.confidence >= 0.95);
        let p = signed_rank_p(&values).unwrap();
        prop_assert!((0.0..=1.0).contains(&p));
        let rejected = found.low > 0.0 || found.high < 0.0;
        prop_assert_eq!(rejected, p <= 1.0 - found.confidence + 1e-12, "p = {}, {:?}", p, found);
        let wider = signed_rank_shift_widened(&values, 0.95, 1.5);
        prop_assert!(wider.is_none_or(|wider| wider.low <= found.low && found.high <= wider.high));
        prop_assert!(wider.is_some() || values.len() < LEAST_FOR_INTERVAL);
        prop_assert_eq!(signed_rank_shift_widened(&values, 0.95, 0.5), None);
    }

    #[test]
    fn the_interval_of_two_samples_and_its_test_say_the_same(
        first in prop::collection::vec(-10.0_f64..30.0, 5..30), second in prop::collection::vec(-10.0_f64..10.0, 5..30),
    ) {
        let found = rank_sum_shift(&first, &second, 0.95, 1.0).unwrap();
        let p = mann_whitney_p(&first, &second).unwrap();
        let rejected = found.low > 0.0 || found.high < 0.0;
        prop_assert_eq!(rejected, p <= 1.0 - found.confidence + 1e-12, "p = {}, {:?}", p, found);
        let wider = rank_sum_shift(&first, &second, 0.95, 1.5);
        prop_assert!(wider.is_none_or(|wider| wider.low <= found.low && found.high <= wider.high));
    }

    #[test]
    fn shifts_follow_the_values(values in prop::collection::vec(-1e3_f64..1e3, 6..40), shift in -1e3_f64..1e3) {
        let found = signed_rank_shift(&values, 0.95).unwrap();
        let moved: Vec<f64> = values.iter().map(|value| shift - value).collect();
        let turned = signed_rank_shift(&moved, 0.95).unwrap();
        prop_assert!((turned.value - (shift - found.value)).abs() < 1e-9);
        prop_assert!((turned.low - (shift - found.high)).abs() < 1e-9);
    }
}
