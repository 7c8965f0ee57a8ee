//! `RunningNetwork`: the bootstrap node and the miners of a devnet, each with its own store.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc::{Sender, channel};
use wire::directory::MinerEntry;

use super::DevnetError;
use super::convergence::Standing;
use super::mining_outcome::MiningOutcome;
use super::plan::{MinerPlan, Plan};
use machine::mining::MiningPolicy;
use machine::network_rate::of_best_chain;
use machine::{Machine, MachineConfig};
use output::progress::OpeningBar;
use output::status::network_text;
use server::directory::{Directory, DirectoryOrder};
use server::operator::{About, OperatorDesk, Role};
use server::runtime::{
    FORWARDED_MAX, Forwarded, MiningConfig, Node, NodeConfig, NodeFailure, PanicPolicy, StartError,
    StorePlace,
};

/// Name of the node that hands out the spec and mines nothing.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// A node of the devnet.
pub(super) struct RunningNode {
    /// Its name, and that of its directory.
    pub name: String,
    /// Where it keeps its chain.
    pub directory: PathBuf,
    /// Threads that mine; zero on the bootstrap node.
    pub threads: usize,
    /// The node itself.
    pub node: Node,
    /// Answers whoever runs the devnet.
    desk: OperatorDesk,
}

/// All nodes, the bootstrap node first.
pub(super) struct RunningNetwork {
    /// In the order of their start.
    pub nodes: Vec<RunningNode>,
    /// That of the bootstrap node.
    pub directory: Option<Directory>,
}

/// A node of the devnet did not start.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {source}")]
pub struct NodeStartError {
    /// The node's name.
    pub name: String,
    /// Why it did not start.
    pub source: StartError,
}

/// A node of the devnet ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {source}")]
pub struct NodeEndedError {
    /// The node's name.
    pub name: String,
    /// Why it ended.
    pub source: NodeFailure,
}

impl RunningNetwork {
    /// Starts all nodes under `root`. The miners rest until [`RunningNetwork::mine_up_to`].
    ///
    /// # Errors
    /// [`DevnetError`]; nothing is left running then.
    pub(super) fn start(plan: &Plan, root: &Path) -> Result<Self, DevnetError> {
        let (forward, questions) = channel(FORWARDED_MAX);
        let mut nodes = vec![start_node(plan, root, None, (&[], Some(forward)))?];
        for miner in &plan.miners {
            let earlier: Vec<SocketAddr> = nodes.iter().map(|node| node.node.address).collect();
            nodes.push(start_node(plan, root, Some(miner), (&earlier, None))?);
        }
        let entry =
            |node: &RunningNode| MinerEntry { name: node.name.clone(), address: node.node.address };
        let order = DirectoryOrder {
            network: Arc::clone(&plan.network),
            directory: nodes[0].directory.clone(),
            faucet: Some(plan.faucet.clone()),
            miners: nodes.iter().skip(1).map(entry).collect(),
            handle: nodes[0].node.handle.clone(),
            questions,
            // What comes of it is on the chain, and that is shown.
            tell: Box::new(|_| ()),
        };
        let directory = Some(Directory::start(order)?);
        Ok(Self { nodes, directory })
    }

    /// Where the bootstrap node accepts connections.
    pub(super) fn bootstrap(&self) -> SocketAddr {
        self.nodes[0].node.address
    }

