//! Transactions on their way into the pool: each waits for its turn, is judged, has its signatures
//! verified by somebody else, and is judged again.
//!
//! What costs time here is looking up coins and hashing what is signed, by the number of inputs; so
//! it is inputs that are counted, and a call judges no more of them than it has time for.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use chain::encoding::Encode;
use chain::hash::{Txid, Wtxid};
use chain::key::SignatureCheck;
use chain::transaction::Transaction;
use wire::peer::RELAYED_BYTES_MAX;

use super::turns::Turns;
use crate::event::VerificationId;
use crate::intake::{Bringer, Judgement};
use crate::owner::Owner;
use crate::peers::Peer;
use crate::{Machine, MachineError, PeerId};

/// Signatures that are verified at a time: as many as the largest transaction has, some 40 ms of
/// one core. Whose turn is next waits for no more than these. A single transaction may have more.
const SIGNATURES_MAX: usize = 1_000;

/// Inputs after which a call judges no further transaction.
const INPUTS_PER_CALL_MAX: usize = 1_000;

/// Bytes of transactions that may wait for their turn, all together and of one connection: four of
/// the largest. (A wallet waits for each of its own; a node may send several.)
const WAITING_BYTES_MAX: usize = 16_000_000;
const WAITING_BYTES_EACH_MAX: usize = 4 * RELAYED_BYTES_MAX;

/// Transactions that wait for their turn, and those whose signatures are being verified.
#[derive(Debug, Default)]
pub(crate) struct TransactionsOnTheirWay {
    turns: Turns<Offered>,
    waiting_bytes: usize,
    waiting_bytes_of: BTreeMap<PeerId, usize>,
    /// In the order of their turns. They are finished in this order, whatever the order of the
    /// answers, so that the pool never depends on threads.
    verified: VecDeque<Verified>,
    /// Their signatures.
    signatures: usize,
    /// Of all of them.
    wtxids: BTreeSet<Wtxid>,
    /// How many of them have this txid: signatures may differ.
    txids: BTreeMap<Txid, usize>,
    /// Inputs that were judged in this call.
    judged: usize,
}

#[derive(Debug)]
struct Offered {
    by: Bringer,
    /// Whose connection it is, which may be gone when it turns out what it was worth.
    owner: Option<Owner>,
    transaction: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    bytes: usize,
}

#[derive(Debug)]
struct Verified {
    id: VerificationId,
    offered: Offered,
    checks: Arc<[SignatureCheck]>,
    /// The answer: position of the first check that does not hold.
    answer: Option<Option<usize>>,
}

impl TransactionsOnTheirWay {
    /// A call begins.
    pub(crate) fn begin_call(&mut self) {
        self.judged = 0;
    }

    /// Whether this transaction spends one that is on its way.
    pub(crate) fn contain_parent_of(&self, transaction: &Transaction) -> bool {
        let Transaction::Transfer(transfer) = transaction else {
            return false;
        };
        let parents: HashSet<Txid> =
            transfer.inputs.iter().map(|input| input.outpoint.txid).collect();
        parents.iter().any(|parent| self.txids.contains_key(parent))
    }

    /// Whether this transaction is on its way.
    pub(crate) fn contain(&self, wtxid: &Wtxid) -> bool {
        self.wtxids.contains(wtxid)
    }

    /// Inputs that were judged in this call.
    #[cfg(test)]
    pub(super) fn judged(&self) -> usize {
        self.judged
    }

    /// Whether none is on its way, and nothing is kept of any.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let is_waiting = self.turns.first().is_some() || !self.waiting_bytes_of.is_empty();
        !is_waiting && self.verified.is_empty() && self.wtxids.is_empty() && self.txids.is_empty()
    }

    /// Whether nodes may be asked for more of them.
    pub(crate) fn have_room(&self) -> bool {
        self.waiting_bytes < WAITING_BYTES_MAX / 2
    }

    /// Whether this node may be asked for more: not while so much of it waits that what comes may
    /// have to be sent away, and be asked for again.
    pub(crate) fn have_room_of(&self, id: PeerId) -> bool {
        self.waiting_of(id) <= WAITING_BYTES_EACH_MAX / 2
    }

    fn waiting_of(&self, id: PeerId) -> usize {
        self.waiting_bytes_of.get(&id).copied().unwrap_or(0)
    }

    /// Whether one more of so many bytes may wait. Orphans may in any case: they are few.
    fn have_room_for(&self, by: &Bringer, bytes: usize) -> bool {
        match by {
            Bringer::Ourselves | Bringer::Orphanage(_) => true,
            Bringer::Node(id) | Bringer::Wallet { peer: id, .. } => {
                self.waiting_bytes + bytes <= WAITING_BYTES_MAX
                    && self.waiting_of(*id) + bytes <= WAITING_BYTES_EACH_MAX
            }
        }
    }

    /// Whether the next one can be judged now.
    fn may_go_on(&self) -> bool {
        let next = self.turns.first().map(|offered| inputs(&offered.transaction));
        let fits = |inputs| self.signatures == 0 || self.signatures + inputs <= SIGNATURES_MAX;
        next.is_some_and(fits)
    }

    fn come(&mut self, offered: Offered) {
        let of = offered.by.peer();
        self.wtxids.insert(offered.wtxid);
        *self.txids.entry(offered.txid).or_default() += 1;
        self.waiting_bytes += offered.bytes;
        if let Some(id) = of {
            *self.waiting_bytes_of.entry(id).or_default() += offered.bytes;
        }
        self.turns.push(of, inputs(&offered.transaction), offered);
    }

    fn next(&mut self) -> Option<Offered> {
        let offered = self.turns.pop()?;
        self.no_longer_waits(&offered);
        Some(offered)
    }

    fn no_longer_waits(&mut self, offered: &Offered) {
        self.waiting_bytes -= offered.bytes;
        let Some(id) = offered.by.peer() else {
            return;
        };
        if let Some(bytes) = self.waiting_bytes_of.get_mut(&id) {
            *bytes -= offered.bytes;
            if *bytes == 0 {
                self.waiting_bytes_of.remove(&id);
            }
        }
    }

    fn leave(&mut self, offered: &Offered) {
        self.wtxids.remove(&offered.wtxid);
        if let Some(count) = self.txids.get_mut(&offered.txid) {
            *count -= 1;
            if *count == 0 {
                self.txids.remove(&offered.txid);
            }
        }
    }

    /// Whoever is gone has no turn any more; tells what left with them. Orphans stay.
    pub(crate) fn forget_peer(&mut self, id: PeerId) -> Vec<Wtxid> {
        let mut left = Vec::new();
        for offered in self.turns.forget_peer(id) {
            if let Bringer::Orphanage(_) = offered.by {
                self.turns.push(Some(id), inputs(&offered.transaction), offered);
                continue;
            }
            self.no_longer_waits(&offered);
            self.leave(&offered);
            left.push(offered.wtxid);
        }
        left
    }
}

