//! The trial of a kernel: solutions that it must find, and the rate it reaches here.

use std::ops::ControlFlow;
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use super::{Kernel, KernelError, Nonces, Proposal};
use crate::job::{Job, VERSIONS_MAX};
use crate::sha256::sha256d;
use crate::target::Target;

/// Nonces of a tested range: twice the widest kernel's lanes, so that it may begin at any lane and
/// end in the next row.
const WINDOW: u32 = 32;

/// Each place is a solution in about half of these; that one of the 1,024 is one in none has a
/// chance of one in sixteen thousand. The headers are fixed, and a test blinds each lane under each
/// version.
const EASY_RANGES: u8 = 24;

/// How long a kernel is measured each time; long enough for thousands of hashes.
const MEASURED_SLICE: Duration = Duration::from_micros(700);

/// Kernels take turns this often, so that a disturbance does not hit one of them alone.
const MEASURED_TURNS: u32 = 4;

/// How one kernel did on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The kernel that was tried.
    pub kernel: Kernel,
    /// Hashes per second on one thread, or why the kernel is refused.
    pub rate: Result<u64, KernelError>,
}

/// The trials of every available kernel, held once per process.
pub(super) fn of_this_process() -> &'static [Trial] {
    static TRIALS: OnceLock<Vec<Trial>> = OnceLock::new();
    TRIALS.get_or_init(|| hold(&Kernel::available()))
}

/// The kernel with the highest rate among those that passed.
pub(super) fn fastest(trials: &[Trial]) -> Option<Kernel> {
    let passed = trials.iter().filter_map(|trial| Some((*trial.rate.as_ref().ok()?, trial.kernel)));
    passed.max_by_key(|(rate, _)| *rate).map(|(_, kernel)| kernel)
}

/// Tests `kernels`, then measures in turns those that passed.
pub(super) fn hold(kernels: &[Kernel]) -> Vec<Trial> {
    let mut trials: Vec<Trial> = kernels
        .iter()
        .map(|&kernel| Trial { kernel, rate: kernel.self_test().map(|()| 0) })
        .collect();
    for _ in 0..MEASURED_TURNS {
        for trial in &mut trials {
            if let Ok(rate) = &mut trial.rate {
                *rate = (*rate).max(measured_rate(trial.kernel));
            }
        }
    }
    trials
}

/// Asks the kernel for every solution of easy ranges, whose solutions fill every lane under every
/// version, and then for one that is planted in each lane and under each version in turn.
pub(super) fn self_test(kernel: Kernel) -> Result<(), KernelError> {
    if finds_easy_ones(kernel) && finds_planted_ones(kernel) {
        Ok(())
    } else {
        Err(KernelError::Faulty { name: kernel.name() })
    }
}

/// Whether the kernel proposes exactly the half of all attempts whose hash begins with a zero bit.
fn finds_easy_ones(kernel: Kernel) -> bool {
    easy_ranges().iter().all(|(job, expected)| proposals(kernel, job, window(0)) == *expected)
}

/// Jobs and, in order, which attempts in the [`window`] of each are solutions.
fn easy_ranges() -> &'static [(Job, Vec<Proposal>)] {
    static RANGES: LazyLock<Vec<(Job, Vec<Proposal>)>> = LazyLock::new(|| {
        let range = |number: u8| {
            let header = [number; 80];
            let target = Target::with_zero_bits(1);
            let solves = |at: &Proposal| target.is_met_by(&sha256d(&attempt(&header, *at)));
            (job(&header, target, &versions()), places().filter(solves).collect())
        };
        (0..EASY_RANGES).map(range).collect()
    });
    &RANGES
}

/// Whether the kernel finds the best of a thousand attempts where it is the only solution.
fn finds_planted_ones(kernel: Kernel) -> bool {
    let header: [u8; 80] = std::array::from_fn(|at| (at as u8).wrapping_mul(0x9d) ^ 0x5a);
    let mut best = (Proposal { offset: 0, version: 0 }, Target::from_le_bytes([0xff; 32]));
    for at in places() {
        let hash = sha256d(&attempt(&header, at));
        if best.1.is_met_by(&hash) {
            best = (at, Target::from_le_bytes(hash));
        }
    }
    let (planted, target) = best;
    (0..WINDOW).all(|lane| {
        // The range may begin before the thousand, where a better attempt would be a lucky find:
        // only the planted one itself counts.
        let nonces = window(planted.offset.wrapping_sub(lane));
        let version = lane as usize % VERSIONS_MAX;
        let mut turned = versions();
        turned.rotate_left(planted.version);
        turned.rotate_right(version);
        let among_all = proposals(kernel, &job(&header, target, &turned), nonces);
        let alone = &versions()[planted.version..=planted.version];
        let among_one = proposals(kernel, &job(&header, target, alone), nonces);
        among_all.contains(&Proposal { offset: lane, version })
            && among_one.contains(&Proposal { offset: lane, version: 0 })
    })
}

/// The nonces from offset `first` on, in the middle of the range, where adding to the lowest byte
/// carries over.
fn window(first: u32) -> Nonces {
    Nonces { first: 0x7fff_fff0_u32.wrapping_add(first), count: WINDOW }
}

fn versions() -> [u32; VERSIONS_MAX] {
    std::array::from_fn(|at| 0x2000_0000 | (at as u32) << 13)
}

/// Every attempt of [`versions`] in [`window`], in order of position.
fn places() -> impl Iterator<Item = Proposal> {
    (0..WINDOW)
        .flat_map(|offset| (0..VERSIONS_MAX).map(move |version| Proposal { offset, version }))
}

/// `header` with the nonce and the version of that place.
fn attempt(header: &[u8; 80], at: Proposal) -> [u8; 80] {
    let mut attempt = *header;
    attempt[..4].copy_from_slice(&versions()[at.version].to_le_bytes());
    attempt[76..].copy_from_slice(&window(at.offset).first.to_le_bytes());
    attempt
}

fn job(header: &[u8; 80], target: Target, versions: &[u32]) -> Job {
    Job::with_versions(header, target, versions).expect("these versions are few and distinct")
}

/// Everything that the kernel proposes among `nonces`.
fn proposals(kernel: Kernel, job: &Job, nonces: Nonces) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    let _whole = kernel.scan(job, nonces, &mut |at| {
        proposals.push(at);
        ControlFlow::Continue(())
    });
    proposals
}

/// Hashes per second over one short slice.
fn measured_rate(kernel: Kernel) -> u64 {
    let job = Job::rolling(&[0x42; 80], Target::from_le_bytes([0; 32]), 0)
        .expect("the first group of versions exists");
    let count = 64;
    let mut hashes = 0_u64;
    let start = Instant::now();
    loop {
        let _none = kernel.first_hit(&job, Nonces { first: 0, count });
        hashes += u64::from(count) * VERSIONS_MAX as u64;
        let elapsed = start.elapsed();
        if elapsed >= MEASURED_SLICE {
            return u64::try_from(u128::from(hashes) * 1_000_000_000 / elapsed.as_nanos())
                .expect("no CPU makes 2^64 hashes a second");
        }
    }
}
