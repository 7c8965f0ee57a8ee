//! Miners that lie, each in its own way: nothing of it is shown, the miner is named, and another
//! one is taken.

use chain::block::Block;
use chain::hash::BlockHash;
use chain::header::{Header, VERSION_BASE};
use chain::merkle;
use chain::target::CompactTarget;
use chain::transaction::{Coinbase, Output, Transaction, TxPosition};
use testkit::test_node::Deceit;
use wire::peer::PeerMessage;
use wire::wallet::{ChainTip, HistoryEntry, WalletMessage};
use wire::{ByteString, Message};

use super::*;

/// Blocks of the honest chain; its second pays Adam.
const BLOCKS: u32 = 8;

/// A way to lie.
struct Lie {
    name: &'static str,
    /// The wallet has seen the honest chain before.
    knows: bool,
    /// Makes the liar's chain of the honest one.
    chain: fn(&mut TestChain),
    deceit: Deceit,
}

fn honest_chain() -> TestChain {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    for height in 1..=BLOCKS {
        let payout = if height == 2 { first_key(&ADAM) } else { OutputKey([9; 32]) };
        chain.mine(payout, vec![]);
    }
    chain
}

/// A header behind `previous` that meets its own target.
fn header(previous: BlockHash, time: u32, bits: u32) -> Header {
    let bits = CompactTarget::with_zero_bits(bits);
    let merkle_root = chain::hash::MerkleRoot([3; 32]);
    let mut header = Header { version: VERSION_BASE, previous, merkle_root, time, bits, nonce: 0 };
    while !bits.expand().unwrap().is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    header
}

/// A million coins for Adam in a block at `height` that lies on no chain.
fn million(chain: &TestChain, height: u32) -> HistoryEntry {
    let outputs = vec![Output { amount: coins(1_000_000), key: first_key(&ADAM) }];
    let coinbase = Transaction::Coinbase(Coinbase { height, extra: [1; 32], outputs });
    let at = header(chain.tip().hash, NETWORK.spec.genesis_time + 5 * height, 1);
    let mut block = Block { header: at, transactions: vec![coinbase.clone()] };
    block.header.merkle_root = block.merkle_root().unwrap();
    while !NETWORK.spec.starting_target().is_met_by(&block.header.hash()) {
        block.header.nonce += 1;
    }
    HistoryEntry {
        position: TxPosition { height, transaction: 0 },
        block: block.header.hash(),
        header: ByteString(block.header.to_bytes().to_vec()),
        transaction: ByteString(coinbase.encode()),
        transactions: 1,
        siblings: ByteString(merkle::proof(&[coinbase.wtxid()], 0).unwrap().concat()),
    }
}

/// Changes the entries of a history; every other answer is honest.
fn entries(answer: Message, change: impl FnOnce(&mut Vec<HistoryEntry>)) -> Option<Message> {
    let Message::Wallet(WalletMessage::History(mut history)) = answer else {
        return Some(answer);
    };
    change(&mut history.entries);
    Some(Message::Wallet(WalletMessage::History(history)))
}

/// Changes the tip wherever it is told.
fn tip(answer: Message, change: impl FnOnce(&mut ChainTip)) -> Option<Message> {
    Some(match answer {
        Message::Wallet(WalletMessage::Tip(mut told)) => {
            let mut tip = ChainTip { hash: told.tip, height: told.height };
            change(&mut tip);
            (told.tip, told.height) = (tip.hash, tip.height);
            Message::Wallet(WalletMessage::Tip(told))
        }
        Message::Wallet(WalletMessage::History(mut told)) => {
            let mut tip = ChainTip { hash: told.tip, height: told.tip_height };
            change(&mut tip);
            (told.tip, told.tip_height) = (tip.hash, tip.height);
            Message::Wallet(WalletMessage::History(told))
        }
        other => other,
    })
}

/// Puts headers behind the honest ones, and makes the last of them the tip.
fn behind(answer: Message, chain: &TestChain, header: Header) -> Option<Message> {
    match answer {
        Message::Peer(PeerMessage::Headers(mut bytes)) => {
            bytes.0.extend_from_slice(&header.to_bytes());
            Some(Message::Peer(PeerMessage::Headers(bytes)))
        }
        other => tip(other, |tip| {
            *tip = ChainTip { hash: header.hash(), height: chain.tip().height + 1 };
        }),
    }
}

fn time_behind(chain: &TestChain) -> u32 {
    chain.header(chain.tip().height).unwrap().time + 5
}

fn same(_: &mut TestChain) {}

fn honest(_: &Message, _: &TestChain, answer: Message) -> Option<Message> {
    Some(answer)
}

const fn lie(name: &'static str, deceit: Deceit) -> Lie {
    Lie { name, knows: false, chain: same, deceit }
}

const fn against_better_knowledge(
    name: &'static str,
    chain: fn(&mut TestChain),
    deceit: Deceit,
) -> Lie {
    Lie { name, knows: true, chain, deceit }
}

