//! The wallet server: payments in, history with proofs out.

use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::encoding::{Decode, Encode};
use chain::merkle;
use chain::transaction::{Transaction, TxPosition};
use wire::wallet::{
    GetHistory, GetPending, HISTORY_MAX, History, HistoryEntry, Pending, RefusalKind, Submit,
    SubmitOutcome, Submitted, Tip, WalletMessage,
};
use wire::{ByteString, Message};

use crate::conduct::Misbehavior;
use crate::intake::{Bringer, TransactionOutcome};
use crate::{Machine, MachineError, PeerId};

/// Bytes of transactions and proofs in one answer: well under half an outbound queue.
const ANSWER_BYTES: usize = 1_000_000;

/// Bytes of blocks read for one answer, and what reading any block costs besides them: the machine
/// never works long for one question.
const ANSWER_BYTES_READ: usize = 2_000_000;
const BLOCK_BYTES_READ_MIN: usize = 10_000;

impl Machine {
    pub(crate) fn on_wallet_message(
        &mut self,
        id: PeerId,
        message: WalletMessage,
    ) -> Result<(), MachineError> {
        let answer = match message {
            WalletMessage::Submit(submit) => return self.on_submit(id, &submit),
            WalletMessage::GetHistory(ask) => self.on_get_history(&ask)?,
            WalletMessage::GetPending(ask) => self.on_get_pending(&ask)?,
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

    /// A payment; it is answered once it is judged.
    fn on_submit(&mut self, id: PeerId, submit: &Submit) -> Result<(), MachineError> {
        self.tally.payments_submitted += 1;
        let request = submit.request;
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
        let mut bytes = 0;
        let transactions = found
            .map(|transaction| transaction.encode())
            .take_while(|encoded| {
                bytes += encoded.len();
                bytes <= ANSWER_BYTES
            })
            .map(ByteString)
            .collect();
        Ok(WalletMessage::Pending(Pending { request: ask.request, transactions }))
    }

    fn on_get_history(&self, ask: &GetHistory) -> Result<WalletMessage, MachineError> {
        let view = self.ledger.reader().view();
        let positions = view.history(&ask.key, ask.from, HISTORY_MAX + 1)?;
        let mut entries: Vec<HistoryEntry> = Vec::new();
        let mut current: Option<(u32, Arc<CommittedBlock>)> = None;
        let (mut bytes, mut bytes_read) = (0, 0);
        for position in positions.iter().take(HISTORY_MAX) {
            if current.as_ref().is_none_or(|(height, _)| *height != position.height) {
                if bytes_read >= ANSWER_BYTES_READ {
                    break;
                }
                let Some((hash, _)) = view.header_at(position.height) else {
                    break;
                };
                let block = self.ledger.block(&hash)?;
                bytes_read += BLOCK_BYTES_READ_MIN + block.encoded_bytes;
                current = Some((position.height, block));
            }
            let Some(entry) = current.as_ref().and_then(|(_, block)| proven(block, *position))
            else {
                break;
            };
            bytes += entry.transaction.0.len() + entry.siblings.0.len() + 200;
            if bytes > ANSWER_BYTES && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        let more = entries.len() < positions.len();
        Ok(WalletMessage::History(History {
            request: ask.request,
            tip: view.tip(),
            tip_height: view.height(),
            entries,
            more,
        }))
    }
}

/// A transaction of a block with the proof that it is one.
fn proven(block: &CommittedBlock, position: TxPosition) -> Option<HistoryEntry> {
    let at = position.transaction as usize;
    let transaction = block.block.transactions.get(at)?;
    Some(HistoryEntry {
        position,
        block: block.hash,
        header: ByteString(block.block.header.to_bytes().to_vec()),
        transaction: ByteString(transaction.encode()),
        transactions: u32::try_from(block.wtxids.len()).ok()?,
        siblings: ByteString(merkle::proof(&block.wtxids, at)?.concat()),
    })
}

#[cfg(test)]
mod tests;
