//! The real body of a node: sockets, timers, threads and the disk around one machine.
//!
//! One thread owns the machine (`lanes` are its inbox, `outside` its hands), another one makes
//! blocks durable (`disk`), a third reads what wallets ask (`history`). On a small tokio runtime
//! run the `listener`, the `dialer` and two tasks for each `connection`; those of clients on
//! another one, which has less `priority`. What is to be mined goes out through `templates`: to the
//! own `miner` with its thread and rayon pool, and to whoever else searches with one of the
//! `leases`. `signatures` are verified on another pool.

mod arriving;
mod clock;
mod codec;
mod config;
mod connection;
mod connection_memory;
mod dialer;
mod disk;
mod doorkeeper;
mod failure;
mod forwarding;
mod greeting;
mod handle;
mod history;
mod lanes;
mod leases;
mod listener;
mod miner;
mod mining_statistics;
mod outbound;
mod outside;
mod priority;
mod search_statistics;
mod signatures;
mod templates;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use client::data_directory;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use clock::Clock;
use connection::Sockets;
use disk::Disk;
use forwarding::Forwarding;
use history::HistoryReader;
use lanes::{Lanes, Work};
use listener::{INBOUND_MAX, into_tokio, listen};
use machine::store::Store;
use machine::{Event, Machine, MachineError, Surroundings};
use miner::{MiningThread, OwnMiner};
use mining_statistics::MiningStatistics;
use outside::Outside;
use search_statistics::SearchWatcher;
use templates::Templates;

pub use config::{NodeConfig, PanicPolicy, StorePlace};
pub use failure::{NodeFailure, StartError};
pub use forwarding::Forwarded;
pub use greeting::{GreetError, greet};
pub use handle::{AskError, Handle};
pub use leases::{HeldLease, LEASES_MAX, Leases};
pub use miner::{MinerError, MiningConfig};
pub use mining_statistics::{HashRate, Luck, Mining};
pub use outside::NumberedReport;
pub use priority::yield_to_others;
pub(crate) use priority::{rest, yield_to_the_chain};
pub use search_statistics::SearchStatistics;
pub use signatures::RayonVerifier;
pub use templates::Offer;

/// Exit code of a process whose machine panicked (`EX_SOFTWARE` of BSD's `sysexits.h`).
pub const PANIC_EXIT_CODE: i32 = 70;

/// Reports that a slow receiver may be behind before it misses some.
const REPORTS_MAX: usize = 4096;

/// Questions that may wait for the directory, or for whoever answers the operator: one of each
/// connection there can be.
pub const FORWARDED_MAX: usize = INBOUND_MAX;

/// Threads that move bytes between sockets and queues, for nodes and for whoever has not said what
/// it is.
const SOCKET_THREADS: usize = 2;

/// The same for clients.
const CLIENT_THREADS: usize = 1;

/// How long connections and their threads may take to end when the node stops: what they write
/// last, and a margin.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// Shares of every template's extra nonces, for whoever searches besides the own pool.
    pub leases: Leases,
    statistics: Option<Arc<MiningStatistics>>,
    clock: Clock,
    parts: Option<Parts>,
}

/// What must be ended and joined.
struct Parts {
    lanes: Arc<Lanes>,
    sockets: Arc<Sockets>,
    machine: JoinHandle<Result<(), NodeFailure>>,
    templates: Arc<Templates>,
    miner: Option<MiningThread>,
    tokio: Runtime,
    clients: Runtime,
}

