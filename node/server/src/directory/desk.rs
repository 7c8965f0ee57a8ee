//! `Desk`: what the directory's thread owns. It answers the questions that the node forwards.

mod payouts;

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chain::genesis::Network;
use chain::key::OutputKey;
use chain::transaction::OutPoint;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use wire::Message;
use wire::directory::{
    self as messages, DirectoryMessage, FaucetAnswer, FaucetOutcome, MinerEntry, NameOutcome,
    NamePut, NameRecord, Named,
};

use super::database::{Change, Database, Remembered};
use super::faucet::{self, Faucet};
use super::names::{self, Names};
use super::registry::{Dialed, Registry, Step};
use super::{DirectoryError, DirectoryOrder, News, database_file};
use crate::runtime::{Forwarded, Handle, greet};
use machine::{Now, PeerId};

/// A miner that is dialed back must have answered by then.
const DIAL_BACK_MAX: Duration = Duration::from_secs(2);

/// Questions that are answered together: what they change is one write to disk.
const BATCH_MAX: usize = 64;

/// Payouts that are not confirmed are submitted again this often.
const RESUBMIT_INTERVAL: Duration = Duration::from_secs(10);

/// When the disk has failed, whoever asks the faucet is told to come back then.
const BROKEN_WAIT_S: u32 = 60;

/// What the thread owns.
pub(super) struct Desk {
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
    /// Takes up what the directory's file holds.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub(super) fn open(
        order: DirectoryOrder,
        stop: CancellationToken,
    ) -> Result<Self, DirectoryError> {
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

    /// Answers until the node ends or `stop` is cancelled.
    pub(super) async fn serve(mut self) {
        self.find_lost_outputs().await;
        let mut resubmit_at = Instant::now();
        let stop = self.stop.clone();
        loop {
            if self.unconfirmed.is_empty() {
                resubmit_at = Instant::now() + RESUBMIT_INTERVAL;
            }
            let due = self.due(resubmit_at);
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
                () = until(due) => {
                    self.forget_expired();
                    if Instant::now() >= resubmit_at {
                        self.resubmit().await;
                        resubmit_at = Instant::now() + RESUBMIT_INTERVAL;
                    }
                }
            }
        }
    }

    /// When there is something to do though nobody asks; `None` when there is nothing.
    fn due(&self, resubmit_at: Instant) -> Option<Instant> {
        let expiry = self.registry.next_expiry().map(|at| self.started + at);
        let resubmission = (!self.unconfirmed.is_empty()).then_some(resubmit_at);
        expiry.into_iter().chain(resubmission).min()
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
                DirectoryMessage::Names(messages::Names { request: ask.request, names, more })
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
        ip: IpAddr,
        record: NameRecord,
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
        ip: IpAddr,
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

    fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let wall_s = since_1970.map_or(0, |time| time.as_secs());
        Now { wall_s, monotonic: self.started.elapsed() }
    }
}

/// Returns at `due`, or never.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}
