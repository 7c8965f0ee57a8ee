//! What was written is there again, and damage is told.

use std::fs;
use std::sync::LazyLock;

use chain::genesis::Network;
use chain::key::SecretKey;
use proptest::prelude::*;

use super::super::faucet::{Faucet, Verdict, allocations};
use super::*;
use machine::Now;
use testkit::samples;

const GENESIS: BlockHash = BlockHash([9; 32]);

fn secret() -> SecretKey {
    SecretKey::from_bytes([5; 32]).unwrap()
}

fn record(name: &str, sequence: u64) -> NameRecord {
    NameRecord::sign(name, sequence, GENESIS, &secret(), &[0; 32])
}

/// A payout as the faucet makes it, then at another time for somebody else.
fn payout(wall_s: u64, asker: Option<IpAddr>) -> Payout {
    let mut spec = samples::network(8).spec;
    spec.allocations.extend(allocations(secret().output_key(), 1));
    let network = Network::new(spec).unwrap();
    let mut faucet = Faucet::new(&network, secret(), Vec::new());
    let now = Now { wall_s: 0, monotonic: std::time::Duration::ZERO };
    match faucet.ask(now, "127.0.0.1".parse().unwrap(), secret().output_key()) {
        Verdict::Pay(payout) => Payout { wall_s, asker, ..payout },
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn payouts_survive_being_written_down(
        wall_s in any::<u64>(),
        asker in any::<Option<IpAddr>>(),
        cut in 1usize..200,
    ) {
        let payout = payout(wall_s, asker.map(|asker| asker.to_canonical()));
        let bytes = payout_bytes(&payout);
        prop_assert_eq!(super::payout(payout.key, &bytes), Some(payout.clone()));
        let cut = bytes.len().saturating_sub(cut);
        prop_assert_eq!(super::payout(payout.key, &bytes[..cut]), None);
    }
}

/// Where redb notes which of its two commits is the last one, a byte without a checksum.
const REDB_PRIMARY_BYTE: usize = 9;

proptest! {
    /// What a killed process leaves, and one bit of what it wrote last.
    #[test]
    fn a_bit_that_flips_after_a_kill_never_makes_a_name_free_again(
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        static FILES: LazyLock<(Vec<u8>, Vec<usize>)> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(FILE);
            let (database, _) = Database::open(&path, GENESIS).unwrap();
            database.write(&[Change::Name(record("Adam", 1))]).unwrap();
            let before = fs::read(&path).unwrap();
            database.write(&[Change::Name(record("Bob", 1))]).unwrap();
            let after = fs::read(&path).unwrap();
            let is_new = |at: &usize| before.get(*at) != Some(&after[*at]);
            let mut new: Vec<usize> = (0..after.len()).filter(is_new).collect();
            new.retain(|at| *at != REDB_PRIMARY_BYTE);
            (after, new)
        });
        let (after, new) = &*FILES;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let mut damaged = after.clone();
        damaged[new[place.index(new.len())]] ^= 1 << bit;
        fs::write(&path, &damaged).unwrap();
        match Database::open(&path, GENESIS) {
            Ok((_, remembered)) => {
                prop_assert_eq!(remembered.names, [record("Adam", 1), record("Bob", 1)]);
            }
            Err(error) => prop_assert!(error.to_string().contains("move it away"), "{}", error),
        }
    }
}

#[test]
fn a_file_that_was_not_closed_has_every_change_and_the_last_record_of_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join(FILE), directory.path().join("copy"));
    let (database, remembered) = Database::open(&path, GENESIS).unwrap();
    assert!(remembered.names.is_empty() && remembered.payouts.is_empty());
    let payout = payout(7, Some("9.9.9.9".parse().unwrap()));
    database.write(&[Change::Name(record("Adam", 1)), Change::Payout(payout.clone())]).unwrap();
    database.write(&[Change::Name(record("ADAM", 2))]).unwrap();
    // What a killed process leaves behind.
    fs::copy(&path, &copy).unwrap();
    let (_, remembered) = Database::open(&copy, GENESIS).unwrap();
    assert_eq!(remembered.names, [record("ADAM", 2)]);
    assert_eq!(remembered.payouts, [payout]);
}

#[test]
fn the_file_of_another_network_and_one_that_is_none_are_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    drop(Database::open(&path, GENESIS).unwrap());
    let foreign = Database::open(&path, BlockHash([8; 32])).unwrap_err();
    assert!(matches!(foreign, DatabaseError::Foreign { .. }), "{foreign}");
    fs::write(&path, b"noise, and nothing that redb would have written").unwrap();
    let damaged = Database::open(&path, GENESIS).unwrap_err().to_string();
    assert!(damaged.contains("move it away"), "{damaged}");
}
