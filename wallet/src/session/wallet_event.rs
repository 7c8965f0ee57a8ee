//! `WalletEvent`: what a wallet tells unasked, as sentences.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use chain::address::Address;
use chain::amount::Amount;
use chain::hash::Txid;

use crate::history::{Movement, MovementState};
use crate::journal::Cut;
use crate::wallet::Changes;

use super::Session;

/// Something that a wallet tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalletEvent {
    /// A miner was found.
    Connected {
        /// Its name.
        miner: String,
        /// Where it is.
        address: SocketAddr,
        /// After another one was lost.
        again: bool,
    },
    /// The miner is gone.
    Lost {
        /// Its name.
        miner: String,
        /// Why the connection ended.
        reason: String,
    },
    /// A miner said what cannot be.
    Disbelieved {
        /// Its name.
        miner: String,
        /// What it said.
        reason: String,
    },
    /// Only one miner answers, so that its chain is compared with nobody's. Told once until another
    /// one does.
    NotCompared {
        /// Its name.
        miner: String,
    },
    /// The headers on disk were damaged: those behind this height are read again.
    HeadersDamaged {
        /// Height of the last header that held.
        height: u32,
    },
    /// No miner answers. Told once until one does.
    Waiting {
        /// What was tried.
        reason: String,
    },
    /// A payment to this wallet waits for a block.
    Arrived {
        /// The amount that is pending for this wallet.
        amount: Amount,
        /// The transaction.
        txid: Txid,
    },
    /// A payment to this wallet is in a block.
    Received {
        /// The amount that was received.
        amount: Amount,
        /// The block's height.
        height: u32,
        /// The transaction.
        txid: Txid,
    },
    /// A payment of this wallet is in a block.
    Confirmed {
        /// Who was paid, by name where the wallet knows one.
        receiver: String,
        /// How much arrived.
        amount: Amount,
        /// The block's height.
        height: u32,
        /// The transaction.
        txid: Txid,
    },
    /// A block pays this wallet for mining.
    Mined {
        /// The amount that the block pays.
        amount: Amount,
        /// The block's height.
        height: u32,
    },
    /// A transaction's block lost to another: it waits again.
    Unconfirmed {
        /// The transaction.
        txid: Txid,
    },
    /// A transaction that was known is gone.
    Vanished {
        /// The transaction.
        txid: Txid,
    },
    /// A payment of this wallet can never confirm: its coin was spent otherwise.
    Conflicted {
        /// The transaction.
        txid: Txid,
    },
    /// A payment that a crash or a lost miner held up is handed over now.
    HandedOver {
        /// Who is paid, by name where the wallet knows one.
        receiver: String,
        /// How much arrives.
        amount: Amount,
        /// The transaction.
        txid: Txid,
    },
    /// A miner does not take a payment that was made before.
    Refused {
        /// The transaction.
        txid: Txid,
        /// Why, as a sentence.
        reason: String,
    },
    /// The directory has this wallet's name; told when it was not known to before.
    Named {
        /// The name.
        name: String,
    },
    /// Somebody else has the name.
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        by: Address,
        /// Where this wallet is paid instead.
        address: Address,
    },
    /// The directory does not take the name.
    NameRefused {
        /// The name.
        name: String,
        /// Why, as a sentence.
        reason: String,
    },
    /// The faucet has paid.
    FaucetPaid {
        /// The amount that the faucet pays.
        amount: Amount,
    },
    /// The faucet promises what genesis does not have: nothing of it is shown.
    FaucetDisbelieved {
        /// The amount that it promises.
        amount: Amount,
    },
    /// The faucet asks to wait; it is asked again by itself.
    FaucetLater {
        /// Seconds until the faucet pays again.
        wait_s: u32,
    },
    /// The faucet is dry.
    FaucetEmpty,
    /// The journal of payments is not there, though the wallet was at work before.
    JournalGone {
        /// Where it should be.
        path: PathBuf,
    },
    /// The journal of payments ended in what is no whole record.
    JournalCut {
        /// What was moved aside.
        cut: Cut,
    },
    /// A file could not be written; what it is for goes on without.
    NotKept {
        /// What was not kept, and why.
        what: String,
    },
}

