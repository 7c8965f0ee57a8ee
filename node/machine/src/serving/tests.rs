//! What is served, and how much of it at a time.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Event;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, payment_bytes, said};

proptest! {
    #[test]
    fn serving_never_sends_more_than_half_a_queue_and_leaves_nothing_out(
        wanted in prop::collection::vec(0usize..60, 1..200),
    ) {
        let mut forge = Forge::new();
        let chain = forge.chain(forge.genesis(), 50);
        let mut rig = Rig::new(&forge);
        let peer = rig.peer();
        rig.sync(peer, &forge, chain[49]);
        let hash = |at: usize| chain.get(at).copied().unwrap_or(BlockHash([at as u8; 32]));
        let hashes: Vec<BlockHash> = wanted.iter().map(|at| hash(*at)).collect();
        let mut effects = rig.say(peer, PeerMessage::GetBlocks(hashes));
        let (mut blocks, mut missing) = (0, 0);
        loop {
            let frames = said(&effects, peer);
            prop_assert!(frames.len() <= 17, "{} frames", frames.len());
            for message in frames {
                match message {
                    PeerMessage::Block(_) => blocks += 1,
                    PeerMessage::BlocksNotFound(hashes) => missing += hashes.len(),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let waits = effects.iter().any(|effect| matches!(effect, Effect::NotifyDrained { .. }));
            if !waits {
                break;
            }
            effects = rig.settle(Event::Drained { peer });
        }
        let known = wanted.iter().filter(|at| **at < 50).count();
        prop_assert_eq!((blocks, missing), (known, wanted.len() - known));
    }
}

#[test]
fn large_blocks_are_sent_one_at_a_time() {
    let mut forge = Forge::with_spec(|spec| spec.block_bytes_max = 1_000_000);
    let fat = |block: &mut chain::block::Block| {
        let chain::transaction::Transaction::Coinbase(coinbase) = &mut block.transactions[0] else {
            panic!("a block begins with its coinbase");
        };
        let one =
            chain::transaction::Output { amount: chain::amount::Amount(1), ..coinbase.outputs[0] };
        coinbase.outputs = vec![one; 15_000];
    };
    let first = forge.mine_with(forge.genesis(), &[], fat);
    let second = forge.mine_with(first, &[], fat);
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, second);
    let effects = rig.say(peer, PeerMessage::GetBlocks(vec![first, second]));
    assert_eq!(said(&effects, peer).len(), 1);
    // While it waits for the queue to drain, further questions wait too.
    let effects = rig.say(peer, PeerMessage::GetBlocks(vec![first]));
    assert!(said(&effects, peer).is_empty());
    let effects = rig.settle(Event::Drained { peer });
    assert_eq!(said(&effects, peer), [PeerMessage::Block(ByteString(forge.bytes(second)))]);
}

#[test]
fn a_request_for_pending_transactions_of_many_fits_the_queue() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (giver, asker) = (rig.peer(), rig.peer());
    let payments: Vec<_> = (0..100).map(|at| forge.payment(at)).collect();
    for payment in &payments {
        let bytes = payment_bytes(payment);
        rig.say(giver, PeerMessage::Transaction(bytes));
    }
    assert_eq!(rig.machine.mempool().len(), 100);
    let mut wtxids: Vec<Wtxid> = payments.iter().map(|payment| payment.wtxid()).collect();
    wtxids.push(Wtxid([1; 32]));
    let mut effects = rig.say(asker, PeerMessage::GetTransactions(wtxids));
    let mut got = 0;
    for _ in 0..10 {
        let messages = said(&effects, asker);
        assert!(messages.len() <= 17);
        let is_one = |message: &&PeerMessage| matches!(message, PeerMessage::Transaction(_));
        got += messages.iter().filter(is_one).count();
        effects = rig.settle(Event::Drained { peer: asker });
    }
    assert_eq!(got, 100);
}

#[test]
fn what_many_ask_for_lies_in_memory_once_and_only_as_long_as_it_is_on_its_way() {
    let mut forge = Forge::new();
    let block = forge.chain(forge.genesis(), 1)[0];
    let payment = forge.payment(0);
    let mut rig = Rig::new(&forge);
    let peers = [rig.peer(), rig.peer(), rig.peer()];
    rig.sync(peers[0], &forge, block);
    rig.say(peers[0], PeerMessage::Transaction(payment_bytes(&payment)));
    for asked in
        [PeerMessage::GetBlocks(vec![block]), PeerMessage::GetTransactions(vec![payment.wtxid()])]
    {
        let mut sent = |peer| {
            let effects = rig.say(peer, asked.clone());
            let frame = |effect: &Effect| match effect {
                Effect::Send { frame, .. } => Some(Arc::clone(frame)),
                _ => None,
            };
            effects.iter().find_map(frame).unwrap()
        };
        let frames = peers.map(&mut sent);
        assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
        let last = Arc::downgrade(&frames[0]);
        drop(frames);
        assert_eq!(last.strong_count(), 0);
    }
}