/// A measure of the work on a transaction.
fn inputs(transaction: &Transaction) -> usize {
    match transaction {
        Transaction::Transfer(transfer) => transfer.inputs.len(),
        Transaction::Coinbase(_) => 0,
    }
}

impl Machine {
    /// A transaction waits for its turn, which may be now. It comes back when there is no room.
    pub(crate) fn await_turn(
        &mut self,
        by: Bringer,
        transaction: Transaction,
    ) -> Result<Option<(Bringer, Transaction)>, MachineError> {
        let owner = by.peer().and_then(|id| self.peers.get(id)).map(Peer::owner);
        let bytes = transaction.encode().len();
        let on_their_way = &mut self.verifications.transactions;
        if !on_their_way.have_room_for(&by, bytes) {
            return Ok(Some((by, transaction)));
        }
        let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
        on_their_way.come(Offered { by, owner, transaction, txid, wtxid, bytes });
        self.judge_waiting()?;
        Ok(None)
    }

    /// Whether this machine wants to be called again for transactions that wait for their turn.
    pub(crate) fn has_transactions_to_judge(&self) -> bool {
        self.verifications.transactions.may_go_on()
    }

    /// Judges whose turn it is, as far as signatures can be verified and this call has time.
    pub(crate) fn judge_waiting(&mut self) -> Result<(), MachineError> {
        while self.verifications.transactions.judged < INPUTS_PER_CALL_MAX
            && self.verifications.transactions.may_go_on()
            && let Some(offered) = self.verifications.transactions.next()
        {
            self.verifications.transactions.judged += inputs(&offered.transaction).max(1);
            let outcome = match self.judge_transaction(&offered.transaction)? {
                Judgement::Done(outcome) => outcome,
                Judgement::Signatures(candidate) if candidate.checks.is_empty() => {
                    self.admit(candidate)
                }
                Judgement::Signatures(candidate) => {
                    let checks: Arc<[SignatureCheck]> = candidate.checks.into();
                    let id = self.request_signatures(Arc::clone(&checks));
                    let verified = Verified { id, offered, checks, answer: None };
                    self.verifications.transactions.signatures += verified.checks.len();
                    self.verifications.transactions.verified.push_back(verified);
                    continue;
                }
            };
            self.verifications.transactions.leave(&offered);
            let work = (inputs(&offered.transaction), 0);
            self.note_refusal((&offered.by, offered.owner), work, &outcome);
            self.on_transaction_judged(offered.by, offered.transaction, outcome)?;
        }
        Ok(())
    }

    /// The signatures of a transaction are verified; those that came first are finished, as far as
    /// there are answers.
    pub(super) fn on_transaction_verified(
        &mut self,
        id: VerificationId,
        first_invalid: Option<usize>,
    ) -> Result<(), MachineError> {
        let mut verified = self.verifications.transactions.verified.iter_mut();
        if let Some(verified) = verified.find(|verified| verified.id == id) {
            verified.answer = Some(first_invalid);
        }
        let next = |this: &mut Self| {
            let verified = &mut this.verifications.transactions.verified;
            verified.pop_front_if(|first| first.answer.is_some())
        };
        while let Some(Verified { offered, checks, answer, .. }) = next(self) {
            self.verifications.transactions.judged += checks.len();
            self.verifications.transactions.signatures -= checks.len();
            self.verifications.transactions.leave(&offered);
            let failed = answer.flatten().and_then(|at| checks.get(at).or(checks.last()));
            let bad_input = failed.map(|check| check.input);
            let outcome = self.judge_verified(&offered.transaction, bad_input)?;
            if bad_input.is_some() {
                self.note_unpaid(&offered.by, offered.owner, checks.len());
            } else {
                self.note_refusal((&offered.by, offered.owner), (0, checks.len()), &outcome);
            }
            self.on_transaction_judged(offered.by, offered.transaction, outcome)?;
        }
        self.judge_waiting()
    }
}
