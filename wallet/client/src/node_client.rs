//! `NodeClient`: a conversation with one node over a blocking socket.
//!
//! One question at a time: an answer may be as large as a block, and a node drops whoever lets its
//! outbound queue fill up. Pings that arrive meanwhile are answered.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use chain::encoding::{Decode, Encode};
use chain::genesis::Network;
use chain::key::OutputKey;
use chain::transaction::{Transaction, Transfer, TxPosition};
use wire::hello::{Greeting, Hello, HelloRefusal, NetworkIdentity, Role};
use wire::wallet::{
    ChainTip, GetHistory, GetPending, GetPendingOfMany, HISTORY_MAX, History, HistoryEntry,
    KEYS_MAX, Pending, Submit, SubmitOutcome, Tip, WalletMessage,
};
use wire::{ByteString, Message};

use connection::{Connection, deadline};

mod chain_questions;
mod connection;

/// Most entries of one key's history that are taken from one node: enough for years of payments,
/// and a bound on what a node can make a wallet hold.
pub const HISTORY_ENTRIES_MAX: usize = 100_000;

/// Messages that may come instead of the answer before the node is given up (unknown commands,
/// answers to questions that timed out).
const STRAYS_MAX: u32 = 64;

/// How long to wait for a node. Whoever talks to one brings its own: a wallet that has others to
/// try (`wallet::session`) waits a second for a connection, a question to one's own node longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to stand.
    pub connect: Duration,
    /// For one answer to be there completely.
    pub answer: Duration,
}

/// Why a conversation ended. Only after [`ClientError::TimedOut`] may the client still be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection came about.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// The address that was dialed.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The node is on another network.
    #[error("the node is on another network: {difference}")]
    WrongNetwork {
        /// The field that differs, with both values.
        difference: String,
    },
    /// The node said something that it must not say.
    #[error("the node broke the protocol: {0}")]
    Protocol(String),
    /// The answer was not there in time.
    #[error("the node did not answer within {waited_s} s")]
    TimedOut {
        /// How long it had, in seconds.
        waited_s: u64,
    },
    /// The node closed the connection.
    #[error("the node closed the connection")]
    Closed,
    /// The operating system failed us.
    #[error("the connection failed: {0}")]
    Io(io::Error),
}

/// The confirmed transactions of one key, all pages of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHistory {
    /// The node's best block, the same on every page.
    pub tip: ChainTip,
    /// In rising order.
    pub entries: Vec<HistoryEntry>,
}

/// A connection to a node, after the handshake.
#[derive(Debug)]
pub struct NodeClient {
    connection: Connection,
    /// The node's hello.
    hello: Hello,
    last_request: u32,
    /// Whether it knows the question about many keys; `None` before it was asked.
    knows_many: Option<bool>,
}

impl NodeClient {
    /// Connects as a wallet of `network`.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::WrongNetwork`] names the field that differs.
    pub fn connect(
        address: SocketAddr,
        network: &Network,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        Self::greet(address, Role::Wallet, Some(network), timeouts)
    }

    /// Connects in any role; without a network only the spec may be asked for.
    pub(crate) fn greet(
        address: SocketAddr,
        role: Role,
        network: Option<&Network>,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        let mut connection = Connection::open(address, timeouts)?;
        let ours = greeting(role, network)?;
        // A clock before 1970 is shown as 1970: the node only compares it with its own.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        connection.send(&Message::Hello(Box::new(ours.hello(wall.as_secs(), 0))))?;
        let hello = connection.receive_hello()?;
        ours.judge(&hello).map_err(|refusal| match refusal {
            HelloRefusal::OtherNetwork { difference } => ClientError::WrongNetwork { difference },
            HelloRefusal::NoNetwork => ClientError::Protocol("it names no network".to_owned()),
            other => ClientError::Protocol(other.to_string()),
        })?;
        Ok(Self { connection, hello, last_request: 0, knows_many: None })
    }

    /// What the node said about itself when the connection was made.
    pub fn node(&self) -> &Hello {
        &self.hello
    }

