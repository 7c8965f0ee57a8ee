//! `Beside`: what else goes on while a node is timed. Clients that ask as fast as they can, or, to
//! compare, threads that burn as much processor time and ask nothing.

use std::fs;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use chain::genesis::Network;
use client::node_client::{ClientError, NodeClient, Timeouts};
use client::operator_client::OperatorClient;
use server::operator::pass::Pass;
use server::operator::{About, OperatorDesk, Role};
use server::runtime::{Forwarded, Node};
use tempfile::TempDir;
use wire::operator::{BlockName, Question, Token};

use super::super::chain_builder::PAYOUT;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a burner works before it rests, if it rests.
const BURN: Duration = Duration::from_micros(100);

/// How often what was burned is compared with what shall be.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// In thousandths: how much of its time each burner burns.
const WHOLE: u64 = 1000;

/// What goes on.
pub(super) struct Beside {
    /// Clients, or burners.
    pub threads: u32,
    /// Processor seconds a second that all but the mining threads shall take together; `None` for
    /// clients, which take what they can.
    pub burn: Option<f64>,
    counts: Arc<Counts>,
}

/// What has gone on so far.
#[derive(Default)]
struct Counts {
    answers: AtomicU64,
    /// Nanoseconds that it went on, and those that all but the mining threads had a processor then.
    passed: AtomicU64,
    used: AtomicU64,
}

/// Threads that work until they are ended.
pub(super) struct GoingOn {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
    started: Instant,
    used: Duration,
    _desk: OperatorDesk,
    _directory: TempDir,
}

impl Beside {
    pub(super) fn new(threads: u32, burn: Option<f64>) -> Self {
        Self { threads, burn, counts: Arc::default() }
    }

    /// Answers that clients got.
    pub(super) fn answers(&self) -> u64 {
        self.counts.answers.load(Ordering::Relaxed)
    }

    /// Seconds that it went on.
    pub(super) fn seconds(&self) -> f64 {
        self.counts.passed.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// Processor seconds a second that all but the mining threads took.
    pub(super) fn used(&self) -> f64 {
        self.counts.used.load(Ordering::Relaxed) as f64 / 1e9 / self.seconds().max(1e-9)
    }

    /// Begins beside a node that has just started.
    pub(super) fn begin(
        &self,
        node: &Node,
        network: &Arc<Network>,
        asked: Receiver<Forwarded>,
    ) -> anyhow::Result<GoingOn> {
        let directory = tempfile::Builder::new().prefix("lode-bench-").tempdir()?;
        let path = directory.path().to_owned();
        let about = About { name: "bench".to_owned(), role: Role::Miner, directory: path };
        let desk = OperatorDesk::open(about, node, asked)?;
        let token = Pass::read(directory.path())?.token;
        let stop = Arc::new(AtomicBool::new(false));
        let share = Arc::new(AtomicU64::new(share(self.burn.unwrap_or_default(), self.threads)));
        let mut threads = Vec::new();
        let (first_answer, first_answers) = sync_channel(self.threads as usize);
        for number in 0..self.threads {
            let (stop, counts, share) =
                (Arc::clone(&stop), Arc::clone(&self.counts), Arc::clone(&share));
            let (address, network) = (node.address, Arc::clone(network));
            let burns = self.burn.is_some();
            let first_answer = first_answer.clone();
            threads.push(Builder::new().name(format!("client-{number}")).spawn(move || {
                if burns {
                    return burn(&share, &stop);
                }
                let asking = Asking { address, network: &network, counts: &counts, stop: &stop };
                // Its first answer, or that there will be none, is waited for; later on it ends
                // with the node, if not before.
                if let Err(error) = asking.ask(number, token, &first_answer) {
                    let _ = first_answer.try_send(Err(error));
                }
            })?);
        }
        drop(first_answer);
        if self.burn.is_none() {
            // How they connect is not what is timed.
            for _ in 0..self.threads {
                let first = first_answers.recv_timeout(PATIENCE).map_err(anyhow::Error::from);
                if let Err(error) = first.and_then(|first| Ok(first?)) {
                    stop.store(true, Ordering::Relaxed);
                    anyhow::bail!("a client got no answer: {error}");
                }
            }
        }
        let (started, used) = (Instant::now(), used_so_far());
        if let Some(rate) = self.burn {
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || govern(rate, &share, &stop)));
        }
        let counts = Arc::clone(&self.counts);
        Ok(GoingOn { stop, threads, counts, started, used, _desk: desk, _directory: directory })
    }
}

