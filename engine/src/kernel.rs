//! `Kernel`: detects the CPU once, dispatches; the only door to unsafe code.
//!
//! A kernel proposes, the reference decides: whatever a kernel finds is hashed again in plain
//! Rust before anyone hears of it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::job::Job;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod constants;
#[cfg(test)]
mod faulty;
#[cfg(any(target_arch = "x86_64", test))]
mod lanes;
mod portable;
#[cfg(any(target_arch = "x86_64", test))]
mod row;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(target_arch = "x86_64")]
mod sse41;
#[cfg(test)]
pub(crate) mod tests;
mod trial;

pub use trial::Trial;

/// A worker looks at its cancel flag this often.
const BATCH_TIME: Duration = Duration::from_micros(100);

/// No less than a row of the widest kernel, however slow it is.
const BATCH_NONCES_MIN: u32 = 16;

/// No kernel on any CPU does more in [`BATCH_TIME`].
const BATCH_NONCES_MAX: u32 = 1 << 20;

/// A batch is at most such a part of the attempts that a solution takes, down to
/// [`BATCH_NONCES_MIN`]: when it is found, the batches of all workers beyond it are lost.
const BATCHES_PER_SOLUTION: u64 = 64;

/// One way to hash on this CPU. Holding one proves that the CPU can run it: only detection makes
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Backend);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Sse41(sse41::Sse41),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    ShaNi(sha_ni::ShaNi),
    #[cfg(test)]
    Faulty(faulty::Faulty),
}

/// Why there is no such kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// No kernel of this CPU has the name.
    #[error("no kernel here is called {name:?}; this CPU has: {}", available.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        available: Vec<&'static str>,
    },
    /// The kernel computes wrong hashes on this machine.
    #[error(
        "the kernel {name} is refused: on this CPU it finds other solutions than the reference"
    )]
    Faulty {
        /// The kernel's name.
        name: &'static str,
    },
}

/// Consecutive nonces, at most up to the last one there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonces {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// An attempt that a kernel believes to be a hit; `offset` counts from the scan's first nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) offset: u32,
    pub(crate) version: usize,
}

/// A proposal that the reference confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) at: Proposal,
    pub(crate) header: [u8; 80],
    pub(crate) hash: [u8; 32],
}

impl Kernel {
    /// Every kernel this CPU can run, none of them tested yet.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::portable()];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(sse41::Sse41::detect().map(|proof| Kernel(Backend::Sse41(proof))));
            kernels.extend(avx2::Avx2::detect().map(|proof| Kernel(Backend::Avx2(proof))));
            kernels.extend(avx512::Avx512::detect().map(|proof| Kernel(Backend::Avx512(proof))));
            kernels.extend(sha_ni::ShaNi::detect().map(|proof| Kernel(Backend::ShaNi(proof))));
        }
        kernels
    }

    /// The kernel that runs everywhere.
    pub fn portable() -> Kernel {
        Kernel(Backend::Portable)
    }

    /// The kernel of that name, self-tested.
    ///
    /// # Errors
    ///
    /// When this CPU has no such kernel, or when the kernel fails its self-test.
    pub fn by_name(name: &str) -> Result<Kernel, KernelError> {
        let available = Kernel::available();
        let Some(kernel) = available.iter().find(|kernel| kernel.name() == name) else {
            return Err(KernelError::Unknown {
                name: name.to_owned(),
                available: available.into_iter().map(Kernel::name).collect(),
            });
        };
        kernel.self_test()?;
        Ok(*kernel)
    }

    /// The fastest kernel that passes its self-test. Tested and measured once per process, in some
    /// tens of milliseconds: call it before any thread is busy.
    pub fn best() -> Kernel {
        trial::fastest(Kernel::trials()).unwrap_or(Kernel::portable())
    }

    /// How each available kernel did when this process tried them, in the order of
    /// [`Kernel::available`].
    pub fn trials() -> &'static [Trial] {
        trial::of_this_process()
    }

    /// The name people choose it by.
    pub fn name(self) -> &'static str {
        match self.0 {
            Backend::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Backend::Sse41(_) => "sse41",
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi(_) => "sha-ni",
            #[cfg(test)]
            Backend::Faulty(_) => "faulty",
        }
    }

    /// Compares what it finds in easy ranges, in every lane under every version, with the
    /// reference, and looks for planted solutions in each lane and under each version in turn.
    ///
    /// # Errors
    ///
    /// When one is missed, or something else is proposed.
    pub fn self_test(self) -> Result<(), KernelError> {
        trial::self_test(self)
    }

    /// Nonces that make a full batch of `job`: about [`BATCH_TIME`] of work, and less for a target
    /// that is easy.
    pub(crate) fn batch_nonces(self, job: &Job) -> u32 {
        let trial = Kernel::trials().iter().find(|trial| trial.kernel == self);
        let rate = trial.and_then(|trial| trial.rate.as_ref().ok()).copied().unwrap_or(0);
        let hashes = rate / (Duration::from_secs(1).as_nanos() / BATCH_TIME.as_nanos()) as u64;
        let hashes = hashes.min(job.expected_attempts() / BATCHES_PER_SOLUTION);
        let nonces = hashes / job.midstates().len() as u64;
        u32::try_from(nonces).unwrap_or(u32::MAX).clamp(BATCH_NONCES_MIN, BATCH_NONCES_MAX)
    }

    /// The confirmed hit of the lowest position among `nonces`.
    pub(crate) fn first_hit(self, job: &Job, nonces: Nonces) -> Option<Hit> {
        let mut first = None;
        let _stopped = self.each_hit(job, nonces, &mut |hit| {
            first = Some(hit);
            ControlFlow::Break(())
        });
        first
    }

    /// The confirmed hits among `nonces` in order of position, until `take` breaks off.
    pub(crate) fn each_hit(
        self,
        job: &Job,
        nonces: Nonces,
        take: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.scan(job, nonces, &mut |at| {
            let nonce = nonces.first.wrapping_add(at.offset);
            match job.judge(nonce, at.version) {
                Some((header, hash)) => take(Hit { at, header, hash }),
                None => ControlFlow::Continue(()),
            }
        })
    }

    /// Proposes attempts in order of position until the range ends or `propose` breaks off.
    fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.0 {
            Backend::Portable => portable::scan(job, nonces, propose),
            #[cfg(target_arch = "x86_64")]
            Backend::Sse41(proof) => proof.scan(job, nonces, propose),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(proof) => proof.scan(job, nonces, propose),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(proof) => proof.scan(job, nonces, propose),
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi(proof) => proof.scan(job, nonces, propose),
            #[cfg(test)]
            Backend::Faulty(fault) => fault.scan(job, nonces, propose),
        }
    }
}

/// The instruction sets of this CPU that matter to some kernel, whether or not one uses them.
pub fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("sse4.1", is_x86_feature_detected!("sse4.1")),
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
    ];
    #[cfg(target_arch = "aarch64")]
    let features = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("sha2", std::arch::is_aarch64_feature_detected!("sha2")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let features: [(&str, bool); 0] = [];
    features.into_iter().filter_map(|(name, has)| has.then_some(name)).collect()
}
