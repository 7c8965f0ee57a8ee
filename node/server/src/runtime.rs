//! The real body of a node: sockets, timers, threads and the disk around one machine.
//!
//! One thread owns the machine ([`lanes`] are its inbox, [`outside`] its hands). On a small tokio
//! runtime run the [`listener`], the [`dialer`] and two tasks for each [`connection`]; the
//! [`miner`] has a thread and a rayon pool, [`signatures`] are verified on another pool.

mod clock;
mod codec;
mod connection;
mod dialer;
mod failure;
mod forwarding;
mod greeting;
mod handle;
mod inbound_memory;
mod lanes;
mod listener;
mod miner;
mod outbound;
mod outside;
mod rate_meter;
mod searched;
mod signatures;
mod tally;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chain::genesis::Network;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use clock::Clock;
use connection::Sockets;
use forwarding::Forwarding;
use lanes::{Lanes, Work};
use listener::{into_tokio, listen};
use machine::store::Store;
use machine::{Event, Machine, MachineConfig, MachineError};
use outside::Outside;
use rate_meter::RateMeter;
use wallet::data_directory;

pub use failure::{NodeFailure, StartError};
pub use forwarding::Forwarded;
pub use greeting::{GreetError, greet};
pub use handle::{AskError, Handle};
pub use miner::yield_to_others;
pub use miner::{HashRate, MinerError, MiningConfig};
pub use outside::NumberedReport;
pub use searched::Searched;
pub use signatures::RayonVerifier;
pub use tally::{Luck, Mining};

/// Exit code of a process whose machine panicked (`EX_SOFTWARE` of BSD's `sysexits.h`).
pub const PANIC_EXIT_CODE: i32 = 70;

/// Reports that a slow receiver may be behind before it misses some.
const REPORTS_MAX: usize = 4096;

/// Questions that may wait for the directory, or for whoever answers the operator: one of each
/// connection there can be.
pub const FORWARDED_MAX: usize = listener::INBOUND_MAX;

/// Threads that move bytes between sockets and queues.
const SOCKET_THREADS: usize = 2;

/// How long connections may take to end when the node stops: what they write last, and a margin.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a node keeps its chain.
#[derive(Debug)]
pub enum StorePlace {
    /// In this directory, which is made when it is missing.
    Directory(PathBuf),
    /// In memory: gone when the node stops.
    Memory,
    /// In a store that is open already, of the same network; for those who measure.
    Opened(Box<Store>),
}

/// What happens when the machine panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The process ends at once with [`PANIC_EXIT_CODE`].
    ExitProcess,
    /// The node ends with [`NodeFailure::Panicked`]; for processes that hold several nodes.
    Surface,
}

/// Everything that one node is started with.
pub struct NodeConfig {
    /// For the machine; `listen_port` and `listen_ip` are those of the address that is bound.
    pub machine: MachineConfig,
    /// The network.
    pub network: Arc<Network>,
    /// Where the chain is kept.
    pub store: StorePlace,
    /// Where to accept connections; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How to mine; `None` never mines.
    pub mining: Option<MiningConfig>,
    /// Threads that verify signatures.
    pub verify_threads: NonZeroUsize,
    /// What happens when the machine panics.
    pub on_panic: PanicPolicy,
    /// Who answers questions to the directory: a channel with [`FORWARDED_MAX`] places.
    pub directory: Option<Sender<Forwarded>>,
    /// Who answers whoever runs the node; the same.
    pub operator: Option<SyncSender<Forwarded>>,
}

/// A running node. Dropping it stops it.
pub struct Node {
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// For questions to its machine.
    pub handle: Handle,
    /// Everything the machine reports, from its first word on.
    pub reports: broadcast::Receiver<NumberedReport>,
    /// Cancelled as soon as the machine has ended, whatever the reason; [`Node::stop`] tells it.
    pub ended: CancellationToken,
    rates: Option<Arc<RateMeter>>,
    clock: Clock,
    parts: Option<Parts>,
}

/// What must be ended and joined.
struct Parts {
    lanes: Arc<Lanes>,
    sockets: Arc<Sockets>,
    machine: JoinHandle<Result<(), NodeFailure>>,
    miner: Option<miner::MiningThread>,
    tokio: Runtime,
}

impl Node {
    /// Binds the address, opens the store, and starts everything. Blocks while the store recovers.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    /// When it is called from an async function.
    pub fn start(config: NodeConfig) -> Result<Self, StartError> {
        Self::start_limited(config, None)
    }

    /// The same, but the miner searches no block until [`Node::mine_up_to`] lets it.
    ///
    /// # Errors
    /// As [`Node::start`].
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start_resting(config: NodeConfig) -> Result<Self, StartError> {
        Self::start_limited(config, Some(0))
    }

