//! The wallet server: payments in, history with proofs out.

use std::sync::Arc;

use chain::encoding::{Decode, Encode};
use chain::transaction::{Transaction, TxPosition};
use wire::frame::Frame;
use wire::peer::RELAYED_BYTES_MAX;
use wire::wallet::{
    GetPending, GetPendingOfMany, HISTORY_MAX, Pending, RefusalKind, Submit, SubmitOutcome,
    Submitted, Tip, WalletMessage, beginning,
};
use wire::{ByteString, Message};

use crate::conduct::Misbehavior;
use crate::history::{ANSWER_BYTES, HistoryQuestion};
use crate::intake::{Bringer, TransactionOutcome};
use crate::store::StoreError;
use crate::{Effect, Machine, MachineError, PeerId};

impl Machine {
    pub(crate) fn on_wallet_message(
        &mut self,
        id: PeerId,
        message: WalletMessage,
    ) -> Result<(), MachineError> {
        let answer = match message {
            WalletMessage::Submit(submit) => return self.on_submit(id, &submit),
            WalletMessage::GetHistory(ask) => {
                let question = HistoryQuestion::new(ask, self.ledger.reader().clone());
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.awaits_answer = true;
                }
                self.effects.push(Effect::Read { peer: id, question });
                return Ok(());
            }
            WalletMessage::GetPending(ask) => self.on_get_pending(&ask)?,
            WalletMessage::GetPendingOfMany(ask) => self.on_get_pending_of_many(&ask)?,
            WalletMessage::GetTip(request) => WalletMessage::Tip(Tip {
                request,
                tip: self.ledger.published().hash,
                height: self.ledger.published().height,
                fee_rate_min: self.mempool.fee_rate_min(),
                pending_changes: self.mempool.changes(),
            }),
            WalletMessage::Submitted(_)
            | WalletMessage::History(_)
            | WalletMessage::Pending(_)
            | WalletMessage::Tip(_) => {
                self.note_misbehavior(
                    id,
                    Misbehavior::OutOfRole,
                    "an answer that nobody asked for",
                );
                return Ok(());
            }
        };
        self.send(id, &Message::Wallet(answer));
        Ok(())
    }

    /// The answer to a question that was read elsewhere, in the form in which it is sent.
    pub(crate) fn on_read(
        &mut self,
        id: PeerId,
        outcome: Result<Arc<Frame>, Arc<StoreError>>,
    ) -> Result<(), MachineError> {
        let frame = outcome.map_err(MachineError::Read)?;
        if self.note_answered(id) {
            self.effects.push(Effect::Send { peer: id, frame });
        }
        Ok(())
    }

    /// A payment; it is answered once it is judged.
    fn on_submit(&mut self, id: PeerId, submit: &Submit) -> Result<(), MachineError> {
        self.tally.payments_submitted += 1;
        let request = submit.request;
        let bytes = submit.transaction.0.len();
        if bytes > RELAYED_BYTES_MAX {
            // It breaks no rule, and is not even read.
            let reason = format!(
                "a payment of {bytes} bytes, nodes pass on {RELAYED_BYTES_MAX} at most: pay in \
                 smaller parts"
            );
            let kind = RefusalKind::Busy;
            self.answer_submit(id, request, TransactionOutcome::Refused { kind, reason });
            return Ok(());
        }
        match Transaction::decode(&submit.transaction.0) {
            Ok(transaction) => {
                self.offer_transaction(Bringer::Wallet { peer: id, request }, transaction)
            }
            Err(error) => {
                let reason = format!("the transaction does not decode: {error}");
                let kind = RefusalKind::Invalid;
                self.answer_submit(id, request, TransactionOutcome::Refused { kind, reason });
                Ok(())
            }
        }
    }

    /// Tells a wallet what became of its payment.
    pub(crate) fn answer_submit(&mut self, id: PeerId, request: u32, outcome: TransactionOutcome) {
        let outcome = match outcome {
            TransactionOutcome::Accepted(txid) => SubmitOutcome::Accepted(txid),
            TransactionOutcome::AlreadyKnown(txid) => SubmitOutcome::AlreadyKnown(txid),
            TransactionOutcome::Refused { kind, reason } => SubmitOutcome::Refused { kind, reason },
            TransactionOutcome::TryAgain { reason } => {
                SubmitOutcome::Refused { kind: RefusalKind::Busy, reason }
            }
        };
        if let SubmitOutcome::Refused { kind: RefusalKind::Invalid, reason } = &outcome {
            self.note_misbehavior(id, Misbehavior::InvalidPayment, reason);
        }
        let answer = WalletMessage::Submitted(Submitted { request, outcome });
        self.send(id, &Message::Wallet(answer));
    }

    /// What pends, and what a block confirms that nobody is told of yet: to a wallet it is pending
    /// until its history shows it.
    fn on_get_pending(&self, ask: &GetPending) -> Result<WalletMessage, MachineError> {
        let mut found = Vec::new();
        let connected = self.publication.arrivals().flat_map(|arrival| &arrival.connected);
        let lowest = connected.map(|connected| self.tree.entry(connected.id).height).min();
        if let Some(height) = lowest {
            let from = TxPosition { height, transaction: 1 };
            for place in self.ledger.history(&ask.key, from, HISTORY_MAX)? {
                let block = self.ledger.at_height(place.height).map(|id| self.tree.entry(id).hash);
                let block = block.map(|hash| self.ledger.block(&hash)).transpose()?;
                let at = place.transaction as usize;
                let transfer = block.and_then(|block| block.block.transactions.get(at).cloned());
                found.extend(transfer.filter(|it| matches!(it, Transaction::Transfer(_))));
            }
        }
        let pending = self.mempool.touching(&ask.key);
        let found = found.iter().chain(pending.iter().map(|transaction| &**transaction));
        Ok(pending_answer(ask.request, found))
    }

    /// The same for many keys. Of a block that nobody is told of yet, what it pays to them is told:
    /// for what it spends of theirs without paying any, every key's history would have to be read.
    fn on_get_pending_of_many(
        &self,
        ask: &GetPendingOfMany,
    ) -> Result<WalletMessage, MachineError> {
        let pays = |transaction: &Transaction| {
            let mut outputs = transaction.outputs().iter();
            outputs.any(|output| ask.beginnings().binary_search(&beginning(&output.key)).is_ok())
        };
        let mut found = Vec::new();
        let connected = self.publication.arrivals().flat_map(|arrival| &arrival.connected);
        for connected in connected {
            let block = self.ledger.block(&self.tree.entry(connected.id).hash)?;
            let transfers = block.block.transactions.iter().skip(1);
            found.extend(transfers.filter(|it| pays(it)).cloned());
        }
        let pending: Vec<Arc<Transaction>> = self.mempool.touching_any(ask.beginnings()).collect();
        let found = found.iter().chain(pending.iter().map(|transaction| &**transaction));
        Ok(pending_answer(ask.request, found))
    }
}

/// As many of these transactions as one answer holds.
fn pending_answer<'a>(request: u32, found: impl Iterator<Item = &'a Transaction>) -> WalletMessage {
    let mut bytes = 0;
    let transactions = found
        .map(|transaction| transaction.encode())
        .take_while(|encoded| {
            bytes += encoded.len();
            bytes <= ANSWER_BYTES
        })
        .map(ByteString)
        .collect();
    WalletMessage::Pending(Pending { request, transactions })
}

#[cfg(test)]
mod tests;
