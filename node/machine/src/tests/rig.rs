//! `Rig`: a machine, its clocks, and peers whose every word is ours.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::key::SignatureCheck;
use chain::transaction::Transaction;
use wire::hello::{Hello, NetworkIdentity, Role};
use wire::peer::{BlockTransactions, CompactBlock, PeerMessage};
use wire::wallet::WalletMessage;
use wire::{ByteString, Message, PROTOCOL_VERSION};

use super::super::mining::MiningPolicy;
use super::super::peers::PeerState;
use super::super::template::Template;
use super::super::{
    Direction, Effect, Event, Machine, MachineConfig, Now, PeerId, Report, Surroundings,
    VerificationId, first_invalid,
};
use super::forge::{Forge, grind};
use crate::store::{BlockWrites, Store};

/// How far the wall clock is ahead of genesis at the start.
pub(crate) const AGE_S: u64 = 100_000;

pub(crate) struct Rig {
    pub machine: Machine,
    pub now: Now,
    network: Arc<Network>,
    next_peer: u64,
    /// Calls of the machine so far.
    pub calls: u64,
    /// What is to be written waits for [`Rig::finish_writing`].
    pub disk_is_slow: bool,
    pub writes: Option<BlockWrites>,
    /// Signatures wait for [`Rig::finish_verifying`].
    pub verifier_is_slow: bool,
    pub checks: Vec<(VerificationId, Arc<[SignatureCheck]>)>,
}

pub(crate) fn config() -> MachineConfig {
    MachineConfig::new("rig", [7; 32])
}

/// Pays the forge's own key.
pub(crate) fn policy(forge: &Forge) -> MiningPolicy {
    MiningPolicy { min_txs: 0, max_wait: None, payout: forge.world.key(1) }
}

/// Nobody was met before, and callers come from anywhere.
fn surroundings() -> Surroundings {
    Surroundings { listening: Some(([0; 4], 9000).into()), known: Vec::new() }
}

impl Rig {
    pub fn new(forge: &Forge) -> Self {
        Self::with(forge, config())
    }

    pub fn with(forge: &Forge, config: MachineConfig) -> Self {
        Self::on(forge, config, Store::in_memory(&forge.network).unwrap())
    }

    pub fn on(forge: &Forge, config: MachineConfig, store: Store) -> Self {
        Self::within(forge, config, surroundings(), store)
    }

    /// The same, with the first say about the surroundings.
    pub fn among(
        forge: &Forge,
        config: MachineConfig,
        edit: impl FnOnce(&mut Surroundings),
    ) -> Self {
        let mut surroundings = surroundings();
        edit(&mut surroundings);
        Self::within(forge, config, surroundings, Store::in_memory(&forge.network).unwrap())
    }

    fn within(
        forge: &Forge,
        config: MachineConfig,
        surroundings: Surroundings,
        store: Store,
    ) -> Self {
        let wall_s = u64::from(forge.network.spec.genesis_time) + AGE_S;
        let now = Now { wall_s, monotonic: Duration::ZERO };
        let network = Arc::clone(&forge.network);
        let machine = Machine::new(config, surroundings, Arc::clone(&network), store, now).unwrap();
        let mut rig = Self {
            machine,
            now,
            network,
            next_peer: 1,
            calls: 0,
            disk_is_slow: false,
            writes: None,
            verifier_is_slow: false,
            checks: Vec::new(),
        };
        rig.settle(Event::Wakeup);
        rig
    }

