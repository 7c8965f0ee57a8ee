//! Mining by difficulty: the time to a solution, which doubles with every leading zero bit, and the
//! hash rate that is left of the kernel's when searches are short.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Cancel, Job, Kernel, Miner, Outcome, Target, default_threads};

/// From a few dozen attempts to some tenths of a second of work.
const BITS: [u32; 7] = [8, 10, 12, 14, 16, 18, 20];

/// Every search has a header of its own, so the mean is that of mining.
struct Headers(u64);

impl Headers {
    fn next(&mut self) -> [u8; 80] {
        self.0 += 1;
        let mut header = [7; 80];
        header[36..44].copy_from_slice(&self.0.to_le_bytes());
        header
    }
}

fn miner(threads: NonZeroUsize) -> Miner {
    Miner::new(threads, Kernel::best()).expect("the best kernel passed its self-test")
}

/// Searches once; returns the attempts and the time they took, the making of the job included.
fn search(miner: &Miner, header: &[u8; 80], target: Target) -> (u64, Duration) {
    let started = Instant::now();
    let job = Job::rolling(header, target, 0).expect("the first group exists");
    match miner.search(&job, &Cancel::new()) {
        Outcome::Found(solution) => (solution.attempts, started.elapsed()),
        _ => (job.attempts(), started.elapsed()),
    }
}

fn time_to_a_solution(criterion: &mut Criterion) {
    let miner = miner(default_threads());
    let mut group = criterion.benchmark_group("difficulty, time by leading zero bits");
    for bits in BITS {
        let (target, mut headers) = (Target::with_zero_bits(bits), Headers(0));
        group.bench_function(BenchmarkId::from_parameter(bits), |bencher| {
            bencher.iter(|| search(&miner, &headers.next(), target));
        });
    }
}

/// Luck is taken out: the time of a search is scaled from its attempts to the expected ones, so
/// that criterion's throughput is attempts over time.
fn hash_rate(criterion: &mut Criterion) {
    let miner = miner(default_threads());
    let mut group = criterion.benchmark_group("difficulty, hash rate by leading zero bits");
    for bits in BITS {
        let (target, mut headers) = (Target::with_zero_bits(bits), Headers(0));
        let expected = f64::from(bits).exp2();
        group.throughput(Throughput::Elements(1 << bits));
        group.bench_function(BenchmarkId::from_parameter(bits), |bencher| {
            bencher.iter_custom(|times| {
                let (mut attempts, mut elapsed) = (0, Duration::ZERO);
                for _ in 0..times {
                    let (more, longer) = search(&miner, &headers.next(), target);
                    (attempts, elapsed) = (attempts + more, elapsed + longer);
                }
                elapsed.mul_f64(times as f64 * expected / attempts as f64)
            });
        });
    }
}

criterion_group!(benches, time_to_a_solution, hash_rate);
criterion_main!(benches);
