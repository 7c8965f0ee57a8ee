//! What a wallet wants from the directory: its name, for a new one the faucet's coins, and now and
//! then the list of miners.

use std::time::{Duration, Instant};

use chain::address::Address;
use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{from_hex, to_hex};
use chain::key::OutputKey;
use client::durable_file;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use wire::ByteString;
use wire::directory::{FaucetOutcome, NameOutcome, NameRecord};

use crate::history::MovementState;
use crate::wallet_directory::WalletDirectory;

use super::{Session, WalletEvent};

/// Pause between two visits while something is still wanted.
const VISIT_INTERVAL: Duration = Duration::from_secs(5);

/// How often the list of miners is read while one answers: whoever joins is known for the time when
/// that one is gone, and the directory with it. Seldom, as every wallet that is open does it.
pub(super) const LIST_INTERVAL: Duration = Duration::from_secs(30);

/// Longest file of a name's record that is read; the record itself has 256 bytes at most.
const RECORD_BYTES_MAX: u64 = 4096;

/// The record on disk, so that the name can be registered again without the passphrase.
#[derive(Serialize, Deserialize)]
struct File {
    v: u32,
    name: String,
    key: String,
    sequence: u64,
    signature: String,
}

/// The record that was signed before, if it still holds. One that does not is signed anew.
pub(super) fn load_record(files: &WalletDirectory, network: &Network) -> Option<NameRecord> {
    let bytes = durable_file::read_limited(&files.name_record(), RECORD_BYTES_MAX).ok()?;
    let file: File = serde_json::from_slice(&bytes).ok()?;
    let key = OutputKey(from_hex(&file.key)?.try_into().ok()?);
    let signature = ByteString(from_hex(&file.signature)?);
    let record = NameRecord { name: file.name, key, sequence: file.sequence, signature };
    record.is_valid(network.genesis_hash()).then_some(record)
}

fn save_record(files: &WalletDirectory, record: &NameRecord) -> std::io::Result<()> {
    let file = File {
        v: 1,
        name: record.name.clone(),
        key: to_hex(&record.key.0),
        sequence: record.sequence,
        signature: to_hex(&record.signature.0),
    };
    let text = serde_json::to_vec(&file).expect("texts always serialize");
    durable_file::replace(&files.name_record(), &text)
}

impl Session {
    /// Reads the list of miners when it is time to. Where none answers the search reads it.
    pub(super) fn refresh_miners(&mut self, now: Instant) {
        if self.connected.is_some() && now >= self.visits.next_list {
            self.listed_miners();
            self.visits.next_list = now + LIST_INTERVAL;
        }
    }

    /// Registers the name and asks the faucet, when either is wanted and the time has come.
    pub(super) fn visit_directory(&mut self, now: Instant) {
        if now < self.visits.next {
            return;
        }
        let mut next = VISIT_INTERVAL;
        if self.visits.wants_name {
            self.register_name();
        }
        if self.visits.wants_faucet && self.may_ask_faucet() {
            next = self.visit_faucet().unwrap_or(next);
        }
        self.visits.next = Instant::now() + next;
    }

    /// Who the name stands for: the first receiving key.
    fn name_key(&self) -> OutputKey {
        self.wallet.account().receive_key(0)
    }

    fn register_name(&mut self) {
        let Some(record) = self.name_record() else {
            return;
        };
        let Some(outcome) = self.ask_directory(|directory| directory.put_name(&record)) else {
            return;
        };
        let name = self.name.clone();
        match outcome {
            NameOutcome::Held if self.is_new => self.tell(WalletEvent::Named { name }),
            NameOutcome::Held => {}
            NameOutcome::Taken(other) => {
                let by = self.network.spec.address(other.key);
                let address = self.network.spec.address(self.name_key());
                self.tell(WalletEvent::NameTaken { name, by, address });
            }
            NameOutcome::Refused { reason } => self.tell(WalletEvent::NameRefused { name, reason }),
            NameOutcome::Busy => return,
        }
        self.visits.wants_name = false;
    }

