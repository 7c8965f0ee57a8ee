//! A whole network as its users see it: the real program, real sockets, real proof of work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "devnet/documented.rs"]
mod documented;
#[path = "documentation/json_page.rs"]
mod json_page;
#[path = "devnet/program.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod program;
#[path = "devnet/refusals.rs"]
mod refusals;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use program::{Running, alone, lode};
use serde_json::Value;

/// Bits that make a block rare enough for one miner to find it, and soon enough while others work.
const DIFFICULTY: &str = "20";

const NODES: [&str; 4] = ["bootstrap", "miner1", "miner2", "miner3"];

/// One run that many tests look at.
struct Run {
    directory: tempfile::TempDir,
    lines: Vec<Value>,
    code: i32,
    errors: String,
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let _alone = alone();
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("net");
        let mut devnet = Running::start(&format!(
            "devnet --difficulty {DIFFICULTY} --until-height 4 --seed 7 --json --data-dir {}",
            kept.display()
        ));
        let mut lines = vec![devnet.line().unwrap()];
        while let Some(line) = devnet.line() {
            lines.push(line);
        }
        let (code, errors) = devnet.end();
        Run { directory, lines, code, errors }
    })
}

impl Run {
    fn ready(&self) -> &Value {
        &self.lines[0]
    }

    fn summary(&self) -> &Value {
        self.lines.last().unwrap()
    }

    fn node_dir(&self, node: &str) -> String {
        self.directory.path().join("net").join(node).display().to_string()
    }
}

#[test]
fn the_ready_line_names_every_node_and_every_funded_wallet() {
    let ready = run().ready();
    assert_eq!(ready["event"], "ready");
    let names = |list: &str| -> Vec<&str> {
        ready[list].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
    };
    assert_eq!(names("nodes"), NODES);
    assert_eq!(names("wallets"), ["Adam", "Bob", "Conor", "David", "Evan"]);
    assert_eq!(ready["nodes"][0]["address"], ready["bootstrap"]);
    for wallet in ready["wallets"].as_array().unwrap() {
        assert_eq!(wallet["balance"], "100.00000000");
        assert!(wallet["address"].as_str().unwrap().starts_with("dlode1"));
        assert_eq!(wallet["words"].as_str().unwrap().split(' ').count(), 12);
    }
    for node in NODES {
        let spec = Path::new(&run().node_dir(node)).join("spec.toml");
        assert!(spec.is_file(), "{}", spec.display());
    }
}

#[test]
fn what_a_node_reports_is_numbered_without_a_gap() {
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    let events = &run().lines[1..run().lines.len() - 1];
    for event in events {
        let node = event["node"].as_str().unwrap();
        assert!(NODES.contains(&node), "{event}");
        let next = next.entry(node).or_default();
        assert_eq!(event["number"], *next, "{event}");
        *next += 1;
    }
    assert_eq!(next.into_keys().collect::<Vec<_>>(), NODES);
}

#[test]
fn a_miner_finds_a_block_before_it_connects_it() {
    let places = |kind: &str| -> BTreeMap<(&str, &str), usize> {
        let of_kind = run().lines.iter().enumerate().filter(|(_, line)| line["event"] == kind);
        let text = |value: &'static Value| value.as_str().unwrap();
        of_kind.map(|(at, line)| ((text(&line["node"]), text(&line["hash"])), at)).collect()
    };
    let (found, connected) = (places("block_found"), places("block_connected"));
    for (block, found_at) in &found {
        assert!(block.0.starts_with("miner"), "{block:?}");
        let connected_at = connected.get(block);
        assert!(connected_at.is_none_or(|connected_at| found_at < connected_at), "{block:?}");
    }
    // The last block has one finder alone, so no tie is left at the end.
    let last = |line: &&Value| line["event"] == "block_found" && line["height"] == 4;
    assert_eq!(run().lines.iter().filter(last).count(), 1);
}

#[test]
fn at_the_height_all_nodes_agree_payments_are_confirmed_and_the_program_succeeds() {
    let (run, summary) = (run(), run().summary());
    assert_eq!((run.code, run.errors.as_str()), (0, ""), "{summary}");
    assert_eq!(summary["event"], "summary");
    assert_eq!((&summary["height"], &summary["blocks"]), (&Value::from(4), &Value::from(4)));
    assert_eq!(summary["agreed"], true);
    assert!(summary["invariants"].as_object().unwrap().values().all(|holds| *holds == true));
    assert!(summary["transactions"].as_u64().unwrap() >= 4, "{summary}");
    // Five wallets of 100 coins, a hundred payouts of the faucet with their fees, and four blocks
    // of 50.
    assert_eq!(summary["supply"], "10700.10000000");
    for (node, name) in summary["nodes"].as_array().unwrap().iter().zip(NODES) {
        assert_eq!(node["name"], name);
        assert_eq!((&node["tip"], &node["height"]), (&summary["tip"], &summary["height"]));
        assert_eq!(node["utxo_hash"], summary["nodes"][0]["utxo_hash"]);
    }
}

