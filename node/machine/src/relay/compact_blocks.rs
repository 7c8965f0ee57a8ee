//! Compact blocks: a new block without the transactions that the receiver has probably seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::encoding::{Decode, Encode, Reader, write_compact_size};
use chain::hash::{BlockHash, Wtxid, sha256};
use chain::header::{HEADER_BYTES, Header};
use chain::rules::header::check_time;
use chain::transaction::Transaction;
use rand::RngExt;
use wire::peer::{
    BLOCK_TRANSACTIONS_MAX, BlockTransactions, CompactBlock, GetBlockTransactions, PeerMessage,
    SHORT_ID_BYTES,
};
use wire::{ByteString, Message};

use crate::conduct::{Misbehavior, Source};
use crate::effect::Effect;
use crate::{Machine, MachineError, PeerId};

/// Compact blocks that wait for their missing transactions, one a connection.
const PARTIAL_MAX: usize = 8;

/// A compact block whose missing transactions were asked for.
#[derive(Debug)]
pub(crate) struct Partial {
    hash: BlockHash,
    header: Header,
    /// In order; empty places are missing.
    transactions: Vec<Option<Arc<Transaction>>>,
    missing: Vec<u32>,
}

/// The short name of a transaction within one compact block.
pub(crate) fn short_id(block: &BlockHash, salt: u64, wtxid: &Wtxid) -> [u8; SHORT_ID_BYTES] {
    let mut bytes = [0; 72];
    bytes[..32].copy_from_slice(&block.0);
    bytes[32..40].copy_from_slice(&salt.to_le_bytes());
    bytes[40..].copy_from_slice(&wtxid.0);
    let mut id = [0; SHORT_ID_BYTES];
    id.copy_from_slice(&sha256(&bytes)[..SHORT_ID_BYTES]);
    id
}

impl Machine {
    /// Tells every node that does not have it of the new tip.
    pub(crate) fn announce_tip(&mut self) -> Result<(), MachineError> {
        self.relay.refused.clear();
        self.relay.orphans.recheck();
        let tip = self.ledger.published_id();
        let unaware: Vec<PeerId> = self
            .sync
            .best_headers()
            .filter(|(_, best)| !self.tree.is_ancestor(tip, *best))
            .map(|(id, _)| id)
            .collect();
        if unaware.is_empty() {
            return Ok(());
        }
        let block = self.ledger.block(&self.ledger.published().hash)?;
        let salt = self.rng.random();
        let short_ids = block.wtxids.iter().skip(1).flat_map(|id| short_id(&block.hash, salt, id));
        let compact = CompactBlock {
            header: ByteString(block.block.header.to_bytes().to_vec()),
            salt,
            coinbase: ByteString(
                block.block.transactions.first().map(Encode::encode).unwrap_or_default(),
            ),
            short_ids: ByteString(short_ids.collect()),
        };
        let frame = Arc::new(Message::Peer(PeerMessage::CompactBlock(compact)).to_frame());
        for peer in unaware {
            self.note_header(peer, tip);
            self.effects.push(Effect::Send { peer, frame: Arc::clone(&frame) });
        }
        Ok(())
    }

    /// A new block that another node tells of.
    pub(crate) fn on_compact_block(
        &mut self,
        id: PeerId,
        compact: &CompactBlock,
    ) -> Result<(), MachineError> {
        let header = <&[u8; HEADER_BYTES]>::try_from(compact.header.0.as_slice());
        let (Ok(header), Ok(coinbase)) = (header, Transaction::decode(&compact.coinbase.0)) else {
            self.note_misbehavior(
                id,
                Misbehavior::Malformed,
                "a compact block that does not decode",
            );
            return Ok(());
        };
        let header = Header::from_bytes(header);
        let (short_ids, rest) = compact.short_ids.0.as_chunks::<SHORT_ID_BYTES>();
        if !rest.is_empty() || short_ids.len() >= BLOCK_TRANSACTIONS_MAX {
            self.note_misbehavior(
                id,
                Misbehavior::Malformed,
                "a compact block with broken short ids",
            );
            return Ok(());
        }
        if !self.is_worth_completing(id, &header) {
            return Ok(());
        }
        let hash = header.hash();
        let mut transactions = self.find_in_mempool(&hash, compact.salt, short_ids);
        transactions.insert(0, Some(Arc::new(coinbase)));
        let missing: Vec<u32> = (0u32..)
            .zip(&transactions)
            .filter(|(_, transaction)| transaction.is_none())
            .map(|(position, _)| position)
            .collect();
        let partial = Partial { hash, header, transactions, missing };
        if partial.missing.is_empty() {
            return self.complete_partial(id, partial);
        }
        self.forget_partial(id);
        if self.relay.partial.len() < PARTIAL_MAX && self.note_block_request(id, hash) {
            let request = GetBlockTransactions { block: hash, positions: partial.missing.clone() };
            self.relay.partial.insert(id, partial);
            self.send(id, &Message::Peer(PeerMessage::GetBlockTransactions(request)));
        }
        Ok(())
    }