    /// One call, and as many wake-ups as the machine wants at once.
    pub fn settle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.handle(event);
        let mut wakeups = 0;
        while self.machine.next_wakeup().is_some_and(|at| at <= self.now.monotonic) {
            effects.extend(self.handle(Event::Wakeup));
            wakeups += 1;
            assert!(wakeups < 10_000, "the machine never rests");
        }
        effects
    }

    /// One call. What the machine wants written and verified is done at once.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut events = VecDeque::from([event]);
        let mut effects = Vec::new();
        while let Some(event) = events.pop_front() {
            self.calls += 1;
            for effect in self.machine.handle(self.now, event).unwrap() {
                match effect {
                    Effect::Write(writes) if self.disk_is_slow => {
                        assert!(self.writes.replace(writes).is_none(), "one at a time");
                    }
                    Effect::Write(writes) => {
                        let outcome = writes.run().map_err(Arc::new);
                        events.push_back(Event::Written { outcome });
                    }
                    Effect::Verify { id, checks } if self.verifier_is_slow => {
                        self.checks.push((id, checks));
                    }
                    Effect::Verify { id, checks } => {
                        let first_invalid = first_invalid(&checks);
                        events.push_back(Event::Verified { id, first_invalid });
                    }
                    Effect::Read { peer, question } => {
                        let outcome = question.answer().map_err(Arc::new);
                        events.push_back(Event::Read { peer, outcome });
                    }
                    effect => effects.push(effect),
                }
            }
        }
        effects
    }

    /// Lets time pass and wakes the machine whenever it wants to be woken.
    pub fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now.monotonic + time;
        let start = self.now;
        let (mut effects, mut wakeups) = (Vec::new(), 0);
        while let Some(at) = self.machine.next_wakeup().filter(|at| *at <= end) {
            wakeups += 1;
            assert!(wakeups < 100_000, "the machine never rests");
            self.now.monotonic = at.max(self.now.monotonic);
            let passed = self.now.monotonic - start.monotonic;
            self.now.wall_s = start.wall_s + passed.as_secs();
            effects.extend(self.handle(Event::Wakeup));
        }
        self.now = Now { wall_s: start.wall_s + time.as_secs(), monotonic: end };
        effects.extend(self.settle(Event::Wakeup));
        effects
    }

    pub fn connect(&mut self, address: &str, direction: Direction) -> (PeerId, Vec<Effect>) {
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        let address: SocketAddr = address.parse().unwrap();
        let effects = self.settle(Event::Connected { peer, address, direction });
        (peer, effects)
    }

    pub fn hello(&self, role: Role) -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            role,
            network: Some(NetworkIdentity::of(&self.network)),
            nonce: 1_000_000 + self.next_peer,
            listen_port: 0,
            wall_s: self.now.wall_s,
            height: 0,
            name: "other".to_owned(),
        }
    }

    /// A connection from `address` in this role, whose handshake is done.
    pub fn join(&mut self, address: &str, role: Role) -> PeerId {
        let (peer, _) = self.connect(address, Direction::Inbound);
        let hello = self.hello(role);
        self.tell(peer, Message::Hello(Box::new(hello)));
        assert_eq!(self.role(peer), Some(role));
        // What a node is asked at first is answered: there is nothing.
        if role == Role::Peer {
            self.say(peer, PeerMessage::Headers(ByteString(Vec::new())));
        }
        peer
    }

    /// A node at an address that nobody else has.
    pub fn peer(&mut self) -> PeerId {
        let address = format!("8.{}.0.1:9000", self.next_peer);
        self.join(&address, Role::Peer)
    }

    pub fn tell(&mut self, peer: PeerId, message: Message) -> Vec<Effect> {
        self.settle(Event::Message { peer, message: Box::new(message) })
    }

    pub fn say(&mut self, peer: PeerId, message: PeerMessage) -> Vec<Effect> {
        self.tell(peer, Message::Peer(message))
    }

    /// What a wallet is answered.
    pub fn ask(&mut self, wallet: PeerId, message: WalletMessage) -> WalletMessage {
        let effects = self.tell(wallet, Message::Wallet(message));
        match sent(&effects, wallet).pop() {
            Some(Message::Wallet(answer)) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    pub fn role(&self, peer: PeerId) -> Option<Role> {
        self.machine.peers.get(peer).and_then(super::super::Peer::role)
    }

    /// Whether the machine still listens to this connection.
    pub fn is_open(&self, peer: PeerId) -> bool {
        self.machine.peers.get(peer).is_some_and(|peer| peer.state != PeerState::Closing)
    }

    pub fn tip(&self) -> BlockHash {
        self.machine.tip().hash
    }

    /// Whole blocks, asked for or not.
    pub fn give(&mut self, peer: PeerId, bytes: Vec<u8>) -> Vec<Effect> {
        self.say(peer, PeerMessage::Block(ByteString(bytes)))
    }

    pub fn show_headers(
        &mut self,
        peer: PeerId,
        forge: &Forge,
        hashes: &[BlockHash],
    ) -> Vec<Effect> {
        let bytes = hashes.iter().flat_map(|hash| forge.header(*hash).to_bytes()).collect();
        self.say(peer, PeerMessage::Headers(ByteString(bytes)))
    }

    /// Makes durable what the machine wants written by now, and tells it.
    pub fn finish_writing(&mut self) -> Vec<Effect> {
        match self.writes.take() {
            Some(writes) => {
                let outcome = writes.run().map_err(Arc::new);
                self.settle(Event::Written { outcome })
            }
            None => Vec::new(),
        }
    }

    /// Answers the question about signatures at this place of [`Rig::checks`].
    pub fn finish_verifying(&mut self, at: usize) -> Vec<Effect> {
        let (id, checks) = self.checks.remove(at);
        self.settle(Event::Verified { id, first_invalid: first_invalid(&checks) })
    }

    /// An honest node whose chain ends in `tip`: shows it and answers whatever it is asked.
    pub fn sync(&mut self, peer: PeerId, forge: &Forge, tip: BlockHash) -> Vec<Effect> {
        let path = forge.path(tip);
        let mut effects = self.show_headers(peer, forge, &path[..path.len().min(2000)]);
        effects.extend(self.answer(peer, forge, tip, &effects.clone()));
        effects
    }

    /// Answers every question in `effects` as an honest node whose chain ends in `tip`, and what
    /// comes of the answers, until there are no more questions.
    pub fn answer(
        &mut self,
        peer: PeerId,
        forge: &Forge,
        tip: BlockHash,
        effects: &[Effect],
    ) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut questions = sent(effects, peer);
        while !questions.is_empty() {
            let mut next = Vec::new();
            for question in questions {
                let Message::Peer(question) = question else {
                    continue;
                };
                for answer in answers(forge, tip, question) {
                    let effects = self.say(peer, answer);
                    next.extend(sent(&effects, peer));
                    all.extend(effects);
                }
            }
            questions = next;
        }
        all
    }

    /// Solves a template as the miner does.
    pub fn solve(&mut self, template: &Arc<Template>) -> Vec<Effect> {
        let coinbase = template.coinbase_with_extra_nonce(5);
        let mut header = template.header_with(&coinbase);
        grind(&mut header);
        self.settle(Event::Mined { template: Arc::clone(template), header, coinbase })
    }
}

