//! Synchronization: reading what changed up to one tip, and adopting all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use chain::genesis::Network;
use chain::hash::{BlockHash, Txid};
use chain::key::OutputKey;
use chain::rules::header::TooEarly;
use chain::transaction::{Output, Transfer, TxPosition};
use client::node_client::{ClientError, NodeClient};
use wire::wallet::{ChainTip, Tip};

use super::Wallet;
use crate::accounts::Account;
use crate::header_chain::{Follow, FollowError, Followed, HeaderChain, HeaderFault, OfEqualWork};
use crate::history::proof::{ConfirmedTransaction, EntryError, verify};
use crate::history::{History, HistoryError, MovementState, PaymentState};
use crate::payment::SignedPayment;

/// How often a synchronization starts over because the node's tip changed meanwhile.
const SYNC_ATTEMPTS: u32 = 8;

/// Blocks that a miner's tip may be behind the chain that is known: one that was found a moment ago
/// has not reached everybody.
const LAG_MAX: u32 = 2;

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
    /// The node's headers cannot be.
    #[error("{0}")]
    Headers(#[from] HeaderFault),
    /// The node names a tip that its own headers do not lead to.
    #[error("its tip {tip} is not on the chain that its headers show")]
    TipOffChain {
        /// What it names.
        tip: BlockHash,
    },
    /// The node keeps silent about a transaction whose block is still on its chain.
    #[error("it keeps silent about tx {txid}, which its own chain has")]
    Withheld {
        /// The transaction, proven by somebody before.
        txid: Txid,
    },
    /// The node's chain is behind the one that is known. Nobody lies.
    #[error("it is behind: its chain ends at height {height} and has less work than the known one")]
    Behind {
        /// Height of the node's tip.
        height: u32,
    },
    /// The node has more headers than were read at once: the next time goes on from there.
    #[error("its headers are read up to height {height}, and there are more")]
    StillReading {
        /// Height of the last header that was read.
        height: u32,
    },
    /// The node's chain has a block from the future. Nobody lies: one of two clocks is wrong.
    #[error("a block of its chain is ahead of this computer's clock: set the clock ({0})")]
    Early(TooEarly),
}

impl SyncError {
    /// Whether the node said what cannot be, so that nothing else of it is worth hearing.
    pub fn is_lie(&self) -> bool {
        match self {
            Self::Client(error) => matches!(error, ClientError::Protocol(_)),
            Self::Entry(_)
            | Self::History(_)
            | Self::TooManyKeys
            | Self::Headers(_)
            | Self::TipOffChain { .. }
            | Self::Withheld { .. } => true,
            Self::TipMoves | Self::Behind { .. } | Self::StillReading { .. } | Self::Early(_) => {
                false
            }
        }
    }
}

