//! The time to a solution by difficulty: it doubles with every leading zero bit.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engine::{Cancel, Job, Kernel, Miner, Target, default_threads};

fn difficulty(criterion: &mut Criterion) {
    let miner = Miner::new(default_threads(), Kernel::best())
        .expect("the best kernel passed its self-test");
    let mut group = criterion.benchmark_group("difficulty, leading zero bits");
    for bits in [8, 12, 16, 20] {
        let target = Target::with_zero_bits(bits);
        let mut header = [7; 80];
        let mut number = 0_u64;
        group.bench_function(BenchmarkId::from_parameter(bits), |bencher| {
            bencher.iter(|| {
                // Every search has a header of its own, so the mean is that of mining.
                number += 1;
                header[36..44].copy_from_slice(&number.to_le_bytes());
                let job = Job::rolling(&header, target, 0).expect("the first group exists");
                miner.search(&job, &Cancel::new())
            });
        });
    }
}

criterion_group!(benches, difficulty);
criterion_main!(benches);
