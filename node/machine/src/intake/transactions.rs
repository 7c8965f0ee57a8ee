//! Transactions from anywhere: each waits for its turn, is judged, verified elsewhere, judged
//! again, and pending.

use chain::hash::Txid;
use chain::rules::RuleError;
use chain::transaction::{OutPoint, Transaction, Transfer};
use wire::wallet::RefusalKind;

use crate::effect::{Effect, Report};
use crate::event::PeerId;
use crate::mempool::Candidate;
use crate::relay::Orphan;
use crate::{Machine, MachineError};

/// Outputs that are looked up to see whether a transaction is confirmed already.
const CONFIRMED_OUTPUTS_MAX: usize = 16;

/// Who brings a transaction, and what is needed to answer them.
#[derive(Debug)]
pub(crate) enum Bringer {
    /// Another part of this process; what becomes of it is reported.
    Ourselves,
    /// Another node.
    Node(PeerId),
    /// A wallet, which is answered.
    Wallet {
        /// Its connection.
        peer: PeerId,
        /// The number of its question.
        request: u32,
    },
    /// The orphanage: its parents may be known now.
    Orphanage(Box<Orphan>),
}

impl Bringer {
    /// Whose connection it came over.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Ourselves => None,
            Self::Node(peer) | Self::Wallet { peer, .. } => Some(*peer),
            Self::Orphanage(orphan) => Some(orphan.from),
        }
    }
}

/// What became of a transaction that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionOutcome {
    /// It is pending now.
    Accepted(Txid),
    /// It was pending before.
    AlreadyKnown(Txid),
    /// It is not taken.
    Refused { kind: RefusalKind, reason: String },
    /// It was not looked at, for a reason that will soon be gone.
    TryAgain { reason: String },
}

/// What can be said of a transaction before its signatures are verified.
pub(crate) enum Judgement {
    Done(TransactionOutcome),
    /// Everything but the signatures is right.
    Signatures(Candidate),
}

impl Machine {
    /// A transaction from anywhere. Whoever brings it hears what became of it, perhaps later.
    pub(crate) fn offer_transaction(
        &mut self,
        by: Bringer,
        transaction: Transaction,
    ) -> Result<(), MachineError> {
        if let Bringer::Wallet { peer, .. } = by {
            // Until it is answered; so it has one payment here, and pays for each with its time.
            self.effects.push(Effect::Pause { peer });
            if let Some(peer) = self.peers.get_mut(peer) {
                peer.awaits_answer = true;
            }
        }
        let busy =
            |reason: &str| TransactionOutcome::TryAgain { reason: format!("{reason}; try again") };
        // A node's would be kept as an orphan; a wallet does better to come again.
        if matches!(by, Bringer::Wallet { .. })
            && self.verifications.transactions.contain_parent_of(&transaction)
        {
            let busy = busy("a payment that it spends is being verified");
            return self.on_transaction_judged(by, transaction, busy);
        }
        match self.await_turn(by, transaction)? {
            None => Ok(()),
            Some((by, transaction)) => {
                let busy = busy("the node is busy with signatures");
                self.on_transaction_judged(by, transaction, busy)
            }
        }
    }

    /// The signatures of a transaction are verified; `bad_input` is the first that does not hold.
    pub(crate) fn judge_verified(
        &mut self,
        transaction: &Transaction,
        bad_input: Option<u32>,
    ) -> Result<TransactionOutcome, MachineError> {
        Ok(match bad_input {
            Some(input) => {
                let reason = RuleError::Signature { input }.to_string();
                self.refused_transaction(transaction.txid(), RefusalKind::Invalid, reason)
            }
            // The pool and the chain may have moved on meanwhile.
            None => match self.judge_transaction(transaction)? {
                Judgement::Done(outcome) => outcome,
                Judgement::Signatures(candidate) => self.admit(candidate),
            },
        })
    }