const LIES_OF_PROOFS: &[Lie] = &[
    lie("a million coins in a block beside the tip", |_, chain, answer| {
        let entry = million(chain, BLOCKS);
        entries(answer, |entries| entries.push(entry))
    }),
    lie("a million coins in a block above the tip", |_, chain, answer| {
        let entry = million(chain, BLOCKS + 1);
        entries(answer, |entries| entries.push(entry))
    }),
    lie("a million coins, and a chain that is 21 blocks longer", |_, chain, answer| {
        let entry = million(chain, BLOCKS + 1);
        let told = entries(answer, |entries| entries.push(entry.clone()))?;
        tip(told, |tip| *tip = ChainTip { hash: entry.block, height: BLOCKS + 21 })
    }),
    lie("another amount", |_, _, answer| {
        entries(answer, |entries| {
            for entry in entries.iter_mut().filter(|entry| entry.position.height > 0) {
                let last = entry.transaction.0.len() - 40;
                entry.transaction.0[last] ^= 1;
            }
        })
    }),
    lie("a forged proof", |_, _, answer| {
        entries(answer, |entries| {
            for entry in entries.iter_mut().filter(|entry| entry.position.height > 0) {
                (entry.transactions, entry.siblings) = (2, ByteString(vec![7; 32]));
            }
        })
    }),
    lie("a real proof at another height", |_, _, answer| {
        entries(answer, |entries| {
            entries.iter_mut().for_each(|entry| entry.position.height += 1);
        })
    }),
    lie("pages of history without end", |question, chain, answer| {
        let Message::Wallet(WalletMessage::GetHistory(ask)) = question else {
            return Some(answer);
        };
        let Message::Wallet(WalletMessage::History(mut history)) = answer else {
            return Some(answer);
        };
        let entry = million(chain, 1);
        let place = |at: u32| TxPosition { height: ask.from.height, transaction: at };
        let from = ask.from.transaction;
        let entries =
            (from..from + 500).map(|at| HistoryEntry { position: place(at), ..entry.clone() });
        (history.entries, history.more) = (entries.collect(), true);
        Some(Message::Wallet(WalletMessage::History(history)))
    }),
    lie("more history promised on an empty page", |_, _, answer| {
        let Message::Wallet(WalletMessage::History(mut history)) = answer else {
            return Some(answer);
        };
        (history.entries, history.more) = (Vec::new(), true);
        Some(Message::Wallet(WalletMessage::History(history)))
    }),
    lie("a pending coinbase", |_, chain, answer| {
        let Message::Wallet(WalletMessage::Pending(mut pending)) = answer else {
            return Some(answer);
        };
        pending.transactions = vec![ByteString(vec![0; 147]), million(chain, 1).transaction];
        Some(Message::Wallet(WalletMessage::Pending(pending)))
    }),
    lie("silence about the history", |question, _, answer| {
        let is_asked = matches!(question, Message::Wallet(WalletMessage::GetHistory(_)));
        (!is_asked).then_some(answer)
    }),
];

const LIES_OF_HEADERS: &[Lie] = &[
    lie("a tip that is nowhere", |_, _, answer| tip(answer, |tip| tip.hash = BlockHash([5; 32]))),
    lie("the tip at another height", |_, _, answer| tip(answer, |tip| tip.height += 20)),
    lie("a block of other difficulty", |_, chain, answer| {
        let header = header(chain.tip().hash, time_behind(chain), 4);
        behind(answer, chain, header)
    }),
    lie("a block without work", |_, chain, answer| {
        let mut header = header(chain.tip().hash, time_behind(chain), 1);
        while NETWORK.spec.starting_target().is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        behind(answer, chain, header)
    }),
    lie("a block older than those before it", |_, chain, answer| {
        let header = header(chain.tip().hash, NETWORK.spec.genesis_time, 1);
        behind(answer, chain, header)
    }),
    lie("a block from the future", |_, chain, answer| {
        let header = header(chain.tip().hash, u32::MAX, 1);
        behind(answer, chain, header)
    }),
    lie("headers that stand behind nothing", |_, chain, answer| {
        let header = header(BlockHash([5; 32]), time_behind(chain), 1);
        match answer {
            Message::Peer(_) => {
                let bytes = ByteString(header.to_bytes().to_vec());
                Some(Message::Peer(PeerMessage::Headers(bytes)))
            }
            other => Some(other),
        }
    }),
    lie("half a header", |_, _, answer| match answer {
        Message::Peer(PeerMessage::Headers(mut bytes)) => {
            bytes.0.push(0);
            Some(Message::Peer(PeerMessage::Headers(bytes)))
        }
        other => Some(other),
    }),
    lie("more headers than a page holds", |_, _, answer| match answer {
        Message::Peer(_) => {
            let bytes = ByteString(vec![0; 2001 * 80]);
            Some(Message::Peer(PeerMessage::Headers(bytes)))
        }
        other => Some(other),
    }),
    lie("no headers at all", |_, _, answer| match answer {
        Message::Peer(_) => Some(Message::Peer(PeerMessage::Headers(ByteString(Vec::new())))),
        other => Some(other),
    }),
    lie("silence about headers", |question, _, answer| {
        (!matches!(question, Message::Peer(_))).then_some(answer)
    }),
    lie("a tip that changes with every question", |question, _, answer| {
        let Message::Wallet(WalletMessage::History(mut history)) = answer else {
            return Some(answer);
        };
        let _ = question;
        history.tip = BlockHash([6; 32]);
        Some(Message::Wallet(WalletMessage::History(history)))
    }),
    against_better_knowledge(
        "a branch of less work with a million coins",
        |chain| {
            chain.rewind(2);
            (0..4).for_each(|_| chain.mine(first_key(&ADAM), vec![]));
        },
        honest,
    ),
    against_better_knowledge("a tip of long ago", |chain| chain.rewind(3), honest),
    against_better_knowledge(
        "a block that is kept silent about",
        |chain| chain.mine(OutputKey([9; 32]), vec![]),
        |question, _, answer| match question {
            // A block could not be shown without it.
            Message::Peer(PeerMessage::GetBlocks(hashes)) => {
                Some(Message::Peer(PeerMessage::BlocksNotFound(hashes.clone())))
            }
            _ => entries(answer, |entries| entries.retain(|it| it.position.height == 0)),
        },
    ),
];

