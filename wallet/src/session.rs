//! `Session`: one wallet at work. Its files, its money, and one kept connection to a miner.
//!
//! Everything happens in the calls, on one thread: [`Session::poll`] about once a second finds a
//! miner, reads what changed and sends what waits; what is worth telling is collected as
//! [`WalletEvent`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::address::Address;
use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{BlockHash, Txid};
use client::node_client::{NodeClient, Timeouts};
use rand::rngs::StdRng;
use wire::directory::{MinerEntry, NameRecord};

use crate::accounts::{InvalidAccountKey, OtherSeed};
use crate::contacts::{Contacts, ContactsError};
use crate::header_chain::{HeaderFile, Opened};
use crate::history::Balance;
use crate::journal::{Journal, JournalError, RecordedPayment};
use crate::keystore::{KeyFile, KeystoreError};
use crate::miner_choice::RememberedMiners;
use crate::payment::SignedPayment;
use crate::payment_id::PaymentId;
use crate::wallet::Wallet;
use crate::wallet_directory::WalletDirectory;

use comparing::Comparison;
pub use paying::{Handover, PayError, Payment};
pub use receivers::{Receiver, ReceiverError};
pub use wallet_event::WalletEvent;

mod comparing;
mod connecting;
mod directory_visits;
mod paying;
mod receivers;
mod resending;
#[cfg(test)]
mod tests;
mod wallet_event;

/// Pause between two looks at the miner.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a miner or a directory gets: others are there to be asked instead.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(1), answer: Duration::from_secs(5) };

/// Events that wait to be taken; beyond it the oldest are dropped.
const EVENTS_MAX: usize = 256;

/// What a session is made from.
#[derive(Debug)]
pub struct SessionOrder {
    /// The wallet's name, which it registers with the directory.
    pub name: String,
    /// Bootstrap nodes as `HOST:PORT`, asked in this order.
    pub bootstraps: Vec<String>,
    /// The network.
    pub network: Arc<Network>,
    /// The wallet's files, locked.
    pub files: WalletDirectory,
    /// The wallet's key.
    pub key_file: KeyFile,
    /// The key was made just now: it has no history that anybody could know.
    pub is_new: bool,
    /// Chooses miners and coins.
    pub rng: StdRng,
}

/// Why a session cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The key file's public half is none.
    #[error(transparent)]
    Account(#[from] InvalidAccountKey),
    /// The payments cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The contacts cannot be read.
    #[error(transparent)]
    Contacts(#[from] ContactsError),
}

/// Why a wallet was not unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase, or the file.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// The file's two halves do not belong together.
    #[error("the key file is of two wallets: {0}")]
    Seed(#[from] OtherSeed),
}

/// What a wallet has and where it stands, all from one moment.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What proofs and pending transactions say.
    pub balance: Balance,
    /// What the faucet said that it has paid and no miner has told of yet.
    pub promised: Option<Amount>,
    /// The part of what is pending that comes from the faucet.
    pub from_faucet: Option<Amount>,
    /// What a payment and its fee could take now.
    pub available: Amount,
    /// Where to be paid next.
    pub address: Address,
    /// Height of the chain that this is from; `None` before the first look at a miner.
    pub height: Option<u32>,
    /// The miner; `None` while none answers.
    pub miner: Option<MinerEntry>,
}

