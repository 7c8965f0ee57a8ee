//! The program as its users see it: what it prints, where, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use chain::genesis::Network;
use chain::key::OutputKey;
use json_page::assert_documented;
use machine::mining::MiningPolicy;
use machine::{MachineConfig, Report};
use serde_json::Value;
use server::runtime::{MiningConfig, Node, NodeConfig, PanicPolicy, StorePlace};
use testkit::samples;

fn lode(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lode").unwrap().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn network() -> Network {
    samples::network(8)
}

fn start(directory: &Path, mines: bool) -> Node {
    let payout = OutputKey([1; 32]);
    let machine = MachineConfig {
        mining: mines.then_some(MiningPolicy { min_txs: 0, max_wait: None, payout }),
        ..MachineConfig::new("test", [1; 32])
    };
    let store = StorePlace::Directory(directory.to_owned());
    let listen = "127.0.0.1:0".parse().unwrap();
    Node::start(NodeConfig {
        mining: mines.then(|| MiningConfig {
            threads: NonZeroUsize::MIN,
            kernel: engine::Kernel::portable(),
        }),
        on_panic: PanicPolicy::Surface,
        ..NodeConfig::new(machine, Arc::new(network()), store, listen)
    })
    .unwrap()
}

/// A directory with a chain of some blocks, and what its node said of it last.
fn mined() -> (tempfile::TempDir, u32, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut node = start(directory.path(), true);
    while !matches!(
        node.reports.blocking_recv().unwrap().report,
        Report::BlockConnected { height: 5, .. }
    ) {}
    node.stop().unwrap();
    let node = start(directory.path(), false);
    let state = node
        .handle
        .ask_blocking(|machine| (machine.tip().height, machine.totals().utxo_hash.to_string()));
    node.stop().unwrap();
    let (height, utxo_hash) = state.unwrap();
    (directory, height, utxo_hash)
}

#[test]
fn lode_alone_prints_ten_lines_that_help_to_start() {
    let (code, out, err) = lode(&[]);
    assert_eq!(code, 0);
    assert_eq!(err, "");
    assert_eq!(out.lines().count(), 10, "{out}");
    let (code, ..) = lode(&["no-such-command"]);
    assert_eq!(code, 2);
}

#[test]
fn version_names_the_kernels_and_the_chosen_one() {
    let (code, out, _) = lode(&["version", "--verbose", "--json"]);
    assert_eq!(code, 0);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["v"], 1);
    let kernels = object["kernels"].as_array().unwrap();
    assert!(kernels.iter().any(|kernel| kernel["name"] == object["chosen"]), "{out}");
    let (_, out, _) = lode(&["version", "--verbose"]);
    assert!(out.contains("chosen"), "{out}");
    let (_, out, _) = lode(&["version"]);
    assert_eq!(out, format!("lode {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn explain_refuses_what_is_nothing_with_advice() {
    let (code, out, err) = lode(&["explain", "zz"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("lode: expected hex digits"), "{err}");
    let header = "00".repeat(80);
    let (code, out, _) = lode(&["explain", &header, "--json"]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["kind"], "header");
    let stdin =
        Command::cargo_bin("lode").unwrap().args(["explain", "-"]).write_stdin(header).output();
    assert!(stdin.unwrap().status.success());
}

#[test]
fn verify_and_export_agree_with_the_node_that_wrote_the_directory() {
    let (directory, height, utxo_hash) = mined();
    let dir = directory.path().to_str().unwrap();
    for arguments in [vec!["verify", dir, "--json"], vec!["verify", dir, "--reindex", "--json"]] {
        let (code, out, err) = lode(&arguments);
        assert_eq!(code, 0, "{out}{err}");
        let verified: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(verified["ok"], true);
        assert_eq!(verified["height"], height);
        assert_eq!(verified["utxo_hash"], utxo_hash.as_str());
        let supply = 100 + 50 * u64::from(height);
        assert_eq!(verified["supply"], format!("{supply}.00000000"));
    }
    let (code, out, _) = lode(&["export", dir]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), height as usize + 1);
    let (code, explained, err) = lode(&["explain", out.lines().last().unwrap(), "--json"]);
    assert_eq!(code, 0, "{err}");
    let (_, out, _) = lode(&["verify", dir, "--json"]);
    let verified: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&explained).unwrap()["hash"], verified["tip"]);
}