#[test]
fn verify_finds_in_every_directory_what_the_summary_said() {
    for node in run().summary()["nodes"].as_array().unwrap() {
        let directory = run().node_dir(node["name"].as_str().unwrap());
        let (code, out, err) = lode(&["verify", &directory, "--json"]);
        assert_eq!(code, 0, "{out}{err}");
        let verified: Value = serde_json::from_str(&out).unwrap();
        for field in ["height", "tip", "utxo_hash", "supply"] {
            assert_eq!(verified[field], node[field], "{field}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_accounts_and_genesis_and_another_one_others() {
    let ready = |seed: &str| -> Value {
        let _alone = alone();
        let arguments = format!(
            "devnet --difficulty {DIFFICULTY} --json --no-traffic --until-height 1 --seed {seed}"
        );
        let (code, out, err) = lode(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{err}");
        let ready: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        // Nobody asked to keep it.
        assert_eq!(ready["kept"], false);
        assert!(!Path::new(ready["directory"].as_str().unwrap()).exists());
        ready
    };
    let (same, other) = (ready("7"), ready("8"));
    for field in ["genesis", "wallets"] {
        assert_eq!(same[field], run().ready()[field]);
        assert_ne!(other[field], run().ready()[field]);
    }
}

#[test]
fn a_kept_network_goes_on_where_it_was() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    let mut heights = Vec::new();
    let mut first = Value::Null;
    // The last run has nothing to do: the height is there already.
    for until in ["2", "4", "3"] {
        let arguments = format!(
            "devnet --difficulty 18 --json --no-traffic --until-height {until} --data-dir {dir}"
        );
        let (code, out, err) = lode(&arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(code, 0, "{err}");
        let ready: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        let summary: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        heights.push((ready["height"].as_u64().unwrap(), summary["height"].as_u64().unwrap()));
        first = if first.is_null() { ready["genesis"].clone() } else { first };
        assert_eq!(ready["genesis"], first);
        assert_eq!(ready["kept"], true);
    }
    assert_eq!(heights, [(0, 2), (2, 4), (4, 4)]);
}

#[test]
fn every_block_has_the_zeros_that_were_asked_for() {
    for (difficulty, bits) in [("8", 8), ("13", 13), ("4x", 16)] {
        let _alone = alone();
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().to_str().unwrap();
        let (code, _, err) = lode(&[
            "devnet",
            "--retarget",
            "fixed",
            "--difficulty",
            difficulty,
            "--no-traffic",
            "--until-height",
            "4",
            "--data-dir",
            dir,
        ]);
        assert_eq!(code, 0, "{err}");
        let node = directory.path().join("miner2").display().to_string();
        let (code, exported, err) = lode(&["export", &node]);
        assert_eq!(code, 0, "{err}");
        let blocks: Vec<Vec<u8>> =
            exported.lines().map(|line| chain::hash::from_hex(line).unwrap()).collect();
        assert_eq!(blocks.len(), 5);
        for block in &blocks[1..] {
            assert!(zero_bits(&block[..80]) >= bits, "{difficulty}");
        }
    }
}

/// Leading zero bits of a header's hash, which is a little-endian number.
fn zero_bits(header: &[u8]) -> u32 {
    let hash = engine::sha256d(header);
    let zero_bytes = hash.iter().rev().take_while(|byte| **byte == 0).count();
    let next = hash.iter().rev().nth(zero_bytes).unwrap();
    u32::try_from(zero_bytes).unwrap() * 8 + next.leading_zeros()
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_network_with_the_same_summary() {
    for (signal, code, reason) in [("INT", 130, "interrupted"), ("TERM", 0, "terminated")] {
        let _alone = alone();
        let mut devnet = Running::start("devnet --json --difficulty 18");
        while devnet.line().unwrap()["event"] != "block_connected" {}
        devnet.signal(signal);
        let mut last = Value::Null;
        while let Some(line) = devnet.line() {
            last = line;
        }
        assert_eq!(devnet.end(), (code, String::new()));
        assert_eq!((&last["event"], &last["reason"]), (&"summary".into(), &reason.into()));
        assert_eq!(last["agreed"], true, "{last}");
        assert!(last["height"].as_u64().unwrap() >= 1);
    }
}

#[test]
fn people_see_accounts_first_and_no_escape_codes_in_a_pipe() {
    let _alone = alone();
    let (code, out, err) =
        lode(&["devnet", "--difficulty", "18", "--until-height", "1", "--coin", "Gold:AU"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("Gold devnet"), "{out}");
    assert!(out.contains("100.00000000 AU") && out.contains("all nodes agree"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
}
