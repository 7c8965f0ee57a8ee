//! `Account`: the keys of a wallet by BIP 32, and which of them are fresh.
//!
//! Keys lie at `m/86'/1'/0'/branch/index`, branch 0 for receiving and 1 for change. 86' is the
//! purpose of BIP 86 (one x-only key an output), though outputs pay the key itself, without BIP
//! 341's tweak; 1' is SLIP 44's coin type of every network that has none of its own. Below the
//! account nothing is hardened, so its public half ([`AccountKey`]) is enough to look; secrets are
//! there only while the account is unlocked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bip32::{ChildNumber, ExtendedKeyAttrs, ExtendedPrivateKey, ExtendedPublicKey};
use chain::key::{OutputKey, SecretKey};
use zeroize::Zeroizing;

use crate::seed::Seed;

/// Unused keys behind the last used one that are still watched: a restore finds whatever lies
/// within.
pub const GAP_LIMIT: u32 = 20;

const PURPOSE: u32 = 86 | ChildNumber::HARDENED_FLAG;
const COIN_TYPE: u32 = 1 | ChildNumber::HARDENED_FLAG;
const ACCOUNT: u32 = ChildNumber::HARDENED_FLAG;
const ACCOUNT_DEPTH: u8 = 3;
const RECEIVE: u32 = 0;
const CHANGE: u32 = 1;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    /// Handed out to be paid.
    Receive,
    /// Takes back what a payment leaves over; never handed out.
    Change,
}

/// The public half of an account: every key of the wallet follows from it, and no secret does. It
/// is still private: who has it sees all payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountKey {
    /// The compressed point.
    pub point: [u8; POINT_BYTES],
    /// BIP 32's second half.
    pub chain_code: [u8; 32],
}

/// Bytes of a compressed point.
pub const POINT_BYTES: usize = 33;

/// Bytes that are no account: the first 33 are not a point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not the public key of an account")]
pub struct InvalidAccountKey;

/// The seed of another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this seed is not the one of this account")]
pub struct OtherSeed;

impl AccountKey {
    /// The account of `seed`.
    pub fn of(seed: &Seed) -> Self {
        let path = [PURPOSE, COIN_TYPE, ACCOUNT];
        let account = derive(seed.bip32_seed().as_slice(), &path).expect(UNLIKELY).public_key();
        Self { point: account.to_bytes(), chain_code: account.attrs().chain_code }
    }

    /// The parents of both branches, or why there are none.
    fn branches(&self) -> Result<[PublicNode; 2], InvalidAccountKey> {
        let point = bip32_point(&self.point)?;
        // Depth and parent are BIP 32's bookkeeping: children do not depend on them.
        let attrs = ExtendedKeyAttrs {
            depth: ACCOUNT_DEPTH,
            parent_fingerprint: [0; 4],
            child_number: ChildNumber(ACCOUNT),
            chain_code: self.chain_code,
        };
        let account = PublicNode::new(point, attrs);
        let branch = |branch| account.derive_child(ChildNumber(branch)).expect(UNLIKELY);
        Ok([branch(RECEIVE), branch(CHANGE)])
    }
}

/// The keys of one wallet. Keys are derived as they come into reach and kept; secrets are derived
/// when something is signed.
#[derive(Clone)]
pub struct Account {
    account_key: AccountKey,
    /// The seed as BIP 32 takes it; none while the account is locked.
    bip32_seed: Option<Zeroizing<[u8; 64]>>,
    /// Parents of the receiving and of the change keys.
    branches: [PublicNode; 2],
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
    /// The unlocked account of `seed`, with no key used.
    pub fn new(seed: &Seed) -> Self {
        let mut account = Self::watch_only(AccountKey::of(seed))
            .expect("the account of a seed is a point of the curve");
        account.bip32_seed = Some(seed.bip32_seed());
        account
    }

    /// The locked account of `account_key`, with no key used: it sees and cannot sign.
    ///
    /// # Errors
    /// [`InvalidAccountKey`].
    pub fn watch_only(account_key: AccountKey) -> Result<Self, InvalidAccountKey> {
        let mut account = Self {
            account_key,
            bip32_seed: None,
            branches: account_key.branches()?,
            receive: Keys::default(),
            change: Keys::default(),
        };
        account.watch_gap(Branch::Receive);
        account.watch_gap(Branch::Change);
        Ok(account)
    }

    /// From now on the account can sign.
    ///
    /// # Errors
    /// [`OtherSeed`]; it is as locked as before then.
    pub fn unlock(&mut self, seed: &Seed) -> Result<(), OtherSeed> {
        if AccountKey::of(seed) != self.account_key {
            return Err(OtherSeed);
        }
        self.bip32_seed = Some(seed.bip32_seed());
        Ok(())
    }

    /// Whether no secret is at hand.
    pub fn is_locked(&self) -> bool {
        self.bip32_seed.is_none()
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
        self.position(key).is_some()
    }

    /// The secret of a watched key; `None` for keys of others and while the account is locked.
    pub fn secret(&self, key: &OutputKey) -> Option<SecretKey> {
        let (branch, index) = self.position(key)?;
        let seed = self.bip32_seed.as_ref()?;
        let path = [PURPOSE, COIN_TYPE, ACCOUNT, branch.number(), index];
        let node = derive(seed.as_slice(), &path).expect(UNLIKELY);
        let bytes = Zeroizing::new(node.to_bytes());
        Some(SecretKey::from_bytes(*bytes).expect("BIP 32 derives only keys of the curve"))
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
        for index in have..end {
            let key = self.key(branch, index);
            let keys = self.keys_mut(branch);
            keys.derived.push(key);
            keys.indices.insert(key, index);
        }
    }

    fn key(&self, branch: Branch, index: u32) -> OutputKey {
        let [receive, change] = &self.branches;
        let parent = match branch {
            Branch::Receive => receive,
            Branch::Change => change,
        };
        let child = parent.derive_child(ChildNumber(index)).expect(UNLIKELY);
        OutputKey(child.public_key().x_only_public_key().0.to_byte_array())
    }
}

impl Branch {
    /// Its place below the account.
    fn number(self) -> u32 {
        match self {
            Self::Receive => RECEIVE,
            Self::Change => CHANGE,
        }
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
type PublicNode = ExtendedPublicKey<secp256k1::PublicKey>;

/// Why derivation is taken for granted.
const UNLIKELY: &str = "BIP 32: a child that does not exist has a chance below 2^-127";

/// The node at `path` below `seed`.
fn derive(seed: &[u8], path: &[u32]) -> bip32::Result<Node> {
    let root = Node::new(seed)?;
    path.iter().try_fold(root, |node, child| node.derive_child(ChildNumber(*child)))
}

fn bip32_point(bytes: &[u8; POINT_BYTES]) -> Result<secp256k1::PublicKey, InvalidAccountKey> {
    bip32::PublicKey::from_bytes(*bytes).map_err(|_| InvalidAccountKey)
}

#[cfg(test)]
mod tests;
