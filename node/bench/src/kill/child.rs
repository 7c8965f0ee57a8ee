//! The node that is killed: a process of its own that mines, and writes down what it reports.

use std::io::{Read, stdin};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use client::data_directory::pinned_network;
use engine::Kernel;
use machine::mining::MiningPolicy;
use machine::{MachineConfig, Report};
use serde_json::{Value, json};
use server::operator::{About, OperatorDesk, Role};
use server::runtime::{FORWARDED_MAX, MiningConfig, Node, NodeConfig, PanicPolicy};
use tokio::sync::broadcast::error::RecvError;

use super::super::chain_builder::PAYOUT;
use super::super::slow_store;
use command::print;
use show::exit::Exit;

/// How it hashes: slowly, so that the branches which it gets outgrow its own.
pub(super) fn kernel() -> Kernel {
    Kernel::portable()
}

/// Runs a node on `directory` until it is killed, or nobody holds its standard input any more.
pub(super) fn run(directory: &Path, sync_delay: Duration) -> anyhow::Result<Exit> {
    thread::spawn(|| {
        // Its only other end, however that comes.
        let _ = stdin().read_to_end(&mut Vec::new());
        std::process::exit(Exit::Interrupted as i32);
    });
    let network = Arc::new(pinned_network(directory)?);
    let store = slow_store::at_risk(directory, sync_delay, &network)?;
    let (desk, asked) = sync_channel(FORWARDED_MAX);
    let policy = MiningPolicy { min_txs: 0, max_wait: None, payout: PAYOUT };
    let machine = MachineConfig { mining: Some(policy), ..MachineConfig::new("killed", [1; 32]) };
    let listen = ([127, 0, 0, 1], 0).into();
    let mut node = Node::start(NodeConfig {
        mining: Some(MiningConfig { threads: NonZeroUsize::MIN, kernel: kernel() }),
        on_panic: PanicPolicy::Surface,
        operator: Some(desk),
        ..NodeConfig::new(machine, network, store, listen)
    })?;
    let about =
        About { name: "killed".to_owned(), role: Role::Miner, directory: directory.to_owned() };
    let _desk = OperatorDesk::open(about, &node, asked)?;
    line(&json!({ "address": node.address }))?;
    loop {
        match node.reports.blocking_recv() {
            Ok(told) => match told.report {
                Report::BlockConnected { hash, .. } => {
                    line(&json!({ "tip": hash.to_string() }))?;
                }
                Report::Reorganized { to, from, .. } => {
                    line(&json!({ "tip": to.to_string(), "left": from.to_string() }))?;
                }
                Report::BlockFound { hash, .. } => {
                    line(&json!({ "block": hash.to_string() }))?;
                }
                _ => {}
            },
            // Some were lost; they were told to nobody then.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => anyhow::bail!("the node ended by itself"),
        }
    }
}

fn line(value: &Value) -> anyhow::Result<()> {
    Ok(print(&format!("{value}\n"))?)
}
