//! The laws against seeded draws from them, and the tests against what they must find.

use proptest::prelude::*;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use super::arrivals::{chance_of_any, found_interval, mean_gap_interval, network_rate};
use super::comparison::{Verdict, paired, unpaired};
use super::geometric::{
    LevelSum, expected_attempts, ks_critical, ks_distance, mean_interval, pooled_p, within,
};
use super::rates::{drift, prediction, rate};
use super::shares::luck_p;
use super::*;

fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// The gap to the next arrival of a process with one arrival a second.
fn gap(rng: &mut ChaCha12Rng) -> f64 {
    let uniform: f64 = rng.random();
    -(1.0 - uniform).ln()
}

/// Attempts of a search that does its work, each a hit with `chance`.
#[expect(clippy::cast_sign_loss, reason = "the number is at least one")]
fn attempts(rng: &mut ChaCha12Rng, chance: f64) -> u64 {
    (gap(rng) / -f64::ln_1p(-chance)).ceil().max(1.0) as u64
}

/// Attempts of a search that skips one nonce in ten, each with all versions.
fn attempts_with_skips(rng: &mut ChaCha12Rng, chance: f64) -> u64 {
    let made = attempts(rng, chance) - 1;
    let versions = engine::VERSIONS_MAX as u64;
    let (nonce, version) = (made / versions, made % versions);
    (nonce + nonce / 9) * versions + version + 1
}

/// A normal number, as the sum of twelve uniform ones.
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

fn level(bits: u32, attempts: &[u64]) -> LevelSum {
    let sum = attempts.iter().map(|attempts| *attempts as f64).sum();
    LevelSum { chance: 1.0 / expected_attempts(bits), trials: attempts.len() as u64, attempts: sum }
}

#[test]
fn about_95_of_100_intervals_hold_the_expected_attempts() {
    let mut holding = 0;
    for seed in 0..100 {
        let mut rng = rng(seed);
        for bits in 8..=14 {
            let expected = expected_attempts(bits);
            let sum: f64 = (0..300).map(|_| attempts(&mut rng, 1.0 / expected) as f64).sum();
            let interval = mean_interval(sum, 300).unwrap().times(1.0 / expected);
            holding += i32::from(interval.contains(1.0));
        }
    }
    assert!((651..=679).contains(&holding), "{holding} of 700");
}

#[test]
fn a_search_that_skips_one_nonce_in_ten_is_found_and_one_that_does_not_is_not() {
    for seed in 0..20 {
        let mut rng = rng(seed);
        let mut pooled = |draw: fn(&mut ChaCha12Rng, f64) -> u64| {
            let levels: Vec<LevelSum> = (8..=20)
                .map(|bits| {
                    let chance = 1.0 / expected_attempts(bits);
                    let drawn: Vec<u64> = (0..500).map(|_| draw(&mut rng, chance)).collect();
                    level(bits, &drawn)
                })
                .collect();
            pooled_p(&levels)
        };
        let biased = pooled(attempts_with_skips);
        assert!(biased < 1e-6, "seed {seed}: {biased}");
        let honest = pooled(attempts);
        assert!(honest > geometric::FALSE_ALARM, "seed {seed}: {honest}");
    }
}

#[test]
fn the_pooled_p_of_an_honest_search_is_evenly_spread() {
    let mut below = [0; 4];
    for seed in 0..400 {
        let mut rng = rng(seed);
        let drawn: Vec<u64> = (0..100).map(|_| attempts(&mut rng, 1.0 / 256.0)).collect();
        let p = pooled_p(&[level(8, &drawn)]);
        for (count, quarter) in below.iter_mut().zip([0.25, 0.5, 0.75, 1.0]) {
            *count += i32::from(p <= quarter);
        }
    }
    // Four standard deviations around 100, 200 and 300.
    assert!((65..=135).contains(&below[0]), "{below:?}");
    assert!((160..=240).contains(&below[1]), "{below:?}");
    assert!((265..=335).contains(&below[2]), "{below:?}");
    assert_eq!(below[3], 400);
}