impl GoingOn {
    /// Ends it before the node is stopped.
    pub(super) fn end(self) {
        let add = |sum: &AtomicU64, time: Duration| {
            sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(0), Ordering::Relaxed);
        };
        add(&self.counts.used, used_so_far().saturating_sub(self.used));
        add(&self.counts.passed, self.started.elapsed());
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A client that panicked asks no more; the count of answers tells.
            let _ = thread.join();
        }
    }
}

/// Where a client tells that it has an answer, or why it has none.
type FirstAnswer = SyncSender<Result<(), ClientError>>;

/// What a client needs to ask.
struct Asking<'a> {
    address: SocketAddr,
    network: &'a Network,
    counts: &'a Counts,
    stop: &'a AtomicBool,
}

impl Asking<'_> {
    /// Asks until it shall stop: every other one for the history of a wallet, the others for blocks
    /// and transactions.
    fn ask(&self, number: u32, token: Token, first: &FirstAnswer) -> Result<(), ClientError> {
        let timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };
        if number.is_multiple_of(2) {
            let mut wallet = NodeClient::connect(self.address, self.network, timeouts)?;
            return self.repeat(first, |_| wallet.history(PAYOUT).map(drop));
        }
        let mut operator = OperatorClient::connect(self.address, self.network, token, timeouts)?;
        let txid = self.network.genesis.txids[0];
        self.repeat(first, |round| {
            let question = match round % 2 {
                0 => Question::Block(BlockName::Height(round / 2 % 8)),
                _ => Question::Tx(txid),
            };
            // Whether there is such a block yet is all the same.
            operator.ask(question).map(drop)
        })
    }

    /// Counts answers, and tells of the first one.
    fn repeat(
        &self,
        first: &FirstAnswer,
        mut question: impl FnMut(u32) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let mut first = Some(first);
        for round in 0u32.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            question(round)?;
            self.counts.answers.fetch_add(1, Ordering::Relaxed);
            // There is room for one of each client.
            let _ = first.take().map(|first| first.try_send(Ok(())));
        }
        Ok(())
    }
}

/// Burns the part of the time that `share` says.
fn burn(share: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let until = Instant::now() + BURN;
        while Instant::now() < until {
            black_box(chain::hash::sha256(black_box(&[0; 64])));
        }
        let share = share.load(Ordering::Relaxed).clamp(1, WHOLE);
        let rest = BURN.mul_f64((WHOLE - share) as f64 / share as f64);
        if !rest.is_zero() {
            thread::sleep(rest);
        }
    }
}

/// What each of so many burners burns of its time when all of them shall take `rate`.
#[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
fn share(rate: f64, burners: u32) -> u64 {
    (rate / f64::from(burners) * WHOLE as f64) as u64
}

/// Sets `share` so that all but the mining threads take `rate` processor seconds a second.
#[expect(clippy::cast_sign_loss, reason = "it is clamped to what is not negative")]
fn govern(rate: f64, share: &AtomicU64, stop: &AtomicBool) {
    let (started, before) = (Instant::now(), used_so_far());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK_INTERVAL);
        let due = rate * started.elapsed().as_secs_f64();
        let behind_s = due - used_so_far().saturating_sub(before).as_secs_f64();
        let now = share.load(Ordering::Relaxed) as f64;
        let next = (now * (1.0 + behind_s.clamp(-0.05, 0.05))).clamp(1.0, WHOLE as f64);
        share.store(next.round() as u64, Ordering::Relaxed);
    }
}

/// How long all threads of this process but the mining ones have had a processor; zero where the
/// system does not tell.
fn used_so_far() -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = threads.map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if name.starts_with("mine-") {
            return 0;
        }
        // Run time first, in nanoseconds.
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(used.sum())
}
