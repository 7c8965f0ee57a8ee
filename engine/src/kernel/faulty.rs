//! Kernels with a planted fault. The self-test must refuse them by name.

use std::ops::ControlFlow;

use super::{Nonces, Proposal, portable};
use crate::job::Job;

/// Lanes that the faults count.
pub(super) const LANES: u32 = 16;

/// What is wrong with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faulty {
    /// It finds nothing in this lane.
    BlindLane(u32),
    /// It finds nothing under the version of this index.
    BlindVersion(usize),
    /// It finds nothing in this lane under the version of this index.
    BlindPlace(u32, usize),
    /// It is off by one nonce.
    LateByOne,
    /// It proposes the first attempt of a range, whatever its hash.
    Eager,
    /// It looks for one leading zero bit well, and for more not at all.
    OneBitOnly,
}

impl Faulty {
    pub(super) fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self == Faulty::Eager {
            propose(Proposal { offset: 0, version: 0 })?;
        }
        portable::scan(job, nonces, &mut |at| match self {
            Faulty::BlindLane(lane) if at.offset % LANES == lane => ControlFlow::Continue(()),
            Faulty::BlindVersion(index) if at.version == index => ControlFlow::Continue(()),
            Faulty::BlindPlace(lane, index) if at.offset % LANES == lane && at.version == index => {
                ControlFlow::Continue(())
            }
            Faulty::OneBitOnly if job.last_word_zeros().count_ones() > 1 => {
                ControlFlow::Continue(())
            }
            Faulty::LateByOne => propose(Proposal { offset: at.offset + 1, ..at }),
            _ => propose(at),
        })
    }
}