/// One wallet at work.
#[derive(Debug)]
pub struct Session {
    name: String,
    bootstraps: Vec<String>,
    network: Arc<Network>,
    files: WalletDirectory,
    key_file: KeyFile,
    wallet: Wallet,
    journal: Journal,
    /// Payments that a node is known to have taken.
    handed_over: BTreeSet<Txid>,
    /// Payments without an id that nobody was told to be made: not yet, or a crash came in between,
    /// or what they were told on failed, or the miner refused them.
    unfinished: BTreeMap<Txid, SignedPayment>,
    /// Payments by what their payer calls them.
    named: BTreeMap<PaymentId, Txid>,
    /// Payments whose refusal was told.
    refusals_told: BTreeSet<Txid>,
    contacts: Contacts,
    remembered: RememberedMiners,
    rng: StdRng,
    connected: Option<Connected>,
    search: Search,
    comparison: Comparison,
    /// Where the headers are kept; `None` once that failed, until the next start.
    header_file: Option<HeaderFile>,
    /// Looks in a row that had to be broken off, because the miner's tip changed or is behind.
    broken_off: u32,
    visits: Visits,
    /// Tip and count of pending changes as of the last synchronization, on this connection.
    seen: Option<(BlockHash, u64)>,
    /// Whether any synchronization succeeded.
    is_synced: bool,
    is_new: bool,
    events: VecDeque<WalletEvent>,
}

#[derive(Debug)]
struct Connected {
    client: NodeClient,
    miner: MinerEntry,
    /// Whether it has more headers than could be read so far.
    is_catching_up: bool,
}

/// The search for a miner.
#[derive(Debug)]
struct Search {
    next: Instant,
    pause: Duration,
    is_told: bool,
    /// Whether any miner was found before.
    was_connected: bool,
    /// The miners that were listed at the last search, for the comparison that follows it.
    listed: Option<Vec<MinerEntry>>,
}

/// What is still wanted from the directory.
#[derive(Debug)]
struct Visits {
    next: Instant,
    /// When the list of miners is read again.
    next_list: Instant,
    wants_name: bool,
    wants_faucet: bool,
    is_wait_told: bool,
    record: Option<NameRecord>,
    promise: Option<(Txid, Amount)>,
}

