//! What it takes to make a job ready, by its versions: a miner does so for every block and time.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engine::{Job, Target};

fn preparation(criterion: &mut Criterion) {
    let target = Target::with_zero_bits(32);
    let mut group = criterion.benchmark_group("job, preparation by versions");
    for count in [1, 2, 4, 8, 16, 32] {
        let versions: Vec<u32> = (0..count).map(|index| 0x2000_0000 | index << 13).collect();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| Job::with_versions(black_box(&[7; 80]), target, &versions));
        });
    }
    group.bench_function("rolling", |bencher| {
        bencher.iter(|| Job::rolling(black_box(&[7; 80]), target, 5));
    });
}

criterion_group!(benches, preparation);
criterion_main!(benches);