#[test]
fn the_distance_to_the_law_is_small_for_it_and_large_for_others() {
    for bits in [1, 4, 8, 16] {
        let chance = 1.0 / expected_attempts(bits);
        for seed in 0..30 {
            let mut rng = rng(seed);
            let drawn: Vec<u64> = (0..300).map(|_| attempts(&mut rng, chance)).collect();
            assert!(ks_distance(&drawn, chance) < ks_critical(300, 13), "{bits} bits, {seed}");
            // Half as hard as it says.
            assert!(ks_distance(&drawn, chance / 2.0) > ks_critical(300, 13), "{bits}, {seed}");
        }
    }
}

#[test]
fn the_unbiased_estimate_is_right_on_average_and_the_plain_one_is_not() {
    for (count, tolerance) in [(3, 0.01), (10, 0.01), (100, 0.01)] {
        let mut rng = rng(count);
        let (mut unbiased, mut plain, mut tried, mut misses) = (0.0, 0.0, 0, 0);
        const WINDOWS: u32 = 100_000;
        for _ in 0..WINDOWS {
            // Blocks of 1000 expected hashes, and 500 hashes a second.
            let gaps: Vec<(f64, f64)> = (0..count).map(|_| (2.0 * gap(&mut rng), 1000.0)).collect();
            let seconds: f64 = gaps.iter().map(|(seconds, _)| seconds).sum();
            plain += count as f64 * 1000.0 / seconds;
            unbiased += (count - 1) as f64 * 1000.0 / seconds;
            // The interval costs a root search; one window in a hundred tells enough.
            if tried < 2000 && seconds.to_bits().is_multiple_of(100) {
                let estimate = network_rate(&gaps).unwrap();
                assert!(
                    (estimate.rate * seconds / ((count - 1) as f64 * 1000.0) - 1.0).abs() < 1e-9
                );
                tried += 1;
                misses += i32::from(!estimate.interval.contains(500.0));
            }
        }
        assert!((f64::from(misses) / f64::from(tried) - 0.05).abs() < 0.03, "{misses} of {tried}");
        let error = |sum: f64| sum / f64::from(WINDOWS) / 500.0 - 1.0;
        assert!(error(unbiased).abs() < tolerance, "n {count}: {}", error(unbiased));
        assert!(error(plain) > 0.9 / count as f64, "n {count}: {}", error(plain));
    }
}

#[test]
fn uneven_blocks_are_luck_until_they_are_too_uneven() {
    let mut unlucky = 0;
    for seed in 0..400 {
        let mut rng = rng(seed);
        let mut found = [0; 3];
        for _ in 0..90 {
            let place: f64 = rng.random();
            found[if place < 0.5 { 0 } else { 1 + usize::from(place < 0.75) }] += 1;
        }
        let p = luck_p(&[(found[0], 1.0), (found[1], 0.5), (found[2], 0.5)]).unwrap();
        unlucky += i32::from(p < 0.05);
    }
    assert!((6..=36).contains(&unlucky), "{unlucky} of 400 at 5 %");
    assert!(luck_p(&[(52, 1.0), (19, 0.5), (19, 0.5)]).unwrap() > 0.01);
    assert!(luck_p(&[(80, 1.0), (5, 0.5), (5, 0.5)]).unwrap() < 1e-6);
    assert_eq!(luck_p(&[(8, 1.0), (6, 1.0), (0, 1.0)]), None);
    assert_eq!(luck_p(&[(80, 1.0), (0, 0.0)]), None);
}

