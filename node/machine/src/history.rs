//! Histories: what the published chain paid to a key and spent from it, with proofs. Read on any
//! thread, so that this question of a wallet, the longest, does not hold up the machine.

use std::fmt;
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::encoding::Encode;
use chain::merkle;
use chain::transaction::TxPosition;
use wire::frame::Frame;
use wire::wallet::{GetHistory, HISTORY_MAX, History, HistoryEntry, WalletMessage};
use wire::{ByteString, Message};

use crate::store::{Reader, StoreError};

/// Bytes of transactions and proofs in one answer to a wallet: well under half an outbound queue.
pub(crate) const ANSWER_BYTES: usize = 1_000_000;

/// Bytes of blocks read for one answer, and what reading any block costs besides them: one question
/// is never long to answer, so that those of others have their turn.
const ANSWER_BYTES_READ: usize = 2_000_000;
const BLOCK_BYTES_READ_MIN: usize = 10_000;

/// A wallet's question about a key, and where the chain is read that answers it: as it is then, so
/// that a question that waits keeps nothing of the database.
#[derive(Clone)]
pub struct HistoryQuestion {
    ask: GetHistory,
    reader: Reader,
}

impl fmt::Debug for HistoryQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryQuestion").field("ask", &self.ask).finish_non_exhaustive()
    }
}

impl HistoryQuestion {
    pub(crate) fn new(ask: GetHistory, reader: Reader) -> Self {
        Self { ask, reader }
    }

    /// The page of the history that was asked for, as it is sent.
    ///
    /// # Errors
    /// Trouble with the disk, or what it holds is not as it was written.
    pub fn answer(&self) -> Result<Arc<Frame>, StoreError> {
        let answer = Message::Wallet(WalletMessage::History(self.page()?));
        Ok(Arc::new(answer.to_frame()))
    }

    fn page(&self) -> Result<History, StoreError> {
        let (ask, view) = (&self.ask, self.reader.view());
        let positions = view.history(&ask.key, ask.from, HISTORY_MAX + 1)?;
        let mut entries: Vec<HistoryEntry> = Vec::new();
        let mut current: Option<(u32, CommittedBlock)> = None;
        let (mut bytes, mut bytes_read) = (0, 0);
        for position in positions.iter().take(HISTORY_MAX) {
            if current.as_ref().is_none_or(|(height, _)| *height != position.height) {
                if bytes_read >= ANSWER_BYTES_READ {
                    break;
                }
                let Some((hash, _)) = view.header_at(position.height) else {
                    break;
                };
                let Some(block) = view.block(&hash)? else {
                    break;
                };
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
        Ok(History {
            request: ask.request,
            tip: view.tip(),
            tip_height: view.height(),
            entries,
            more,
        })
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
