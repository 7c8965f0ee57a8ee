//! Views read back as they were written, and show what they are made of.

mod any;
mod made;

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::*;

/// A view as it comes out at the other end, by every way it is written.
fn assert_reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(view: T) {
    let answer = Answer::to("sample", view);
    let sorted = answer.to_json();
    assert!(!sorted.contains('\n'), "{sorted}");
    let declared = serde_json::to_string(&answer).unwrap();
    for text in [&sorted, &declared] {
        assert_eq!(serde_json::from_str::<Answer<T>>(text).unwrap(), answer, "{text}");
    }
    // A flattened field that has the name of another one would hide it.
    let fields = |text: &str| text.matches("\":").count();
    assert_eq!(fields(&sorted), fields(&declared), "{declared}");
}

proptest! {
    #[test]
    fn a_status_reads_back(status in any::status()) {
        assert_reads_back(status);
    }

    #[test]
    fn mining_reads_back(mining in any::mining(), rates in any::rates()) {
        assert_reads_back(mining);
        assert_reads_back(rates);
    }

    #[test]
    fn connections_read_back(peers in any::peers(), miners in any::miners()) {
        assert_reads_back(peers);
        assert_reads_back(miners);
    }

    #[test]
    fn a_mempool_reads_back(pool in any::mempool()) {
        assert_reads_back(pool);
    }

    #[test]
    fn blocks_read_back(chain in any::chain(), block in any::block()) {
        assert_reads_back(chain);
        assert_reads_back(block);
    }

    #[test]
    fn a_transaction_reads_back(tx in any::tx()) {
        assert_reads_back(tx);
    }

    #[test]
    fn half_an_answer_is_none(status in any::status(), cut: prop::sample::Index) {
        let text = Answer::to("status", status).to_json();
        let letters: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let end = letters[cut.index(letters.len())];
        let half = &text[..end];
        prop_assert!(serde_json::from_str::<Answer<Status>>(half).is_err(), "{}", half);
    }
}

#[test]
fn an_answer_to_stop_reads_back() {
    for stopping in [false, true] {
        assert_reads_back(StopView { stopping });
    }
}

#[test]
fn fields_that_a_newer_node_adds_are_no_trouble_and_missing_ones_are() {
    let read = |text: &str| serde_json::from_str::<Answer<StopView>>(text);
    let answer = read(r#"{"v":1,"command":"stop","stopping":true,"new":[{}]}"#).unwrap();
    assert_eq!(answer, Answer::to("stop", StopView { stopping: true }));
    assert!(read(r#"{"v":1,"command":"stop"}"#).is_err());
}

#[test]
fn texts_that_are_no_hash_and_no_amount_are_refused_by_name() {
    let read = |txid: &str, amount: &str| {
        let text =
            format!(r#"{{"txid":"{txid}","kind":"transfer","amount":"{amount}","outputs":1}}"#);
        serde_json::from_str::<TxSummary>(&text).map_err(|error| error.to_string())
    };
    let txid = "ab".repeat(32);
    assert!(read(&txid, "0.5").is_ok());
    assert!(read(&txid[1..], "0.5").unwrap_err().contains("64 hex digits"));
    assert!(read(&txid, "0,5").unwrap_err().contains("not an amount"));
}

#[test]
fn programs_and_people_read_the_same_word() {
    fn assert_same<T: Serialize + Copy>(all: &[T], word: fn(T) -> &'static str) {
        let words: BTreeSet<&str> = all.iter().map(|one| word(*one)).collect();
        assert_eq!(words.len(), all.len());
        for one in all {
            assert_eq!(serde_json::to_value(one).unwrap(), word(*one));
        }
    }
    assert_same(Role::ALL, Role::word);
    assert_same(PeerRole::ALL, PeerRole::word);
    assert_same(Direction::ALL, Direction::word);
    assert_same(MinerState::ALL, MinerState::word);
    assert_same(TxKind::ALL, TxKind::word);
}