    pub(crate) fn on_transaction_judged(
        &mut self,
        by: Bringer,
        transaction: Transaction,
        outcome: TransactionOutcome,
    ) -> Result<(), MachineError> {
        if let (Bringer::Node(peer), TransactionOutcome::Accepted(_)) = (&by, &outcome)
            && let Some(peer) = self.peers.get_mut(*peer)
        {
            peer.last_transaction = Some(self.now.monotonic);
        }
        let may_be_taken_again = matches!(
            outcome,
            TransactionOutcome::TryAgain { .. }
                | TransactionOutcome::Refused {
                    kind: RefusalKind::Busy | RefusalKind::MissingCoins,
                    ..
                }
        );
        self.relay.settle_others(&transaction.wtxid(), may_be_taken_again);
        match by {
            Bringer::Ourselves => {}
            Bringer::Node(peer) => self.on_relayed_judged(peer, transaction, outcome),
            Bringer::Wallet { peer, request } => {
                self.note_answered(peer);
                self.answer_submit(peer, request, outcome);
                self.effects.push(Effect::Resume { peer });
            }
            Bringer::Orphanage(orphan) => self.on_orphan_judged(*orphan, transaction, outcome),
        }
        Ok(())
    }

    pub(crate) fn judge_transaction(
        &mut self,
        transaction: &Transaction,
    ) -> Result<Judgement, MachineError> {
        let Transaction::Transfer(transfer) = transaction else {
            let reason = RuleError::CoinbaseMisplaced.to_string();
            let kind = RefusalKind::Invalid;
            return Ok(Judgement::Done(TransactionOutcome::Refused { kind, reason }));
        };
        let txid = transfer.txid();
        if self.mempool.contains_txid(&txid) {
            return Ok(Judgement::Done(TransactionOutcome::AlreadyKnown(txid)));
        }
        if !self.ledger.is_settled() {
            let reason = "the node is changing to a better chain; try again".to_owned();
            return Ok(Judgement::Done(TransactionOutcome::TryAgain { reason }));
        }
        let height = self.ledger.tip().height + 1;
        let ledger = &self.ledger;
        let checked =
            self.mempool.check(transfer, &self.network, height, |point| ledger.coin(point))?;
        Ok(match checked {
            Ok(candidate) => Judgement::Signatures(candidate),
            Err(error) => {
                let (kind, reason) = (error.kind(), error.to_string());
                if kind == RefusalKind::MissingCoins && self.is_confirmed(&txid, transfer)? {
                    return Ok(Judgement::Done(TransactionOutcome::AlreadyKnown(txid)));
                }
                Judgement::Done(self.refused_transaction(txid, kind, reason))
            }
        })
    }

    /// A transaction whose signatures hold is pending now, if the pool has room for it.
    pub(crate) fn admit(&mut self, candidate: Candidate) -> TransactionOutcome {
        let (txid, fee, bytes) = (candidate.txid, candidate.fee, candidate.bytes);
        if let Err(error) = self.mempool.insert(candidate, self.now.monotonic) {
            return self.refused_transaction(txid, error.kind(), error.to_string());
        }
        self.mining.transaction_came();
        let pending = u32::try_from(self.mempool.len()).unwrap_or(u32::MAX);
        self.report(Report::TxAccepted { txid, fee, bytes, pending });
        self.announce_transaction(&txid);
        TransactionOutcome::Accepted(txid)
    }

    fn refused_transaction(
        &mut self,
        txid: Txid,
        kind: RefusalKind,
        reason: String,
    ) -> TransactionOutcome {
        self.report(Report::TxRefused { txid, reason: reason.clone() });
        TransactionOutcome::Refused { kind, reason }
    }

    /// Whether a block of the best chain holds this transfer and not all it paid is spent.
    fn is_confirmed(&self, txid: &Txid, transfer: &Transfer) -> Result<bool, MachineError> {
        for (index, _) in (0u32..).zip(&transfer.outputs).take(CONFIRMED_OUTPUTS_MAX) {
            if self.ledger.coin(&OutPoint { txid: *txid, index })?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