    fn start_limited(mut config: NodeConfig, height_max: Option<u32>) -> Result<Self, StartError> {
        let clock = Clock::start();
        let (listener, address) = listen(config.listen)?;
        config.machine.listen_port = address.port();
        config.machine.listen_ip = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        let (mining, on_panic) = (config.mining, config.on_panic);
        let forwarding = Forwarding::to(config.directory.take(), config.operator.take());
        let machine = new_machine(config, clock)?;
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SOCKET_THREADS)
            .thread_name("sockets")
            .enable_all()
            .build()
            .map_err(|error| StartError::Threads(error.to_string()))?;
        let listener = into_tokio(&tokio, listener)
            .map_err(|source| StartError::Listen { address, source })?;
        let lanes = Arc::new(Lanes::default());
        let sockets = Arc::new(Sockets::new(Arc::clone(&lanes)));
        let miner = match mining {
            Some(mining) => Some(miner::MiningThread::start(mining, Arc::clone(&lanes), clock)?),
            None => None,
        };
        if let (Some(miner), Some(height_max)) = (&miner, height_max) {
            miner.slot.limit(height_max);
        }
        let rates = miner.as_ref().map(|miner| RateMeter::start(&miner.meter, clock, &tokio));
        let (tell, reports) = broadcast::channel(REPORTS_MAX);
        let slot = miner.as_ref().map(|miner| Arc::clone(&miner.slot));
        let outside =
            Outside::new(Arc::clone(&sockets), slot, tell, tokio.handle().clone(), forwarding);
        let ended = CancellationToken::new();
        let owner = MachineThread { machine, lanes: Arc::clone(&lanes), outside, clock, on_panic };
        let machine = owner.spawn(ended.clone())?;
        let accepting = listener::accept(Arc::clone(&sockets), listener);
        sockets.tasks.spawn_on(accepting, tokio.handle());
        Ok(Self {
            address,
            handle: Handle::new(Arc::clone(&lanes)),
            reports,
            ended,
            rates,
            clock,
            parts: Some(Parts { lanes, sockets, machine, miner, tokio }),
        })
    }

    /// How fast it mines; `None` on a node that never does.
    pub fn hash_rate(&self) -> Option<HashRate> {
        self.rates.as_ref().map(|rates| rates.read(self.clock))
    }

    /// Searches no block above `height` from now on; zero lets the miner rest. A block that was
    /// found already is not taken back.
    pub fn mine_up_to(&self, height: u32) {
        if let Some(miner) = self.parts.as_ref().and_then(|parts| parts.miner.as_ref()) {
            miner.slot.limit(height);
        }
    }

    /// Flushes the store, says the last words on every connection, and ends everything.
    ///
    /// # Errors
    /// Why the node had ended before, or why it could not flush.
    pub fn stop(mut self) -> Result<(), NodeFailure> {
        self.parts.take().map_or(Ok(()), Parts::stop)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // Whoever drops a node instead of stopping it does not ask how it went.
            let _ = parts.stop();
        }
    }
}

impl Parts {
    fn stop(self) -> Result<(), NodeFailure> {
        if let Some(miner) = &self.miner {
            miner.slot.stop();
        }
        self.lanes.close();
        let outcome = self.machine.join();
        self.sockets.stop.cancel();
        self.sockets.tasks.close();
        self.tokio.block_on(async {
            // Those that are not done by then end with the runtime.
            let _ = tokio::time::timeout(STOP_TIMEOUT, self.sockets.tasks.wait()).await;
        });
        self.tokio.shutdown_timeout(STOP_TIMEOUT);
        let miner_is_well = self.miner.is_none_or(miner::MiningThread::stop);
        match outcome {
            Ok(Ok(())) if !miner_is_well => {
                Err(NodeFailure::Panicked("the mining thread panicked".to_owned()))
            }
            Ok(ended) => ended,
            Err(panic) => Err(NodeFailure::Panicked(panic_message(&*panic))),
        }
    }
}

/// The thread that owns the machine, and everything it needs.
struct MachineThread {
    machine: Machine,
    lanes: Arc<Lanes>,
    outside: Outside,
    clock: Clock,
    on_panic: PanicPolicy,
}

impl MachineThread {
    fn spawn(
        self,
        ended: CancellationToken,
    ) -> Result<JoinHandle<Result<(), NodeFailure>>, StartError> {
        let lanes = Arc::clone(&self.lanes);
        let on_panic = self.on_panic;
        let body = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run()));
            let outcome = outcome.unwrap_or_else(|panic| {
                let failure = NodeFailure::Panicked(panic_message(&*panic));
                if on_panic == PanicPolicy::ExitProcess {
                    eprintln!("lode: {failure}");
                    std::process::exit(PANIC_EXIT_CODE);
                }
                Err(failure)
            });
            // Nobody shall wait for a machine that is no more.
            lanes.close();
            ended.cancel();
            outcome
        };
        Builder::new()
            .name("machine".to_owned())
            .spawn(body)
            .map_err(|error| StartError::Threads(error.to_string()))
    }

    /// Serves the lanes until the node stops or the machine has trouble of its own. After such
    /// trouble nothing is flushed: the next start recovers.
    fn run(mut self) -> Result<(), NodeFailure> {
        self.handle(Event::Wakeup)?;
        loop {
            match self.lanes.next(self.machine.next_wakeup(), &self.clock) {
                Work::Stop => return Ok(self.machine.shutdown()?),
                Work::Wakeup => self.handle(Event::Wakeup)?,
                Work::Own(event) => {
                    let asker = event.answers();
                    self.handle(event)?;
                    if let Some(peer) = asker {
                        self.outside.answered(peer);
                    }
                }
                Work::Question(question) => question(&self.machine),
                Work::Peer(mut work) => {
                    if self.outside.admit(&mut work) {
                        self.handle(work.event)?;
                    }
                    if let Some(handled) = work.handled {
                        self.outside.say_handled(work.peer, handled);
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), MachineError> {
        let now = self.clock.now();
        let effects = self.machine.handle(now, event)?;
        self.outside.carry_out(now, effects);
        Ok(())
    }
}

fn new_machine(config: NodeConfig, clock: Clock) -> Result<Machine, StartError> {
    let store = match config.store {
        StorePlace::Memory => Store::in_memory(&config.network)?,
        StorePlace::Directory(directory) => {
            let store = Store::open(&directory, &config.network)?;
            data_directory::pin(&directory, &config.network)?;
            store
        }
        StorePlace::Opened(store) => *store,
    };
    let verifier = RayonVerifier::new(config.verify_threads)
        .map_err(|error| StartError::Threads(error.to_string()))?;
    Ok(Machine::new(config.machine, config.network, store, Box::new(verifier), clock.now())?)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
