//! The bootstrap node's directory: who mines where, who has which name, and the faucet.
//!
//! One thread ([`THREAD`]) owns it. The node forwards questions that passed its checks; answers go
//! back through its handle. [`registry`], [`names`] and [`faucet`] decide and are told the time;
//! [`database`] remembers; the calls that dial miners back are tasks of this thread.

mod allowance;
pub mod database;
pub mod faucet;
mod names;
mod registry;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use chain::address::Address;
use chain::encoding::Decode;
use chain::genesis::Network;
use chain::hash::Txid;
use chain::key::{OutputKey, SecretKey};
use chain::transaction::{OutPoint, Transaction};
use chain::wire::Message;
use chain::wire::directory::{
    DirectoryMessage, FaucetAnswer, FaucetOutcome, MinerEntry, NameOutcome, NamePut, Named,
    Names as NamesPage,
};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::machine::{Machine, Now, PeerId};
use crate::runtime::{Forwarded, Handle, greet};
use database::{Change, Database, DatabaseError, Remembered};
use faucet::{Faucet, Payout};
use names::Names;
use registry::{Dialed, Registry, Step};

/// Name of the thread.
pub const THREAD: &str = "directory";

/// A miner that is dialed back must have answered by then.
const DIAL_BACK_MAX: Duration = Duration::from_secs(2);

/// Questions that are answered together: what they change is one write to disk.
const BATCH_MAX: usize = 64;

/// How often expired entries and unconfirmed payouts are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Payouts that are not confirmed are submitted again this often.
const RESUBMIT_TICKS: u64 = 10;

/// Coins that the node looks up for one question: well under a millisecond.
const LOOKED_UP_MAX: usize = 256;

/// When the disk has failed, whoever asks the faucet is told to come back then.
const BROKEN_WAIT_S: u32 = 60;

/// What a directory is started with.
pub struct DirectoryOrder {
    /// The network.
    pub network: Arc<Network>,
    /// The data directory of its node, which has it locked.
    pub directory: PathBuf,
    /// The key of the faucet; none for a directory without one.
    pub faucet: Option<SecretKey>,
    /// Miners of the same process: listed for ever.
    pub miners: Vec<MinerEntry>,
    /// The node.
    pub handle: Handle,
    /// What the node forwards.
    pub questions: Receiver<Forwarded>,
    /// Hears what happens, on the directory's thread.
    pub tell: Box<dyn FnMut(News) + Send>,
}

/// Something that whoever runs the directory may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A miner is listed that was not before.
    Listed(MinerEntry),
    /// A miner has not registered again.
    Expired(MinerEntry),
    /// A name has a record, or a new one.
    Named {
        /// As typed.
        name: String,
        /// Who is paid.
        address: Address,
    },
    /// The faucet pays.
    Paid {
        /// Whom.
        address: Address,
        /// By this transaction.
        txid: Txid,
        /// Payouts that are left.
        left: usize,
    },
    /// Something does not work; the node goes on.
    Trouble(String),
}

/// A running directory. It ends with its node, or when it is stopped.
pub struct Directory {
    thread: JoinHandle<()>,
    stop: CancellationToken,
}

/// Why a directory did not start.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Its file is of no use.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The operating system refused a thread.
    #[error("cannot start the directory's thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Directory {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn start(order: DirectoryOrder) -> Result<Self, DirectoryError> {
        let stop = CancellationToken::new();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let desk = Desk::open(order, stop.clone())?;
        let serve = move || tokio.block_on(desk.serve());
        let thread = Builder::new().name(THREAD.to_owned()).spawn(serve)?;
        Ok(Self { thread, stop })
    }

    /// Ends it. Everything that was answered is on disk already.
    pub fn stop(self) {
        self.stop.cancel();
        // If it panicked there is nothing left to end.
        let _ = self.thread.join();
    }
}

/// Where the directory's file lies in a data directory.
pub fn database_file(directory: &Path) -> PathBuf {
    directory.join(database::FILE)
}

/// What the thread owns.
struct Desk {
    network: Arc<Network>,
    registry: Registry,
    names: Names,
    faucet: Option<Faucet>,
    /// Payouts that are not known to be in the best chain.
    unconfirmed: Vec<(OutPoint, OutputKey)>,
    database: Database,
    /// The disk has failed: nothing new is promised any more.
    broken: bool,
    dials: JoinSet<(SocketAddr, Result<(), String>)>,
    handle: Handle,
    questions: Receiver<Forwarded>,
    tell: Box<dyn FnMut(News) + Send>,
    started: Instant,
    stop: CancellationToken,
}

