//! Signatures that somebody else verifies meanwhile: what is asked, and what waits for the answer.

use std::sync::Arc;

use chain::key::SignatureCheck;

use super::effect::Effect;
use super::event::VerificationId;
use super::ledger::Step;
use super::{Machine, MachineError};

/// What is being verified.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    next: u64,
    /// The block next to the ledger's cursor.
    block: Option<VerificationId>,
}

impl Machine {
    /// Asks for the signatures on which the ledger's next block depends.
    pub(super) fn request_block_signatures(&mut self, checks: Arc<[SignatureCheck]>) {
        let id = self.request_signatures(checks);
        self.verifications.block = Some(id);
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
        if self.verifications.block == Some(id) {
            self.verifications.block = None;
            let step = self.ledger.verified(&mut self.tree, first_invalid)?;
            self.after_step(step)?;
        }
        Ok(())
    }

    /// Follows a step of the ledger; how much work it was, `None` when the walk ends or waits.
    pub(super) fn after_step(&mut self, step: Step) -> Result<Option<usize>, MachineError> {
        match step {
            Step::Idle | Step::Waiting => return Ok(None),
            Step::Verify(checks) => {
                self.request_block_signatures(checks);
                return Ok(None);
            }
            Step::Moved(effort) => {
                if self.ledger.dirty_coins() >= crate::store::DIRTY_COINS_MAX {
                    self.ledger.flush()?;
                }
                return Ok(Some(effort));
            }
            Step::Arrived(arrival) => self.on_arrival(arrival)?,
            Step::Condemned { id, invalid } => self.condemned(id, &invalid),
        }
        Ok(Some(1))
    }
}
