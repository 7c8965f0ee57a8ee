//! What a row of nonces has found, put in order.

use std::ops::ControlFlow;

use super::Proposal;
use crate::job::VERSIONS_MAX;

/// Proposes what a row of nonces has found, in order: a bit for each lane, a word for each version.
/// Lanes from `lanes` on lie behind the end of the range and do not count.
#[cold]
pub(super) fn propose_row(
    hits: &[u32; VERSIONS_MAX],
    offset: u32,
    lanes: u32,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for lane in 0..lanes {
        for (version, hit) in hits.iter().enumerate() {
            if (hit >> lane) & 1 == 1 {
                propose(Proposal { offset: offset + lane, version })?;
            }
        }
    }
    ControlFlow::Continue(())
}
