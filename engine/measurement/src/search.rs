//! One seeded search: a header that nobody chose, and the attempts until it is solved.

use std::time::Instant;

use engine::{Cancel, Job, Miner, Outcome, ROLLING_GROUPS, Target};
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

/// The version of every header; its free bits are rolled.
const VERSION: u32 = 0x2000_0000;

/// A search that came to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Attempts until the solution: its position plus one. It depends on the header alone, neither
    /// on threads nor on the kernel.
    pub attempts: u64,
    /// From the header to the solution, the making of the job included.
    pub seconds: f64,
}

/// The header of a trial: 76 bytes drawn from the seed, the difficulty and the trial's number.
pub fn seeded_header(seed: u64, bits: u32, trial: u32) -> [u8; 80] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&bits.to_le_bytes());
    key[12..16].copy_from_slice(&trial.to_le_bytes());
    let mut header = [0; 80];
    ChaCha12Rng::from_seed(key).fill_bytes(&mut header[4..76]);
    header[..4].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Searches until a version and nonce solve `header`; `None` when it is cancelled, or when nothing
/// does (of which there is no chance below 40 bits).
pub fn solve(miner: &Miner, header: &[u8; 80], target: Target, cancel: &Cancel) -> Option<Trial> {
    let started = Instant::now();
    let mut searched = 0;
    for group in 0..ROLLING_GROUPS {
        let job = Job::rolling(header, target, group)?;
        match miner.search(&job, cancel) {
            Outcome::Found(solution) => {
                let attempts = searched + solution.attempts;
                return Some(Trial { attempts, seconds: started.elapsed().as_secs_f64() });
            }
            Outcome::Exhausted => searched += job.attempts(),
            Outcome::Cancelled => return None,
        }
    }
    None
}
