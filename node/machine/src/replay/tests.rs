//! Replays of chains that hold, and of chains with one block that does not.

use super::*;
use crate::SequentialVerifier;
use testkit::samples;

fn sums_after(
    store: &Store,
    network: &Network,
    path: &[BlockHash],
) -> Result<Vec<Sums>, ReplayError> {
    let mut sums = Vec::new();
    replay(store, network, &SequentialVerifier, path, |_, after| sums.push(after))?;
    Ok(sums)
}

fn append_all(network: &Network, blocks: &[&CommittedBlock]) -> Store {
    let mut store = Store::in_memory(network).unwrap();
    blocks.iter().for_each(|block| store.append_block(block).unwrap());
    store.sync().unwrap();
    store
}

#[test]
fn a_replay_ends_with_the_coins_that_the_store_has_after_every_block() {
    let network = samples::network(4);
    let mut store = Store::in_memory(&network).unwrap();
    let mut tip = network.genesis_hash();
    let mut expected = vec![store.totals()];
    for height in 1..6 {
        let transfers = if height == 2 { vec![samples::transfer(&network, 99)] } else { vec![] };
        // The second block leaves a coin of the fee unclaimed.
        let block = samples::block(&network, tip, height, 50, 0, transfers);
        store.append_block(&block).unwrap();
        let coin = |outpoint: &OutPoint| store.coin(outpoint);
        let connection = rules::block::connect(&block, height, &network, coin).unwrap();
        store.connect(&block, height, &connection).unwrap();
        expected.push(store.totals());
        tip = block.hash;
    }
    let index = BlockIndex::new(&store);
    assert_eq!(index.best(&BTreeSet::new()), Some(tip));
    let sums = sums_after(&store, &network, &index.path_to(tip)).unwrap();
    let expected: Vec<Sums> = expected
        .iter()
        .map(|totals| Sums {
            supply: totals.supply,
            coins: totals.coins,
            utxo_hash: totals.utxo_hash,
        })
        .collect();
    assert_eq!(sums, expected);
}

#[test]
fn a_block_that_breaks_a_rule_is_named_and_another_chain_is_the_best() {
    let network = samples::network(4);
    let genesis = network.genesis_hash();
    let first = samples::block(&network, genesis, 1, 50, 0, vec![]);
    let greedy = samples::block(&network, first.hash, 2, 51, 0, vec![]);
    let heir = samples::block(&network, greedy.hash, 3, 50, 0, vec![]);
    let honest = samples::block(&network, first.hash, 2, 50, 1, vec![]);
    let store = append_all(&network, &[&first, &greedy, &heir, &honest]);
    let index = BlockIndex::new(&store);
    assert_eq!(index.best(&BTreeSet::new()), Some(heir.hash));
    let result = sums_after(&store, &network, &index.path_to(heir.hash));
    let Err(ReplayError::Invalid { hash, height, reason }) = result else {
        panic!("{result:?}");
    };
    assert_eq!((hash, height), (greedy.hash, 2));
    assert!(matches!(reason.rule, RuleError::CoinbaseClaim { .. }));
    assert_eq!(index.best(&BTreeSet::from([greedy.hash])), Some(honest.hash));
    let path = index.path_to(honest.hash);
    assert_eq!(path, [genesis, first.hash, honest.hash]);
    assert_eq!(sums_after(&store, &network, &path).unwrap().len(), 3);
}

#[test]
fn a_signature_that_does_not_hold_is_named() {
    let network = samples::network(4);
    let mut forged = samples::transfer(&network, 90);
    if let chain::transaction::Transaction::Transfer(transfer) = &mut forged {
        transfer.inputs[0].signature.0[5] ^= 1;
    }
    let block = samples::block(&network, network.genesis_hash(), 1, 50, 0, vec![forged]);
    let store = append_all(&network, &[&block]);
    let result = sums_after(&store, &network, &BlockIndex::new(&store).path_to(block.hash));
    let Err(ReplayError::Invalid { reason, .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(reason, InvalidBlock::of_transaction(RuleError::Signature { input: 0 }, 1));
}

#[test]
fn a_header_that_its_chain_does_not_allow_is_named() {
    let network = samples::network(4);
    let first = samples::block(&network, network.genesis_hash(), 1, 50, 0, vec![]);
    // The same height again: its time is the parent's and not after the median.
    let stale = samples::block(&network, first.hash, 1, 50, 0, vec![]);
    let store = append_all(&network, &[&first, &stale]);
    let result = sums_after(&store, &network, &BlockIndex::new(&store).path_to(stale.hash));
    let Err(ReplayError::Invalid { reason, .. }) = result else {
        panic!("{result:?}");
    };
    assert!(matches!(reason.rule, RuleError::TimeTooOld { .. }), "{reason}");
}

#[test]
fn of_equal_chains_the_first_stored_is_the_best_and_orphans_are_none() {
    let network = samples::network(4);
    let genesis = network.genesis_hash();
    let one = samples::block(&network, genesis, 1, 50, 1, vec![]);
    let two = samples::block(&network, genesis, 1, 50, 2, vec![]);
    let orphan = samples::block(&network, BlockHash([9; 32]), 7, 50, 2, vec![]);
    for (first, second) in [(&one, &two), (&two, &one)] {
        let index = BlockIndex::new(&append_all(&network, &[&orphan, first, second]));
        assert_eq!(index.best(&BTreeSet::new()), Some(first.hash));
        assert!(index.path_to(orphan.hash).is_empty());
    }
}
