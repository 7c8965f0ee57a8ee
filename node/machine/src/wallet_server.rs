//! The wallet server: payments in, history with proofs out.

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
use crate::intake::TransactionOutcome;
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
            WalletMessage::Submit(submit) => self.on_submit(id, &submit)?,
            WalletMessage::GetHistory(ask) => self.on_get_history(&ask)?,
            WalletMessage::GetPending(ask) => self.on_get_pending(&ask),
            WalletMessage::GetTip(request) => WalletMessage::Tip(Tip {
                request,
                tip: self.ledger.tip().hash,
                height: self.ledger.tip().height,
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

    fn on_submit(&mut self, id: PeerId, submit: &Submit) -> Result<WalletMessage, MachineError> {
        self.tally.payments_submitted += 1;
        let outcome = match Transaction::decode(&submit.transaction.0) {
            Ok(transaction) => match self.take_transaction(&transaction)? {
                TransactionOutcome::Accepted(txid) => SubmitOutcome::Accepted(txid),
                TransactionOutcome::AlreadyKnown(txid) => SubmitOutcome::AlreadyKnown(txid),
                TransactionOutcome::Refused { kind, reason } => {
                    SubmitOutcome::Refused { kind, reason }
                }
            },
            Err(error) => SubmitOutcome::Refused {
                kind: RefusalKind::Invalid,
                reason: format!("the transaction does not decode: {error}"),
            },
        };
        if let SubmitOutcome::Refused { kind: RefusalKind::Invalid, reason } = &outcome {
            self.note_misbehavior(id, Misbehavior::InvalidPayment, reason);
        }
        Ok(WalletMessage::Submitted(Submitted { request: submit.request, outcome }))
    }

    fn on_get_pending(&self, ask: &GetPending) -> WalletMessage {
        let mut bytes = 0;
        let transactions = self
            .mempool
            .touching(&ask.key)
            .iter()
            .map(|transaction| transaction.encode())
            .take_while(|encoded| {
                bytes += encoded.len();
                bytes <= ANSWER_BYTES
            })
            .map(ByteString)
            .collect();
        WalletMessage::Pending(Pending { request: ask.request, transactions })
    }

    fn on_get_history(&self, ask: &GetHistory) -> Result<WalletMessage, MachineError> {
        let positions = self.ledger.history(&ask.key, ask.from, HISTORY_MAX + 1)?;
        // The entries are of the cursor's chain: so is the end that they are said to lead to.
        let end = self.tree.entry(self.ledger.cursor());
        let mut entries: Vec<HistoryEntry> = Vec::new();
        let mut current: Option<(u32, CommittedBlock)> = None;
        let (mut bytes, mut bytes_read) = (0, 0);
        for position in positions.iter().take(HISTORY_MAX) {
            if current.as_ref().is_none_or(|(height, _)| *height != position.height) {
                if bytes_read >= ANSWER_BYTES_READ {
                    break;
                }
                let Some(id) = self.ledger.at_height(position.height) else {
                    break;
                };
                let block = self.ledger.block(&self.tree.entry(id).hash)?;
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
            tip: end.hash,
            tip_height: end.height,
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