#[test]
fn a_directory_in_use_is_refused_with_its_own_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let node = start(directory.path(), false);
    let dir = directory.path().to_str().unwrap();
    for command in ["verify", "export"] {
        let (code, out, err) = lode(&[command, dir]);
        assert_eq!((code, out.as_str()), (5, ""));
        assert!(err.contains("in use"), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    node.stop().unwrap();
    let (code, ..) = lode(&["verify", dir]);
    assert_eq!(code, 0);
}

#[test]
fn a_flipped_byte_is_noticed_and_a_directory_of_nothing_is_named() {
    let (directory, ..) = mined();
    let dir = directory.path().to_str().unwrap();
    let blocks = block_file(directory.path());
    let mut bytes = std::fs::read(&blocks).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blocks, bytes).unwrap();
    let (code, _, err) = lode(&["verify", dir]);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("--reindex"), "{err}");
    let empty = tempfile::tempdir().unwrap();
    let (code, _, err) = lode(&["verify", empty.path().to_str().unwrap()]);
    assert_eq!(code, 5);
    assert!(err.contains("spec.toml"), "{err}");
}

/// The first file below `directory` that holds blocks.
fn block_file(directory: &Path) -> std::path::PathBuf {
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("block") {
                return path;
            }
        }
    }
    panic!("no block file");
}

#[test]
fn every_kernel_of_this_cpu_is_measured_beside_the_reference() {
    let (code, out, err) = lode(&["bench", "kernels", "--seconds", "1", "--json"]);
    assert_eq!(code, 0, "{err}");
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    let kernels = result["kernels"].as_array().unwrap();
    let names: Vec<&str> = kernels.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let available = engine::Kernel::available();
    let expected: Vec<&str> =
        ["reference"].into_iter().chain(available.iter().map(|kernel| kernel.name())).collect();
    assert_eq!(names, expected);
    assert!(names.contains(&result["chosen"].as_str().unwrap()));
    assert_eq!(kernels[0]["ratio_to_reference"], 1.0);
    for row in kernels {
        let of = |field: &str| row[field].as_f64().unwrap();
        assert!(0.0 < of("mhs_low") && of("mhs_low") <= of("mhs"), "{row}");
        assert!(of("mhs") <= of("mhs_high"), "{row}");
    }
    assert_documented(&result, &["## `lode bench kernels --json`"]);
}

#[test]
fn a_search_is_measured_together_apart_and_on_easy_jobs() {
    let (code, out, err) = lode(&["bench", "search", "--seconds", "1", "--threads", "2", "--json"]);
    assert_eq!(code, 0, "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&result["threads"], &result["rounds"]), (&2.into(), &5.into()));
    for rate in ["together_mhs", "apart_mhs", "scaling"] {
        assert!(result[rate].as_f64().unwrap() > 0.0, "{out}");
    }
    assert!(result["easy"][0]["lost"].as_f64().unwrap() < 1.0, "{out}");
    assert_documented(&result, &["## `lode bench search --json`"]);
}

#[test]
fn kernels_hash_side_by_side_on_as_many_threads_as_wanted() {
    let (code, out, err) =
        lode(&["bench", "kernels", "--seconds", "1", "--threads", "2", "--json"]);
    assert_eq!(code, 0, "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["threads"], 2);
    assert_eq!(lode(&["bench", "kernels", "--threads", "0"]).0, 2);
}

#[test]
fn cancels_are_measured_with_every_worker_busy() {
    let (code, out, err) = lode(&["bench", "cancel", "--count", "10", "--threads", "2", "--json"]);
    assert_eq!(code, 0, "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&result["v"], &result["command"]), (&1.into(), &"bench cancel".into()));
    assert_eq!((&result["cancels"], &result["threads"]), (&10.into(), &2.into()));
    for of in ["cancel_us", "start_us"] {
        let at = |quantile: &str| result[of][quantile].as_f64().unwrap();
        assert!(0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("max"), "{out}");
    }
    let wasted = result["wasted_hashes_max"].as_u64().unwrap();
    assert!(wasted <= 2 * result["batch_hashes"].as_u64().unwrap(), "{out}");
    assert_documented(&result, &["## `lode bench cancel --json`"]);
    assert!(lode(&["bench", "cancel", "--count", "5"]).1.contains("5 cancels"));
    assert_eq!(lode(&["bench", "cancel", "--count", "0"]).0, 2);
}

#[test]
fn a_whole_node_is_measured_from_a_block_to_the_next_hash() {
    let (code, out, err) = lode(&["bench", "cancel", "--node", "--count", "4", "--json"]);
    assert_eq!(code, 0, "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&result["node"], &result["blocks"]), (&true.into(), &4.into()));
    assert!(result["lost"].as_u64().unwrap() <= 4);
    assert_documented(&result, &["## `lode bench cancel --node --json`"]);
}
