//! `InboundMemory`: how much unfinished input all peers together may make the node hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use machine::PeerId;

/// Bytes that every connection may hold whatever the others do.
pub(super) const GUARANTEED_BYTES: usize = 64 * 1024;

/// Bytes that all connections together may hold beyond that.
pub(super) const SHARED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all connections of a node hold beyond their guarantee. When it runs out, the connection
/// that holds most (the one that holds it longest among equals) is dropped.
pub(super) struct InboundMemory {
    max: usize,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Sum over `holders`.
    used: usize,
    holders: BTreeMap<PeerId, Holder>,
}

struct Holder {
    bytes: usize,
    since: Instant,
    drop_it: CancellationToken,
}

/// One connection's part of the memory; given back when dropped.
pub(super) struct InboundShare {
    memory: Arc<InboundMemory>,
    peer: PeerId,
    drop_it: CancellationToken,
}

impl InboundMemory {
    /// Memory of `max` shared bytes.
    pub fn new(max: usize) -> Self {
        Self { max, shared: Mutex::default() }
    }

    /// The share of `peer`; `drop_it` is cancelled when its bytes are needed elsewhere.
    pub fn share(self: &Arc<Self>, peer: PeerId, drop_it: CancellationToken) -> InboundShare {
        InboundShare { memory: Arc::clone(self), peer, drop_it }
    }

    /// Bytes that are held beyond the guarantees.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InboundShare {
    /// The connection holds `bytes` now.
    pub fn hold(&self, bytes: usize) {
        let beyond = bytes.saturating_sub(GUARANTEED_BYTES);
        let mut shared = self.memory.lock();
        let before = shared.remove(self.peer);
        if beyond == 0 {
            return;
        }
        let holder = Holder {
            bytes: beyond,
            since: before.map_or_else(Instant::now, |holder| holder.since),
            drop_it: self.drop_it.clone(),
        };
        shared.used += beyond;
        shared.holders.insert(self.peer, holder);
        while shared.used > self.memory.max
            && let Some(largest) = shared.largest()
            && let Some(holder) = shared.remove(largest)
        {
            holder.drop_it.cancel();
        }
    }
}

impl Drop for InboundShare {
    fn drop(&mut self) {
        self.hold(0);
    }
}

impl Shared {
    fn remove(&mut self, peer: PeerId) -> Option<Holder> {
        let holder = self.holders.remove(&peer)?;
        self.used -= holder.bytes;
        Some(holder)
    }

    fn largest(&self) -> Option<PeerId> {
        let by_size =
            |(_, holder): &(&PeerId, &Holder)| (holder.bytes, std::cmp::Reverse(holder.since));
        self.holders.iter().max_by_key(by_size).map(|(peer, _)| *peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_holds_most_is_dropped_when_memory_runs_out() {
        let memory = Arc::new(InboundMemory::new(1_000_000));
        let tokens: Vec<CancellationToken> = (0..3).map(|_| CancellationToken::new()).collect();
        let shares: Vec<InboundShare> = (0u64..)
            .zip(&tokens)
            .map(|(peer, token)| memory.share(PeerId(peer), token.clone()))
            .collect();
        shares[0].hold(GUARANTEED_BYTES + 300_000);
        shares[1].hold(GUARANTEED_BYTES + 500_000);
        shares[2].hold(GUARANTEED_BYTES + 200_000);
        assert!(tokens.iter().all(|token| !token.is_cancelled()));
        shares[2].hold(GUARANTEED_BYTES + 200_001);
        let dropped: Vec<bool> = tokens.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(dropped, [false, true, false]);
    }

    #[test]
    fn the_guarantee_costs_nobody_anything_and_what_is_given_back_is_free() {
        let memory = Arc::new(InboundMemory::new(10));
        let token = CancellationToken::new();
        let shares: Vec<InboundShare> =
            (0..1000).map(|peer| memory.share(PeerId(peer), token.clone())).collect();
        for share in &shares {
            share.hold(GUARANTEED_BYTES);
            share.hold(GUARANTEED_BYTES + 10);
            share.hold(0);
        }
        shares[0].hold(GUARANTEED_BYTES + 10);
        drop(shares);
        assert!(!token.is_cancelled());
        assert_eq!(memory.used(), 0);
    }
}
