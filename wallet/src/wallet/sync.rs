//! Synchronization: reading the whole history at one tip, and adopting all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use chain::genesis::Network;
use chain::hash::Txid;
use chain::key::OutputKey;
use chain::transaction::{Output, Transfer};
use client::node_client::{ClientError, NodeClient};
use wire::wallet::ChainTip;

use super::Wallet;
use crate::accounts::Account;
use crate::history::proof::{ConfirmedTransaction, EntryError, verify};
use crate::history::{History, HistoryError, MovementState, PaymentState};
use crate::payment::SignedPayment;

/// How often a synchronization starts over because the node's tip changed meanwhile.
const SYNC_ATTEMPTS: u32 = 8;

/// Most keys that are watched: nobody uses so many, but a node could promise payment to every last
/// key of the gap and move it on for ever.
const WATCHED_MAX: usize = 100_000;

/// Why a synchronization failed. The wallet is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The conversation failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node lies about a transaction, or is broken.
    #[error("the node sent an entry that does not hold: {0}")]
    Entry(#[from] EntryError),
    /// The node contradicts itself.
    #[error("the node contradicts itself: {0}")]
    History(#[from] HistoryError),
    /// The tip changed faster than the history could be read.
    #[error("the node's chain changed {SYNC_ATTEMPTS} times while its history was read")]
    TipMoves,
    /// The node has the wallet use up more keys than anybody does.
    #[error("the node knows payments to more than {WATCHED_MAX} keys of this wallet")]
    TooManyKeys,
}

/// What a synchronization brought. The first one tells the whole history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Transactions in a block now that were in none before.
    pub confirmed: Vec<Txid>,
    /// Transactions that wait now and were not known before.
    pub arrived: Vec<Txid>,
    /// Transactions that were in a block and wait again.
    pub unconfirmed: Vec<Txid>,
    /// Transactions that were known and are gone: their block or a coin of theirs is.
    pub vanished: Vec<Txid>,
    /// Own payments that can never confirm now, because another transaction spent their coins.
    pub conflicted: Vec<Txid>,
}

impl Wallet {
    /// Reads the whole history anew from the node (only what is pending while its tip is the same),
    /// and says what changed. All answers are from one tip.
    ///
    /// # Errors
    /// [`SyncError`]; the wallet is as it was before.
    pub fn sync(&mut self, client: &mut NodeClient) -> Result<Changes, SyncError> {
        for _ in 0..SYNC_ATTEMPTS {
            let tip = client.tip()?;
            let chain_tip = ChainTip { hash: tip.tip, height: tip.height };
            let Some(fetched) = self.fetch(client, chain_tip)? else { continue };
            if client.tip()?.tip != tip.tip {
                continue;
            }
            self.fee_rate_min = tip.fee_rate_min;
            return Ok(self.adopt(fetched));
        }
        Err(SyncError::TipMoves)
    }

    /// Asks for every watched key; keys that turn out to be used bring more into reach. `None` when
    /// the tip is not `tip` any more.
    fn fetch(&self, client: &mut NodeClient, tip: ChainTip) -> Result<Option<Fetched>, SyncError> {
        let mut fetched = Fetched {
            account: self.account.clone(),
            entries: Vec::new(),
            pending: Vec::new(),
            keys: BTreeSet::new(),
            history: self.history.clone(),
        };
        if tip == self.history.tip() {
            fetched.entries.clone_from(&self.entries);
            fetched.keys.clone_from(&self.synced_keys);
        }
        let mut asked = BTreeSet::new();
        loop {
            let watched = fetched.account.watched();
            let open: Vec<OutputKey> = watched.filter(|key| !asked.contains(key)).collect();
            if open.is_empty() {
                break;
            }
            if asked.len() + open.len() > WATCHED_MAX {
                return Err(SyncError::TooManyKeys);
            }
            for key in open {
                if !fetched.ask(client, key, tip, &self.network)? {
                    return Ok(None);
                }
                asked.insert(key);
            }
        }
        let owns = |key: &OutputKey| fetched.account.owns(key);
        let payments: Vec<&Transfer> = self.payments.iter().map(|made| &made.transfer).collect();
        let entries = fetched.entries.iter().cloned();
        fetched.history =
            History::build(&self.network, &owns, tip, entries, &payments, &fetched.pending)?;
        Ok(Some(fetched))
    }

    fn adopt(&mut self, fetched: Fetched) -> Changes {
        let before = std::mem::replace(&mut self.history, fetched.history);
        self.account = fetched.account;
        self.entries = fetched.entries;
        self.pending = fetched.pending;
        self.synced_keys = fetched.keys;
        self.refresh_used();
        let mut changes = changes(&before, &self.history);
        let conflicted = |history: &History, payment: &SignedPayment| {
            matches!(history.state(&payment.transfer), PaymentState::Conflicted { .. })
        };
        let newly = self
            .payments
            .iter()
            .filter(|payment| conflicted(&self.history, payment) && !conflicted(&before, payment));
        changes.conflicted = newly.map(|payment| payment.txid).collect();
        changes
    }
}

/// All that one synchronization brought, before it is adopted as a whole.
struct Fetched {
    account: Account,
    entries: Vec<ConfirmedTransaction>,
    pending: Vec<Transfer>,
    keys: BTreeSet<OutputKey>,
    history: History,
}

impl Fetched {
    /// Asks for what touches `key`; false when the node's tip is not `tip` any more.
    fn ask(
        &mut self,
        client: &mut NodeClient,
        key: OutputKey,
        tip: ChainTip,
        network: &Network,
    ) -> Result<bool, SyncError> {
        if self.keys.insert(key) {
            let Some(history) = client.history(key)?.filter(|history| history.tip == tip) else {
                return Ok(false);
            };
            for entry in &history.entries {
                let entry = verify(entry, network)?;
                self.mark_used(entry.transaction.outputs());
                self.entries.push(entry);
            }
        }
        for transfer in client.pending(key)? {
            self.mark_used(&transfer.outputs);
            self.pending.push(transfer);
        }
        Ok(true)
    }

    fn mark_used(&mut self, outputs: &[Output]) {
        outputs.iter().for_each(|output| self.account.mark_used(&output.key));
    }
}

fn changes(before: &History, after: &History) -> Changes {
    let confirmed = |history: &History| -> BTreeMap<Txid, bool> {
        let movements = history.movements();
        movements
            .map(|movement| (movement.txid, movement.state != MovementState::Pending))
            .collect()
    };
    let before = confirmed(before);
    let mut changes = Changes::default();
    let after = confirmed(after);
    for (txid, is_confirmed) in &after {
        match (before.get(txid), is_confirmed) {
            (Some(false) | None, true) => changes.confirmed.push(*txid),
            (Some(true), false) => changes.unconfirmed.push(*txid),
            (None, false) => changes.arrived.push(*txid),
            (Some(true), true) | (Some(false), false) => {}
        }
    }
    changes.vanished = before.into_keys().filter(|txid| !after.contains_key(txid)).collect();
    changes
}
