//! A node that is a process of its own: what the miner and the bootstrap node have in common.
//!
//! It starts the node with the addresses it met before, says that it is ready, shows what happens,
//! answers whoever runs it, and ends cleanly by a signal or by `lode stop`.

mod address_file;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use chain::genesis::Network;
use client::data_directory::data_home;
use client::durable_file;
use show::streams::note;
use show::style::Style;
use tokio::sync::broadcast;

use address_file::AddressFile;
use command::failure::Failure;
use command::interrupt::Interrupt;
use machine::Machine;
use output::events::Line;
use output::progress::OpeningBar;
use output::ready::NodeReady;
use output::status::{mining_line, node_line};
use output::terminal::{Scope, Terminal};
use server::operator::{self, OperatorDesk, Role};
use server::runtime::{
    FORWARDED_MAX, Handle, Node, NodeConfig, NumberedReport, StartError, StorePlace,
};
use show::exit::Exit;

/// How often people are told how it goes.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);

/// The files of a data directory that are replaced as a whole.
const REPLACED: [&str; 5] =
    ["spec.toml", "bootstraps.json", "addresses.json", "operator.json", "faucet.key"];

/// What a process is started with.
pub(super) struct ProcessOrder {
    /// The node; whoever answers its operator and the addresses it met before are filled in.
    pub config: NodeConfig,
    /// Its data directory: exists and is pinned. The store is in it.
    pub directory: PathBuf,
    /// What it is, for people.
    pub role: Role,
    /// Whether events are JSON on standard output instead of text on standard error.
    pub json: bool,
}

/// A node that runs.
pub(super) struct NodeProcess {
    /// The node itself.
    pub node: Node,
    interrupt: Interrupt,
    directory: PathBuf,
    addresses: AddressFile,
    desk: OperatorDesk,
    show: Show,
    json: bool,
}

impl NodeProcess {
    /// Starts the node and says that it is ready. Blocks while the store recovers.
    ///
    /// # Errors
    /// [`server::runtime::StartError`] and whatever keeps the operator's file from being written.
    pub fn start(order: ProcessOrder, interrupt: Interrupt) -> Result<Self, Failure> {
        let ProcessOrder { mut config, directory, role, json } = order;
        config.store = StorePlace::Directory(directory.clone());
        let (addresses, known) = AddressFile::open(&directory);
        config.known = known;
        let (ask, asked) = sync_channel(FORWARDED_MAX);
        config.operator = Some(ask);
        let name = config.machine.name.clone();
        let network = Arc::clone(&config.network);
        let mut ready = ready(&config, &network, &directory, role);
        let bar = OpeningBar::default();
        config.opening = bar.watcher();
        let mut node = Node::start(config)?;
        drop(bar);
        // The store's lock keeps other nodes out now.
        sweep(&directory);
        ready.address = node.address;
        ready.height = node.handle.ask_blocking(|machine| machine.tip().height).unwrap_or(0);
        let about = operator::About { name: name.clone(), role, directory: directory.clone() };
        let desk = OperatorDesk::open(about, &node, asked).map_err(StartError::Operator)?;
        ready.is_elsewhere =
            !data_home().is_ok_and(|home| operator::directories(&home).contains(&directory));
        let later = node.reports.resubscribe();
        let reports = std::mem::replace(&mut node.reports, later);
        let show = Show::start(name, json, &ready, reports)?;
        Ok(Self { node, interrupt, directory, addresses, desk, show, json })
    }

    /// For other parts of the process that ask or tell the node something.
    pub fn handle(&self) -> Handle {
        self.node.handle.clone()
    }

    /// Serves until a signal, `lode stop`, or the node's own end; then `before_stop` ends whatever
    /// stands beside the node, and everything is flushed.
    ///
    /// # Errors
    /// [`server::runtime::NodeFailure`]: why the node ended by itself or could not flush.
    pub fn run(mut self, before_stop: impl FnOnce()) -> Result<Exit, Failure> {
        let mut next_status = Instant::now() + STATUS_INTERVAL;
        while !self.shall_end() {
            let until = if self.json {
                self.addresses.next_look()
            } else {
                next_status.min(self.addresses.next_look())
            };
            // Whatever shall end it unparks this thread.
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
            self.addresses.look(&self.node.handle);
            if !self.json && Instant::now() >= next_status {
                next_status = Instant::now() + STATUS_INTERVAL;
                self.tell_status();
            }
        }
        before_stop();
        self.addresses.write_last(&self.node.handle);
        let stopped = self.node.stop();
        self.show.join();
        self.desk.close();
        stopped?;
        if !self.json {
            note(&format!("stopped; everything is in {}", self.directory.display()));
        }
        Ok(Exit::Ok)
    }

