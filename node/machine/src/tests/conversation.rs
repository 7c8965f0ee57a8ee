//! Random conversations: whatever connections may do to a machine, in any order and at any time.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use chain::hash::{BlockHash, Wtxid};
use chain::transaction::Transfer;
use proptest::prelude::*;
use proptest::sample::Index;
use wire::hello::Role;
use wire::peer::{BlockTransactions, PeerMessage};
use wire::{ByteString, Message};

use super::forge::Forge;
use super::rig::{AGE_S, Rig, compact, config, payment_bytes, policy};
use crate::mempool::fixture::made;
use crate::mining::MiningPolicy;
use crate::{Direction, Effect, Event, MachineConfig, PeerId};

/// What there is to talk about.
pub(crate) struct Subject {
    pub forge: Forge,
    /// Ends of chains.
    tips: Vec<BlockHash>,
    /// Blocks of all of them, some ahead of the clock and one that breaks a rule among them.
    blocks: Vec<BlockHash>,
    payments: Vec<Transfer>,
}

pub(crate) static SUBJECT: LazyLock<Subject> = LazyLock::new(|| {
    let mut forge = Forge::new();
    let payments: Vec<Transfer> = (0..8).map(|at| forge.payment(at)).collect();
    let orphan = forge.world.payment(&made(&payments[0])[..1], 1, 10_000);
    let left = forge.mine(forge.genesis(), &payments[..3]);
    let left = forge.chain(left, 20);
    let right = forge.mine(forge.genesis(), &payments[2..4]);
    let right = forge.chain(right, 22);
    let greedy = forge.mine_greedy(left[5]);
    let limit = u64::from(forge.network.spec.future_limit_s());
    let ahead = u64::from(forge.network.spec.genesis_time) + AGE_S + limit + 40;
    let ahead = u32::try_from(ahead).unwrap();
    let early = [forge.genesis(), left[19], right[21]]
        .map(|tip| forge.mine_with(tip, &[], |block| block.header.time = ahead));
    let behind = forge.chain(greedy, 20)[19];
    let tips = vec![left[19], right[21], left[8], behind];
    let mut blocks: Vec<BlockHash> = tips.iter().flat_map(|tip| forge.path(*tip)).collect();
    blocks.extend([early; 6].as_flattened());
    let payments = [payments, vec![orphan]].concat();
    Subject { forge, tips, blocks, payments }
});

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Somebody connects and says hello, or nothing.
    Join { role: Option<Role>, outbound: bool },
    /// A connection ends.
    Leave(Index),
    /// A dial comes to nothing.
    DialFails(Index),
    /// Somebody says something.
    Says(Index, Word),
    /// Time passes.
    Pass { ms: u64 },
    /// The wall clock is set, and the machine looks at it.
    WallJumps { by_s: i64 },
}

#[derive(Debug, Clone)]
pub(crate) enum Word {
    Headers(Index),
    Block(Index),
    Blocks(Index),
    BlocksNotFound,
    Compact(Index),
    BlockTransactions(Index),
    Announce(Index),
    Pay(Index),
    PaymentsNotFound,
    GetBlocks(Index),
    GetTransactions,
    Addresses(Index),
    Ping,
    OutOfRole,
}

