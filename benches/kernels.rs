//! The hash rate of every kernel this CPU has, with one version and with 32.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Cancel, Job, Kernel, Target, search_alone};

/// Enough for the cost of making a job and a batch to vanish.
const NONCES: u32 = 1 << 12;

fn kernels(criterion: &mut Criterion) {
    let never = Target::from_le_bytes([0; 32]);
    let rolling = Job::rolling(&[7; 80], never, 0).expect("the first group exists");
    let jobs = [("1 version", Job::new(&[7; 80], never)), ("32 versions", rolling)];
    for (versions, job) in jobs {
        let job = job.with_nonces(0..=NONCES - 1);
        let mut group = criterion.benchmark_group(format!("kernels, {versions}"));
        group.throughput(Throughput::Elements(job.attempts()));
        for kernel in Kernel::available() {
            group.bench_function(BenchmarkId::from_parameter(kernel.name()), |bencher| {
                bencher.iter(|| search_alone(kernel, &job, &Cancel::new()));
            });
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
