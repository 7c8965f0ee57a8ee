//! Relay: new blocks as [`compact_blocks`], pending [`transactions`] announced and then asked for,
//! [`orphans`] kept until their parents come.

mod compact_blocks;
mod orphans;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::hash::Wtxid;

use crate::PeerId;
use crate::requests::Requests;
use compact_blocks::Partial;
#[cfg(test)]
pub(crate) use compact_blocks::short_id;
use orphans::Orphans;

pub(crate) use orphans::Orphan;

/// Transactions that a connection is remembered to know.
const KNOWN_TRANSACTIONS_MAX: usize = 5000;

/// Who knows which transactions and blocks, and what was asked of whom.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// The full nodes whose handshake is done.
    pub(crate) peers: BTreeMap<PeerId, RelayPeer>,
    /// Transactions that were asked for.
    pub(crate) requests: Requests<Wtxid>,
    /// Who else has a transaction; only of those that were asked for or wait to be judged.
    pub(crate) others: BTreeMap<Wtxid, Vec<PeerId>>,
    /// Transactions that are not asked for before the tip changes.
    refused: BTreeSet<Wtxid>,
    /// Transactions that became pending in this call and are still to be announced.
    fresh: Vec<Wtxid>,
    /// Transactions that came before what they spend.
    orphans: Orphans,
    /// Compact blocks whose missing transactions were asked for.
    pub(crate) partial: BTreeMap<PeerId, Partial>,
}

/// What relay knows of one node.
#[derive(Debug, Default)]
pub(crate) struct RelayPeer {
    known: KnownTransactions,
    /// Transactions it announced that are still to be asked for.
    announced: VecDeque<Wtxid>,
}

impl Relay {
    pub(crate) fn add_peer(&mut self, id: PeerId) {
        self.peers.insert(id, RelayPeer::default());
    }

    /// What was asked of this connection waits to be asked of others. Orphans that it brought
    /// stay: they may still be worth something.
    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.partial.remove(&id);
        self.peers.remove(&id);
        for others in self.others.values_mut() {
            others.retain(|other| *other != id);
        }
        for wtxid in self.requests.forget_peer(id) {
            self.wait_for_others(&wtxid);
        }
        self.others.retain(|_, others| !others.is_empty());
    }
}

/// Transactions that a connection has, as far as we know: nothing is announced twice. The oldest
/// are forgotten.
#[derive(Debug, Default)]
struct KnownTransactions {
    order: VecDeque<Wtxid>,
    set: BTreeSet<Wtxid>,
}

impl KnownTransactions {
    /// Remembers one; false when it was known.
    fn insert(&mut self, wtxid: Wtxid) -> bool {
        if !self.set.insert(wtxid) {
            return false;
        }
        self.order.push_back(wtxid);
        if self.order.len() > KNOWN_TRANSACTIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
