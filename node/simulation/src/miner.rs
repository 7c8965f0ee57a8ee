//! The simulated miner: when a block is found is drawn, the block itself is really ground.

use chain::header::Header;
use chain::target::Target;
use engine::{Cancel, Job, Kernel, Outcome};
use rand::Rng;

/// Above this many leading zero bits the fixed point below loses precision (and grinding takes
/// hours).
const TARGET_ZERO_BITS_MAX: u32 = 32;

/// How many hashes it takes until one meets `target`: a geometric number, drawn with integers only,
/// so that every platform draws the same.
///
/// Attempts are taken in blocks of 2^J. A block fails altogether with probability q^(2^J), where q
/// is the chance that one attempt fails; the powers q^(2^j) come from repeated squaring in 64-bit
/// fixed point. In the block that succeeds, halving finds the attempt: given that a stretch of
/// 2^(j+1) holds the first success, it lies in the second half with probability q^(2^j) / (1 +
/// q^(2^j)).
pub fn attempts(target: &Target, rng: &mut impl Rng) -> u64 {
    let success = (target.0 >> 192usize).to::<u64>().checked_add(1);
    let Some(success) = success else {
        return 1;
    };
    let levels = target.zero_bits().min(TARGET_ZERO_BITS_MAX);
    let mut failures = vec![success.wrapping_neg()];
    for _ in 0..levels {
        let last = u128::from(failures[failures.len() - 1]);
        failures.push(u64::try_from((last * last) >> 64).expect("a square below one is below one"));
    }
    let mut failed = 0u64;
    while failures.last().is_some_and(|whole_block| rng.next_u64() < *whole_block) {
        failed = failed.saturating_add(1 << levels);
    }
    for level in (0..levels).rev() {
        let failure = u128::from(failures[level as usize]);
        let second_half = (failure << 64) / ((1 << 64) + failure);
        if u128::from(rng.next_u64()) < second_half {
            failed = failed.saturating_add(1 << level);
        }
    }
    failed.saturating_add(1)
}

/// Nanoseconds that `attempts` hashes take at `hash_rate` hashes a second; `None` when nothing
/// hashes.
pub(super) fn search_ns(attempts: u64, hash_rate: u64) -> Option<u64> {
    let ns = (u128::from(attempts) * 1_000_000_000).checked_div(u128::from(hash_rate))?;
    u64::try_from(ns).ok()
}

/// `header` with the lowest nonce that meets its target; `None` when no nonce does or its bits are
/// no target. The answer does not depend on the kernel.
pub fn grind(header: &Header) -> Option<Header> {
    let target = header.bits.expand().ok()?;
    let job = Job::new(&header.to_bytes(), engine::Target::from_le_bytes(target.to_le_bytes()));
    match engine::search_alone(Kernel::best(), &job, &Cancel::new()) {
        Outcome::Found(solution) => Some(Header::from_bytes(&solution.header)),
        Outcome::Exhausted | Outcome::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use chain::hash::{BlockHash, MerkleRoot};
    use chain::target::CompactTarget;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;

    const DRAWS: u64 = 40_000;

    fn drawn(target: &Target, seed: u64) -> Vec<u64> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        (0..DRAWS).map(|_| attempts(target, &mut rng)).collect()
    }

    #[test]
    fn the_mean_number_of_attempts_is_two_to_the_bits() {
        for bits in [0, 1, 2, 5, 8, 11, 14, 20, 32] {
            let sum: u64 = drawn(&Target::with_zero_bits(bits), u64::from(bits)).iter().sum();
            let expected = DRAWS << bits;
            // One standard deviation of the mean is half a percent.
            assert!(sum.abs_diff(expected) * 100 < expected * 2, "{bits} bits: {sum} {expected}");
        }
    }

    #[test]
    fn attempts_are_spread_as_single_trials_are() {
        // A third of all hashes: the chance of exactly k attempts is 2^(k-1) / 3^k.
        let target = Target(Target::MAX.0 / ruint::aliases::U256::from(3));
        let draws = drawn(&target, 7);
        for k in 1..6u32 {
            let got = draws.iter().filter(|draw| **draw == u64::from(k)).count() as u64;
            let expected = DRAWS * 2u64.pow(k - 1) / 3u64.pow(k);
            assert!(got.abs_diff(expected) < 3 * (expected.isqrt() + 20), "{k}: {got} {expected}");
        }
        // Half of all draws at 12 bits stay below 2^12 ln 2 = 2839.
        let draws = drawn(&Target::with_zero_bits(12), 8);
        let short = draws.iter().filter(|draw| **draw <= 2839).count() as u64;
        assert!(short.abs_diff(DRAWS / 2) < DRAWS / 60, "{short}");
    }

    proptest! {
        #[test]
        fn a_search_is_as_long_as_its_hashes(attempts in 1u64..1 << 40, rate in 1u64..1 << 30) {
            let ns = search_ns(attempts, rate).unwrap();
            let hashes = u128::from(ns) * u128::from(rate) / 1_000_000_000;
            prop_assert!(u128::from(attempts) - hashes <= 1 + u128::from(rate) / 1_000_000_000);
            prop_assert_eq!(search_ns(attempts, 0), None);
        }

        #[test]
        fn a_ground_header_meets_its_target_and_keeps_the_rest(root: [u8; 32], bits in 0u32..11) {
            let header = Header {
                version: chain::header::VERSION_BASE,
                previous: BlockHash::ZERO,
                merkle_root: MerkleRoot(root),
                time: 7,
                bits: CompactTarget::with_zero_bits(bits),
                nonce: 99,
            };
            let ground = grind(&header).unwrap();
            prop_assert!(header.bits.expand().unwrap().is_met_by(&ground.hash()));
            prop_assert_eq!(Header { nonce: 99, ..ground }, header);
        }
    }
}