    fn shall_end(&self) -> bool {
        self.interrupt.came()
            || self.desk.shall_stop()
            || self.node.ended.is_cancelled()
            || self.show.closed.load(Ordering::Relaxed)
    }

    fn tell_status(&self) {
        let look = |machine: &Machine| {
            (machine.tip().height, machine.mempool().len(), machine.nodes().len())
        };
        let Ok((height, pending, nodes)) = self.node.handle.ask_blocking(look) else {
            return;
        };
        note(&node_line(height, pending, nodes));
        if let Some(mining) = self.node.mining() {
            note(&format!("  {}", mining_line(&mining)));
        }
    }
}

/// Removes what a killed process was writing. Where that fails it is merely in the way.
fn sweep(directory: &Path) {
    match durable_file::sweep(directory, &REPLACED) {
        Ok(swept) => swept.iter().for_each(|path| {
            note(&format!("removed {}: a killed process was writing it", path.display()));
        }),
        Err(error) => note(&format!("cannot clean up {}: {error}", directory.display())),
    }
}

fn ready(
    config: &NodeConfig,
    network: &Network,
    directory: &std::path::Path,
    role: Role,
) -> NodeReady {
    let spec = &network.spec;
    let payout = config.machine.mining.map(|policy| spec.address(policy.payout).to_string());
    NodeReady {
        name: config.machine.name.clone(),
        role: role.word(),
        address: config.listen,
        genesis: network.genesis_hash().to_string(),
        coin: spec.coin_name.clone(),
        symbol: spec.coin_symbol.clone(),
        difficulty: spec.starting_bits,
        spacing_s: spec.spacing_s,
        height: 0,
        directory: directory.to_owned(),
        is_elsewhere: false,
        threads: config.mining.map_or(0, |mining| mining.threads.get()),
        kernel: config.mining.map(|mining| mining.kernel.name()),
        payout,
    }
}

/// The thread that prints what the node reports.
struct Show {
    thread: JoinHandle<()>,
    /// Nobody reads standard output any more.
    closed: Arc<AtomicBool>,
}

impl Show {
    fn start(
        name: String,
        json: bool,
        ready: &NodeReady,
        reports: broadcast::Receiver<NumberedReport>,
    ) -> Result<Self, Failure> {
        let (out, style): (Box<dyn Write + Send>, Style) = if json {
            (Box::new(io::stdout()), Style::Json)
        } else {
            (Box::new(io::stderr()), Style::of_stderr())
        };
        let mut terminal = Terminal::new(out, style, Scope::OneNode);
        let closed = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&closed);
        if terminal.line(&Line::NodeReady(ready)).is_err() && json {
            closed.store(true, Ordering::Relaxed);
        }
        let starter = thread::current();
        let print = move || {
            let gone = json.then_some((&*gone, &starter));
            print_all(&name, reports, &mut terminal, gone);
            // The node has ended.
            starter.unpark();
        };
        let thread = Builder::new().name("events".to_owned()).spawn(print)?;
        Ok(Self { thread, closed })
    }

    /// Prints what is left of a node that has stopped.
    fn join(self) {
        // It only prints; if it panicked there is nothing left to print.
        let _ = self.thread.join();
    }
}

/// Prints until the node has stopped. Without a reader of the text there is nobody to tell, and the
/// node goes on; whoever reads JSON wants to be its only reason to run.
fn print_all(
    name: &str,
    mut reports: broadcast::Receiver<NumberedReport>,
    terminal: &mut Terminal<Box<dyn Write + Send>>,
    gone: Option<(&AtomicBool, &Thread)>,
) {
    loop {
        let printed = match reports.blocking_recv() {
            Ok(reported) => terminal.event(name, &reported),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                terminal.line(&Line::Missed { node: name, count })
            }
            Err(broadcast::error::RecvError::Closed) => {
                // Nobody to tell it to is no trouble any more.
                let _ = terminal.left_out(name, Duration::MAX);
                return;
            }
        };
        if printed.is_err()
            && let Some((gone, starter)) = gone
        {
            gone.store(true, Ordering::Relaxed);
            starter.unpark();
        }
    }
}
