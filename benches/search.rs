//! What the parallel search adds to the kernel: its rate by threads, and how fast a cancel is.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Cancel, Job, Kernel, Miner, Target};

const NONCES: u32 = 1 << 16;

fn miner(threads: usize) -> Miner {
    let threads = NonZeroUsize::new(threads).expect("every case has a thread");
    Miner::new(threads, Kernel::best()).expect("the best kernel passed its self-test")
}

fn endless() -> Job {
    Job::rolling(&[7; 80], Target::from_le_bytes([0; 32]), 0).expect("the first group exists")
}

fn rate(criterion: &mut Criterion) {
    let job = endless().with_nonces(0..=NONCES - 1);
    let mut group = criterion.benchmark_group("search, rate by threads");
    group.throughput(Throughput::Elements(job.attempts()));
    for threads in [1, 2, 4, 8] {
        let miner = miner(threads);
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            bencher.iter(|| miner.search(&job, &Cancel::new()));
        });
    }
}

/// From raising the flag to the return of the search, with the pool busy.
fn cancel(criterion: &mut Criterion) {
    let job = endless();
    let miner = miner(engine::default_threads().get());
    criterion.bench_function("search, cancel", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| cancelled_once(&miner, &job)).sum());
    });
}

/// One look at the flag, as each worker takes before each batch.
fn cancel_check(criterion: &mut Criterion) {
    let cancel = Cancel::new();
    criterion.bench_function("search, look at the cancel flag", |bencher| {
        bencher.iter(|| black_box(&cancel).is_cancelled());
    });
}

fn cancelled_once(miner: &Miner, job: &Job) -> Duration {
    let cancel = Cancel::new();
    let meter = miner.meter();
    let before = meter.snapshot().total;
    std::thread::scope(|scope| {
        let search = scope.spawn(|| {
            miner.search(job, &cancel);
            Instant::now()
        });
        while meter.snapshot().total == before {
            std::thread::yield_now();
        }
        let raised = Instant::now();
        cancel.cancel();
        search.join().expect("a search does not panic").duration_since(raised)
    })
}

criterion_group!(benches, rate, cancel, cancel_check);
criterion_main!(benches);
