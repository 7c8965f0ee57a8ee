//! Published headers, blocks of a sample network, and bytes that are nothing.

use chain::encoding::Encode;
use chain::hash::to_hex;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use testkit::samples;

/// Bitcoin's first header (block 0).
const BITCOIN_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000\
    000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

fn object(bytes: &[u8], network: Option<&Network>) -> Value {
    serde_json::from_str(&explain(&parse(bytes).unwrap(), network, true)).unwrap()
}

fn verdict<'a>(object: &'a Value, rule: &str) -> &'a str {
    let rules = object["rules"].as_array().unwrap();
    let of_rule = |entry: &&Value| entry["rule"].as_str().unwrap().contains(rule);
    let found = rules.iter().find(of_rule).expect(rule);
    found["verdict"].as_str().unwrap()
}

#[test]
fn a_real_header_is_taken_apart_as_everybody_knows_it() {
    let bytes = read(BITCOIN_GENESIS).unwrap();
    let explained = object(&bytes, None);
    assert_eq!(
        explained["hash"],
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    );
    assert_eq!(
        explained["merkle_root"],
        "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    );
    assert_eq!(
        explained["target"],
        "00000000ffff0000000000000000000000000000000000000000000000000000"
    );
    assert_eq!(explained["nonce"], 2_083_236_893);
    assert_eq!(explained["work"], "4295032833");
    // The state of SHA-256 after the first block of zeros and most of the root.
    let midstate = explained["midstate"].as_str().unwrap();
    assert_eq!(midstate.len(), 64);
    assert_eq!(verdict(&explained, "version"), "broken");
    assert_eq!(verdict(&explained, "hash meets"), "holds");
    assert_eq!(verdict(&explained, "easiest"), "open");
    let text = explain(&parse(&bytes).unwrap(), None, false);
    assert!(text.contains("2009-01-03 18:15:05 UTC"), "{text}");
    assert!(text.contains("BROKEN  version"), "{text}");
}

#[test]
fn the_midstate_goes_on_to_the_hash() {
    // The midstate of a header of zeros is SHA-256's state after one block of zeros.
    let explained = object(&[0; 80], None);
    assert_eq!(
        explained["midstate"],
        "da5698be17b9b46962335799779fbeca8ce5d491c0d26243bafef9ea1837a9d8"
    );
}

#[test]
fn a_good_block_has_no_broken_rule_and_each_defect_breaks_its_own() {
    let network = samples::network(8);
    let transfers = vec![samples::transfer(&network, 90)];
    let good = samples::block(&network, network.genesis_hash(), 1, 60, 0, transfers).block;
    let with = |change: &dyn Fn(&mut Block)| {
        let mut block = good.clone();
        change(&mut block);
        object(&block.encode(), Some(&network))
    };
    let explained = with(&|_| ());
    assert_eq!(explained["kind"], "block");
    assert_eq!(explained["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(explained["merkle_tree"][1][0], explained["merkle_root"]);
    let rules = explained["rules"].as_array().unwrap();
    assert!(rules.iter().all(|entry| entry["verdict"] != "broken"), "{explained}");
    assert_eq!(verdict(&with(&|block| block.header.version = 1), "version"), "broken");
    assert_eq!(verdict(&with(&|block| block.header.nonce ^= 1), "hash meets"), "broken");
    let shorter = with(&|block| block.transactions.truncate(1));
    assert_eq!(verdict(&shorter, "merkle root"), "broken");
    let doubled = with(&|block| {
        let coinbase = block.transactions[0].clone();
        block.transactions.push(coinbase);
        block.header.merkle_root = block.merkle_root().unwrap();
    });
    assert_eq!(verdict(&doubled, "transactions alone"), "broken");
    let genesis = object(&network.genesis.block.encode(), Some(&network));
    assert_eq!(verdict(&genesis, "genesis"), "holds");
}

#[test]
fn a_transaction_shows_its_fields_and_with_a_spec_its_addresses() {
    let network = samples::network(8);
    let transfer = samples::transfer(&network, 90);
    let explained = object(&transfer.encode(), Some(&network));
    assert_eq!(explained["kind"], "transfer");
    assert_eq!(explained["txid"], transfer.txid().to_string());
    assert_eq!(explained["wtxid"], transfer.wtxid().to_string());
    assert_eq!(explained["outputs"][0]["amount"], "90.00000000");
    let address = explained["outputs"][0]["address"].as_str().unwrap();
    assert!(address.starts_with("slode1"), "{address}");
    assert_eq!(verdict(&explained, "inputs and outputs"), "holds");
    let coinbase = &network.genesis.block.transactions[0];
    assert_eq!(object(&coinbase.encode(), None)["kind"], "coinbase");
}

#[test]
fn a_file_may_hold_digits_or_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("header");
    let argument = format!("@{}", path.display());
    for content in [[7; 80].to_vec(), format!("{}\n", to_hex(&[7; 80])).into_bytes()] {
        fs::write(&path, content).unwrap();
        assert_eq!(read(&argument).unwrap(), [7; 80]);
    }
    assert!(read("@/nowhere/at/all").is_err());
    assert!(read("xyz").is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let network = samples::network(8);
        if let Ok(subject) = parse(&bytes) {
            for network in [None, Some(&network)] {
                explain(&subject, network, true);
                explain(&subject, network, false);
            }
        }
    }

    #[test]
    fn no_header_panics(bytes: [u8; 80]) {
        let header = Subject::Header(Header::from_bytes(&bytes));
        prop_assert!(explain(&header, None, false).contains("rules"));
    }
}