impl fmt::Display for WalletEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { miner, address, again } => {
                let again = if *again { " again" } else { "" };
                write!(f, "connected{again}: {miner} at {address}")
            }
            Self::Lost { miner, reason } => write!(f, "lost {miner} ({reason}); taking another"),
            Self::Disbelieved { miner, reason } => {
                write!(f, "{miner} is not to be believed ({reason}); taking another")
            }
            Self::NotCompared { miner } => {
                write!(f, "only {miner} answers: its chain was compared with nobody else's")
            }
            Self::HeadersDamaged { height } => {
                write!(
                    f,
                    "the headers on disk were damaged: those behind block {height} are read again"
                )
            }
            Self::Waiting { reason } => write!(f, "waiting for a miner: {reason}"),
            Self::Arrived { amount, txid } => write!(f, "+{amount} (pending), tx {txid}"),
            Self::Received { amount, height, txid } => {
                write!(f, "+{amount} confirmed in block {height}, tx {txid}")
            }
            Self::Confirmed { receiver, amount, height, txid } => {
                write!(f, "{amount} to {receiver} confirmed in block {height}, tx {txid}")
            }
            Self::Mined { amount, height } => write!(f, "+{amount} for mining block {height}"),
            Self::Unconfirmed { txid } => {
                write!(f, "the chain changed: tx {txid} waits for a block again")
            }
            Self::Vanished { txid } => write!(f, "tx {txid} is gone: no miner asked knows it"),
            Self::Conflicted { txid } => {
                write!(f, "tx {txid} can never confirm: its coin was spent by another; pay anew")
            }
            Self::HandedOver { receiver, amount, txid } => {
                write!(f, "{amount} to {receiver}, signed before, is handed over now, tx {txid}")
            }
            Self::Refused { txid, reason } => {
                write!(f, "tx {txid} is not taken ({reason}); it is offered again")
            }
            Self::Named { name } => write!(f, "the directory knows you as {name}"),
            Self::NameTaken { name, by, address } => write!(
                f,
                "the name {name} belongs to somebody else ({by}): you are paid at {address} only"
            ),
            Self::NameRefused { name, reason } => {
                write!(f, "the directory does not take the name {name}: {reason}")
            }
            Self::FaucetPaid { amount } => write!(f, "{amount} (pending, from the faucet)"),
            Self::FaucetDisbelieved { amount } => {
                write!(
                    f,
                    "the faucet is not to be believed: it promises {amount}, which genesis does not have"
                )
            }
            Self::FaucetLater { wait_s } => {
                write!(f, "the faucet is busy: it is asked again in {wait_s} s")
            }
            Self::FaucetEmpty => f.write_str("the faucet is empty: ask somebody for a payment"),
            Self::JournalGone { path } => write!(
                f,
                "{} is gone: payments that are in no block yet and the ids of all payments are \
                 not known any more; put it back before you pay anything again",
                path.display()
            ),
            Self::JournalCut { cut: Cut { bytes, kept } } => write!(
                f,
                "the last {bytes} bytes of the journal of payments are no whole record: they were \
                 moved to {}. A payment that was being written when the power went was never \
                 sent; otherwise look at `history` before you pay again",
                kept.display()
            ),
            Self::NotKept { what } => write!(f, "not kept on disk: {what}"),
        }
    }
}

impl Session {
    /// Tells what a synchronization brought.
    pub(super) fn tell_changes(&mut self, changes: Changes) {
        let told: BTreeSet<Txid> =
            changes.arrived.iter().chain(&changes.confirmed).copied().collect();
        // In the chain's order, those that wait at the end.
        let movements = self.wallet.history().movements();
        let events: Vec<WalletEvent> = movements
            .filter(|movement| told.contains(&movement.txid))
            .filter_map(|movement| self.event_of(movement))
            .collect();
        let unconfirmed =
            changes.unconfirmed.into_iter().map(|txid| WalletEvent::Unconfirmed { txid });
        let conflicted =
            changes.conflicted.iter().map(|txid| WalletEvent::Conflicted { txid: *txid });
        let vanished =
            changes.vanished.into_iter().filter(|txid| !changes.conflicted.contains(txid));
        let vanished = vanished.map(|txid| WalletEvent::Vanished { txid });
        let all: Vec<WalletEvent> =
            events.into_iter().chain(unconfirmed).chain(conflicted).chain(vanished).collect();
        all.into_iter().for_each(|event| self.tell(event));
    }

    pub(super) fn movement(&self, txid: &Txid) -> Option<&Movement> {
        self.wallet.history().movements().find(|movement| movement.txid == *txid)
    }

    /// What is told of a transaction that is new or newly confirmed.
    fn event_of(&self, movement: &Movement) -> Option<WalletEvent> {
        let txid = movement.txid;
        let gain = movement.received.checked_sub(movement.spent);
        match (movement.state, gain.filter(|gain| *gain > Amount::ZERO)) {
            // The faucet's payment was told when the faucet promised it.
            (MovementState::Pending, Some(amount)) => {
                let is_promised = self.visits.promise.is_some_and(|(paid, _)| paid == txid);
                (!is_promised).then_some(WalletEvent::Arrived { amount, txid })
            }
            // Own payments are told when they are made.
            (MovementState::Pending, None) => None,
            (MovementState::Confirmed { position, .. }, Some(amount)) if movement.coinbase => {
                Some(WalletEvent::Mined { amount, height: position.height })
            }
            (MovementState::Confirmed { position, .. }, Some(amount)) => {
                Some(WalletEvent::Received { amount, height: position.height, txid })
            }
            (MovementState::Confirmed { position, .. }, None) => {
                let (receiver, amount) = self.receiver_of(movement);
                Some(WalletEvent::Confirmed { receiver, amount, height: position.height, txid })
            }
        }
    }
}
