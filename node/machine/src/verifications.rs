//! Signatures that somebody else verifies meanwhile: what is asked, and what waits for the answer.

mod transactions;
mod turns;

use std::sync::Arc;

use chain::key::SignatureCheck;

use super::effect::Effect;
use super::event::VerificationId;
use super::header_tree::HeaderId;
use super::ledger::Step;
use super::{Machine, MachineError};
use transactions::TransactionsOnTheirWay;

/// What is being verified.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    next: u64,
    /// Blocks, each by the latest question about it.
    blocks: Vec<(VerificationId, HeaderId)>,
    /// Transactions, before and while they are verified.
    pub(super) transactions: TransactionsOnTheirWay,
}

impl Machine {
    /// Asks for the signatures on which a block depends. An answer to an earlier question about it,
    /// which the ledger has forgotten, does not count.
    fn request_block_signatures(&mut self, block: HeaderId, checks: Arc<[SignatureCheck]>) {
        let id = self.request_signatures(checks);
        let blocks = &mut self.verifications.blocks;
        blocks.retain(|(_, other)| *other != block);
        blocks.push((id, block));
    }

    fn request_signatures(&mut self, checks: Arc<[SignatureCheck]>) -> VerificationId {
        let id = VerificationId(self.verifications.next);
        self.verifications.next += 1;
        self.effects.push(Effect::Verify { id, checks });
        id
    }

    /// An answer came. One that nobody waits for is of no interest.
    pub(super) fn on_verified(
        &mut self,
        id: VerificationId,
        first_invalid: Option<usize>,
    ) -> Result<(), MachineError> {
        let blocks = &mut self.verifications.blocks;
        if let Some(at) = blocks.iter().position(|(asked, _)| *asked == id) {
            let (_, block) = blocks.swap_remove(at);
            self.ledger.verified(block, first_invalid);
            return Ok(());
        }
        self.on_transaction_verified(id, first_invalid)
    }

    /// Follows a step of the ledger; how much work it was, `None` when the walk ends or waits.
    pub(super) fn after_step(&mut self, step: Step) -> Result<Option<usize>, MachineError> {
        match step {
            Step::Idle | Step::Waiting => return Ok(None),
            Step::Judged(effort) | Step::Moved(effort) => return Ok(Some(effort)),
            Step::Verify { block, checks, effort } => {
                self.request_block_signatures(block, checks);
                return Ok(Some(effort));
            }
            Step::Arrived(arrival) => self.on_arrival(arrival)?,
            Step::Condemned { id, invalid } => self.condemned(id, &invalid),
        }
        Ok(Some(1))
    }
}

#[cfg(test)]
mod tests;
