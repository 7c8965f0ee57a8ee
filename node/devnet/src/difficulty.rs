//! `--difficulty auto`: where a network starts that this computer alone shall mine.

use std::num::NonZeroUsize;

use chain::spec::{ChainSpec, Retarget};
use engine::{EngineError, Kernel, Miner};

use measurement::calibration::{Calibration, MeasuredRate, mean_gap, measure};
use server::runtime::yield_to_others;

/// Blocks for whose mean the range is told.
const BLOCKS: u64 = 100;

/// Measures `threads` threads for three seconds and writes the difficulty for the spacing of `spec`
/// into it. Returns what it came to, in words.
///
/// # Errors
/// When the threads cannot be started.
pub(super) fn calibrate(
    spec: &mut ChainSpec,
    kernel: Kernel,
    threads: usize,
) -> Result<String, EngineError> {
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    // On a busy computer a miner gets what others leave over, and so shall the measurement.
    let measured = measure(&Miner::with_thread_start(threads, kernel, yield_to_others)?);
    Ok(start_at(spec, &measured))
}

fn start_at(spec: &mut ChainSpec, measured: &MeasuredRate) -> String {
    let calibration = Calibration::new(measured.rate, f64::from(spec.spacing_s));
    // ASERT makes it harder than it started, never easier.
    let (bits, then) = match spec.retarget {
        Retarget::Asert => (calibration.zero_bits_below(), "before asert steers"),
        Retarget::Fixed => (calibration.zero_bits, "always"),
    };
    (spec.starting_bits, spec.easiest_bits) = (bits, bits);
    let attempts = f64::from(bits).exp2();
    let range = mean_gap(attempts, measured.interval, BLOCKS);
    format!(
        "difficulty auto: {bits} bits at {:.2} MH/s, a block every {:.2} s {then} (the mean of \
         {BLOCKS} blocks from {:.2} to {:.2} s with 95 %); genesis is this computer's own, not \
         the one that others get from the same seed",
        measured.rate / 1e6,
        attempts / measured.rate,
        range.low,
        range.high
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use statistics::Interval;

    proptest! {
        #[test]
        fn a_network_starts_near_its_spacing_and_never_slower_where_it_only_becomes_harder(
            rate in 1e3f64..1e12,
            spacing_s in 1u32..10_000,
        ) {
            let measured = MeasuredRate { rate, interval: Interval { low: rate, high: rate } };
            let mut spec = testkit::samples::network(8).spec.clone();
            spec.spacing_s = spacing_s;
            for (retarget, range) in
                [(Retarget::Asert, 0.49..=1.001), (Retarget::Fixed, 0.70..=1.42)]
            {
                spec.retarget = retarget;
                let said = start_at(&mut spec, &measured);
                prop_assert_eq!(spec.starting_bits, spec.easiest_bits);
                let factor =
                    f64::from(spec.starting_bits).exp2() / rate / f64::from(spec.spacing_s);
                prop_assert!(range.contains(&factor), "{} {}", factor, said);
            }
        }
    }
}