    /// Where the miners accept connections.
    pub(super) fn miner_addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().skip(1).map(|miner| miner.node.address).collect()
    }

    /// The last miner, the *tie-breaker*, mines up to height `tie_breaker`, all others up to
    /// `others`.
    pub(super) fn mine_up_to(&self, others: u32, tie_breaker: u32) {
        if let Some((last, first)) = self.nodes.split_last() {
            for node in first {
                node.node.mine_up_to(others);
            }
            last.node.mine_up_to(tie_breaker);
        }
    }

    /// Where every node is; `None` when one of them has no time to say.
    pub(super) fn standings(&self) -> Option<Vec<Standing>> {
        self.nodes.iter().map(|node| node.node.handle.ask_blocking(standing).ok()).collect()
    }

    /// Whether somebody who may asked a node to stop, and with it the whole network.
    pub(super) fn shall_stop(&self) -> bool {
        self.nodes.iter().any(|node| node.desk.shall_stop())
    }

    /// Whether a node has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.nodes.iter().any(|node| node.node.ended.is_cancelled())
    }

    /// What the miners did and what the chain tells of it.
    pub(super) fn mining(&self) -> MiningOutcome {
        let network =
            self.nodes.first().and_then(|node| node.node.handle.ask_blocking(of_best_chain).ok());
        MiningOutcome {
            nodes: self.nodes.iter().map(|node| node.node.mining()).collect(),
            network: network.flatten(),
        }
    }

    /// How it goes, in a line, and in one more for each miner; `None` when the bootstrap node has
    /// no time to say.
    pub(super) fn status(&self) -> Option<String> {
        let look = |machine: &Machine| (machine.tip().height, machine.mempool().len());
        let (height, pending) = self.nodes[0].node.handle.ask_blocking(look).ok()?;
        let mining = self.mining();
        let rates = mining.nodes.iter().filter_map(|node| node.as_ref()?.rates.ten_s);
        let miners = self.nodes.iter().zip(&mining.nodes);
        let miners = miners.filter_map(|(node, mining)| Some((&*node.name, mining.as_ref()?)));
        Some(network_text(height, pending, rates.sum(), miners, &mining.summary()))
    }

    /// Flushes and ends every node; returns names and directories.
    ///
    /// # Errors
    /// [`NodeEndedError`]: the first node that had ended by itself or could not flush.
    pub(super) fn stop(self) -> Result<Vec<(String, PathBuf)>, NodeEndedError> {
        let mut stopped = Vec::new();
        let mut failure = None;
        for RunningNode { name, directory, node, desk, .. } in self.nodes {
            if let Err(source) = node.stop() {
                failure.get_or_insert(NodeEndedError { name: name.clone(), source });
            }
            desk.close();
            stopped.push((name, directory));
        }
        if let Some(directory) = self.directory {
            directory.stop();
        }
        failure.map_or(Ok(stopped), Err)
    }
}

/// Where `machine` is. It is settled when its coins are those of its tip and nothing better is
/// known.
fn standing(machine: &Machine) -> Standing {
    let ledger = machine.ledger();
    let settled = ledger.is_settled() && machine.tree().best_complete() == ledger.cursor();
    Standing { tip: machine.tip(), settled }
}

/// Starts the bootstrap node, which forwards what the directory is asked, or a miner that dials the
/// nodes started `earlier`.
fn start_node(
    plan: &Plan,
    root: &Path,
    miner: Option<&MinerPlan>,
    (earlier, forward): (&[SocketAddr], Option<Sender<Forwarded>>),
) -> Result<RunningNode, NodeStartError> {
    let name = miner.map_or(BOOTSTRAP, |miner| &miner.name).to_owned();
    let directory = root.join(&name);
    let refused = |source| NodeStartError { name: name.clone(), source };
    let (ask, asked) = sync_channel(FORWARDED_MAX);
    let machine = MachineConfig {
        peers: earlier.to_vec(),
        mining: miner.map(|miner| MiningPolicy {
            min_txs: plan.min_txs,
            max_wait: plan.max_wait,
            payout: miner.payout,
        }),
        directory: miner.is_none(),
        ..MachineConfig::new(&name, rand::random())
    };
    let listen = miner.map_or(plan.listen, |_| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let store = StorePlace::Directory(directory.clone());
    let bar = OpeningBar::default();
    let config = NodeConfig {
        opening: bar.watcher(),
        mining: miner.map(|miner| MiningConfig { threads: miner.threads, kernel: plan.kernel }),
        mine_up_to: 0,
        on_panic: PanicPolicy::Surface,
        directory: forward,
        operator: Some(ask),
        ..NodeConfig::new(machine, Arc::clone(&plan.network), store, listen)
    };
    let node = Node::start(config).map_err(refused)?;
    drop(bar);
    let threads = miner.map_or(0, |miner| miner.threads.get());
    let role = if miner.is_some() { Role::Miner } else { Role::Bootstrap };
    let about = About { name: name.clone(), role, directory: directory.clone() };
    let desk = OperatorDesk::open(about, &node, asked)
        .map_err(|error| refused(StartError::Operator(error)))?;
    Ok(RunningNode { name, directory, threads, node, desk })
}
