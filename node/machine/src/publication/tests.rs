//! The miner goes by what is valid, everybody else by what is durable.

use std::time::Duration;

use chain::amount::Amount;
use chain::hash::BlockHash;
use chain::transaction::{Output, Transaction, TxPosition};
use proptest::prelude::*;
use wire::Message;
use wire::hello::Role;
use wire::peer::PeerMessage;
use wire::wallet::{GetHistory, GetPending, GetPendingOfMany, WalletMessage};

use super::*;
use crate::Event;
use crate::store::{Disk, Store};
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, config, mine, policy, reports, said, sent};

fn miner(forge: &Forge) -> Rig {
    let mut config = config();
    config.mining = Some(policy(forge));
    let mut rig = Rig::with(forge, config);
    rig.disk_is_slow = true;
    rig
}

fn wallets_tip(rig: &mut Rig, wallet: crate::PeerId) -> BlockHash {
    match rig.ask(wallet, WalletMessage::GetTip(1)) {
        WalletMessage::Tip(tip) => tip.tip,
        other => panic!("{other:?}"),
    }
}

fn is_news(effects: &[Effect]) -> bool {
    reports(effects)
        .iter()
        .any(|report| matches!(report, Report::BlockConnected { .. } | Report::BlockFound { .. }))
}

#[test]
fn the_miner_is_told_before_the_disk_and_everybody_else_after_it() {
    let mut forge = Forge::new();
    let payment = forge.payment(0);
    let key = payment.outputs[0].key;
    let mut rig = miner(&forge);
    let (giver, other) = (rig.peer(), rig.peer());
    let wallet = rig.join("127.0.0.1:5000", Role::Wallet);
    let genesis = rig.tip();
    let block = forge.mine(genesis, std::slice::from_ref(&payment));

    let effects = rig.give(giver, forge.bytes(block));
    let template = mine(&effects).flatten().expect("the miner goes on from it at once");
    assert_eq!(template.header.previous, block);
    assert!(rig.writes.is_some());
    assert!(!is_news(&effects), "{effects:?}");
    assert!(said(&effects, other).is_empty(), "{effects:?}");
    assert_eq!((rig.tip(), rig.machine.reader().view().tip()), (genesis, genesis));
    assert_eq!(wallets_tip(&mut rig, wallet), genesis);
    // To a wallet the payment is pending: neither lost nor confirmed.
    let ask = WalletMessage::GetPending(GetPending { request: 1, key });
    let WalletMessage::Pending(pending) = rig.ask(wallet, ask.clone()) else { panic!() };
    assert_eq!(pending.transactions.len(), 1);
    let many = WalletMessage::GetPendingOfMany(GetPendingOfMany::new(1, &[key]));
    let WalletMessage::Pending(pending) = rig.ask(wallet, many) else { panic!() };
    assert_eq!(pending.transactions.len(), 1);
    let from = TxPosition { height: 1, transaction: 1 };
    let history = WalletMessage::GetHistory(GetHistory { request: 1, key, from });
    let WalletMessage::History(empty) = rig.ask(wallet, history.clone()) else { panic!() };
    assert_eq!((empty.entries.len(), empty.tip), (0, genesis));
    // Nobody is served it either.
    let effects = rig.say(other, PeerMessage::GetBlocks(vec![block]));
    assert!(matches!(&said(&effects, other)[..], [PeerMessage::BlocksNotFound(_)]), "{effects:?}");
    let effects = rig.say(other, PeerMessage::GetHeaders(vec![genesis]));
    let served = said(&effects, other);
    assert!(matches!(&served[..], [PeerMessage::Headers(bytes)] if bytes.0.is_empty()));

    let effects = rig.finish_writing();
    assert!(is_news(&effects));
    assert!(!said(&effects, other).is_empty(), "{effects:?}");
    assert_eq!((rig.tip(), rig.machine.reader().view().tip()), (block, block));
    assert_eq!(wallets_tip(&mut rig, wallet), block);
    let WalletMessage::Pending(pending) = rig.ask(wallet, ask) else { panic!() };
    assert!(pending.transactions.is_empty());
    let WalletMessage::History(history) = rig.ask(wallet, history) else { panic!() };
    assert_eq!((history.entries.len(), history.tip), (1, block));
    let effects = rig.say(other, PeerMessage::GetBlocks(vec![block]));
    assert!(matches!(&said(&effects, other)[..], [PeerMessage::Block(_)]));
}

