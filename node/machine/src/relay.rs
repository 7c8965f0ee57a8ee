//! Relay: new blocks as [`compact_blocks`], pending [`transactions`] announced and then asked for,
//! [`orphans`] kept until their parents come.

mod compact_blocks;
mod orphans;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};

use chain::hash::Wtxid;

use super::{Machine, PeerId};
use compact_blocks::Partial;
#[cfg(test)]
pub(super) use compact_blocks::short_id;
use orphans::Orphans;
use transactions::Request;

/// What relay remembers across connections.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// Transactions that were asked for.
    requests: BTreeMap<Wtxid, Request>,
    /// Transactions that are not asked for before the tip changes.
    refused: BTreeSet<Wtxid>,
    /// Transactions that became pending in this call and are still to be announced.
    fresh: Vec<Wtxid>,
    /// Transactions that came before what they spend.
    orphans: Orphans,
    /// Compact blocks whose missing transactions were asked for.
    partial: BTreeMap<PeerId, Partial>,
}

impl Machine {
    /// A connection is gone, or its promises are no longer believed.
    pub(super) fn forget_relay(&mut self, id: PeerId) {
        self.relay.partial.remove(&id);
        self.forget_transaction_requests(id);
    }
}

#[cfg(test)]
mod tests;
