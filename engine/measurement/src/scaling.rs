//! Raw rates side by side: every kernel on one thread, and one kernel on more and more threads.

use std::num::NonZeroUsize;

use engine::{EngineError, Kernel, Miner};

use super::raw_rate::RawRate;
use statistics::quantile;

/// Rounds in which all take turns: the middle one of them is no burst of somebody else's work.
const ROUNDS: usize = 25;

/// Threads that are tried at most, so that a large computer is not measured for minutes.
const THREADS_TRIED_MAX: usize = 12;

/// A contestant and what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Name of the kernel that hashed.
    pub kernel: &'static str,
    /// Threads that hashed at once.
    pub threads: usize,
    /// Attempts per second: the middle one of the rounds.
    pub rate: f64,
    /// The lowest of the rounds.
    pub low: f64,
    /// The highest of the rounds.
    pub high: f64,
}

/// Every kernel of this CPU that passes its self-test, on one thread.
pub fn kernels() -> Vec<Raw> {
    let able = |kernel: &Kernel| Miner::new(NonZeroUsize::MIN, *kernel).is_ok();
    let kernels = Kernel::available().into_iter().filter(able);
    side_by_side(kernels.map(|kernel| (kernel, NonZeroUsize::MIN)).collect()).unwrap_or_default()
}

/// `kernel` on 1, 2, ... threads up to the cores of this computer.
///
/// # Errors
/// When the threads cannot be started.
pub fn threads(kernel: Kernel) -> Result<Vec<Raw>, EngineError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let step = cores.div_ceil(THREADS_TRIED_MAX).max(1);
    let counts = (1..=cores).filter(|count| *count == 1 || count % step == 0 || *count == cores);
    side_by_side(counts.filter_map(NonZeroUsize::new).map(|count| (kernel, count)).collect())
}

fn side_by_side(contestants: Vec<(Kernel, NonZeroUsize)>) -> Result<Vec<Raw>, EngineError> {
    let mut miners = Vec::new();
    for (kernel, threads) in contestants {
        miners.push((kernel, Miner::new(threads, kernel)?));
    }
    let raw: Vec<RawRate<'_>> = miners.iter().map(|(_, miner)| RawRate::new(miner)).collect();
    let mut rates = vec![Vec::new(); raw.len()];
    for _ in 0..ROUNDS {
        for (rates, raw) in rates.iter_mut().zip(&raw) {
            rates.push(raw.slot());
        }
    }
    let of = |((kernel, miner), rates): (&(Kernel, Miner), &Vec<f64>)| Raw {
        kernel: kernel.name(),
        threads: miner.threads(),
        rate: quantile(rates, 50),
        low: quantile(rates, 0),
        high: quantile(rates, 100),
    };
    Ok(miners.iter().zip(&rates).map(of).collect())
}
