//! Pending transactions between nodes: announced once, asked of one, then of another.

use std::time::Duration;

use chain::encoding::Decode;
use chain::hash::{Txid, Wtxid};
use chain::transaction::Transaction;
use wire::Message;
use wire::peer::{ANNOUNCED_MAX, PeerMessage, RELAYED_BYTES_MAX, REQUESTED_MAX};
use wire::wallet::RefusalKind;

use super::Relay;
use crate::conduct::Misbehavior;
use crate::intake::{Bringer, TransactionOutcome};
use crate::{Machine, MachineError, PeerId};

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

impl Relay {
    /// When a transaction that was asked for is asked of somebody else.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        Some(self.requests.oldest()? + REQUEST_PATIENCE)
    }

    /// Nobody is asked for this transaction any more.
    fn finish_request(&mut self, wtxid: &Wtxid) {
        self.requests.remove(wtxid);
        self.others.remove(wtxid);
    }

    /// Whoever else has a transaction that did not come may be asked for it.
    pub(super) fn wait_for_others(&mut self, wtxid: &Wtxid) {
        self.requests.remove(wtxid);
        for other in self.others.remove(wtxid).unwrap_or_default() {
            self.note_announced(other, *wtxid);
        }
    }

    /// A transaction is not on its way any more: whoever else has it may be asked for it, or is
    /// forgotten; unless somebody is being asked for it.
    pub(crate) fn settle_others(&mut self, wtxid: &Wtxid, may_be_asked: bool) {
        if self.requests.contains(wtxid) {
            return;
        }
        if may_be_asked {
            self.wait_for_others(wtxid);
        } else {
            self.others.remove(wtxid);
        }
    }

    /// A connection has this transaction and may be asked for it when there is room.
    fn note_announced(&mut self, id: PeerId, wtxid: Wtxid) {
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.announced.len() < PEER_ANNOUNCED_MAX
        {
            peer.announced.push_back(wtxid);
        }
    }

    /// Besides whoever was asked for it, this connection has this transaction.
    fn note_other(&mut self, id: PeerId, wtxid: Wtxid) {
        let others = self.others.entry(wtxid).or_default();
        if others.len() < SOURCES_MAX && !others.contains(&id) {
            others.push(id);
        }
    }
}

