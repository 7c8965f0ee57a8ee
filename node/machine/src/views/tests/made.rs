//! What views are made of.

use std::time::Duration;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::hash::Txid;
use chain::key::Signature;
use chain::transaction::{Coinbase, Input, OutPoint, Output, Transaction, Transfer};
use proptest::prelude::*;
use wire::hello::Role as Hello;

use super::super::*;
use crate::mempool::fixture::{World, pool};
use crate::mining::MiningPolicy;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, config, policy};

fn coinbase(height: u32, key: chain::key::OutputKey) -> Transaction {
    let outputs = vec![Output { amount: Amount(1), key }];
    Transaction::Coinbase(Coinbase { height, extra: [0; 32], outputs })
}

/// A block of transactions that no rule has seen.
fn unchecked(world: &World, transactions: Vec<Transaction>) -> CommittedBlock {
    let mut block = world.block(&[]);
    block.txids = transactions.iter().map(Transaction::txid).collect();
    block.block.transactions = transactions;
    block
}

proptest! {
    #[test]
    fn a_block_and_its_transactions_tell_the_same(
        parts in prop::collection::vec((1usize..5, 0u64..1000), 0..4),
        height in 1u32..1000,
        above in 0u32..1000,
    ) {
        let world = World::new(parts.len());
        let (spec, tip_height) = (&world.network.spec, height + above);
        let transfers: Vec<Transfer> = (0u32..)
            .zip(&parts)
            .map(|(at, (outputs, fee))| world.payment(&[world.funds(at)], *outputs, *fee))
            .collect();
        let block = world.block(&transfers);
        let view = BlockView::of(spec, &block, height, confirmations(tip_height, height));
        prop_assert_eq!(view.confirmations, above + 1);
        prop_assert_eq!(view.summary.transactions, parts.len() + 1);
        prop_assert_eq!(view.summary.reward, Amount(1));
        prop_assert_eq!(view.summary.bytes, block.encoded_bytes);
        prop_assert_eq!(view.summary.miner, Some(spec.address(world.key(0)).to_string()));
        prop_assert_eq!(view.listed.len(), parts.len() + 1);
        for (at, listed) in view.listed.iter().enumerate() {
            let heights = (height, tip_height);
            let tx = TxView::confirmed(spec, &block, listed.txid, heights).unwrap();
            prop_assert_eq!(tx.place, TxPlace::Confirmed { block: block.hash, height });
            prop_assert_eq!((tx.kind, tx.amount), (listed.kind, listed.amount));
            prop_assert_eq!((tx.outputs.len(), tx.confirmations), (listed.outputs, above + 1));
            let paid = tx.outputs.iter().map(|output| output.amount);
            prop_assert_eq!(Amount::checked_sum(paid), Some(tx.amount));
            let spent = at.checked_sub(1).map(|at| transfers[at].inputs[0].outpoint);
            let inputs: Vec<_> =
                tx.inputs.iter().map(|input| (input.txid, input.index)).collect();
            prop_assert_eq!(inputs, Vec::from_iter(spent.map(|of| (of.txid, of.index))));
        }
        prop_assert_eq!(TxView::confirmed(spec, &block, Txid([9; 32]), (height, tip_height)), None);
    }

    #[test]
    fn pages_of_a_chain_join_without_a_gap(
        newest in 0u32..40,
        counts in prop::collection::vec(1usize..9, 41),
    ) {
        let world = World::new(0);
        let block = world.block(&[]);
        let (mut from, mut seen) = (Some(newest), Vec::new());
        for count in counts {
            let Some(at) = from else { break };
            let heights = (0..=at).rev().take(count);
            let blocks: Vec<_> =
                heights.map(|at| BlockSummary::of(&world.network.spec, &block, at)).collect();
            let page = ChainView::of(newest, at, blocks);
            seen.extend(page.blocks.iter().map(|block| block.height));
            from = page.next;
        }
        prop_assert_eq!((from, seen), (None, (0..=newest).rev().collect()));
    }

    #[test]
    fn pages_of_a_mempool_join_without_a_gap(
        fees in prop::collection::vec(1000u64..5000, 0..8),
        count in 1usize..5,
        age_s in 0u64..1000,
    ) {
        let (world, mut pool) = (World::new(fees.len()), pool());
        for (at, fee) in (0u32..).zip(&fees) {
            let payment = world.payment(&[world.funds(at)], 1, *fee);
            world.admit(&mut pool, &payment, Duration::from_secs(5)).unwrap();
        }
        let now = Duration::from_millis(5999 + 1000 * age_s);
        let mut seen = Vec::new();
        loop {
            let page = MempoolView::of(&pool, now, seen.len(), count);
            prop_assert_eq!((page.total, page.fee_rate_min), (fees.len(), pool.fee_rate_min()));
            prop_assert!(page.pending.len() <= count);
            seen.extend(page.pending);
            prop_assert_eq!(page.more, seen.len() < fees.len());
            if !page.more {
                break;
            }
        }
        prop_assert_eq!(seen.len(), fees.len());
        for (shown, pending) in seen.iter().zip(pool.iter_by_priority()) {
            prop_assert_eq!((shown.txid, shown.fee), (pending.txid, pending.fee));
            prop_assert_eq!(shown.age_s, age_s);
            let tx = TxView::pending(&world.network.spec, pending, now);
            let place =
                TxPlace::Pending { fee: shown.fee, bytes: shown.bytes, age_s: shown.age_s };
            prop_assert_eq!((tx.txid, tx.place), (shown.txid, place));
            prop_assert_eq!((tx.amount, tx.confirmations), (shown.amount, 0));
        }
    }
}

