//! The long comparison: each kernel against the plain-Rust reference over 2^30 attempts and more.
//!
//! Compared is the set of all solutions, at targets of 4 to 34 leading zero bits and at targets
//! that the best attempts of a job meet exactly, with 1 to 32 versions, anywhere in the
//! nonces and at their end. Run it as
//! `cargo run --release -p lode-engine --example compare_kernels [ATTEMPTS [KERNEL...]]`.
//! It ends with 1 when a kernel differs, and names it. One core takes about half an hour.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::{Cancel, Job, Kernel, Target, VERSIONS_MAX, search_all, sha256d};

/// Attempts unless told otherwise.
const ATTEMPTS: u64 = 1 << 30;

/// Attempts of one job, about.
const JOB_ATTEMPTS: u32 = 1 << 20;

/// Leading zero bits of the targets, in turn.
const BITS_FIRST: u32 = 4;
const BITS_LAST: u32 = 34;

/// One job in so many is searched again, with the hash of its best attempt as the target. Odd, so
/// that every number of versions has its turn.
const EXACT_EVERY: u32 = 7;

/// What one kernel has done.
struct Tally {
    kernel: Kernel,
    attempts: u64,
    hits: usize,
    /// Hits whose hash needed all its words to be compared with the target.
    exact_hits: usize,
    time: Duration,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let attempts = arguments.next().map_or(Ok(ATTEMPTS), |text| text.parse());
    let names: Vec<String> = arguments.collect();
    let wanted = |kernel: &Kernel| names.is_empty() || names.iter().any(|it| it == kernel.name());
    let kernels: Vec<Kernel> = Kernel::available().into_iter().filter(wanted).collect();
    let Ok(attempts) = attempts else {
        eprintln!("write the number of attempts first, then the names of kernels");
        return ExitCode::from(2);
    };
    if kernels.len() < names.len() {
        eprintln!("this CPU has no such kernel; it has {:?}", Kernel::available());
        return ExitCode::from(2);
    }
    let tally =
        |kernel| Tally { kernel, attempts: 0, hits: 0, exact_hits: 0, time: Duration::ZERO };
    let mut tallies: Vec<Tally> = kernels.into_iter().map(tally).collect();
    let (mut seed, mut done, mut shown) = (0x4c6f_6465_u64, 0, 0);
    for number in 0.. {
        if done >= attempts {
            break;
        }
        match compare(number, &mut seed, &mut tallies) {
            Ok(compared) => done += compared,
            Err(difference) => {
                println!("{difference}");
                return ExitCode::FAILURE;
            }
        }
        if done * 100 / attempts > shown {
            shown = done * 100 / attempts;
            eprint!("\r{} %", shown.min(100));
        }
    }
    eprintln!();
    for Tally { kernel, attempts, hits, exact_hits, time } in tallies {
        println!(
            "{:<9} equals the reference over {attempts} attempts: {hits} hits by leading zeros, \
             {exact_hits} by all words; {:.1} MH/s",
            kernel.name(),
            attempts as f64 / time.as_secs_f64() / 1e6,
        );
    }
    ExitCode::SUCCESS
}

/// Compares all kernels over one job; returns its attempts.
fn compare(number: u32, seed: &mut u64, tallies: &mut [Tally]) -> Result<u64, String> {
    let header: [u8; 80] = std::array::from_fn(|_| next(seed).to_le_bytes()[0]);
    let versions = number % VERSIONS_MAX as u32 + 1;
    let versions: Vec<u32> =
        (0..versions).map(|index| next(seed) & !(VERSIONS_MAX as u32 - 1) | index).collect();
    let nonces = JOB_ATTEMPTS / versions.len() as u32 + next(seed) % 64;
    let last = if number.is_multiple_of(5) { u32::MAX } else { next(seed).max(nonces) };
    let range = last - (nonces - 1)..=last;
    let target = Target::with_zero_bits(BITS_FIRST + number % (BITS_LAST - BITS_FIRST + 1));
    let job = |target| -> Result<Job, String> {
        let job = Job::with_versions(&header, target, &versions);
        Ok(job.map_err(|error| error.to_string())?.with_nonces(range.clone()))
    };
    // The reference: every header built and hashed as a whole.
    let (mut hits, mut best) = (Vec::new(), [(0, [0xff; 32])]);
    let mut position = 0;
    for nonce in range.clone() {
        for version in &versions {
            let mut attempt = header;
            attempt[..4].copy_from_slice(&version.to_le_bytes());
            attempt[76..].copy_from_slice(&nonce.to_le_bytes());
            let hash = sha256d(&attempt);
            position += 1;
            if target.is_met_by(&hash) {
                hits.push((position, hash));
            }
            if Target::from_le_bytes(best[0].1).is_met_by(&hash) {
                best = [(position, hash)];
            }
        }
    }
    let (job, exact_job) = (job(target)?, job(Target::from_le_bytes(best[0].1))?);
    let is_exact = number.is_multiple_of(EXACT_EVERY);
    for tally in tallies {
        let started = Instant::now();
        let found = solutions(tally.kernel, &job);
        tally.time += started.elapsed();
        let exact = if is_exact { solutions(tally.kernel, &exact_job) } else { best.to_vec() };
        if found != hits || exact != best {
            let name = tally.kernel.name();
            return Err(format!("{name} differs from the reference: {job:?} or {exact_job:?}"));
        }
        tally.attempts += position;
        tally.hits += hits.len();
        tally.exact_hits += usize::from(is_exact);
    }
    Ok(position)
}

/// Position plus one and hash of every solution.
fn solutions(kernel: Kernel, job: &Job) -> Vec<(u64, [u8; 32])> {
    let mut found = Vec::new();
    search_all(kernel, job, &Cancel::new(), |it| found.push((it.attempts, it.hash)));
    found
}

/// A linear congruential generator (Knuth's MMIX constants): the same jobs in every run.
fn next(seed: &mut u64) -> u32 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 32) as u32
}
