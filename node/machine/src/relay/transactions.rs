//! Pending transactions between nodes: announced once, asked of one, then of another.

use std::time::Duration;

use chain::encoding::Decode;
use chain::hash::{Txid, Wtxid};
use chain::transaction::Transaction;
use wire::Message;
use wire::peer::{ANNOUNCED_MAX, PeerMessage, REQUESTED_MAX};
use wire::wallet::RefusalKind;

use super::super::conduct::Misbehavior;
use super::super::intake::TransactionOutcome;
use super::super::{Machine, MachineError, PeerId};

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

/// A transaction that was asked for.
#[derive(Debug)]
pub(super) struct Request {
    from: PeerId,
    since: Duration,
    /// Who else has it.
    others: Vec<PeerId>,
}

impl Machine {
    /// Every node that does not know of this pending transaction will be told at the end of the
    /// call.
    pub(crate) fn announce_transaction(&mut self, txid: &Txid) {
        if let Some(wtxid) = self.mempool.get_by_txid(txid).map(|pending| pending.wtxid) {
            self.finish_transaction_request(&wtxid);
            self.relay.fresh.push(wtxid);
        }
    }

    /// Tells of what has become pending in this call: many at once, in one message a connection.
    pub(crate) fn announce_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.relay.fresh);
        fresh.retain(|wtxid| self.mempool.contains_wtxid(wtxid));
        if fresh.is_empty() {
            return;
        }
        for id in self.peers.ready_nodes() {
            let Some(peer) = self.peers.get_mut(id) else {
                continue;
            };
            let new = fresh.iter().filter(|wtxid| peer.transactions.insert(**wtxid));
            let new: Vec<Wtxid> = new.copied().collect();
            for wtxids in new.chunks(ANNOUNCED_MAX) {
                let message = PeerMessage::AnnounceTransactions(wtxids.to_vec());
                self.send(id, &Message::Peer(message));
            }
        }
    }

    /// Tells a new connection of everything pending.
    pub(crate) fn announce_mempool(&mut self, id: PeerId) {
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
    pub(crate) fn on_announce_transactions(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        if wtxids.len() > ANNOUNCED_MAX {
            self.note_misbehavior(
                id,
                Misbehavior::TooMany,
                "more than 5000 transactions announced at a time",
            );
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
        self.request_transactions(id);
    }

    /// Asks a connection for what it announced, as far as it may be asked at a time.
    fn request_transactions(&mut self, id: PeerId) {
        if !self.ledger.is_settled() {
            // No transaction can be judged now.
            return;
        }
        let mut wanted = Vec::new();
        while let Some(peer) = self.peers.get_mut(id) {
            let room = peer.transactions_in_flight.len() < IN_FLIGHT_MAX;
            if !room || self.relay.requests.len() >= REQUESTS_MAX {
                break;
            }
            let Some(wtxid) = peer.announced.pop_front() else {
                break;
            };
            if self.mempool.contains_wtxid(&wtxid)
                || self.relay.refused.contains(&wtxid)
                || self.relay.orphans.contains(&wtxid)
            {
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

    /// A transaction from another node.
    pub(crate) fn on_transaction(&mut self, id: PeerId, bytes: &[u8]) -> Result<(), MachineError> {
        let Ok(transaction) = Transaction::decode(bytes) else {
            self.note_misbehavior(id, Misbehavior::Malformed, "a transaction that does not decode");
            return Ok(());
        };
        let wtxid = transaction.wtxid();
        self.finish_transaction_request(&wtxid);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.transactions_in_flight.remove(&wtxid);
            peer.transactions.insert(wtxid);
        }
        if !self.ledger.is_settled() {
            self.note_announced(id, wtxid);
            return Ok(());
        }
        self.request_transactions(id);
        if self.relay.refused.contains(&wtxid) || self.relay.orphans.contains(&wtxid) {
            return Ok(());
        }
        if let TransactionOutcome::Refused { kind, reason } = self.take_transaction(&transaction)? {
            if kind == RefusalKind::MissingCoins {
                self.relay.orphans.keep(id, transaction, bytes.len(), self.now.monotonic);
                return Ok(());
            }
            if kind != RefusalKind::Busy && self.relay.refused.len() < REFUSED_MAX {
                self.relay.refused.insert(wtxid);
            }
            if kind == RefusalKind::Invalid {
                self.note_misbehavior(id, Misbehavior::InvalidTransaction, &reason);
            }
        }
        Ok(())
    }

    pub(crate) fn on_transactions_not_found(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        for wtxid in wtxids.iter().take(REQUESTED_MAX) {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.transactions_in_flight.remove(wtxid);
            }
            if self.relay.requests.get(wtxid).is_some_and(|request| request.from == id) {
                self.request_elsewhere(wtxid);
            }
        }
        for other in self.peers.ready_nodes() {
            self.request_transactions(other);
        }
    }

    /// What was asked of this connection is asked of others.
    pub(super) fn forget_transaction_requests(&mut self, id: PeerId) {
        self.request_elsewhere_where(|request| request.from == id);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.transactions_in_flight.clear();
        }
    }

    /// What did not come is asked of others.
    pub(crate) fn time_out_transactions(&mut self) {
        let now = self.now.monotonic;
        self.request_elsewhere_where(|request| now >= request.since + REQUEST_PATIENCE);
    }

    /// Asks for these requests elsewhere, and for whatever has been waiting for room.
    fn request_elsewhere_where(&mut self, concerns: impl Fn(&Request) -> bool) {
        let requests = self.relay.requests.iter();
        let asked: Vec<Wtxid> =
            requests.filter(|(_, request)| concerns(request)).map(|(wtxid, _)| *wtxid).collect();
        for wtxid in asked {
            self.request_elsewhere(&wtxid);
        }
        for id in self.peers.ready_nodes() {
            self.request_transactions(id);
        }
    }

    fn request_elsewhere(&mut self, wtxid: &Wtxid) {
        let Some(request) = self.finish_transaction_request(wtxid) else {
            return;
        };
        for other in request.others {
            self.note_announced(other, *wtxid);
        }
    }

    /// Nobody is asked for this transaction any more.
    fn finish_transaction_request(&mut self, wtxid: &Wtxid) -> Option<Request> {
        let request = self.relay.requests.remove(wtxid)?;
        if let Some(peer) = self.peers.get_mut(request.from) {
            peer.transactions_in_flight.remove(wtxid);
        }
        Some(request)
    }

    /// A connection has this transaction and may be asked for it when there is room.
    fn note_announced(&mut self, id: PeerId, wtxid: Wtxid) {
        if let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.is_ready_node())
            && peer.announced.len() < PEER_ANNOUNCED_MAX
        {
            peer.announced.push_back(wtxid);
        }
    }
}