#[test]
fn genesis_is_nobodys_block() {
    let world = World::new(1);
    let block = world.block(&[]);
    assert_eq!(BlockSummary::of(&world.network.spec, &block, 0).miner, None);
}

#[test]
fn long_lists_are_cut() {
    let world = World::new(0);
    let (spec, key) = (&world.network.spec, world.key(0));
    let many = (0..=LISTED_MAX).map(|at| coinbase(u32::try_from(at).unwrap(), key)).collect();
    let view = BlockView::of(spec, &unchecked(&world, many), 1, 1);
    assert_eq!((view.listed.len(), view.summary.transactions), (LISTED_MAX, LISTED_MAX + 1));
    let outpoint = OutPoint { txid: Txid([1; 32]), index: 0 };
    let long = Transaction::Transfer(Transfer {
        inputs: vec![Input { outpoint, signature: Signature([0; 64]) }; PARTS_MAX + 1],
        outputs: vec![Output { amount: Amount(2), key }; PARTS_MAX + 1],
        lock_height: 0,
    });
    let txid = long.txid();
    let block = unchecked(&world, vec![coinbase(1, key), long]);
    let tx = TxView::confirmed(spec, &block, txid, (1, 1)).unwrap();
    assert_eq!((tx.inputs.len(), tx.outputs.len()), (PARTS_MAX, PARTS_MAX));
    assert_eq!(tx.amount, Amount(2 * (PARTS_MAX as u64 + 1)), "of all outputs");
}

#[test]
fn a_block_that_is_not_there_yet_has_no_confirmations() {
    assert_eq!(confirmations(5, 6), 0);
    assert_eq!(confirmations(u32::MAX, 0), u32::MAX);
}

#[test]
fn a_node_tells_its_chain_and_who_is_connected() {
    let mut forge = Forge::new();
    let tip = forge.chain(forge.genesis(), 5)[4];
    let mut rig = Rig::new(&forge);
    let node = rig.peer();
    rig.sync(node, &forge, tip);
    rig.join("9.0.0.1:1", Hello::Wallet);
    rig.connect("[::1]:2", crate::Direction::Outbound);
    let view = NodeView::of(&rig.machine);
    let totals = rig.machine.totals();
    assert_eq!((view.height, view.tip, view.genesis), (5, tip, forge.genesis()));
    assert_eq!((view.supply, view.utxo_hash), (totals.supply, totals.utxo_hash));
    assert_eq!((view.peers, view.wallets, view.wallet_connections), (1, 1, 1));
    assert_eq!((view.difficulty, view.mining), (1, MinerState::Off));
    assert_eq!(view.network.network_gaps, 4);
    let peers = PeersView::of(&rig.machine).peers;
    let told: Vec<_> = peers
        .iter()
        .map(|peer| (peer.role, peer.direction, peer.height, peer.name.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (PeerRole::Node, Direction::Inbound, Some(5), "other"),
            (PeerRole::Wallet, Direction::Inbound, None, "other"),
            (PeerRole::Handshake, Direction::Outbound, None, ""),
        ]
    );
    assert_eq!(MinersView::of(&rig.machine).miners, [], "it accepts no connections");
}

#[test]
fn a_miner_searches_or_rests() {
    let forge = Forge::new();
    for (min_txs, doing) in [(0, MinerState::Mining), (1, MinerState::Resting)] {
        let mut config = config();
        config.mining = Some(MiningPolicy { min_txs, ..policy(&forge) });
        assert_eq!(NodeView::of(&Rig::with(&forge, config).machine).mining, doing);
    }
}
