//! Signatures that somebody else verifies meanwhile: what is asked, and what waits for the answer.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use chain::hash::{Txid, Wtxid};
use chain::key::SignatureCheck;
use chain::transaction::Transaction;

use super::effect::Effect;
use super::event::VerificationId;
use super::header_tree::HeaderId;
use super::intake::Bringer;
use super::ledger::Step;
use super::{Machine, MachineError};

/// Transactions whose signatures are being verified at a time; further ones are not asked for, and
/// wallets are told to try again.
const TRANSACTIONS_MAX: usize = 64;

/// Signatures of them: about what one block holds, a second of one core. A single transaction may
/// have more when no other one waits.
const SIGNATURES_MAX: usize = 20_000;

/// What is being verified.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    next: u64,
    /// Blocks, each by the latest question about it.
    blocks: Vec<(VerificationId, HeaderId)>,
    /// Transactions in the order in which they came. They are finished in this order, whatever the
    /// order of the answers, so that the pool never depends on threads.
    transactions: VecDeque<WaitingTransaction>,
}

#[derive(Debug)]
struct WaitingTransaction {
    id: VerificationId,
    by: Bringer,
    transaction: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    checks: Arc<[SignatureCheck]>,
    /// The answer: position of the first check that does not hold.
    answer: Option<Option<usize>>,
}

impl Verifications {
    /// Whether this transaction spends one whose signatures are being verified.
    pub(super) fn contain_parent_of(&self, transaction: &Transaction) -> bool {
        let Transaction::Transfer(transfer) = transaction else {
            return false;
        };
        let parents: HashSet<Txid> =
            transfer.inputs.iter().map(|input| input.outpoint.txid).collect();
        self.transactions.iter().any(|waiting| parents.contains(&waiting.txid))
    }

    /// Whether the signatures of this transaction are being verified.
    pub(super) fn contains(&self, wtxid: &Wtxid) -> bool {
        self.transactions.iter().any(|waiting| waiting.wtxid == *wtxid)
    }
}

impl Machine {
    /// Whether so many more signatures of transactions can be verified now.
    pub(super) fn has_room_for_signatures(&self, count: usize) -> bool {
        let waiting = &self.verifications.transactions;
        let signatures: usize = waiting.iter().map(|waiting| waiting.checks.len()).sum();
        waiting.is_empty()
            || waiting.len() < TRANSACTIONS_MAX && signatures + count <= SIGNATURES_MAX
    }

    /// Asks for the signatures of a transaction in which everything else is right.
    pub(super) fn request_transaction_signatures(
        &mut self,
        by: Bringer,
        transaction: Transaction,
        checks: Vec<SignatureCheck>,
    ) {
        let checks: Arc<[SignatureCheck]> = checks.into();
        let id = self.request_signatures(Arc::clone(&checks));
        let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
        let waiting = WaitingTransaction { id, by, transaction, txid, wtxid, checks, answer: None };
        self.verifications.transactions.push_back(waiting);
    }

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
        let mut waiting = self.verifications.transactions.iter_mut();
        if let Some(waiting) = waiting.find(|waiting| waiting.id == id) {
            waiting.answer = Some(first_invalid);
        }
        self.finish_transactions()
    }

    /// Finishes the transactions that came first, as far as there are answers.
    fn finish_transactions(&mut self) -> Result<(), MachineError> {
        let next = |this: &mut Self| {
            this.verifications.transactions.pop_front_if(|first| first.answer.is_some())
        };
        while let Some(WaitingTransaction { by, transaction, checks, answer, .. }) = next(self) {
            let failed = answer.flatten().and_then(|at| checks.get(at).or(checks.last()));
            self.finish_transaction(by, transaction, failed.map(|check| check.input))?;
        }
        Ok(())
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
