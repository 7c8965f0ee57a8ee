//! `RayonVerifier`: verifies signatures on a pool of its own.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use chain::key::SignatureCheck;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use machine::Verifier;

/// Shorter lists are verified on the caller's thread: waking the pool would cost more.
const PARALLEL_MIN: usize = 4;

/// Verifies lists of signatures on a rayon pool, never on the one that mines, which gives way to
/// it. The answer does not depend on the number of its threads.
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

    /// The verifier that all nodes of the process share: a thread for each core that the process
    /// may use.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn shared() -> Result<Self, String> {
        static SHARED: LazyLock<Result<RayonVerifier, String>> = LazyLock::new(|| {
            let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
            RayonVerifier::new(threads).map_err(|error| error.to_string())
        });
        SHARED.clone()
    }

    /// Verifies `checks` on the pool and hands the position of the first that does not hold to
    /// `answer`, there.
    pub(super) fn verify_later(
        &self,
        checks: Arc<[SignatureCheck]>,
        answer: impl FnOnce(Option<usize>) + Send + 'static,
    ) {
        self.pool.spawn(move || answer(first_invalid(&checks)));
    }
}

/// On the pool of the caller's thread.
fn first_invalid(checks: &[SignatureCheck]) -> Option<usize> {
    checks.par_iter().position_first(|check| !check.is_valid())
}

impl Verifier for RayonVerifier {
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize> {
        if checks.len() < PARALLEL_MIN {
            return checks.iter().position(|check| !check.is_valid());
        }
        self.pool.install(|| first_invalid(checks))
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
