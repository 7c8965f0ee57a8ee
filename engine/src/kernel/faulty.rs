//! A kernel with a planted fault: it is blind in one lane. The self-test must refuse it by name.

use std::ops::ControlFlow;

use super::{Nonces, Proposal, portable};
use crate::job::Job;

const BLIND_LANE: u32 = 11;

pub(super) fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    portable::scan(job, nonces, &mut |at| {
        if at.offset % 16 == BLIND_LANE { ControlFlow::Continue(()) } else { propose(at) }
    })
}