    /// Hands a payment to the node. The same transaction may be handed over any number of times.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::TimedOut`] or [`ClientError::Closed`] the node may
    /// have it or not.
    pub fn submit(&mut self, transaction: &Transaction) -> Result<SubmitOutcome, ClientError> {
        let request = self.next_request();
        let bytes = ByteString(transaction.encode());
        let submitted = self.ask(
            Message::Wallet(WalletMessage::Submit(Submit { request, transaction: bytes })),
            |message| match message {
                Message::Wallet(WalletMessage::Submitted(answer)) if answer.request == request => {
                    Some(answer)
                }
                _ => None,
            },
        )?;
        let txid = transaction.txid();
        match submitted.outcome {
            SubmitOutcome::Accepted(other) | SubmitOutcome::AlreadyKnown(other)
                if other != txid =>
            {
                Err(ClientError::Protocol(format!("{txid} was handed over, {other} confirmed")))
            }
            outcome => Ok(outcome),
        }
    }

    /// Every confirmed transaction that pays to or spends from `key`, page by page. `None` when the
    /// node's tip changed in between: ask again.
    ///
    /// # Errors
    /// [`ClientError`], also for pages that do not follow each other.
    pub fn history(&mut self, key: OutputKey) -> Result<Option<KeyHistory>, ClientError> {
        let mut from = TxPosition { height: 0, transaction: 0 };
        let mut whole: Option<KeyHistory> = None;
        loop {
            let page = self.history_page(key, from)?;
            check_page(&page, from)?;
            let tip = ChainTip { hash: page.tip, height: page.tip_height };
            let last = page.entries.last().map(|entry| entry.position);
            let history = whole.get_or_insert(KeyHistory { tip, entries: Vec::new() });
            if history.tip != tip {
                return Ok(None);
            }
            history.entries.extend(page.entries);
            if history.entries.len() > HISTORY_ENTRIES_MAX {
                let reason = format!("more than {HISTORY_ENTRIES_MAX} entries of one key");
                return Err(ClientError::Protocol(reason));
            }
            match last.and_then(behind) {
                Some(next) if page.more => from = next,
                _ => return Ok(whole),
            }
        }
    }

    fn history_page(&mut self, key: OutputKey, from: TxPosition) -> Result<History, ClientError> {
        let request = self.next_request();
        let question = WalletMessage::GetHistory(GetHistory { request, key, from });
        self.ask(Message::Wallet(question), |message| match message {
            Message::Wallet(WalletMessage::History(answer)) if answer.request == request => {
                Some(answer)
            }
            _ => None,
        })
    }

    /// The pending transfers that pay to or spend from `key`, in order of arrival.
    ///
    /// # Errors
    /// [`ClientError`], also for bytes that are no transfer.
    pub fn pending(&mut self, key: OutputKey) -> Result<Vec<Transfer>, ClientError> {
        let request = self.next_request();
        let question = WalletMessage::GetPending(GetPending { request, key });
        let pending = self.ask(Message::Wallet(question), |message| match message {
            Message::Wallet(WalletMessage::Pending(answer)) if answer.request == request => {
                Some(answer)
            }
            _ => None,
        })?;
        transfers(&pending)
    }

    /// The pending transfers that pay to or spend from any of `keys`, each once for each
    /// [`KEYS_MAX`] of them; some may be of others. `None` when the node is of a version that does
    /// not know the question.
    ///
    /// # Errors
    /// [`ClientError`], also for bytes that are no transfer.
    pub fn pending_of_many(
        &mut self,
        keys: &[OutputKey],
    ) -> Result<Option<Vec<Transfer>>, ClientError> {
        let mut found = Vec::new();
        for keys in keys.chunks(KEYS_MAX) {
            let Some(pending) = self.pending_of_some(keys)? else { return Ok(None) };
            found.extend(transfers(&pending)?);
        }
        Ok(Some(found))
    }

    /// A node answers in the order of the questions, and skips what it does not know. So the first
    /// time the tip is asked for right behind it: who answers that first has skipped it.
    fn pending_of_some(&mut self, keys: &[OutputKey]) -> Result<Option<Pending>, ClientError> {
        if self.knows_many == Some(false) {
            return Ok(None);
        }
        let request = self.next_request();
        let many = WalletMessage::GetPendingOfMany(GetPendingOfMany::new(request, keys));
        let mut question = Message::Wallet(many);
        let mut tip_request = None;
        if self.knows_many.is_none() {
            self.connection.send(&question)?;
            let behind = *tip_request.insert(self.next_request());
            question = Message::Wallet(WalletMessage::GetTip(behind));
        }
        let answer = self.ask(question, |message| match message {
            Message::Wallet(WalletMessage::Pending(answer)) if answer.request == request => {
                Some(Some(answer))
            }
            Message::Wallet(WalletMessage::Tip(answer)) if Some(answer.request) == tip_request => {
                Some(None)
            }
            _ => None,
        })?;
        self.knows_many = Some(answer.is_some());
        Ok(answer)
    }