#[test]
fn equals_tie_and_a_slowdown_of_five_percent_is_found_in_19_of_20() {
    // Rates with a noise of 2.5 % in each round, and somebody else's burst in one round of ten.
    let noise = |rng: &mut ChaCha12Rng| {
        let burst = if rng.random_range(0..10) == 0 { 0.7 } else { 1.0 };
        burst * (0.015 * normal(rng)).exp()
    };
    for (slowdown, wanted) in [(1.0, Verdict::Tie), (0.95, Verdict::Slower)] {
        let (mut together, mut apart) = (0, 0);
        for seed in 0..100 {
            let mut rng = rng(seed);
            let mut rounds = Vec::new();
            let verdict = loop {
                let first = slowdown * noise(&mut rng);
                rounds.push((first, noise(&mut rng)));
                let ratio = paired(&rounds).filter(|_| rounds.len() >= 20);
                if let Some(ratio) = ratio
                    && (ratio.is_precise() || rounds.len() == 200)
                {
                    break ratio.verdict();
                }
            };
            together += i32::from(verdict == wanted);
            let (first, second): (Vec<f64>, Vec<f64>) =
                (0..100).map(|_| (slowdown * noise(&mut rng), noise(&mut rng))).unzip();
            apart += i32::from(unpaired(&first, &second).unwrap().verdict() == wanted);
        }
        assert!(together >= 95, "{wanted:?} in {together} of 100");
        assert!(apart >= 90, "{wanted:?} in {apart} of 100");
    }
}

#[test]
fn too_few_or_too_noisy_rounds_cannot_tell() {
    assert_eq!(paired(&[(1.0, 2.0); 9]), None);
    assert_eq!(unpaired(&[1.0; 9], &[1.0; 30]), None);
    assert_eq!(paired(&[(0.0, 1.0); 30]), None);
    let mut rng = rng(1);
    let noisy: Vec<(f64, f64)> = (0..20).map(|_| ((0.3 * normal(&mut rng)).exp(), 1.0)).collect();
    assert_eq!(paired(&noisy).unwrap().verdict(), Verdict::CannotTell);
}

#[test]
fn a_rate_with_one_pace_is_narrow_however_unequal_its_pieces() {
    let pieces: Vec<(f64, f64)> = (1..50).map(|n| (1000.0 * f64::from(n), f64::from(n))).collect();
    let same = rate(&pieces).unwrap();
    assert!((same.rate - 1000.0).abs() < 1e-6);
    assert!(same.interval.high - same.interval.low < 1e-3);
    assert_eq!(rate(&[]), None);
    assert_eq!(rate(&[(5.0, 0.0)]), None);
    assert!((drift(&[10.0, 10.0, 12.0, 12.0]) - 0.2).abs() < 1e-12);
    assert_eq!(drift(&[10.0]), 0.0);
}

#[test]
fn the_interval_of_a_rate_holds_the_true_one() {
    let mut holding = 0;
    for seed in 0..400 {
        let mut rng = rng(seed);
        let pieces: Vec<(f64, f64)> = (0..40)
            .map(|_| {
                let work = 1000.0 * gap(&mut rng);
                (work, work / 50.0 * (1.0 + 0.1 * normal(&mut rng)))
            })
            .collect();
        holding += i32::from(rate(&pieces).unwrap().interval.contains(50.0));
    }
    assert!((362..=398).contains(&holding), "{holding} of 400");
}

