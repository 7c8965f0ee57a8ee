//! Relay: new blocks as compact blocks, pending transactions announced and then asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chain::encoding::{Decode, Encode, Reader, write_compact_size};
use chain::hash::{BlockHash, Txid, Wtxid, sha256};
use chain::header::{HEADER_BYTES, Header};
use chain::transaction::Transaction;
use chain::wire::peer::{
    ANNOUNCED_MAX, BLOCK_TRANSACTIONS_MAX, BlockTransactions, CompactBlock, GetBlockTransactions,
    PeerMessage, REQUESTED_MAX, SHORT_ID_BYTES,
};
use chain::wire::{ByteString, Message};
use rand::RngExt;

use super::conduct::Offense;
use super::effect::Effect;
use super::intake::{Source, TransactionOutcome};
use super::{Machine, MachineError, PeerId};
use chain::wire::wallet::RefusalKind;

/// Transactions asked of one connection at a time.
const IN_FLIGHT_MAX: usize = 100;

/// Announced transactions that one connection may have waiting to be asked for.
const PEER_ANNOUNCED_MAX: usize = 1000;

/// Transactions that are wanted from anybody at a time.
const REQUESTS_MAX: usize = 5000;

/// A transaction that does not come is asked of somebody else after this long.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// Other connections that are remembered to have a wanted transaction.
const SOURCES_MAX: usize = 8;

/// Refused transactions that are remembered until the tip changes.
const REFUSED_MAX: usize = 10_000;

/// Compact blocks that wait for their missing transactions, one a connection.
const PARTIAL_MAX: usize = 8;

/// A transaction that was asked for.
#[derive(Debug)]
struct Request {
    from: PeerId,
    since: Duration,
    /// Who else has it.
    others: Vec<PeerId>,
}

/// A compact block whose missing transactions were asked for.
#[derive(Debug)]
struct Partial {
    hash: BlockHash,
    header: Header,
    /// In order; empty places are missing.
    transactions: Vec<Option<Arc<Transaction>>>,
    missing: Vec<u32>,
}

/// What relay remembers across connections.
#[derive(Debug, Default)]
pub(super) struct Relay {
    requests: BTreeMap<Wtxid, Request>,
    refused: BTreeSet<Wtxid>,
    partial: BTreeMap<PeerId, Partial>,
}