    /// The node's best block and the least fee rate it takes now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn tip(&mut self) -> Result<Tip, ClientError> {
        let request = self.next_request();
        let question = Message::Wallet(WalletMessage::GetTip(request));
        self.ask(question, |message| match message {
            Message::Wallet(WalletMessage::Tip(answer)) if answer.request == request => {
                Some(answer)
            }
            _ => None,
        })
    }

    /// Answers the node's pings for as long as `duration`; call it when there is nothing else to
    /// ask, or the node takes the connection for dead after three minutes.
    ///
    /// # Errors
    /// [`ClientError`], but never [`ClientError::TimedOut`].
    pub fn stay(&mut self, duration: Duration) -> Result<(), ClientError> {
        let until = deadline(duration);
        loop {
            match self.connection.receive(until) {
                Ok(Some(Message::Ping(number))) => self.connection.send(&Message::Pong(number))?,
                Ok(_) => {}
                Err(ClientError::TimedOut { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn next_request(&mut self) -> u32 {
        self.last_request = self.last_request.wrapping_add(1);
        self.last_request
    }

    /// Sends a question and reads until `answer` recognizes its answer.
    pub(crate) fn ask<T>(
        &mut self,
        question: Message,
        answer: impl Fn(Message) -> Option<T>,
    ) -> Result<T, ClientError> {
        self.connection.send(&question)?;
        let until = self.connection.answer_deadline();
        for _ in 0..STRAYS_MAX {
            match self.connection.receive(until)? {
                Some(Message::Ping(number)) => self.connection.send(&Message::Pong(number))?,
                Some(Message::Hello(_)) => {
                    return Err(ClientError::Protocol("a second hello".to_owned()));
                }
                Some(message) => {
                    if let Some(answer) = answer(message) {
                        return Ok(answer);
                    }
                }
                None => {}
            }
        }
        Err(ClientError::Protocol(format!("{STRAYS_MAX} messages and no answer among them")))
    }
}

fn greeting(role: Role, network: Option<&Network>) -> Result<Greeting, ClientError> {
    let nonce = getrandom::u64().map_err(|error| ClientError::Io(error.into()))?;
    let name = match role {
        Role::Operator => "operator",
        Role::Directory => "caller",
        Role::Wallet | Role::Peer => "wallet",
    };
    let network = network.map(NetworkIdentity::of);
    Ok(Greeting { network, role, nonce, name: name.to_owned(), listen_port: 0 })
}

/// The transfers of an answer.
fn transfers(pending: &Pending) -> Result<Vec<Transfer>, ClientError> {
    let decoded = pending.transactions.iter().map(|bytes| match Transaction::decode(&bytes.0) {
        Ok(Transaction::Transfer(transfer)) => Ok(transfer),
        Ok(Transaction::Coinbase(_)) => Err(ClientError::Protocol("a pending coinbase".to_owned())),
        Err(reason) => Err(ClientError::Protocol(format!("pending: {reason}"))),
    });
    decoded.collect()
}

/// The place behind `position`; `None` behind the last one of all.
fn behind(position: TxPosition) -> Option<TxPosition> {
    match position.transaction.checked_add(1) {
        Some(transaction) => Some(TxPosition { transaction, ..position }),
        None => {
            let height = position.height.checked_add(1)?;
            Some(TxPosition { height, transaction: 0 })
        }
    }
}

/// A page holds at most [`HISTORY_MAX`] entries, in rising order, none before `from`, and promises
/// more only when it has some: so paging always comes to an end.
fn check_page(page: &History, from: TxPosition) -> Result<(), ClientError> {
    let positions = || page.entries.iter().map(|entry| entry.position);
    let rising = positions().is_sorted_by(|before, after| before < after);
    let in_range = positions().next().is_none_or(|first| first >= from);
    if page.entries.len() > HISTORY_MAX || !rising || !in_range {
        return Err(ClientError::Protocol("a page of history that does not follow".to_owned()));
    }
    if page.more && page.entries.is_empty() {
        return Err(ClientError::Protocol("more history promised on an empty page".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