#[test]
fn a_block_that_our_miner_found_is_reported_when_it_is_durable() {
    let forge = Forge::new();
    let mut rig = miner(&forge);
    let effects = rig.pass(Duration::from_secs(20));
    let template = mine(&effects).flatten().expect("it mines always");
    let effects = rig.solve(&template);
    assert!(!is_news(&effects), "{effects:?}");
    let effects = rig.finish_writing();
    let news = reports(&effects);
    assert!(
        matches!(news[..], [Report::BlockFound { .. }, Report::BlockConnected { .. }]),
        "{news:?}"
    );
}

#[test]
fn blocks_that_come_while_the_disk_is_busy_take_one_sync_and_at_most_64_wait() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 150);
    let mut rig = Rig::new(&forge);
    rig.disk_is_slow = true;
    let peer = rig.peer();
    let mut effects = rig.show_headers(peer, &forge, &chain);
    let mut syncs = 0;
    while rig.tip() != chain[149] {
        // As fast as it asks, until it asks for nothing more.
        loop {
            let asked = sent(&effects, peer).into_iter().filter_map(|message| match message {
                Message::Peer(PeerMessage::GetBlocks(hashes)) => Some(hashes),
                _ => None,
            });
            let asked: Vec<BlockHash> = asked.flatten().collect();
            if asked.is_empty() {
                break;
            }
            effects.clear();
            for hash in asked {
                effects.extend(rig.give(peer, forge.bytes(hash)));
                assert!(rig.machine.ledger().unsynced().0 <= UNSYNCED_BLOCKS_MAX);
            }
        }
        syncs += 1;
        assert!(syncs < 20, "stuck at {}", rig.machine.tip().height);
        effects = rig.finish_writing();
    }
    // The first block went alone, and what came meanwhile together.
    assert!(syncs <= 8, "{syncs} syncs");
}

#[test]
fn large_blocks_are_asked_for_as_they_find_room_and_none_comes_twice() {
    let mut forge = Forge::with_spec(|spec| spec.block_bytes_max = 4_000_000);
    let mut at = forge.genesis();
    let mut next = || {
        // A coinbase of many outputs is a large block that is soon made.
        at = forge.mine_with(at, &[], |block| {
            let Some(Transaction::Coinbase(coinbase)) = block.transactions.first_mut() else {
                panic!("a block begins with its coinbase");
            };
            let one = Output { amount: Amount(1), ..coinbase.outputs[0] };
            coinbase.outputs = vec![one; 30_000];
        });
        at
    };
    let chain: Vec<BlockHash> = (0..24).map(|_| next()).collect();
    let mut rig = Rig::new(&forge);
    rig.disk_is_slow = true;
    let peer = rig.peer();
    let mut effects = rig.show_headers(peer, &forge, &chain);
    let mut asked = Vec::new();
    while asked.len() < chain.len() {
        loop {
            let wanted = crate::tests::rig::blocks_asked(&effects, peer);
            if wanted.is_empty() {
                break;
            }
            effects.clear();
            // All but the first: none is connected, which would take long.
            for hash in wanted.iter().filter(|hash| **hash != chain[0]) {
                effects.extend(rig.give(peer, forge.bytes(*hash)));
                assert!(rig.machine.ledger().unsynced().1 < UNSYNCED_BYTES_MAX + 1_300_000);
            }
            asked.extend(wanted);
        }
        assert!(rig.writes.is_some(), "nothing is asked for, and nothing waits for the disk");
        effects.extend(rig.finish_writing());
    }
    assert_eq!(asked, chain, "each once");
    let tree = rig.machine.tree();
    let has_body = |hash: &BlockHash| tree.has_body(tree.find(hash).unwrap());
    assert!(chain[1..].iter().all(has_body), "what came was kept");
}

