//! A body belongs to its header or it does not, and a wrong one says nothing about the block.

use proptest::prelude::*;

use super::*;
use crate::hash::sha256d;
use crate::samples::{self, coinbase, outpoint, output, transfer};

fn sample() -> Block {
    let network = samples::network();
    let first = transfer(&[outpoint(0)], &[output(2, 1)]);
    let second = transfer(&[outpoint(1)], &[output(3, 1)]);
    samples::block(&network, 1, &[first, second]).block
}

fn body(transactions: &[Transaction]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_list(transactions, &mut bytes);
    bytes
}

#[test]
fn the_right_body_is_bound_with_its_hashes_and_size() {
    let block = sample();
    let bytes = block.encode_body();
    let committed = CommittedBlock::decode(block.header, &bytes).unwrap();
    assert_eq!(committed.hash, block.header.hash());
    assert_eq!(committed.encoded_bytes, block.encode().len());
    let wtxids: Vec<_> = block.transactions.iter().map(Transaction::wtxid).collect();
    let txids: Vec<_> = block.transactions.iter().map(Transaction::txid).collect();
    assert_eq!((committed.wtxids, committed.txids), (wtxids, txids));
    assert_eq!(committed.block, block);
}

#[test]
fn every_wrong_body_is_a_mismatch() {
    let block = sample();
    let all = &block.transactions;
    let wrong = [
        body(&[coinbase(1, 1)]),
        body(&all[..2]),
        body(&[all[0].clone(), all[2].clone(), all[1].clone()]),
        body(&[&all[..], &[all[2].clone()]].concat()),
    ];
    for bytes in wrong {
        let mismatch = CommittedBlock::decode(block.header, &bytes).unwrap_err();
        assert!(matches!(mismatch, BodyMismatch::WrongRoot { .. }), "{mismatch}");
    }
    assert_eq!(CommittedBlock::decode(block.header, &body(&[])), Err(BodyMismatch::Empty));
    let longer = [&block.encode_body()[..], &[0]].concat();
    let trailing = BodyMismatch::Undecodable(DecodeError::TrailingBytes(1));
    assert_eq!(CommittedBlock::decode(block.header, &longer), Err(trailing));
}

#[test]
fn other_signatures_are_another_body() {
    let block = sample();
    let mut other = block.clone();
    if let Transaction::Transfer(transfer) = &mut other.transactions[1] {
        transfer.inputs[0].signature.0[63] ^= 1;
    }
    assert_eq!(other.transactions[1].txid(), block.transactions[1].txid());
    assert!(CommittedBlock::decode(block.header, &other.encode_body()).is_err());
}

/// The root of two leaves is the hash of 64 bytes, which must not pass for one transaction.
#[test]
fn two_merkle_children_are_no_transaction() {
    let network = samples::network();
    let spend = transfer(&[outpoint(0)], &[output(2, 1)]);
    let committed = samples::block(&network, 1, &[spend]);
    let children = [committed.wtxids[0].0, committed.wtxids[1].0].concat();
    let header = committed.block.header;
    assert_eq!(header.merkle_root, MerkleRoot(sha256d(&children)));
    let bytes = [&[1][..], &children].concat();
    let mismatch = CommittedBlock::decode(header, &bytes).unwrap_err();
    assert!(matches!(mismatch, BodyMismatch::Undecodable(_)), "{mismatch}");
}

#[test]
fn a_count_that_cannot_be_true_is_refused() {
    let block = sample();
    let bytes = [&[0xff; 9][..], &block.encode_body()].concat();
    assert!(matches!(
        CommittedBlock::decode(block.header, &bytes),
        Err(BodyMismatch::Undecodable(DecodeError::ImpossibleCount { claimed: u64::MAX, .. }))
    ));
}

proptest! {
    #[test]
    fn a_block_reads_back_and_no_cut_of_it_does(
        header in samples::any_header(),
        transactions in prop::collection::vec(samples::any_transaction(), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let block = Block { header, transactions };
        let bytes = block.encode();
        let cut = cut.index(bytes.len());
        prop_assert!(Block::decode(&bytes[..cut]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(Block::decode(&longer), Err(DecodeError::TrailingBytes(1)));
        prop_assert_eq!(Block::decode(&bytes), Ok(block));
    }

    #[test]
    fn no_body_with_a_changed_bit_is_its_headers_own(flip in any::<prop::sample::Index>()) {
        let block = sample();
        let mut bytes = block.encode_body();
        let flip = flip.index(bytes.len() * 8);
        bytes[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(CommittedBlock::decode(block.header, &bytes).is_err());
    }

    #[test]
    fn no_bytes_panic(
        header in samples::any_header(),
        bytes in prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..300),
    ) {
        let _ = Block::decode(&bytes);
        let _ = CommittedBlock::decode(header, &bytes);
    }
}
