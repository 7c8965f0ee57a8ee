//! The trial of a kernel: planted nonces it must find, and the rate it reaches here.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Kernel, KernelError, Nonces, Proposal};
use crate::job::{Job, VERSIONS_MAX};
use crate::sha256::sha256d;
use crate::target::Target;

/// Twice the widest kernel's lanes, so that a range may begin at any lane and end in the next row.
const PLANTED_WINDOW: u32 = 32;

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

/// Plants the best of a few hundred attempts as the only solution of a range, in every lane under
/// every index of a version, and asks the kernel for it.
pub(super) fn self_test(kernel: Kernel) -> Result<(), KernelError> {
    let header: [u8; 80] = std::array::from_fn(|at| (at as u8).wrapping_mul(0x9d) ^ 0x5a);
    // In the middle of the range, where adding to the lowest byte carries over.
    let first = 0x7fff_fff0_u32;
    let versions: [u32; VERSIONS_MAX] = std::array::from_fn(|at| 0x2000_0000 | (at as u32) << 13);
    let mut planted = (first, 0, Target::from_le_bytes([0xff; 32]));
    for nonce in first..first + PLANTED_WINDOW {
        for (index, version) in versions.iter().enumerate() {
            let mut attempt = header;
            attempt[..4].copy_from_slice(&version.to_le_bytes());
            attempt[76..].copy_from_slice(&nonce.to_le_bytes());
            let hash = sha256d(&attempt);
            if planted.2.is_met_by(&hash) {
                planted = (nonce, index, Target::from_le_bytes(hash));
            }
        }
    }
    let (nonce, index, target) = planted;
    let job = |versions: &[u32]| {
        Job::with_versions(&header, target, versions)
            .expect("one to eight distinct versions make a job")
    };
    for lane in 0..PLANTED_WINDOW {
        let nonces = Nonces { first: nonce.wrapping_sub(lane), count: PLANTED_WINDOW };
        // The first half passes every lane of the widest kernel; behind it comes the next row.
        let turn = lane as usize % VERSIONS_MAX;
        let turns = if lane < PLANTED_WINDOW / 2 { 0..VERSIONS_MAX } else { turn..turn + 1 };
        for version in turns {
            let mut turned = versions;
            turned.rotate_left(index);
            turned.rotate_right(version);
            must_find(kernel, &job(&turned), nonces, Proposal { offset: lane, version })?;
        }
        let lone = job(&versions[index..=index]);
        must_find(kernel, &lone, nonces, Proposal { offset: lane, version: 0 })?;
    }
    Ok(())
}

/// An error unless the kernel proposes `planted` among `nonces`.
fn must_find(
    kernel: Kernel,
    job: &Job,
    nonces: Nonces,
    planted: Proposal,
) -> Result<(), KernelError> {
    // The range may begin before the planted ones, where a better attempt would be a lucky find of
    // one in hundreds: only the planted one itself counts.
    let mut found = false;
    let _whole = kernel.scan(job, nonces, &mut |at| {
        found |= at == planted;
        ControlFlow::Continue(())
    });
    if found { Ok(()) } else { Err(KernelError::Faulty { name: kernel.name() }) }
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