impl Node {
    /// Binds the address, opens the store, and starts everything. Blocks while the store recovers.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    /// When it is called from an async function.
    pub fn start(mut config: NodeConfig) -> Result<Self, StartError> {
        let clock = Clock::start();
        let (listener, address) = listen(config.listen)?;
        let (mining, mine_up_to, on_panic) = (config.mining, config.mine_up_to, config.on_panic);
        let forwarding = Forwarding::to(config.directory.take(), config.operator.take());
        let machine = new_machine(config, address, clock)?;
        let tokio = runtime("sockets", SOCKET_THREADS, || ())?;
        let clients = runtime("clients", CLIENT_THREADS, yield_to_the_chain)?;
        let listener = into_tokio(&tokio, listener)
            .map_err(|source| StartError::Listen { address, source })?;
        let lanes = Arc::new(Lanes::default());
        let sockets = Arc::new(Sockets::new(Arc::clone(&lanes), clients.handle().clone()));
        let pool = mining.map(miner::pool).transpose().map_err(MinerError::from)?;
        let meter = pool.as_ref().map(engine::Miner::meter);
        let statistics = meter.clone().map(|meter| Arc::new(MiningStatistics::new(meter)));
        let templates = Arc::new(Templates::new(machine.tip().hash, mine_up_to, meter));
        let miner = match pool.zip(statistics.clone()) {
            Some((pool, statistics)) => {
                statistics.feed_on(&tokio, clock);
                let (lanes, offers) = (Arc::clone(&lanes), templates.subscribe());
                let watcher = Arc::new(SearchWatcher::default());
                let own = OwnMiner { pool, offers, statistics, watcher, lanes, clock };
                Some(MiningThread::start(own, tokio.handle().clone())?)
            }
            None => None,
        };
        let (tell, reports) = broadcast::channel(REPORTS_MAX);
        let verifier = RayonVerifier::shared().map_err(StartError::Threads)?;
        let disk = Disk::start(Arc::clone(&lanes))
            .map_err(|error| StartError::Threads(error.to_string()))?;
        let histories = HistoryReader::start(Arc::clone(&lanes))
            .map_err(|error| StartError::Threads(error.to_string()))?;
        let own = (disk, histories, verifier);
        let outgoing = Arc::clone(&templates);
        let outside = Outside::new(
            Arc::clone(&sockets),
            outgoing,
            tell,
            tokio.handle().clone(),
            forwarding,
            own,
        );
        let ended = CancellationToken::new();
        let handle = Handle::new(Arc::clone(&lanes), &machine);
        let owner = MachineThread { machine, lanes: Arc::clone(&lanes), outside, clock, on_panic };
        let machine = owner.spawn(ended.clone())?;
        let accepting = listener::accept(Arc::clone(&sockets), listener, clock, INBOUND_MAX);
        sockets.tasks.spawn_on(accepting, tokio.handle());
        Ok(Self {
            address,
            handle,
            reports,
            ended,
            leases: Leases::default(),
            statistics,
            clock,
            parts: Some(Parts { lanes, sockets, machine, templates, miner, tokio, clients }),
        })
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
        // Nobody shall search while the rest ends.
        self.templates.limit(0);
        self.lanes.close();
        let outcome = self.machine.join();
        self.sockets.stop.cancel();
        self.sockets.tasks.close();
        let end = Instant::now() + STOP_TIMEOUT;
        self.tokio.block_on(async {
            // Those that are not done by then end with their runtime.
            let _ = tokio::time::timeout(STOP_TIMEOUT, self.sockets.tasks.wait()).await;
        });
        // The machine's thread had the other half: no offer can come any more.
        drop(self.templates);
        let miner_is_well = self.miner.is_none_or(MiningThread::join);
        for runtime in [self.clients, self.tokio] {
            runtime.shutdown_timeout(end.saturating_duration_since(Instant::now()));
        }
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
    /// Is dropped before the machine, which holds the lock of the files that it writes.
    outside: Outside,
    machine: Machine,
    lanes: Arc<Lanes>,
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
            let work = self.lanes.next(self.machine.next_wakeup(), &self.clock);
            let (began, is_for_clients) = (self.clock.monotonic(), work.is_for_clients());
            match work {
                Work::Stop => return self.shut_down(),
                Work::Wakeup => self.handle(Event::Wakeup)?,
                Work::Own(event) => {
                    let asker = event.answers();
                    if matches!(event, Event::Written { .. }) {
                        self.outside.written();
                    }
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
            if is_for_clients {
                let now = self.clock.monotonic();
                self.lanes.client_had(now.saturating_sub(began), now);
            }
        }
    }

    /// Waits for the disk and tells others what is durable then, for the last time; then writes all
    /// that is left.
    fn shut_down(mut self) -> Result<(), NodeFailure> {
        while let Some(outcome) = self.outside.wait_for_disk() {
            self.handle(Event::Written { outcome })?;
        }
        Ok(self.machine.shutdown()?)
    }

    fn handle(&mut self, event: Event) -> Result<(), MachineError> {
        let now = self.clock.now();
        let effects = self.machine.handle(now, event)?;
        self.outside.carry_out(now, effects);
        Ok(())
    }
}

/// Starts threads of their own for sockets; each begins with `first`.
fn runtime(
    name: &'static str,
    threads: usize,
    first: impl Fn() + Send + Sync + 'static,
) -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .on_thread_start(first)
        .enable_all()
        .build()
        .map_err(|error| StartError::Threads(error.to_string()))
}

fn new_machine(
    config: NodeConfig,
    address: SocketAddr,
    clock: Clock,
) -> Result<Machine, StartError> {
    let store = match config.store {
        StorePlace::Memory => Store::in_memory(&config.network)?,
        StorePlace::Directory(directory) => {
            let store = Store::open_watched(&directory, &config.network, &config.opening)?;
            data_directory::pin(&directory, &config.network)?;
            store
        }
        StorePlace::Opened(store) => *store,
    };
    let surroundings = Surroundings { listening: Some(address), known: config.known };
    Ok(Machine::new(config.machine, surroundings, config.network, store, clock.now())?)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
