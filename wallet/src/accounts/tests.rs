//! Tests of `Account`: the official BIP 32 and BIP 86 vectors, and freshness.

use bip32::Prefix;
use chain::hash::{from_hex, to_hex};
use proptest::prelude::*;

use super::*;

const HARD: u32 = ChildNumber::HARDENED_FLAG;

fn extended(seed: &str, path: &[u32]) -> String {
    let node = derive(&from_hex(seed).unwrap(), path).unwrap();
    node.to_string(Prefix::XPRV).to_string()
}

#[test]
fn vector_1_of_bip_32_holds() {
    let seed = "000102030405060708090a0b0c0d0e0f";
    let expected: [(&[u32], &str); 6] = [
        (
            &[],
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        ),
        (
            &[HARD],
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            &[HARD, 1],
            "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs",
        ),
        (
            &[HARD, 1, HARD | 2],
            "xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMjANTtpgP4mLTj34bhnZX7UiM",
        ),
        (
            &[HARD, 1, HARD | 2, 2],
            "xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5Mm3wDvUAKRHSC34sJ7in334",
        ),
        (
            &[HARD, 1, HARD | 2, 2, 1_000_000_000],
            "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
        ),
    ];
    for (path, xprv) in expected {
        assert_eq!(extended(seed, path), xprv, "{path:?}");
    }
}

#[test]
fn vector_2_of_bip_32_holds() {
    let seed = "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2\
                9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542";
    let expected: [(&[u32], &str); 3] = [
        (
            &[],
            "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U",
        ),
        (
            &[0],
            "xprv9vHkqa6EV4sPZHYqZznhT2NPtPCjKuDKGY38FBWLvgaDx45zo9WQRUT3dKYnjwih2yJD9mkrocEZXo1ex8G81dwSM1fwqWpWkeS3v86pgKt",
        ),
        (
            &[0, HARD | 2_147_483_647],
            "xprv9wSp6B7kry3Vj9m1zSnLvN3xH8RdsPP1Mh7fAaR7aRLcQMKTR2vidYEeEg2mUCTAwCd6vnxVrcjfy2kRgVsFawNzmjuHc2YmYRmagcEPdU9",
        ),
    ];
    for (path, xprv) in expected {
        assert_eq!(extended(seed, path), xprv, "{path:?}");
    }
}

#[test]
fn the_untweaked_keys_of_bip_86_come_out() {
    // BIP 86 gives them for coin type 0'.
    let seed = Seed::from_entropy([0; 16]).bip32_seed();
    let key = |branch, index| {
        let secret = derive(seed.as_slice(), &[PURPOSE, HARD, ACCOUNT, branch, index]).unwrap();
        to_hex(&SecretKey::from_bytes(secret.to_bytes()).unwrap().output_key().0)
    };
    let expected = [
        "cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115",
        "83dfe85a3151d2517290da461fe2815591ef69f2b18a2ce63f01697a8b313145",
        "399f1b2f4393f29a18c937859c5dd8a77350103157eb880f02e8c08214277cef",
    ];
    assert_eq!([key(0, 0), key(0, 1), key(1, 0)], expected);
}

#[test]
fn receiving_and_change_keys_lie_at_the_documented_paths() {
    let seed = Seed::devnet(1, "Adam");
    let account = Account::new(&seed);
    for index in [0, 7, 25] {
        for (branch, key) in [(0, account.receive_key(index)), (1, account.change_key(index))] {
            let path = [HARD | 86, HARD | 1, HARD, branch, index];
            let secret = derive(seed.bip32_seed().as_slice(), &path).unwrap();
            assert_eq!(SecretKey::from_bytes(secret.to_bytes()).unwrap().output_key(), key);
        }
    }
}

proptest! {
    #[test]
    fn a_gap_of_fresh_keys_always_follows_the_last_used_one(
        used in prop::collection::vec(0usize..1000, 0..8),
    ) {
        let mut account = Account::new(&Seed::devnet(1, "Adam"));
        let mut last = [None::<u32>; 2];
        for pick in used {
            let watched: Vec<OutputKey> = account.watched().collect();
            let key = watched[pick % watched.len()];
            account.mark_used(&key);
            let (branch, index) = account.position(&key).unwrap();
            let last = &mut last[usize::from(branch == Branch::Change)];
            *last = (*last).max(Some(index));
            prop_assert_ne!(account.fresh_receive_key(), key);
            prop_assert_ne!(account.fresh_change_key(), key);
        }
        let watched: Vec<OutputKey> = account.watched().collect();
        let expected = last.map(|last| last.map_or(0, |last| last + 1) + GAP_LIMIT);
        prop_assert_eq!(watched.len() as u32, expected[0] + expected[1]);
        for key in &watched {
            prop_assert_eq!(account.secret(key).unwrap().output_key(), *key);
        }
    }
}

#[test]
fn keys_of_others_are_nobodys_here() {
    let mut account = Account::new(&Seed::devnet(1, "Adam"));
    let other = Account::new(&Seed::devnet(1, "Bob")).receive_key(0);
    account.mark_used(&other);
    assert!(!account.owns(&other));
    assert!(account.secret(&other).is_none());
    assert_eq!(account.position(&other), None);
    assert_eq!(account.watched().count(), 2 * GAP_LIMIT as usize);
}

#[test]
fn a_locked_account_sees_every_key_and_has_no_secret_until_its_own_seed_unlocks_it() {
    let seed = Seed::devnet(1, "Adam");
    let open = Account::new(&seed);
    let mut locked = Account::watch_only(AccountKey::of(&seed)).unwrap();
    assert_eq!(locked.watched().collect::<Vec<_>>(), open.watched().collect::<Vec<_>>());
    assert!(locked.is_locked() && !open.is_locked());
    let key = locked.receive_key(3);
    assert!(locked.secret(&key).is_none());
    assert_eq!(locked.unlock(&Seed::devnet(1, "Bob")), Err(OtherSeed));
    assert!(locked.secret(&key).is_none());
    locked.unlock(&seed).unwrap();
    assert_eq!(locked.secret(&key).unwrap().output_key(), key);
}

#[test]
fn bytes_that_are_no_point_are_no_account() {
    let account = AccountKey { point: [7; POINT_BYTES], chain_code: [0; 32] };
    assert_eq!(Account::watch_only(account).unwrap_err(), InvalidAccountKey);
}
