//! Questions to running nodes: who may ask, which node is meant, and what the answers hold.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json_page::assert_documented;
use crate::processes::{Home, until};

/// Every field of an answer is explained under one of these commands.
fn assert_explained(answer: &Value, commands: &[&str]) {
    let headings: Vec<String> =
        commands.iter().map(|command| format!("## `lode {command} --json`")).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    assert_documented(answer, &headings);
}

#[test]
fn every_answer_is_documented_and_can_be_read_by_people() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let mut miner = home.miner("Miner1", "--threads 1 --min-txs 0");
    let address = miner.address();
    assert_explained(&miner.ready(), &["miner"]);
    until("blocks", || home.ask(&address, "status")["height"].as_u64() >= Some(3));
    let status = home.ask(&address, "status");
    assert_eq!((&status["name"], &status["role"]), (&"Miner1".into(), &"miner".into()));
    for question in ["status", "peers", "mempool", "chain", "miners"] {
        assert_explained(&home.ask(&address, question), &[question]);
    }
    let block = home.ask(&address, "block 1");
    assert_explained(&block, &["block", "chain"]);
    let hash = block["hash"].as_str().unwrap();
    assert_eq!(home.ask(&address, &format!("block {hash}"))["hash"], hash);
    let txid = block["listed"][0]["txid"].as_str().unwrap();
    let tx = home.ask(&address, &format!("tx {txid}"));
    assert_explained(&tx, &["tx"]);
    assert_eq!((&tx["status"], &tx["block"]), (&"confirmed".into(), &hash.into()));
    assert_eq!(home.ask(&address, "chain --count 2")["blocks"].as_array().unwrap().len(), 2);
    for question in
        ["status", "peers", "mempool", "chain", "miners", "block 1", &format!("tx {txid}")]
    {
        let (code, out, err) = home.lode(&format!("{question} --node {address}"));
        assert_eq!((code, err.as_str()), (0, ""), "{question}");
        assert!(!out.contains('{') && !out.is_empty(), "{out}");
    }
    for unknown in ["block 1000000", &format!("block {}", "12".repeat(32)), &format!("tx {hash}")] {
        let (code, out, err) = home.lode(&format!("{unknown} --node {address}"));
        assert_eq!((code, out.as_str(), err.lines().count()), (3, "", 1), "{unknown}: {err}");
    }
    assert_explained(&home.ask(&address, "stop"), &["stop"]);
    assert_eq!(miner.end(), 0, "{}", miner.errors());
}

#[test]
fn the_node_is_found_alone_named_among_several_and_missed_when_there_is_none() {
    let home = Home::new();
    let (code, _, err) = home.lode("status");
    assert_eq!((code, err.lines().count()), (4, 1), "{err}");
    let bootstrap = home.bootstrap();
    let (code, out, err) = home.lode("status");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("bootstrap"), "{out}");
    let mut miner = home.miner("Miner1", "--threads 0");
    let address = miner.address();
    let (code, _, err) = home.lode("status");
    assert_eq!(code, 2, "{err}");
    for running in
        [format!("bootstrap at {}", home.bootstrap_address()), format!("Miner1 at {address}")]
    {
        assert!(err.contains(&running), "{err}");
    }
    let asked = home.ask(&home.bootstrap_address().to_string(), "status");
    assert_eq!(asked["role"], "bootstrap");
    drop(bootstrap);
    // What was killed left its pass behind and is not meant.
    let (code, out, err) = home.lode("status --json");
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["address"], address.as_str());
    let directory = home.data_of("Miner1");
    let (code, ..) = home.lode(&format!("status --data-dir {}", directory.display()));
    assert_eq!(code, 0);
    let (code, _, err) = home.lode("status --node 127.0.0.1:1");
    assert_eq!(code, 4);
    assert!(err.contains(&address), "{err}");
}

#[test]
fn a_wrong_token_is_refused_after_a_pause() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let mut miner = home.miner("Miner1", "--threads 0");
    let address = miner.address();
    let pass = home.data_of("Miner1").join("operator.json");
    let text = fs::read_to_string(&pass).unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    let token = object["token"].as_str().unwrap();
    let flipped = if token.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{flipped}", &token[..63]);
    fs::write(&pass, text.replace(token, &wrong)).unwrap();
    let asked = Instant::now();
    for question in ["status", "stop"] {
        let (code, out, err) = home.lode(&format!("{question} --node {address}"));
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains("token"), "{err}");
    }
    assert!(asked.elapsed() >= Duration::from_millis(500));
    fs::write(&pass, text).unwrap();
    assert_eq!(home.ask(&address, "status")["name"], "Miner1", "it goes on");
}

#[test]
fn a_node_in_a_directory_of_its_own_is_found_there_and_said_to_be_there() {
    let home = Home::new();
    let kept = home.folder("kept");
    let kept = kept.display();
    let mut devnet = home.start(&format!(
        "devnet --miners 1 --wallets 2 --threads 1 --difficulty 8 --pause 24h..24h --json \
         --data-dir {kept}"
    ));
    let ready = devnet.ready();
    let miner = ready["nodes"][1]["address"].as_str().unwrap().to_owned();
    let (code, _, err) = home.lode(&format!("status --node {miner}"));
    assert_eq!((code, err.contains("--data-dir DIR")), (4, true), "{err}");
    let (code, out, err) = home.lode(&format!("status --json --node {miner} --data-dir {kept}"));
    assert_eq!((code, out.contains("\"miner1\"")), (0, true), "{err}");
    let (code, _, err) = home.lode(&format!("status --data-dir {kept}"));
    assert_eq!((code, err.contains(&miner)), (2, true), "{err}");
    let (code, ..) = home.lode(&format!("stop --data-dir {kept}/miner1"));
    assert_eq!(code, 0);
    assert_eq!(devnet.end(), 0, "{}", devnet.errors());
    let (code, _, err) = home.lode(&format!("status --data-dir {kept}"));
    assert_eq!((code, err.contains("no node runs in")), (4, true), "{err}");
}

#[test]
fn the_nodes_of_a_devnet_are_asked_and_stopped_like_any_other() {
    let home = Home::new();
    let mut devnet = home
        .start("devnet --miners 1 --wallets 2 --threads 1 --difficulty 8 --pause 24h..24h --json");
    let ready = devnet.ready();
    for (node, role) in ready["nodes"].as_array().unwrap().iter().zip(["bootstrap", "miner"]) {
        let status = home.ask(node["address"].as_str().unwrap(), "status");
        assert_eq!((&status["role"], &status["name"]), (&role.into(), &node["name"]));
    }
    home.stop(ready["bootstrap"].as_str().unwrap());
    assert_eq!(devnet.end(), 0, "{}", devnet.errors());
    assert_eq!(home.lode("status").0, 4, "it took its passes away");
}