fn word() -> impl Strategy<Value = Word> {
    let index = any::<Index>;
    prop_oneof![
        6 => index().prop_map(Word::Headers),
        3 => index().prop_map(Word::Block),
        4 => index().prop_map(Word::Blocks),
        1 => Just(Word::BlocksNotFound),
        4 => index().prop_map(Word::Compact),
        2 => index().prop_map(Word::BlockTransactions),
        4 => index().prop_map(Word::Announce),
        3 => index().prop_map(Word::Pay),
        1 => Just(Word::PaymentsNotFound),
        1 => index().prop_map(Word::GetBlocks),
        1 => Just(Word::GetTransactions),
        2 => index().prop_map(Word::Addresses),
        2 => Just(Word::Ping),
        1 => Just(Word::OutOfRole),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let role = prop_oneof![
        8 => Just(Some(Role::Peer)),
        2 => Just(Some(Role::Wallet)),
        1 => Just(None),
    ];
    let step = prop_oneof![
        4 => (role, prop::bool::weighted(0.3))
            .prop_map(|(role, outbound)| Step::Join { role, outbound }),
        1 => any::<Index>().prop_map(Step::Leave),
        2 => any::<Index>().prop_map(Step::DialFails),
        16 => (any::<Index>(), word()).prop_map(|(who, word)| Step::Says(who, word)),
        4 => prop_oneof![0u64..300, 0u64..12_000, 0u64..200_000]
            .prop_map(|ms| Step::Pass { ms }),
        1 => (-50i64..50).prop_map(|by_s| Step::WallJumps { by_s }),
    ];
    prop::collection::vec(step, 1..60)
}

/// A machine of any kind: one that mines or not, with addresses to dial or none.
pub(crate) fn machine_config() -> impl Strategy<Value = MachineConfig> {
    let fixed = prop::collection::vec((9u8..12, 1u8..4), 0..4);
    let mining = (any::<bool>(), 0usize..4, prop::option::of(0u64..100));
    (fixed, mining).prop_map(|(fixed, (enabled, min_txs, max_wait_s))| {
        let mut config = config();
        config.peers = fixed.into_iter().map(|(a, b)| ([a, b, 0, 1], 9000).into()).collect();
        let max_wait = max_wait_s.map(Duration::from_secs);
        let policy = MiningPolicy { min_txs, max_wait, ..policy(&SUBJECT.forge) };
        config.mining = enabled.then_some(policy);
        config
    })
}

/// A machine in the middle of a conversation.
pub(crate) struct Conversation {
    pub rig: Rig,
    /// Connections that have not ended, in whatever state.
    pub connected: Vec<PeerId>,
    dialed: Vec<SocketAddr>,
    wall_base_s: u64,
    joined: u32,
}

impl Conversation {
    pub fn new(config: MachineConfig) -> Self {
        let rig = Rig::with(&SUBJECT.forge, config);
        let wall_base_s = rig.now.wall_s;
        Self { rig, connected: Vec::new(), dialed: Vec::new(), wall_base_s, joined: 0 }
    }

    /// Both clocks move to this time.
    pub fn set_time(&mut self, monotonic: Duration) {
        self.rig.now.monotonic = monotonic;
        self.rig.now.wall_s = self.wall_base_s + monotonic.as_secs();
    }

    /// One event; what is dialed may connect or fail later.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.rig.handle(event);
        for effect in &effects {
            if let Effect::Dial { address } = effect {
                self.dialed.push(*address);
            }
        }
        effects
    }

    /// The event that a step is, if it is one; passing time is not.
    pub fn event(&mut self, step: &Step) -> Option<Event> {
        match step {
            Step::Join { outbound, .. } => Some(self.connects(*outbound)),
            Step::Leave(who) => {
                let at = who.index(self.connected.len().max(1));
                let peer = (at < self.connected.len()).then(|| self.connected.remove(at))?;
                Some(Event::Disconnected { peer })
            }
            Step::DialFails(which) => {
                let at = which.index(self.dialed.len().max(1));
                let address = (at < self.dialed.len()).then(|| self.dialed.remove(at))?;
                Some(Event::DialFailed { address })
            }
            Step::Says(who, word) => {
                let peer = *self.connected.get(who.index(self.connected.len().max(1)))?;
                let message = Box::new(said(word, &self.rig, peer)?);
                Some(Event::Message { peer, message })
            }
            Step::WallJumps { by_s } => {
                self.wall_base_s = self.wall_base_s.saturating_add_signed(*by_s);
                self.set_time(self.rig.now.monotonic);
                Some(Event::Wakeup)
            }
            Step::Pass { .. } => None,
        }
    }

    fn connects(&mut self, outbound: bool) -> Event {
        self.joined += 1;
        let peer = PeerId(u64::from(self.joined));
        self.connected.push(peer);
        let dialed = if outbound { self.dialed.pop() } else { None };
        let direction = if dialed.is_some() { Direction::Outbound } else { Direction::Inbound };
        let [a, b, ..] = self.joined.to_le_bytes();
        let address = dialed.unwrap_or(([8, b, a, 1], 5000).into());
        Event::Connected { peer, address, direction }
    }

    /// The hello of whoever connected last, who listens at every other port.
    pub fn hello(&self, role: Role) -> Option<Event> {
        let mut hello = self.rig.hello(role);
        hello.nonce = u64::from(self.joined);
        hello.listen_port = if self.joined.is_multiple_of(2) { 9000 } else { 0 };
        let message = Box::new(Message::Hello(Box::new(hello)));
        Some(Event::Message { peer: *self.connected.last()?, message })
    }
}

fn said(word: &Word, rig: &Rig, peer: PeerId) -> Option<Message> {
    let Subject { forge, tips, blocks, payments } = &*SUBJECT;
    let block = |index: &Index| blocks[index.index(blocks.len())];
    let payment = |index: &Index| &payments[index.index(payments.len())];
    let wtxids = || payments.iter().map(Transfer::wtxid).collect::<Vec<Wtxid>>();
    Some(Message::Peer(match word {
        Word::Headers(index) => {
            let path = forge.path(tips[index.index(tips.len())]);
            let bytes = path.iter().flat_map(|hash| forge.header(*hash).to_bytes()).collect();
            PeerMessage::Headers(ByteString(bytes))
        }
        Word::Block(index) => PeerMessage::Block(ByteString(forge.bytes(block(index)))),
        // One that is awaited from it.
        Word::Blocks(index) => {
            let awaited = |hash: &&BlockHash| rig.machine.sync.downloads.is_from(hash, peer);
            let awaited: Vec<_> = blocks.iter().filter(awaited).collect();
            let hash = awaited.get(index.index(awaited.len().max(1)))?;
            PeerMessage::Block(ByteString(forge.bytes(**hash)))
        }
        Word::BlocksNotFound => PeerMessage::BlocksNotFound(blocks.clone()),
        Word::Compact(index) => PeerMessage::CompactBlock(compact(forge, block(index), 7)),
        Word::BlockTransactions(index) => PeerMessage::BlockTransactions(BlockTransactions {
            block: block(index),
            transactions: ByteString(vec![9]),
        }),
        Word::Announce(index) => {
            let junk = Wtxid([u8::try_from(index.index(200)).ok()?; 32]);
            PeerMessage::AnnounceTransactions(vec![payment(index).wtxid(), junk])
        }
        Word::Pay(index) => PeerMessage::Transaction(payment_bytes(payment(index))),
        Word::PaymentsNotFound => PeerMessage::TransactionsNotFound(wtxids()),
        Word::GetBlocks(index) => PeerMessage::GetBlocks(vec![block(index); 40]),
        Word::GetTransactions => PeerMessage::GetTransactions(wtxids()),
        Word::Addresses(index) => {
            let number = u8::try_from(index.index(200)).ok()?;
            let told = (0..4).map(|at| ([20 + at, number, number, 1], 9000).into());
            PeerMessage::Addresses(told.collect())
        }
        Word::Ping => return Some(Message::Ping(1)),
        Word::OutOfRole => {
            return Some(Message::Wallet(wire::wallet::WalletMessage::GetTip(1)));
        }
    }))
}