impl From<FollowError> for SyncError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Client(error) => Self::Client(error),
            FollowError::Fault(fault) => Self::Headers(fault),
        }
    }
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
    /// Reads from the node what changed: the blocks since the last time when they are few, else the
    /// whole history anew; and what is pending. Says what that changed. All answers are from one
    /// tip, and what they prove lies on the chain of most work that any node has shown.
    ///
    /// # Errors
    /// [`SyncError`]; the wallet is as it was before, but for headers that were read.
    pub fn sync(&mut self, client: &mut NodeClient) -> Result<Changes, SyncError> {
        let tip = client.tip()?;
        self.sync_from(client, tip)
    }

    /// The same, where the node has just told its tip.
    ///
    /// # Errors
    /// As [`Wallet::sync`].
    pub fn sync_from(
        &mut self,
        client: &mut NodeClient,
        mut tip: Tip,
    ) -> Result<Changes, SyncError> {
        let mut off_chain = None;
        for _ in 0..SYNC_ATTEMPTS {
            let fetched = self.fetch_at(client, &tip, &mut off_chain)?;
            let now = client.tip()?;
            match fetched {
                Some(fetched) if now.tip == tip.tip => {
                    self.fee_rate_min = now.fee_rate_min;
                    return Ok(self.adopt(fetched));
                }
                _ => tip = now,
            }
        }
        Err(SyncError::TipMoves)
    }

    /// What the node has at `tip`; `None` when that is its tip no more. `off_chain` remembers a tip
    /// that its headers did not lead to.
    fn fetch_at(
        &mut self,
        client: &mut NodeClient,
        tip: &Tip,
        off_chain: &mut Option<BlockHash>,
    ) -> Result<Option<Fetched>, SyncError> {
        let at = ChainTip { hash: tip.tip, height: tip.height };
        if !self.headers.contains(at) {
            // Between the tip and the headers a block may come, but not twice the same one.
            if off_chain.replace(tip.tip) == Some(tip.tip) {
                return Err(SyncError::TipOffChain { tip: tip.tip });
            }
            self.follow_to(client, at)?;
            if !self.headers.contains(at) {
                return Ok(None);
            }
        }
        if self.is_behind(at) {
            return Err(SyncError::Behind { height: tip.height });
        }
        self.fetch(client, at)
    }

    /// Whether a block at `height` is no further behind the chain's end than it takes blocks to
    /// reach everybody.
    pub fn is_near(&self, height: u32) -> bool {
        self.headers.tip().height.saturating_sub(height) <= LAG_MAX
    }

    /// Whether a block of the chain is further behind its end than it takes blocks to reach
    /// everybody, or behind what was read of it: going back there would take back payments though
    /// nothing changed.
    pub(super) fn is_behind(&self, tip: ChainTip) -> bool {
        let read = self.history.tip();
        let is_read = tip.height < read.height && self.headers.contains(read);
        is_read || !self.is_near(tip.height)
    }

    /// Reads the node's headers until the chain holds its tip.
    fn follow_to(&mut self, client: &mut NodeClient, tip: ChainTip) -> Result<(), SyncError> {
        match self.headers.follow(client, Follow::now(OfEqualWork::Take))? {
            Followed::Whole => Ok(()),
            Followed::Partly => Err(SyncError::StillReading { height: self.headers.tip().height }),
            Followed::Lighter => Err(SyncError::Behind { height: tip.height }),
            Followed::Early(early) => Err(SyncError::Early(early)),
        }
    }

    /// Asks for every watched key; keys that turn out to be used bring more into reach. `None` when
    /// the tip is not `tip` any more.
    fn fetch(&self, client: &mut NodeClient, tip: ChainTip) -> Result<Option<Fetched>, SyncError> {
        let mut fetched = match self.read_on(client, tip)? {
            Some(fetched) => fetched,
            None => Fetched { entries: Vec::new(), keys: BTreeSet::new(), ..self.fetched() },
        };
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
            for key in &open {
                if !fetched.ask(client, *key, tip, &self.network, &self.headers)? {
                    return Ok(None);
                }
            }
            fetched.ask_pending(client, &open)?;
            asked.extend(open);
        }
        self.check_complete(&fetched, tip)?;
        let owns = |key: &OutputKey| fetched.account.owns(key);
        let payments: Vec<&Transfer> = self.payments.iter().map(|made| &made.transfer).collect();
        let entries = fetched.entries.iter().cloned();
        fetched.history =
            History::build(&self.network, &owns, tip, entries, &payments, &fetched.pending)?;
        Ok(Some(fetched))
    }

    /// What is known, as the beginning of what is to be known.
    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            account: self.account.clone(),
            entries: self.entries.clone(),
            pending: Vec::new(),
            keys: self.synced_keys.clone(),
            history: self.history.clone(),
        }
    }

    /// What was proven before, and whose block the chain still has, must have been told again.
    fn check_complete(&self, fetched: &Fetched, tip: ChainTip) -> Result<(), SyncError> {
        if !self.synced_keys.is_subset(&fetched.keys) {
            return Ok(());
        }
        let told: BTreeSet<TxPosition> =
            fetched.entries.iter().map(|entry| entry.position).collect();
        let is_missing = |known: &&ConfirmedTransaction| {
            let height = known.position.height;
            height <= tip.height
                && self.headers.contains(ChainTip { hash: known.block, height })
                && !told.contains(&known.position)
        };
        match self.entries.iter().find(is_missing) {
            Some(known) => Err(SyncError::Withheld { txid: known.txid }),
            None => Ok(()),
        }
    }

    fn adopt(&mut self, fetched: Fetched) -> Changes {
        let before = std::mem::replace(&mut self.history, fetched.history);
        self.account = fetched.account;
        self.entries = fetched.entries;
        self.pending = fetched.pending;
        self.synced_keys = fetched.keys;
        self.headers.mark_read(self.history.tip().height);
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
pub(super) struct Fetched {
    pub account: Account,
    pub entries: Vec<ConfirmedTransaction>,
    pending: Vec<Transfer>,
    keys: BTreeSet<OutputKey>,
    history: History,
}

impl Fetched {
    /// Asks for what touched `key`, unless that is known; false when the node's tip is not `tip`
    /// any more.
    fn ask(
        &mut self,
        client: &mut NodeClient,
        key: OutputKey,
        tip: ChainTip,
        network: &Network,
        headers: &HeaderChain,
    ) -> Result<bool, SyncError> {
        if self.keys.insert(key) {
            let Some(history) = client.history(key)?.filter(|history| history.tip == tip) else {
                return Ok(false);
            };
            for entry in &history.entries {
                let entry = verify(entry, network, headers)?;
                self.mark_used(entry.transaction.outputs());
                self.entries.push(entry);
            }
        }
        Ok(true)
    }

    /// Asks for what is pending of `keys`: in one question where the node knows such a one.
    fn ask_pending(
        &mut self,
        client: &mut NodeClient,
        keys: &[OutputKey],
    ) -> Result<(), SyncError> {
        let pending = match client.pending_of_many(keys)? {
            Some(pending) => pending,
            None => {
                let each = keys.iter().map(|key| client.pending(*key));
                each.collect::<Result<Vec<_>, _>>()?.concat()
            }
        };
        for transfer in pending {
            self.mark_used(&transfer.outputs);
            self.pending.push(transfer);
        }
        Ok(())
    }

    pub fn mark_used(&mut self, outputs: &[Output]) {
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
