//! The network as it stands when it is ready, for the first line of the output.

use std::path::Path;

use super::network::RunningNetwork;
use super::plan::{Plan, retarget_name};
use output::ready::{Ready, ReadyNode, ReadyWallet};

/// The network that runs by `plan` and keeps everything in `directory`, for good if it is `kept`.
pub(super) fn ready(
    plan: &Plan,
    network: &RunningNetwork,
    wallets: Vec<ReadyWallet>,
    (directory, kept): (&Path, bool),
) -> Ready {
    let spec = &plan.network.spec;
    let standings = network.standings().unwrap_or_default();
    let nodes = network.nodes.iter().map(|node| ReadyNode {
        name: node.name.clone(),
        address: node.node.address,
        directory: node.directory.clone(),
        threads: node.threads,
    });
    Ready {
        bootstrap: network.bootstrap(),
        genesis: plan.network.genesis_hash().to_string(),
        coin: spec.coin_name.clone(),
        symbol: spec.coin_symbol.clone(),
        difficulty: spec.starting_bits,
        retarget: retarget_name(spec.retarget),
        spacing_s: spec.spacing_s,
        min_txs: plan.min_txs,
        height: standings.iter().map(|standing| standing.tip.height).max().unwrap_or(0),
        seed: plan.seed,
        kernel: plan.kernel.name(),
        directory: directory.to_owned(),
        kept,
        nodes: nodes.collect(),
        wallets,
    }
}