#[test]
fn a_held_block_whose_second_comes_while_the_disk_is_far_behind_waits_for_it() {
    let mut forge = Forge::new();
    let limit = forge.network.spec.future_limit_s();
    let mut rig = Rig::new(&forge);
    rig.disk_is_slow = true;
    let peer = rig.peer();
    let late = u32::try_from(rig.now.wall_s).unwrap() + limit + 3;
    let chain = forge.chain(forge.genesis(), UNSYNCED_BLOCKS_MAX);
    let last = chain[UNSYNCED_BLOCKS_MAX - 1];
    let held = forge.mine_with(last, &[], |block| block.header.time = late);
    rig.show_headers(peer, &forge, &chain);
    rig.give(peer, forge.bytes(held));
    for hash in &chain {
        rig.give(peer, forge.bytes(*hash));
    }
    assert!(!rig.machine.has_room_for_blocks());
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.machine.ledger().tip().hash, last);
    while rig.writes.is_some() {
        rig.finish_writing();
    }
    assert_eq!(rig.tip(), held);
}

#[test]
fn a_failed_write_stops_the_node() {
    let mut forge = Forge::new();
    let block = forge.mine(forge.genesis(), &[]);
    let mut rig = miner(&forge);
    let peer = rig.peer();
    rig.give(peer, forge.bytes(block));
    let error = Arc::new(StoreError::Stopped);
    let failed = rig.machine.handle(rig.now, Event::Written { outcome: Err(error) });
    assert!(matches!(failed, Err(MachineError::Write(_))));
    assert!(rig.machine.shutdown().is_err(), "nothing is written any more");
}

/// One thing that happens to a node.
#[derive(Debug, Clone)]
enum Happening {
    /// A block on the block with this number comes.
    Block(prop::sample::Index),
    Sync,
    Crash,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Happening::Block),
        3 => Just(Happening::Sync),
        1 => Just(Happening::Crash),
    ]
}

proptest! {
    /// On a disk that loses what was not synced: whatever was told of is there after a crash.
    #[test]
    fn nothing_that_was_told_is_lost(happenings in prop::collection::vec(happening(), 1..24)) {
        let mut forge = Forge::new();
        let mut disk = Disk::default();
        let start = |forge: &Forge, store: Store| {
            let mut rig = Rig::on(forge, config(), store);
            rig.disk_is_slow = true;
            let peer = rig.peer();
            (rig, peer)
        };
        let store = disk.open(&forge.network, 4_000).unwrap();
        let (mut rig, mut peer) = start(&forge, store);
        let (mut known, mut told) = (vec![forge.genesis()], forge.genesis());
        for happening in happenings {
            match happening {
                Happening::Block(parent) => {
                    let block = forge.mine(*parent.get(&known), &[]);
                    known.push(block);
                    rig.give(peer, forge.bytes(block));
                }
                Happening::Sync => {
                    rig.finish_writing();
                }
                Happening::Crash => {
                    drop(rig);
                    disk = disk.after_a_power_cut();
                    let store = disk.open(&forge.network, 4_000).unwrap();
                    (rig, peer) = start(&forge, store);
                    let id = |hash: &BlockHash| forge.tree.find(hash).unwrap();
                    let work = |hash: &BlockHash| forge.tree.entry(id(hash)).work;
                    prop_assert!(rig.machine.tree().find(&told).is_some());
                    prop_assert!(work(&rig.tip()) >= work(&told));
                    known.retain(|hash| rig.machine.tree().find(hash).is_some());
                }
            }
            told = rig.tip();
            prop_assert_eq!(rig.machine.totals(), forge.replay(told));
        }
    }
}