/// What an honest node whose chain ends in `tip` answers.
pub(crate) fn answers(forge: &Forge, tip: BlockHash, question: PeerMessage) -> Vec<PeerMessage> {
    match question {
        PeerMessage::GetBlocks(hashes) => hashes
            .iter()
            .filter(|hash| forge.has(hash))
            .map(|hash| PeerMessage::Block(ByteString(forge.bytes(*hash))))
            .collect(),
        PeerMessage::GetHeaders(locator) => {
            let path = forge.path(tip);
            let known = |hash: &BlockHash| path.iter().position(|other| other == hash);
            let from = locator.iter().find_map(known).map_or(0, |at| at + 1);
            let end = path.len().min(from + 2000);
            let bytes = path[from..end].iter().flat_map(|hash| forge.header(*hash).to_bytes());
            vec![PeerMessage::Headers(ByteString(bytes.collect()))]
        }
        PeerMessage::GetBlockTransactions(request) => {
            let block = forge.block(request.block);
            let mut bytes = Vec::new();
            for position in request.positions {
                block.transactions[position as usize].encode_to(&mut bytes);
            }
            let transactions = ByteString(bytes);
            vec![PeerMessage::BlockTransactions(BlockTransactions {
                block: request.block,
                transactions,
            })]
        }
        _ => Vec::new(),
    }
}

/// The messages to `peer` in their order.
pub(crate) fn sent(effects: &[Effect], peer: PeerId) -> Vec<Message> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send { peer: to, frame } if *to == peer => Some(frame),
        _ => None,
    });
    frames
        .map(|frame| Message::from_payload(frame.command, &frame.payload).unwrap().unwrap())
        .collect()
}

/// What `peer` was asked or told between nodes.
pub(crate) fn said(effects: &[Effect], peer: PeerId) -> Vec<PeerMessage> {
    let messages = sent(effects, peer).into_iter();
    messages
        .filter_map(|message| match message {
            Message::Peer(message) => Some(message),
            _ => None,
        })
        .collect()
}

/// The blocks that `peer` was asked for.
pub(crate) fn blocks_asked(effects: &[Effect], peer: PeerId) -> Vec<BlockHash> {
    let messages = said(effects, peer).into_iter();
    messages
        .filter_map(|message| match message {
            PeerMessage::GetBlocks(hashes) => Some(hashes),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Who was disconnected, and why.
pub(crate) fn closed(effects: &[Effect]) -> Vec<(PeerId, String)> {
    let closed = effects.iter().filter_map(|effect| match effect {
        Effect::Disconnect { peer, reason } => Some((*peer, reason.clone())),
        _ => None,
    });
    closed.collect()
}

pub(crate) fn reports(effects: &[Effect]) -> Vec<Report> {
    let reports = effects.iter().filter_map(|effect| match effect {
        Effect::Report(report) => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

/// What the miner was told last, if anything.
pub(crate) fn mine(effects: &[Effect]) -> Option<Option<Arc<Template>>> {
    let mut told = effects.iter().filter_map(|effect| match effect {
        Effect::Mine(template) => Some(Some(Arc::clone(template))),
        Effect::Rest { .. } => Some(None),
        _ => None,
    });
    told.next_back()
}

/// A block as its sender announces it.
pub(crate) fn compact(forge: &Forge, hash: BlockHash, salt: u64) -> CompactBlock {
    let block = forge.block(hash);
    let ids =
        block.transactions.iter().skip(1).flat_map(|transaction| {
            super::super::relay::short_id(&hash, salt, &transaction.wtxid())
        });
    CompactBlock {
        header: ByteString(block.header.to_bytes().to_vec()),
        salt,
        coinbase: ByteString(block.transactions[0].encode()),
        short_ids: ByteString(ids.collect()),
    }
}

pub(crate) fn payment_bytes(transfer: &chain::transaction::Transfer) -> ByteString {
    ByteString(Transaction::Transfer(transfer.clone()).encode())
}