/// The short name of a transaction within one compact block.
fn short_id(block: &BlockHash, salt: u64, wtxid: &Wtxid) -> [u8; SHORT_ID_BYTES] {
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
    pub(super) fn announce_tip(&mut self) -> Result<(), MachineError> {
        self.relay.refused.clear();
        let tip = self.ledger.tip_id();
        let unaware: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|peer| peer.is_ready_node() && !self.tree.is_ancestor(tip, peer.best_header))
            .map(|peer| peer.id)
            .collect();
        if unaware.is_empty() {
            return Ok(());
        }
        let block = self.ledger.block(&self.ledger.tip().hash)?;
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
    pub(super) fn take_compact_block(
        &mut self,
        id: PeerId,
        compact: &CompactBlock,
    ) -> Result<(), MachineError> {
        let header = <&[u8; HEADER_BYTES]>::try_from(compact.header.0.as_slice());
        let (Ok(header), Ok(coinbase)) = (header, Transaction::decode(&compact.coinbase.0)) else {
            self.punish(id, Offense::Malformed, "a compact block that does not decode");
            return Ok(());
        };
        let header = Header::from_bytes(header);
        let (short_ids, rest) = compact.short_ids.0.as_chunks::<SHORT_ID_BYTES>();
        if !rest.is_empty() || short_ids.len() >= BLOCK_TRANSACTIONS_MAX {
            self.punish(id, Offense::Malformed, "a compact block with broken short ids");
            return Ok(());
        }
        let hash = header.hash();
        let waits_for_its_second =
            chain::rules::header::check_time(&header, &self.network.spec, self.now.wall_s).is_err();
        if !waits_for_its_second {
            let Some(entry) = self.take_header(Source::Peer(id), &header) else {
                return Ok(());
            };
            self.note_header(id, entry);
            if self.tree.has_body(entry) || !self.is_wanted(entry) {
                return Ok(());
            }
            if !self.tree.entry(entry).parent.is_none_or(|parent| self.tree.is_complete(parent)) {
                // More than one block is missing: the ordinary download fetches them in order.
                return Ok(());
            }
        }
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
        if self.relay.partial.len() < PARTIAL_MAX || self.relay.partial.contains_key(&id) {
            let request = GetBlockTransactions { block: hash, positions: partial.missing.clone() };
            self.relay.partial.insert(id, partial);
            self.send(id, &Message::Peer(PeerMessage::GetBlockTransactions(request)));
        }
        Ok(())
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
    pub(super) fn take_block_transactions(
        &mut self,
        id: PeerId,
        answer: &BlockTransactions,
    ) -> Result<(), MachineError> {
        let Some(mut partial) = self.relay.partial.remove(&id) else {
            return Ok(());
        };
        if partial.hash != answer.block {
            return Ok(());
        }
        let mut reader = Reader::new(&answer.transactions.0);
        for position in std::mem::take(&mut partial.missing) {
            let Ok(transaction) = Transaction::decode_from(&mut reader) else {
                self.punish(id, Offense::Malformed, "missing transactions that do not decode");
                return Ok(());
            };
            if let Some(place) = partial.transactions.get_mut(position as usize) {
                *place = Some(Arc::new(transaction));
            }
        }
        self.complete_partial(id, partial)
    }

    fn complete_partial(&mut self, id: PeerId, partial: Partial) -> Result<(), MachineError> {
        let mut body = Vec::new();
        write_compact_size(partial.transactions.len() as u64, &mut body);
        for transaction in partial.transactions.iter().flatten() {
            transaction.encode_to(&mut body);
        }
        if chain::block::commits(partial.header, &body).is_err() {
            // Two transactions share a short id, or somebody lied: the whole block settles it.
            if let Some(peer) = self.peers.get_mut(id) {
                peer.blocks_in_flight.insert(partial.hash, self.now.monotonic);
            }
            self.send(id, &Message::Peer(PeerMessage::GetBlocks(vec![partial.hash])));
            return Ok(());
        }
        self.take_block(Source::Peer(id), &partial.header, &body)
    }

    pub(super) fn serve_block_transactions(
        &mut self,
        id: PeerId,
        request: &GetBlockTransactions,
    ) -> Result<(), MachineError> {
        let rising = request.positions.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising {
            self.punish(id, Offense::Malformed, "positions that do not rise");
            return Ok(());
        }
        if self.ledger.block_bytes(&request.block)?.is_none() {
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
                    self.punish(id, Offense::TooMany, "a position behind the end of a block");
                    return Ok(());
                }
            }
        }
        let answer = BlockTransactions { block: request.block, transactions: ByteString(bytes) };
        self.send(id, &Message::Peer(PeerMessage::BlockTransactions(answer)));
        Ok(())
    }

    /// Tells every node that does not know it of a pending transaction.
    pub(super) fn announce_transaction(&mut self, txid: &Txid) {
        let Some(wtxid) = self.mempool.get_by_txid(txid).map(|pending| pending.wtxid) else {
            return;
        };
        self.relay.requests.remove(&wtxid);
        for id in self.peers.ready_nodes() {
            let new = self.peers.get_mut(id).is_some_and(|peer| peer.transactions.insert(wtxid));
            if new {
                let message = PeerMessage::AnnounceTransactions(vec![wtxid]);
                self.send(id, &Message::Peer(message));
            }
        }
    }

    /// Tells a new connection of everything pending.
    pub(super) fn announce_mempool(&mut self, id: PeerId) {
        let pending: Vec<Wtxid> =
            self.mempool.iter_by_arrival().map(|pending| pending.wtxid).collect();
        for wtxids in pending.chunks(ANNOUNCED_MAX) {
            if let Some(peer) = self.peers.get_mut(id) {
                for wtxid in wtxids {
                    peer.transactions.insert(*wtxid);
                }
            }
            let message = PeerMessage::AnnounceTransactions(wtxids.to_vec());
            self.send(id, &Message::Peer(message));
        }
    }

    /// Transactions that another node has.
    pub(super) fn announced(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        if wtxids.len() > ANNOUNCED_MAX {
            self.punish(id, Offense::TooMany, "more than 5000 transactions announced at a time");
            return;
        }
        for wtxid in wtxids {
            let Some(peer) = self.peers.get_mut(id) else {
                return;
            };
            if peer.transactions.insert(*wtxid) && peer.announced.len() < PEER_ANNOUNCED_MAX {
                peer.announced.push_back(*wtxid);
            }
        }
        self.ask_transactions(id);
    }

    /// Asks a connection for what it announced, as far as it may be asked at a time.
    fn ask_transactions(&mut self, id: PeerId) {
        let mut wanted = Vec::new();
        while let Some(peer) = self.peers.get_mut(id) {
            let room = peer.transactions_in_flight.len() < IN_FLIGHT_MAX;
            if !room || self.relay.requests.len() >= REQUESTS_MAX {
                break;
            }
            let Some(wtxid) = peer.announced.pop_front() else {
                break;
            };
            if self.mempool.contains_wtxid(&wtxid) || self.relay.refused.contains(&wtxid) {
                continue;
            }
            if let Some(request) = self.relay.requests.get_mut(&wtxid) {
                if request.others.len() < SOURCES_MAX && request.from != id {
                    request.others.push(id);
                }
                continue;
            }
            peer.transactions_in_flight.insert(wtxid);
            let request = Request { from: id, since: self.now.monotonic, others: Vec::new() };
            self.relay.requests.insert(wtxid, request);
            wanted.push(wtxid);
        }
        if !wanted.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::GetTransactions(wanted)));
        }
    }

    pub(super) fn serve_transactions(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        if wtxids.len() > REQUESTED_MAX {
            self.punish(id, Offense::TooMany, "more than 1000 transactions asked for at a time");
            return;
        }
        let mut missing = Vec::new();
        for wtxid in wtxids {
            match self.mempool.get_by_wtxid(wtxid) {
                Some(pending) => {
                    let bytes = ByteString(pending.transaction.encode());
                    self.send(id, &Message::Peer(PeerMessage::Transaction(bytes)));
                }
                None => missing.push(*wtxid),
            }
        }
        if !missing.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::TransactionsNotFound(missing)));
        }
    }

    /// A transaction from another node.
    pub(super) fn take_relayed(&mut self, id: PeerId, bytes: &[u8]) -> Result<(), MachineError> {
        let Ok(transaction) = Transaction::decode(bytes) else {
            self.punish(id, Offense::Malformed, "a transaction that does not decode");
            return Ok(());
        };
        let wtxid = transaction.wtxid();
        self.relay.requests.remove(&wtxid);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.transactions_in_flight.remove(&wtxid);
            peer.transactions.insert(wtxid);
        }
        self.ask_transactions(id);
        if self.relay.refused.contains(&wtxid) {
            return Ok(());
        }
        if let TransactionOutcome::Refused { kind, reason } = self.take_transaction(&transaction)? {
            if kind != RefusalKind::Busy && self.relay.refused.len() < REFUSED_MAX {
                self.relay.refused.insert(wtxid);
            }
            if kind == RefusalKind::Invalid {
                self.punish(id, Offense::InvalidTransaction, &reason);
            }
        }
        Ok(())
    }

    pub(super) fn not_found(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        for wtxid in wtxids.iter().take(REQUESTED_MAX) {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.transactions_in_flight.remove(wtxid);
            }
            if self.relay.requests.get(wtxid).is_some_and(|request| request.from == id) {
                self.ask_somebody_else(wtxid);
            }
        }
        self.ask_transactions(id);
    }

    pub(super) fn forget_transaction_requests(&mut self, id: PeerId) {
        self.relay.partial.remove(&id);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.transactions_in_flight.clear();
        }
        let asked: Vec<Wtxid> = self
            .relay
            .requests
            .iter()
            .filter(|(_, request)| request.from == id)
            .map(|(wtxid, _)| *wtxid)
            .collect();
        for wtxid in asked {
            self.ask_somebody_else(&wtxid);
        }
    }

    pub(super) fn time_out_transactions(&mut self) {
        let now = self.now.monotonic;
        let late: Vec<Wtxid> = self
            .relay
            .requests
            .iter()
            .filter(|(_, request)| now >= request.since + REQUEST_PATIENCE)
            .map(|(wtxid, _)| *wtxid)
            .collect();
        for wtxid in late {
            self.ask_somebody_else(&wtxid);
        }
    }

    fn ask_somebody_else(&mut self, wtxid: &Wtxid) {
        let Some(mut request) = self.relay.requests.remove(wtxid) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(request.from) {
            peer.transactions_in_flight.remove(wtxid);
        }
        while let Some(other) = request.others.pop() {
            let ready = self.peers.get_mut(other).filter(|peer| peer.is_ready_node());
            if let Some(peer) = ready {
                peer.transactions_in_flight.insert(*wtxid);
                let message = PeerMessage::GetTransactions(vec![*wtxid]);
                request.from = other;
                request.since = self.now.monotonic;
                self.relay.requests.insert(*wtxid, request);
                self.send(other, &Message::Peer(message));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