impl Machine {
    /// Every node that does not know of this pending transaction will be told at the end of the
    /// call.
    pub(crate) fn announce_transaction(&mut self, txid: &Txid) {
        if let Some(wtxid) = self.mempool.get_by_txid(txid).map(|pending| pending.wtxid) {
            self.relay.finish_request(&wtxid);
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
        let mut news: Vec<(PeerId, Vec<Wtxid>)> = Vec::new();
        for (id, peer) in &mut self.relay.peers {
            let new = fresh.iter().filter(|wtxid| peer.known.insert(**wtxid));
            news.push((*id, new.copied().collect()));
        }
        for (id, new) in news {
            self.send_announcements(id, &new);
        }
    }

    /// Tells a new connection of everything pending.
    pub(crate) fn announce_mempool(&mut self, id: PeerId) {
        let pending: Vec<Wtxid> =
            self.mempool.iter_by_arrival().map(|pending| pending.wtxid).collect();
        if let Some(peer) = self.relay.peers.get_mut(&id) {
            for wtxid in &pending {
                peer.known.insert(*wtxid);
            }
        }
        self.send_announcements(id, &pending);
    }

    fn send_announcements(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        for wtxids in wtxids.chunks(ANNOUNCED_MAX) {
            let message = PeerMessage::AnnounceTransactions(wtxids.to_vec());
            self.send(id, &Message::Peer(message));
        }
    }

    /// Transactions that another node has; asked for at the end of the call.
    pub(crate) fn on_announce_transactions(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        if wtxids.len() > ANNOUNCED_MAX {
            let reason = "more than 5000 transactions announced at a time";
            self.note_misbehavior(id, Misbehavior::TooMany, reason);
            return;
        }
        for wtxid in wtxids {
            let Some(peer) = self.relay.peers.get_mut(&id) else {
                return;
            };
            if peer.known.insert(*wtxid) {
                self.relay.note_announced(id, *wtxid);
            }
        }
    }

    /// Asks every connection for what it announced, as far as it may be asked at a time. While the
    /// ledger is on its way, or too many signatures wait, no transaction can be judged, so none is
    /// asked for.
    pub(crate) fn request_transactions(&mut self) {
        if !self.ledger.is_settled() || !self.verifications.transactions.have_room() {
            return;
        }
        let announcing = self.relay.peers.iter().filter(|(_, peer)| !peer.announced.is_empty());
        let announcing: Vec<PeerId> = announcing.map(|(id, _)| *id).collect();
        for id in announcing {
            if self.verifications.transactions.have_room_of(id) {
                self.request_transactions_from(id);
            }
        }
    }

    fn request_transactions_from(&mut self, id: PeerId) {
        let mut wanted = Vec::new();
        while self.relay.requests.count_from(id) < IN_FLIGHT_MAX
            && self.relay.requests.len() < REQUESTS_MAX
            && let Some(peer) = self.relay.peers.get_mut(&id)
            && let Some(wtxid) = peer.announced.pop_front()
        {
            if self.mempool.contains_wtxid(&wtxid)
                || self.relay.refused.contains(&wtxid)
                || self.relay.orphans.contains(&wtxid)
                || self.relay.requests.is_from(&wtxid, id)
            {
                continue;
            }
            // Whoever brought one that waits to be judged may be gone before its turn.
            if !self.verifications.transactions.contain(&wtxid)
                && self.relay.requests.insert(wtxid, id, self.now.monotonic)
            {
                wanted.push(wtxid);
            } else {
                self.relay.note_other(id, wtxid);
            }
        }
        if !wanted.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::GetTransactions(wanted)));
        }
    }

    /// A transaction from another node.
    pub(crate) fn on_transaction(&mut self, id: PeerId, bytes: &[u8]) -> Result<(), MachineError> {
        let Ok(transaction) = Transaction::decode(bytes) else {
            let reason = "a transaction that does not decode";
            self.note_misbehavior(id, Misbehavior::Malformed, reason);
            return Ok(());
        };
        let wtxid = transaction.wtxid();
        // Others who have it are remembered until it is judged.
        self.relay.requests.remove(&wtxid);
        if let Some(peer) = self.relay.peers.get_mut(&id) {
            peer.known.insert(wtxid);
        }
        if !self.ledger.is_settled() {
            self.relay.note_announced(id, wtxid);
            self.relay.wait_for_others(&wtxid);
            return Ok(());
        }
        if self.verifications.transactions.contain(&wtxid) {
            self.relay.note_other(id, wtxid);
            return Ok(());
        }
        if bytes.len() > RELAYED_BYTES_MAX {
            // Nobody's fault, a block may hold it; and nobody is asked for it again.
            self.remember_refused(wtxid);
            self.relay.finish_request(&wtxid);
            return Ok(());
        }
        if self.relay.refused.contains(&wtxid) || self.relay.orphans.contains(&wtxid) {
            self.relay.finish_request(&wtxid);
            return Ok(());
        }
        self.offer_transaction(Bringer::Node(id), transaction)
    }

    /// What became of a transaction from another node.
    pub(crate) fn on_relayed_judged(
        &mut self,
        id: PeerId,
        transaction: Transaction,
        outcome: TransactionOutcome,
    ) {
        let wtxid = transaction.wtxid();
        let (kind, reason) = match outcome {
            TransactionOutcome::Refused { kind, reason } => (kind, reason),
            // It is asked for again when it can be judged.
            TransactionOutcome::TryAgain { .. } => return self.relay.note_announced(id, wtxid),
            _ => return,
        };
        match kind {
            // At the end of a chain that is too long it waits for a block, as an orphan may.
            RefusalKind::MissingCoins | RefusalKind::Busy => {
                self.relay.orphans.keep(id, transaction, self.now.monotonic);
                return;
            }
            _ => {}
        }
        self.remember_refused(wtxid);
        if kind == RefusalKind::Invalid {
            self.note_misbehavior(id, Misbehavior::InvalidTransaction, &reason);
        }
    }

    /// This transaction is not asked for before the tip changes.
    fn remember_refused(&mut self, wtxid: Wtxid) {
        if self.relay.refused.len() < REFUSED_MAX {
            self.relay.refused.insert(wtxid);
        }
    }

    /// Transactions that a connection was asked for and does not have.
    pub(crate) fn on_transactions_not_found(&mut self, id: PeerId, wtxids: &[Wtxid]) {
        for wtxid in wtxids.iter().take(REQUESTED_MAX) {
            if self.relay.requests.is_from(wtxid, id) {
                self.relay.wait_for_others(wtxid);
            }
        }
    }

    /// What did not come is asked of others.
    pub(crate) fn time_out_transactions(&mut self) {
        if let Some(time) = self.now.monotonic.checked_sub(REQUEST_PATIENCE) {
            for wtxid in self.relay.requests.until(time) {
                self.relay.wait_for_others(&wtxid);
            }
        }
    }
}