impl Desk {
    fn open(order: DirectoryOrder, stop: CancellationToken) -> Result<Self, DirectoryError> {
        let DirectoryOrder { network, directory, faucet, miners, handle, questions, tell } = order;
        let genesis = network.genesis_hash();
        let (database, remembered) = Database::open(&database_file(&directory), genesis)?;
        let Remembered { names, payouts } = remembered;
        let faucet = faucet.map(|secret| Faucet::new(&network, secret, payouts));
        let paid = faucet.iter().flat_map(Faucet::payouts);
        let unconfirmed = paid.map(|(outpoint, payout)| (outpoint, payout.key)).collect();
        let mut registry = Registry::default();
        miners.into_iter().for_each(|miner| registry.fix(miner));
        Ok(Self {
            names: Names::new(genesis, names),
            network,
            registry,
            faucet,
            unconfirmed,
            database,
            broken: false,
            dials: JoinSet::new(),
            handle,
            questions,
            tell,
            started: Instant::now(),
            stop,
        })
    }

    async fn serve(mut self) {
        self.find_lost_outputs().await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut count = 0u64;
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                question = self.questions.recv() => match question {
                    Some(question) => self.answer_all(question),
                    // The node has ended.
                    None => return,
                },
                Some(dialed) = self.dials.join_next() => {
                    if let Ok((address, result)) = dialed {
                        self.dialed(address, result);
                    }
                }
                _ = ticks.tick() => {
                    self.forget_expired();
                    if count.is_multiple_of(RESUBMIT_TICKS) {
                        self.resubmit().await;
                    }
                    count += 1;
                }
            }
        }
    }

    /// Answers a question and all that have come since. What they change is on disk first.
    fn answer_all(&mut self, first: Forwarded) {
        let mut questions = vec![first];
        while questions.len() < BATCH_MAX
            && let Ok(question) = self.questions.try_recv()
        {
            questions.push(question);
        }
        let mut changes = Vec::new();
        let mut answers: Vec<(PeerId, DirectoryMessage)> = Vec::new();
        for question in questions {
            let peer = question.peer;
            if let Some(answer) = self.answer(question, &mut changes) {
                answers.push((peer, answer));
            }
        }
        if !changes.is_empty() {
            self.keep(changes, &mut answers);
        }
        for (peer, answer) in answers {
            self.handle.reply(peer, Message::Directory(answer));
        }
    }

    /// The answer, unless it comes later; `changes` must be on disk before it is given.
    fn answer(
        &mut self,
        question: Forwarded,
        changes: &mut Vec<Change>,
    ) -> Option<DirectoryMessage> {
        let Forwarded { peer, address, message } = question;
        let (now, ip) = (self.now(), address.ip());
        let Message::Directory(message) = message else {
            return None;
        };
        Some(match message {
            DirectoryMessage::GetMiners(()) => {
                DirectoryMessage::Miners(self.registry.miners(now.monotonic, ip))
            }
            DirectoryMessage::Register(register) => {
                match self.registry.register(now.monotonic, peer, ip, register) {
                    Step::Answer(answer) => DirectoryMessage::Registered(answer),
                    Step::Wait => return None,
                    Step::Dial(address) => {
                        self.dial_back(address);
                        return None;
                    }
                }
            }
            DirectoryMessage::GetName(ask) => {
                let record = self.names.get(&ask.name).cloned();
                DirectoryMessage::Named(Named { request: ask.request, record })
            }
            DirectoryMessage::GetNames(ask) => {
                let (names, more) = self.names.page(&ask.after);
                DirectoryMessage::Names(NamesPage { request: ask.request, names, more })
            }
            DirectoryMessage::PutName(put) => {
                let outcome = self.put_name(now, ip, put.record, changes);
                DirectoryMessage::NamePut(NamePut { request: put.request, outcome })
            }
            DirectoryMessage::AskFaucet(ask) => {
                let outcome = self.ask_faucet(now, ip, ask.key, changes);
                DirectoryMessage::FaucetAnswer(FaucetAnswer { request: ask.request, outcome })
            }
            // The machine forwards no answers, and says the spec itself.
            _ => return None,
        })
    }

    fn put_name(
        &mut self,
        now: Now,
        ip: std::net::IpAddr,
        record: chain::wire::directory::NameRecord,
        changes: &mut Vec<Change>,
    ) -> NameOutcome {
        if self.broken {
            return NameOutcome::Busy;
        }
        match self.names.put(now.monotonic, ip, &record) {
            names::Verdict::Answer(outcome) => outcome,
            names::Verdict::Keep => {
                changes.push(Change::Name(record));
                NameOutcome::Held
            }
        }
    }

    fn ask_faucet(
        &mut self,
        now: Now,
        ip: std::net::IpAddr,
        key: OutputKey,
        changes: &mut Vec<Change>,
    ) -> FaucetOutcome {
        if self.broken {
            return FaucetOutcome::Later { wait_s: BROKEN_WAIT_S };
        }
        let Some(faucet) = &mut self.faucet else {
            return FaucetOutcome::Empty;
        };
        match faucet.ask(now, ip, key) {
            faucet::Verdict::Answer(outcome) => outcome,
            faucet::Verdict::Pay(payout) => {
                let outcome = faucet::paid(&payout);
                changes.push(Change::Payout(payout));
                outcome
            }
        }
    }

    /// Writes `changes` and carries them out; where that fails, takes back what was promised.
    fn keep(&mut self, changes: Vec<Change>, answers: &mut [(PeerId, DirectoryMessage)]) {
        if let Err(error) = self.database.write(&changes) {
            self.broken = true;
            (self.tell)(News::Trouble(format!("no names and no payouts any more: {error}")));
            for (_, answer) in answers {
                match answer {
                    DirectoryMessage::NamePut(put) => put.outcome = NameOutcome::Busy,
                    DirectoryMessage::FaucetAnswer(answer) => {
                        answer.outcome = FaucetOutcome::Later { wait_s: BROKEN_WAIT_S };
                    }
                    _ => {}
                }
            }
            return;
        }
        for change in changes {
            match change {
                Change::Name(record) => {
                    let address = self.network.spec.address(record.key);
                    (self.tell)(News::Named { name: record.name, address });
                }
                Change::Payout(payout) => self.pay_out(&payout),
            }
        }
    }

    fn pay_out(&mut self, payout: &Payout) {
        self.submit(payout);
        let Some(faucet) = &self.faucet else {
            return;
        };
        let left = faucet.outputs().count();
        self.unconfirmed.push((faucet.outpoint(payout.index), payout.key));
        let address = self.network.spec.address(payout.key);
        (self.tell)(News::Paid { address, txid: payout.txid, left });
    }

    fn submit(&self, payout: &Payout) {
        let transaction = Transaction::decode(&payout.transaction);
        self.handle.submit(transaction.expect("the faucet wrote it, and the database checked it"));
    }

    fn dial_back(&mut self, address: SocketAddr) {
        let network = Arc::clone(&self.network);
        self.dials.spawn(async move {
            let greeted = greet(address, &network, DIAL_BACK_MAX).await;
            (address, greeted.map_err(|error| error.to_string()))
        });
    }

    fn dialed(&mut self, address: SocketAddr, result: Result<(), String>) {
        let answers_there = result.is_ok();
        let Dialed { answers, listed } =
            self.registry.dialed(self.now().monotonic, address, result);
        if answers_there {
            self.handle.tell_addresses(vec![address]);
        }
        if let Some(name) = listed {
            (self.tell)(News::Listed(MinerEntry { name, address }));
        }
        for (peer, answer) in answers {
            self.handle.reply(peer, Message::Directory(DirectoryMessage::Registered(answer)));
        }
    }

    fn forget_expired(&mut self) {
        for miner in self.registry.expire(self.now().monotonic) {
            (self.tell)(News::Expired(miner));
        }
    }

    /// Genesis outputs that were spent though no payout of them is remembered are not used again.
    async fn find_lost_outputs(&mut self) {
        let outputs: Vec<OutPoint> = self.faucet.iter().flat_map(Faucet::outputs).collect();
        for part in outputs.chunks(LOOKED_UP_MAX) {
            let spent = self.spent(part.to_vec()).await;
            if let Some(faucet) = &mut self.faucet {
                spent.into_iter().for_each(|outpoint| faucet.lost(outpoint));
            }
        }
    }

    /// Submits again what neither the best chain nor the pending transactions hold.
    async fn resubmit(&mut self) {
        for part in std::mem::take(&mut self.unconfirmed).chunks(LOOKED_UP_MAX) {
            let spent = self.spent(part.iter().map(|(outpoint, _)| *outpoint).collect()).await;
            self.unconfirmed.extend(part.iter().filter(|(outpoint, _)| !spent.contains(outpoint)));
        }
        let Some(faucet) = &self.faucet else {
            return;
        };
        let payouts = self.unconfirmed.iter().filter_map(|(_, key)| faucet.payout(key));
        // Those that are pending are known there and nothing happens.
        payouts.for_each(|payout| self.submit(payout));
    }

    /// Which of these the best chain has spent; none when the node has no time to say.
    async fn spent(&self, outpoints: Vec<OutPoint>) -> Vec<OutPoint> {
        let look = move |machine: &Machine| {
            let is_spent = |outpoint: &OutPoint| {
                machine.ledger().coin(outpoint).is_ok_and(|coin| coin.is_none())
            };
            outpoints.into_iter().filter(is_spent).collect()
        };
        self.handle.ask(look).await.unwrap_or_default()
    }

    fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall_s = since_1970.map_or(0, |time| time.as_secs());
        Now { wall_s, monotonic: self.started.elapsed() }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(miner) => write!(f, "miner {} listed at {}", miner.name, miner.address),
            Self::Expired(miner) => {
                write!(f, "miner {} at {} has not registered again", miner.name, miner.address)
            }
            Self::Named { name, address } => write!(f, "name {name} belongs to {address}"),
            Self::Paid { address, txid, left } => {
                let amount = faucet::PAYS;
                write!(f, "faucet pays {amount} to {address} by {txid}, {left} payouts left")
            }
            Self::Trouble(trouble) => f.write_str(trouble),
        }
    }
}