    /// The record of the name, signed now if it was not before; `None` while the key is locked.
    fn name_record(&mut self) -> Option<NameRecord> {
        let key = self.name_key();
        let fits = |record: &&NameRecord| record.name == self.name && record.key == key;
        if let Some(record) = self.visits.record.as_ref().filter(fits) {
            return Some(record.clone());
        }
        let secret = self.wallet.account().secret(&key)?;
        let aux: [u8; 32] = self.rng.random();
        let genesis = self.network.genesis_hash();
        let record = NameRecord::sign(&self.name, 1, genesis, &secret, &aux);
        if let Err(error) = save_record(&self.files, &record) {
            self.tell(WalletEvent::NotKept { what: format!("the record of your name ({error})") });
        }
        self.visits.record = Some(record.clone());
        Some(record)
    }

    /// Only a wallet without coins and history asks; nothing but the faucet's own payment may be
    /// pending.
    fn may_ask_faucet(&mut self) -> bool {
        if !self.is_synced {
            return self.is_new;
        }
        let history = self.wallet.history();
        let is_empty = self.wallet.payments().next().is_none()
            && history.movements().all(|movement| movement.state == MovementState::Pending);
        self.visits.wants_faucet = is_empty;
        is_empty
    }

    /// Asks the faucet; says how long to wait before the next time, if it said so.
    fn visit_faucet(&mut self) -> Option<Duration> {
        let key = self.name_key();
        match self.ask_directory(|directory| directory.ask_faucet(key))? {
            FaucetOutcome::Paid { amount, .. } if amount > self.faucet_pays_max() => {
                self.visits.wants_faucet = false;
                self.tell(WalletEvent::FaucetDisbelieved { amount });
                None
            }
            FaucetOutcome::Paid { txid, amount } => {
                self.visits.promise = Some((txid, amount));
                self.visits.wants_faucet = false;
                if self.movement(&txid).is_none() {
                    self.tell(WalletEvent::FaucetPaid { amount });
                }
                None
            }
            FaucetOutcome::Later { wait_s } => {
                if !std::mem::replace(&mut self.visits.is_wait_told, true) {
                    self.tell(WalletEvent::FaucetLater { wait_s });
                }
                // A directory that says a year is asked again sooner.
                Some(Duration::from_secs(u64::from(wait_s.clamp(1, 60))))
            }
            FaucetOutcome::Empty => {
                self.visits.wants_faucet = false;
                self.tell(WalletEvent::FaucetEmpty);
                None
            }
        }
    }

    /// The most that a payment of the faucet can be: it pays out of one output of genesis.
    fn faucet_pays_max(&self) -> Amount {
        let allocations = self.network.spec.allocations.iter();
        allocations.map(|allocation| allocation.amount).max().unwrap_or_default()
    }

    /// The name that the wallet knows for a key, or its address.
    pub(super) fn name_or_address(&self, key: OutputKey) -> String {
        let known = self.contacts.name_of(&key).map(str::to_owned);
        known.unwrap_or_else(|| {
            Address { prefix: self.network.spec.address_prefix.clone(), key }.to_string()
        })
    }

    /// Names that could be paid: the contacts, and those that the directory lists if it answers.
    /// The own name is not among them.
    pub fn payable_names(&self) -> Vec<String> {
        let listed = self.ask_directory(|directory| directory.names()).unwrap_or_default();
        let known = self.contacts.all().map(|contact| contact.name.clone());
        let mut names: Vec<String> = known.chain(listed).collect();
        names.sort_by_key(|name| name.to_ascii_lowercase());
        names.dedup_by_key(|name| name.to_ascii_lowercase());
        names.retain(|name| !name.eq_ignore_ascii_case(&self.name));
        names
    }
}
