//! Genesis follows from the spec and from nothing else; a second implementation, in Python, made
//! the numbers that are pinned here.

use super::*;
use crate::amount::Amount;
use crate::samples;
use crate::spec::Allocation;

#[test]
fn the_hashes_of_a_fixed_spec_are_pinned() {
    let network = samples::network();
    assert_eq!(
        network.spec_hash.to_string(),
        "e2c7355be2e886548d302c6919128ec3634cf08ddb86827f7eaa3dfaed6bc607"
    );
    assert_eq!(
        network.genesis_hash().to_string(),
        "4c130ece4734617de31acf1b70d25c60f0f8f7b23e381ec2ded8f971654b64ac"
    );
}

#[test]
fn genesis_has_the_form_that_the_design_gives_it() {
    let network = samples::network();
    let block = &network.genesis.block;
    let expected = Header {
        version: 0x2000_0000,
        previous: BlockHash::ZERO,
        merkle_root: MerkleRoot(network.genesis.wtxids[0].0),
        time: network.spec.genesis_time,
        bits: network.spec.starting_target().to_compact(),
        nonce: 0,
    };
    assert_eq!(block.header, expected);
    let outputs = samples::spec().allocations.into_iter();
    let coinbase = Coinbase {
        height: 0,
        extra: network.spec_hash.0,
        outputs: outputs.map(|Allocation { key, amount }| Output { amount, key }).collect(),
    };
    assert_eq!(block.transactions, [Transaction::Coinbase(coinbase)]);
}

#[test]
fn a_spec_out_of_bounds_makes_no_network() {
    let mut spec = samples::spec();
    spec.maturity = 0;
    assert!(Network::new(spec).is_err());
}

#[test]
fn any_change_of_the_spec_makes_another_genesis() {
    let mut spec = samples::spec();
    spec.coin_name.push('!');
    assert!(Network::new(spec.clone()).is_err());
    spec.coin_name = "Other coin".to_owned();
    let other = Network::new(spec.clone()).unwrap().genesis_hash();
    assert_ne!(other, samples::network().genesis_hash());
    spec.allocations[2].amount = Amount(1);
    assert_ne!(Network::new(spec).unwrap().genesis_hash(), other);
}

#[test]
fn a_network_without_allocations_has_a_genesis_too() {
    let mut spec = samples::spec();
    spec.allocations.clear();
    let network = Network::new(spec).unwrap();
    assert!(network.genesis.block.transactions[0].outputs().is_empty());
}