#[test]
fn the_next_measurement_lies_where_it_is_predicted() {
    let mut holding = 0;
    for seed in 0..400 {
        let mut rng = rng(seed);
        let mut next = || 1000.0 * (0.3 * normal(&mut rng)).exp();
        let measured: Vec<f64> = (0..6).map(|_| next()).collect();
        holding += i32::from(prediction(&measured).contains(next()));
    }
    assert!((362..=398).contains(&holding), "{holding} of 400");
    assert_eq!(prediction(&[]), Interval { low: 0.0, high: 0.0 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_distance_is_that_of_the_definition(
        drawn in prop::collection::vec(1u64..60, 1..40),
        bits in 1u32..6,
    ) {
        let chance = 1.0 / expected_attempts(bits);
        let share = |k: u64| {
            drawn.iter().filter(|one| **one <= k).count() as f64 / drawn.len() as f64
        };
        let plain = (0..=60).map(|k| (share(k) - within(chance, k)).abs()).fold(0.0, f64::max);
        prop_assert!((ks_distance(&drawn, chance) - plain).abs() < 1e-12);
    }

    #[test]
    fn quantiles_of_chi_square_lead_back_to_their_portion(
        freedom in 1.0f64..1e6,
        portion in 0.001f64..0.999,
    ) {
        let value = chi_square_quantile(freedom, portion);
        prop_assert!((1.0 - chi_square_beyond(freedom, value) - portion).abs() < 1e-6, "{}", value);
    }

    #[test]
    fn intervals_hold_their_middle_and_narrow_with_more(
        count in 2u64..5000,
        mean in 1.0f64..1e9,
    ) {
        let few = mean_interval(mean * count as f64, count).unwrap();
        let count = 4 * count;
        let many = mean_interval(mean * count as f64, count).unwrap();
        prop_assert!(few.contains(mean) && many.contains(mean));
        prop_assert!(many.high - many.low < few.high - few.low);
        prop_assert!(mean_gap_interval(mean, count).contains(mean));
    }

    #[test]
    fn what_was_expected_lies_in_the_range_of_what_is_found(expected in 0.0f64..1e5) {
        let range = found_interval(expected);
        prop_assert!(range.low <= expected.ceil() && expected.floor() <= range.high, "{:?}", range);
        prop_assert!((0.0..=1.0).contains(&chance_of_any(expected)));
    }

    #[test]
    fn nothing_measured_panics(
        pieces in prop::collection::vec((any::<f64>(), any::<f64>()), 0..30),
        sum in any::<f64>(),
        trials in any::<u64>(),
    ) {
        let _ = (rate(&pieces), network_rate(&pieces), paired(&pieces));
        let (first, second): (Vec<f64>, Vec<f64>) = pieces.iter().copied().unzip();
        let _ = (unpaired(&first, &second), drift(&first), quantile(&first, first.len()));
        let shares: Vec<(u64, f64)> = first.iter().map(|expected| (trials, *expected)).collect();
        let _ = (luck_p(&shares), ks_distance(&[trials], sum));
        let trials = trials.min(1 << 50);
        let level = LevelSum { chance: 0.5, trials, attempts: sum };
        let _ = (mean_interval(sum, trials), pooled_p(&[level]));
    }

    #[test]
    fn a_quantile_is_one_of_the_values_and_they_rise(
        values in prop::collection::vec(0.0f64..1e9, 1..50),
    ) {
        let quantiles = [0, 10, 50, 90, 100].map(|percent| quantile(&values, percent));
        prop_assert!(quantiles.is_sorted());
        prop_assert!(quantiles.iter().all(|quantile| values.contains(quantile)));
        let below = values.iter().filter(|value| **value <= quantiles[2]).count();
        prop_assert!(2 * below >= values.len());
    }

    #[test]
    fn swapping_the_contestants_inverts_the_comparison(
        rounds in prop::collection::vec((0.5f64..2.0, 0.5f64..2.0), 10..60),
    ) {
        let swapped: Vec<(f64, f64)> = rounds.iter().map(|(a, b)| (*b, *a)).collect();
        let (one, other) = (paired(&rounds).unwrap(), paired(&swapped).unwrap());
        prop_assert!((one.interval.low * other.interval.high - 1.0).abs() < 1e-9);
        prop_assert!((one.p - other.p).abs() < 1e-9);
    }
}

#[test]
fn the_middle_of_three_is_their_median() {
    assert_eq!(quantile(&[3.0, 1.0, 2.0], 50), 2.0);
    assert_eq!(quantile(&[3.0, 1.0, 2.0], 0), 1.0);
    assert_eq!(quantile(&[3.0, 1.0, 2.0], 100), 3.0);
    assert_eq!(quantile(&[], 50), 0.0);
}