/// Polls until `done`; every event on the way.
fn polled(
    session: &mut Session,
    done: impl Fn(&Session, &[WalletEvent]) -> bool,
) -> Vec<WalletEvent> {
    let mut events = Vec::new();
    for _ in 0..20 {
        // Whoever waits between two searches has waited long enough.
        session.poll(Instant::now() + Duration::from_secs(2));
        events.extend(session.take_events());
        assert_eq!(session.standing().balance.pending_in, Amount::ZERO);
        let shown = session.standing().balance;
        assert!(shown.confirmed <= coins(150) && shown.immature == Amount::ZERO, "{shown:?}");
        if done(session, &events) {
            return events;
        }
    }
    panic!("not within 20 polls: {events:#?}");
}

fn names(event: &WalletEvent, liar: &str) -> bool {
    match event {
        WalletEvent::Disbelieved { miner, .. } | WalletEvent::Lost { miner, .. } => miner == liar,
        WalletEvent::Waiting { reason } => reason.contains(liar),
        _ => false,
    }
}

fn is_found_out(lie: &Lie) {
    let rig = Rig::new();
    rig.miner.lock().unwrap().chain = honest_chain();
    let miner = |name: &str, address| MinerEntry { name: name.to_owned(), address };
    let honest_one = miner("Honest", rig.miner_at);
    rig.directory.lock().unwrap().miners = vec![honest_one.clone()];
    let mut chain = honest_chain();
    (lie.chain)(&mut chain);
    let (liar_at, liar) = test_node::start(chain);
    liar.lock().unwrap().deceit = lie.deceit;
    let liar = miner("Liar", liar_at);
    let mut session = rig.open(&ADAM, "");
    let is_true = |session: &Session| {
        session.is_synced() && session.standing().balance.confirmed == coins(150)
    };
    if lie.knows {
        polled(&mut session, |session, _| is_true(session));
        rig.miner.lock().unwrap().is_down = true;
        // Its loss is of no interest.
        session.poll(Instant::now());
        session.take_events();
    }
    rig.directory.lock().unwrap().miners = vec![liar.clone()];
    rig.miner.lock().unwrap().is_down = true;
    let found = polled(&mut session, |_, events| events.iter().any(|event| names(event, "Liar")));
    println!("{}: {}", lie.name, found.last().unwrap());
    rig.miner.lock().unwrap().is_down = false;
    rig.directory.lock().unwrap().miners = vec![liar, honest_one];
    polled(&mut session, |session, _| {
        let asked = session.standing().miner.map(|miner| miner.name);
        is_true(session) && asked.as_deref() == Some("Honest")
    });
}

/// All at once: some of the lies are that nothing comes, which takes seconds to notice.
fn are_found_out(lies: &'static [Lie]) {
    let found: Vec<(&str, bool)> = std::thread::scope(|scope| {
        let started: Vec<_> =
            lies.iter().map(|lie| (lie.name, scope.spawn(move || is_found_out(lie)))).collect();
        started.into_iter().map(|(name, case)| (name, case.join().is_ok())).collect()
    });
    let missed: Vec<&str> = found.iter().filter(|(_, ok)| !ok).map(|(name, _)| *name).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn whoever_lies_about_payments_is_named_and_left() {
    are_found_out(LIES_OF_PROOFS);
}

#[test]
fn whoever_lies_about_the_chain_is_named_and_left() {
    are_found_out(LIES_OF_HEADERS);
}

#[test]
fn a_miner_of_another_network_is_named_and_left() {
    let rig = Rig::new();
    let other = network(&[first_key(&BOB)]);
    let (other_at, _other) = test_node::start(TestChain::new(other));
    let entry = MinerEntry { name: "Liar".to_owned(), address: other_at };
    rig.directory.lock().unwrap().miners = vec![entry];
    let mut session = rig.open(&ADAM, "");
    polled(&mut session, |_, events| events.iter().any(|event| names(event, "Liar")));
}