impl Session {
    /// Opens the wallet's files and restores what was signed. Nobody is talked to yet.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn open(order: SessionOrder, now: Instant) -> Result<Self, SessionError> {
        let SessionOrder { name, bootstraps, network, files, key_file, is_new, rng } = order;
        let mut wallet = Wallet::watch_only(key_file.account_key, Arc::clone(&network))?;
        let mut events = VecDeque::new();
        // What a wallet writes first is the journal.
        if files.was_used() && !files.journal().exists() {
            events.push_back(WalletEvent::JournalGone { path: files.journal() });
        }
        let (journal, recorded) = Journal::open(&files.journal(), network.genesis_hash())?;
        let contacts = Contacts::load(&files.contacts(), &network.spec.address_prefix)?;
        wallet.restore_all(recorded.iter().map(|recorded| recorded.payment.clone()));
        events.extend(journal.cut().cloned().map(|cut| WalletEvent::JournalCut { cut }));
        let handed_over = recorded.iter().filter(|recorded| recorded.handed_over);
        let handed_over = handed_over.map(|recorded| recorded.payment.txid).collect();
        let (mut named, mut unfinished) = (BTreeMap::new(), BTreeMap::new());
        for RecordedPayment { payment, id, told, .. } in recorded {
            match id {
                Some(id) => {
                    named.insert(id, payment.txid);
                }
                None if !told => {
                    unfinished.insert(payment.txid, payment);
                }
                None => {}
            }
        }
        let search = Search {
            next: now,
            pause: connecting::PAUSE_MIN,
            is_told: false,
            was_connected: false,
            listed: None,
        };
        let visits = Visits {
            next: now,
            next_list: now + directory_visits::LIST_INTERVAL,
            wants_name: true,
            wants_faucet: true,
            is_wait_told: false,
            record: directory_visits::load_record(&files, &network),
            promise: None,
        };
        let mut session = Self {
            name,
            bootstraps,
            remembered: RememberedMiners::load(&files.miners()),
            network,
            files,
            key_file,
            wallet,
            journal,
            handed_over,
            unfinished,
            named,
            refusals_told: BTreeSet::new(),
            contacts,
            rng,
            connected: None,
            search,
            comparison: Comparison::new(now),
            header_file: None,
            broken_off: 0,
            visits,
            seen: None,
            is_synced: false,
            is_new,
            events,
        };
        session.restore_headers();
        Ok(session)
    }

    /// Reads the headers back that an earlier process kept. Without them, the miners have them.
    fn restore_headers(&mut self) {
        match HeaderFile::open(&self.files.headers(), &self.network) {
            Ok(Opened { file, chain, damaged_behind }) => {
                *self.wallet.headers_mut() = chain;
                self.header_file = Some(file);
                if let Some(height) = damaged_behind {
                    self.tell(WalletEvent::HeadersDamaged { height });
                }
            }
            Err(error) => self.tell(WalletEvent::NotKept { what: format!("headers ({error})") }),
        }
    }

    fn keep_headers(&mut self) {
        let Some(file) = &mut self.header_file else { return };
        if let Err(error) = file.keep(self.wallet.headers_mut()) {
            self.header_file = None;
            self.tell(WalletEvent::NotKept { what: format!("headers ({error})") });
        }
    }

    /// Does what is due: finds a miner, reads what changed, sends what waits, asks the directory.
    /// Call it about every [`POLL_INTERVAL`], and sooner when [`Session::next_poll`] says so.
    pub fn poll(&mut self, now: Instant) {
        self.connect_to_miner(now);
        self.compare(now);
        self.look(now);
        self.keep_headers();
        self.visit_directory(now);
        self.refresh_miners(now);
    }

    /// How long until the next poll is worth while.
    pub fn next_poll(&self, now: Instant) -> Duration {
        let wait = if self.connected.is_some() {
            POLL_INTERVAL
        } else {
            self.search.next.saturating_duration_since(now)
        };
        wait.min(POLL_INTERVAL)
    }

    /// What happened since this was last called.
    pub fn take_events(&mut self) -> Vec<WalletEvent> {
        self.events.drain(..).collect()
    }

    /// Opens the key: from now on payments can be signed.
    ///
    /// # Errors
    /// [`UnlockError`]; a wrong passphrase is the usual one.
    pub fn unlock(&mut self, passphrase: &str) -> Result<(), UnlockError> {
        let seed = self.key_file.open(passphrase)?;
        self.wallet.unlock(&seed)?;
        // A record that could not be signed before may be now.
        self.visits.next = Instant::now();
        Ok(())
    }

    /// Whether signing needs a passphrase first.
    pub fn is_locked(&self) -> bool {
        self.wallet.account().is_locked()
    }

    /// Whether the key is under a passphrase that is not empty.
    pub fn is_protected(&self) -> bool {
        self.key_file.is_protected
    }

    /// Whether a miner's whole history was read at least once.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// The wallet's keys, coins and payments.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The wallet's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The pinned contacts.
    pub fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// The pinned contacts, to change them.
    pub fn contacts_mut(&mut self) -> &mut Contacts {
        &mut self.contacts
    }

    /// Where the lines typed in the shell are kept.
    pub fn typed_lines(&self) -> PathBuf {
        self.files.typed_lines()
    }

    /// What the wallet has and where it stands.
    pub fn standing(&self) -> Standing {
        let movements = self.wallet.history().movements();
        let promise = self.visits.promise;
        let told = promise.and_then(|(txid, _)| {
            movements.into_iter().find(|movement| movement.txid == txid).map(|found| found.state)
        });
        let is_pending = told == Some(crate::history::MovementState::Pending);
        let amount = promise.map(|(_, amount)| amount);
        Standing {
            balance: self.wallet.balance(),
            promised: amount.filter(|_| told.is_none()),
            from_faucet: amount.filter(|_| told.is_none() || is_pending),
            available: self.wallet.available(),
            address: self.wallet.address(),
            height: self.is_synced.then(|| self.wallet.history().tip().height),
            miner: self.connected.as_ref().map(|connected| connected.miner.clone()),
        }
    }

    fn tell(&mut self, event: WalletEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
