//! `Account`: the keys of a wallet by BIP 32, and which of them are fresh.
//!
//! Keys lie at `m/86'/1'/0'/branch/index`, branch 0 for receiving and 1 for change. 86' is the
//! purpose of BIP 86 (one x-only key an output), though outputs pay the key itself, without BIP
//! 341's tweak; 1' is SLIP 44's coin type of every network that has none of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bip32::{ChildNumber, ExtendedPrivateKey};
use chain::key::{OutputKey, SecretKey};
use zeroize::Zeroizing;

use crate::seed::Seed;

/// Unused keys behind the last used one that are still watched: a restore finds whatever lies
/// within.
pub const GAP_LIMIT: u32 = 20;

const PURPOSE: u32 = 86 | ChildNumber::HARDENED_FLAG;
const COIN_TYPE: u32 = 1 | ChildNumber::HARDENED_FLAG;
const ACCOUNT: u32 = ChildNumber::HARDENED_FLAG;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    /// Handed out to be paid.
    Receive,
    /// Takes back what a payment leaves over; never handed out.
    Change,
}

/// The keys of one wallet. Keys are derived as they come into reach and kept.
#[derive(Clone)]
pub struct Account {
    bip32_seed: Zeroizing<[u8; 64]>,
    secrets: BTreeMap<OutputKey, SecretKey>,
    receive: Keys,
    change: Keys,
}

/// One branch: its keys up to the end of the gap.
#[derive(Clone, Default)]
struct Keys {
    /// By index; at least [`GAP_LIMIT`] behind the last used one.
    derived: Vec<OutputKey>,
    indices: BTreeMap<OutputKey, u32>,
    used: BTreeSet<u32>,
}

impl Account {
    /// The account of `seed`, with no key used.
    pub fn new(seed: &Seed) -> Self {
        let mut account = Self {
            bip32_seed: seed.bip32_seed(),
            secrets: BTreeMap::new(),
            receive: Keys::default(),
            change: Keys::default(),
        };
        account.watch_gap(Branch::Receive);
        account.watch_gap(Branch::Change);
        account
    }

    /// Receiving key `index`, used or not, within the gap or not.
    pub fn receive_key(&self, index: u32) -> OutputKey {
        self.key(Branch::Receive, index)
    }

    /// Change key `index`, used or not, within the gap or not.
    pub fn change_key(&self, index: u32) -> OutputKey {
        self.key(Branch::Change, index)
    }

    /// The first receiving key that is not used.
    pub fn fresh_receive_key(&self) -> OutputKey {
        self.receive.fresh()
    }

    /// The first change key that is not used.
    pub fn fresh_change_key(&self) -> OutputKey {
        self.change.fresh()
    }

    /// Every key whose history belongs to the wallet: up to [`GAP_LIMIT`] behind the last used one
    /// of each branch.
    pub fn watched(&self) -> impl Iterator<Item = OutputKey> + '_ {
        let keys = self.receive.derived.iter().chain(&self.change.derived);
        keys.copied()
    }

    /// Where `key` lies; `None` for keys of others.
    pub fn position(&self, key: &OutputKey) -> Option<(Branch, u32)> {
        let receive = self.receive.indices.get(key);
        let change = self.change.indices.get(key);
        receive
            .map(|index| (Branch::Receive, *index))
            .or_else(|| change.map(|index| (Branch::Change, *index)))
    }

    /// Whether `key` is watched.
    pub fn owns(&self, key: &OutputKey) -> bool {
        self.secrets.contains_key(key)
    }

    /// The secret of a watched key; `None` for keys of others.
    pub fn secret(&self, key: &OutputKey) -> Option<&SecretKey> {
        self.secrets.get(key)
    }

    /// The key appeared in a transaction: it is not fresh any more, and the gap moves on behind it.
    /// Keys of others are left alone.
    pub fn mark_used(&mut self, key: &OutputKey) {
        if let Some((branch, index)) = self.position(key) {
            self.keys_mut(branch).used.insert(index);
            self.watch_gap(branch);
        }
    }

    /// From now on exactly `keys` are used. Keys of payments that will never confirm become fresh
    /// again, so that they leave no gap that a restore could not see across.
    pub fn set_used(&mut self, keys: &BTreeSet<OutputKey>) {
        self.receive.used.clear();
        self.change.used.clear();
        keys.iter().for_each(|key| self.mark_used(key));
    }

    fn keys_mut(&mut self, branch: Branch) -> &mut Keys {
        match branch {
            Branch::Receive => &mut self.receive,
            Branch::Change => &mut self.change,
        }
    }

    fn watch_gap(&mut self, branch: Branch) {
        let keys = self.keys_mut(branch);
        let have = u32::try_from(keys.derived.len()).expect("a branch has 2^31 keys at most");
        let end = keys.used.last().map_or(0, |last| last + 1) + GAP_LIMIT;
        if have >= end {
            return;
        }
        let parent = self.branch_node(branch);
        for index in have..end {
            let secret = child_secret(&parent, index);
            let key = secret.output_key();
            self.secrets.insert(key, secret);
            let keys = self.keys_mut(branch);
            keys.derived.push(key);
            keys.indices.insert(key, index);
        }
    }

    fn key(&self, branch: Branch, index: u32) -> OutputKey {
        child_secret(&self.branch_node(branch), index).output_key()
    }

    fn branch_node(&self, branch: Branch) -> Node {
        let branch = match branch {
            Branch::Receive => 0,
            Branch::Change => 1,
        };
        derive(self.bip32_seed.as_slice(), &[PURPOSE, COIN_TYPE, ACCOUNT, branch]).expect(UNLIKELY)
    }
}

impl Keys {
    fn fresh(&self) -> OutputKey {
        let index = (0u32..).zip(&self.derived).find(|(index, _)| !self.used.contains(index));
        *index.expect("the gap behind the last used key is fresh").1
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}

type Node = ExtendedPrivateKey<secp256k1::SecretKey>;

/// Why derivation is taken for granted.
const UNLIKELY: &str = "BIP 32: a child that does not exist has a chance below 2^-127";

/// The node at `path` below `seed`.
fn derive(seed: &[u8], path: &[u32]) -> bip32::Result<Node> {
    let root = Node::new(seed)?;
    path.iter().try_fold(root, |node, child| node.derive_child(ChildNumber(*child)))
}

fn child_secret(parent: &Node, index: u32) -> SecretKey {
    let child = parent.derive_child(ChildNumber(index)).expect(UNLIKELY);
    let bytes = Zeroizing::new(child.to_bytes());
    SecretKey::from_bytes(*bytes).expect("BIP 32 derives only keys of the curve")
}

#[cfg(test)]
mod tests;
