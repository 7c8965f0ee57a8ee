//! Cycles for one hash of each kernel, with one version and with 32: the figures in the tables
//! at the head of the kernels' files.
//!
//! The best of many short slices, so that what else the machine does stays out. The clock rate is
//! measured between the slices by a chain of multiplications, each of which takes three cycles on
//! every x86-64 CPU of the last ten years (elsewhere believe the rates alone). Run it as
//! `cargo run --release -p lode-engine --example kernel_cycles`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::{Cancel, Job, Kernel, Target, VERSIONS_MAX, search_alone};

const DURATION: Duration = Duration::from_secs(10);

/// Attempts of a slice: under a millisecond, hardly ever interrupted.
const ATTEMPTS: u32 = 1024;

const CHAIN: u32 = 50_000;
const CHAIN_CYCLES: f64 = 3.0;

fn main() {
    let never = Target::from_le_bytes([0; 32]);
    let counts = [1, VERSIONS_MAX as u32];
    let mut rows: Vec<(Kernel, [f64; 2])> =
        Kernel::available().into_iter().map(|kernel| (kernel, [0.0; 2])).collect();
    let mut clock_hz = 0.0_f64;
    let started = Instant::now();
    while started.elapsed() < DURATION {
        clock_hz = clock_hz.max(chain_hz());
        for (kernel, rates) in &mut rows {
            for (count, best) in counts.into_iter().zip(rates) {
                let versions: Vec<u32> = (0..count).map(|index| index << 13).collect();
                let job = Job::with_versions(&[9; 80], never, &versions)
                    .expect("distinct versions make a job")
                    .with_nonces(0..=ATTEMPTS / count - 1);
                let slice = Instant::now();
                search_alone(*kernel, &job, &Cancel::new());
                *best = best.max(f64::from(ATTEMPTS) / slice.elapsed().as_secs_f64());
            }
        }
    }
    println!("clock {:.2} GHz", clock_hz / 1e9);
    for (kernel, [one, all]) in rows {
        let shown = |rate: f64| format!("{:6.2} MH/s {:5.0} cycles", rate / 1e6, clock_hz / rate);
        println!(
            "{:<9} 1 version {}   {VERSIONS_MAX} versions {}",
            kernel.name(),
            shown(one),
            shown(all)
        );
    }
}

/// Cycles a second, by multiplications that wait for each other.
fn chain_hz() -> f64 {
    let started = Instant::now();
    let mut number = black_box(3_u64);
    for _ in 0..CHAIN {
        number = number.wrapping_mul(number);
    }
    black_box(number);
    f64::from(CHAIN) * CHAIN_CYCLES / started.elapsed().as_secs_f64()
}
