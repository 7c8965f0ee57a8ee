//! `Told`: which blocks a node has told of, to whom, and whether as its tip.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::hash::BlockHash;

/// Who hears what a node tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hearer {
    /// Other nodes.
    Peer,
    /// Wallets.
    Wallet,
    /// Whoever runs it.
    Operator,
    /// Whoever reads its log.
    Log,
}

impl Hearer {
    pub(super) const ALL: [Self; 4] = [Self::Peer, Self::Wallet, Self::Operator, Self::Log];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Wallet => "wallet",
            Self::Operator => "operator",
            Self::Log => "log",
        }
    }
}

/// What one process has told so far. Clones note down in the same place.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Notes>>);

/// What was told.
#[derive(Default)]
pub(super) struct Notes {
    /// Blocks, and who heard of them.
    pub blocks: BTreeMap<BlockHash, BTreeSet<Hearer>>,
    /// Those that were told as the tip.
    pub tips: BTreeSet<BlockHash>,
    /// Highest tip of which only the height was told.
    pub height: u32,
    /// How often the log told of a reorganization.
    pub reorganizations: u32,
    /// A wallet was told of a tip that is not below the one told before the process was killed.
    pub caught_up: bool,
}

impl Told {
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Sets are whole between any two statements, so a panic elsewhere has not harmed them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn block(&self, to: Hearer, hash: BlockHash) {
        self.notes().blocks.entry(hash).or_default().insert(to);
    }

    pub(super) fn tip(&self, to: Hearer, hash: BlockHash) {
        self.block(to, hash);
        self.notes().tips.insert(hash);
    }
}