    /// Whether a block with this header is new and the next one of a chain worth having: the
    /// ordinary download fetches what lies further ahead, in order.
    fn is_worth_completing(&mut self, id: PeerId, header: &Header) -> bool {
        if check_time(header, &self.network.spec, self.now.wall_s).is_err() {
            return self.is_worth_waiting_for(Source::Peer(id), header);
        }
        let work_min = self.work_threshold();
        let Some(entry) = self.take_header(Source::Peer(id), header, work_min) else {
            return false;
        };
        self.note_header(id, entry);
        let parent = self.tree.entry(entry).parent;
        !self.tree.has_body(entry)
            && self.is_wanted(entry)
            && parent.is_none_or(|parent| self.tree.is_complete(parent))
    }

    /// A compact block of this connection is no longer waited for.
    fn forget_partial(&mut self, id: PeerId) {
        if let Some(partial) = self.relay.partial.remove(&id) {
            self.sync.downloads.remove_from(&partial.hash, id);
        }
    }

    /// This block does not come from this connection: what is left out of it is not awaited.
    pub(crate) fn forget_partial_of(&mut self, id: PeerId, hash: &BlockHash) {
        if self.relay.partial.get(&id).is_some_and(|partial| partial.hash == *hash) {
            self.forget_partial(id);
        }
    }

    /// This block is here: no connection is waited for that was asked for its transactions.
    pub(crate) fn forget_partials_of(&mut self, hash: &BlockHash) {
        self.relay.partial.retain(|_, partial| partial.hash != *hash);
    }

    fn find_in_mempool(
        &self,
        block: &BlockHash,
        salt: u64,
        short_ids: &[[u8; SHORT_ID_BYTES]],
    ) -> Vec<Option<Arc<Transaction>>> {
        let known: BTreeMap<[u8; SHORT_ID_BYTES], &Arc<Transaction>> = if short_ids.is_empty() {
            BTreeMap::new()
        } else {
            self.mempool
                .iter_by_arrival()
                .map(|pending| (short_id(block, salt, &pending.wtxid), &pending.transaction))
                .collect()
        };
        short_ids.iter().map(|id| known.get(id).map(|known| Arc::clone(known))).collect()
    }

    /// The transactions that a compact block had left out.
    pub(crate) fn on_block_transactions(
        &mut self,
        id: PeerId,
        answer: &BlockTransactions,
    ) -> Result<(), MachineError> {
        let awaited = |partial: &&mut Partial| partial.hash == answer.block;
        if self.relay.partial.get_mut(&id).filter(awaited).is_none() {
            self.note_block_came_late(id, &answer.block);
            return Ok(());
        }
        let Some(mut partial) = self.relay.partial.remove(&id) else {
            return Ok(());
        };
        self.finish_block_request(id, &partial.hash);
        let mut reader = Reader::new(&answer.transactions.0);
        for position in std::mem::take(&mut partial.missing) {
            let Ok(transaction) = Transaction::decode_from(&mut reader) else {
                self.note_misbehavior(
                    id,
                    Misbehavior::Malformed,
                    "missing transactions that do not decode",
                );
                return Ok(());
            };
            if let Some(place) = partial.transactions.get_mut(position as usize) {
                *place = Some(Arc::new(transaction));
            }
        }
        if reader.finish().is_err() {
            self.note_misbehavior(
                id,
                Misbehavior::Malformed,
                "more transactions than were missing",
            );
            return Ok(());
        }
        self.complete_partial(id, partial)
    }

    fn complete_partial(&mut self, id: PeerId, partial: Partial) -> Result<(), MachineError> {
        let mut body = Vec::new();
        write_compact_size(partial.transactions.len() as u64, &mut body);
        for transaction in partial.transactions.iter().flatten() {
            transaction.encode_to(&mut body);
        }
        let Ok(block) = CommittedBlock::decode(partial.header, &body) else {
            // Two transactions share a short id, or somebody lied: the whole block settles it.
            self.request_blocks(id, vec![partial.hash]);
            return Ok(());
        };
        self.take_block(Source::Peer(id), block)
    }

    pub(crate) fn on_get_block_transactions(
        &mut self,
        id: PeerId,
        request: &GetBlockTransactions,
    ) -> Result<(), MachineError> {
        let rising = request.positions.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || request.positions.is_empty() {
            self.note_misbehavior(
                id,
                Misbehavior::Malformed,
                "no positions, or positions that do not rise",
            );
            return Ok(());
        }
        if !self.ledger.has_durable_block(&request.block) {
            let missing = PeerMessage::BlocksNotFound(vec![request.block]);
            self.send(id, &Message::Peer(missing));
            return Ok(());
        }
        let block = self.ledger.block(&request.block)?;
        let mut bytes = Vec::new();
        for position in &request.positions {
            match block.block.transactions.get(*position as usize) {
                Some(transaction) => transaction.encode_to(&mut bytes),
                None => {
                    self.note_misbehavior(
                        id,
                        Misbehavior::TooMany,
                        "a position behind the end of a block",
                    );
                    return Ok(());
                }
            }
        }
        let answer = BlockTransactions { block: request.block, transactions: ByteString(bytes) };
        self.send(id, &Message::Peer(PeerMessage::BlockTransactions(answer)));
        Ok(())
    }
}
