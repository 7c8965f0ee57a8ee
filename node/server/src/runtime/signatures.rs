//! `RayonVerifier`: verifies signatures on a pool of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;

use chain::key::SignatureCheck;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use machine::Verifier;

/// Shorter lists are verified on the caller's thread: waking the pool would cost more.
const PARALLEL_MIN: usize = 4;

/// Verifies lists of signatures on a small rayon pool, never on the one that mines. The answer does
/// not depend on the number of its threads.
#[derive(Debug, Clone)]
pub struct RayonVerifier {
    pool: Arc<ThreadPool>,
}

impl RayonVerifier {
    /// A verifier with `threads` threads; its clones share them.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn new(threads: NonZeroUsize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|index| format!("verify-{index}"))
            .build()?;
        Ok(Self { pool: Arc::new(pool) })
    }
}

impl Verifier for RayonVerifier {
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize> {
        if checks.len() < PARALLEL_MIN {
            return checks.iter().position(|check| !check.is_valid());
        }
        self.pool.install(|| checks.par_iter().position_first(|check| !check.is_valid()))
    }
}

#[cfg(test)]
mod tests {
    use chain::key::SecretKey;
    use proptest::prelude::*;

    use super::*;
    use machine::SequentialVerifier;

    fn checks(bad: &[bool]) -> Vec<SignatureCheck> {
        let secret = SecretKey::from_bytes([7; 32]).unwrap();
        (0u32..)
            .zip(bad)
            .map(|(input, bad)| {
                let signed = [9; 32];
                SignatureCheck {
                    key: secret.output_key(),
                    message: if *bad { [8; 32] } else { signed },
                    signature: secret.sign(&signed, &[0; 32]),
                    transaction: 0,
                    input,
                }
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_lowest_failing_check_is_named_on_any_number_of_threads(
            bad in prop::collection::vec(prop::bool::weighted(0.2), 0..24),
            threads in 1usize..5,
        ) {
            let checks = checks(&bad);
            let verifier = RayonVerifier::new(NonZeroUsize::new(threads).unwrap()).unwrap();
            let expected = bad.iter().position(|bad| *bad);
            prop_assert_eq!(verifier.first_invalid(&checks), expected);
            prop_assert_eq!(SequentialVerifier.first_invalid(&checks), expected);
        }
    }
}
