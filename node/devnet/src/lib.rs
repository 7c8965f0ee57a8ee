//! A whole network in one process: a bootstrap node, miners and wallets over real sockets.
//!
//! [`run`] works out the `plan`, starts the `network`, lets the wallets make `traffic`,
//! prints what happens (`printer`), and when it is time brings all nodes to one tip (`convergence`)
//! and tells what they left on disk (`audit`, `summary`).

mod audit;
mod convergence;
mod difficulty;
mod failure;
mod mining_outcome;
mod network;
mod options;
mod plan;
mod printer;
mod ready;
mod summary;
mod traffic;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use audit::Audit;
use chain::genesis::Network;
use command::interrupt::{Ask, Interrupt};
use convergence::{Convergence, Progress, SETTLE_MAX};
use machine::store::StoreError;
use network::{BOOTSTRAP, RunningNetwork};
use output::events::Line;
use output::summary::Reason;
use plan::Plan;
use printer::Printer;
use ready::ready;
use server::directory::DirectoryError;
use server::operator::pass;
use show::streams::note;
use show::style::Style;
use summary::{Audited, summary};
use traffic::Payers;

pub use network::{NodeEndedError, NodeStartError};
pub use options::{DevnetOptions, Difficulty};
pub use plan::PlanError;
pub use traffic::TrafficError;

/// How often signals and the nodes' tips are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How often people are told how it goes.
const STATUS_INTERVAL: Duration = Duration::from_secs(15);

/// How the names of directories begin that go away with their devnet.
const TEMPORARY_PREFIX: &str = "lode-devnet-";

/// Devnets whose nodes are looked for: more than one computer carries, left-overs counted.
const DEVNETS_MAX: usize = 256;

/// How a devnet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The height was reached (or the system asked for the end), all nodes agree, all invariants
    /// hold.
    Good,
    /// Ctrl-C; the summary is printed.
    Interrupted,
    /// The nodes disagree or an invariant is broken.
    Bad,
}

/// Why a devnet did not start or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The command line makes no sense, or contradicts the directory.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A node did not start.
    #[error("{0}")]
    Start(#[from] NodeStartError),
    /// The directory's file is of no use.
    #[error("{BOOTSTRAP}: {0}")]
    Directory(#[from] DirectoryError),
    /// A node ended by itself.
    #[error("{0}")]
    Ended(#[from] NodeEndedError),
    /// The wallets could not begin.
    #[error("{0}")]
    Traffic(#[from] TrafficError),
    /// A directory could not be read back.
    #[error("{name}: {source}")]
    Audit {
        /// Name of the node whose directory it is.
        name: String,
        /// What is wrong with its store.
        source: StoreError,
    },
    /// The operating system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What it says.
        source: io::Error,
    },
}

/// The data directories of nodes of devnets that run here without a directory of their own.
pub fn temporary_directories() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let homes = folders
        .filter(|folder| folder.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX))
        .take(DEVNETS_MAX);
    let mut found: Vec<PathBuf> =
        homes.flat_map(|home| pass::directories_in(&home.path())).collect();
    found.sort();
    found
}

/// Runs a devnet to its end.
///
/// # Errors
/// [`DevnetError`].
pub fn run(options: &DevnetOptions) -> Result<Ending, DevnetError> {
    let interrupt = Interrupt::listen().map_err(system("listen for signals"))?;
    let home = Home::new(options.data_dir.as_deref())?;
    let plan = Plan::new(options, home.path())?;
    if let Some(said) = &plan.calibrated {
        note(said);
    }
    let mut network = RunningNetwork::start(&plan, home.path())?;
    let payers = Payers::connect(&plan, network.bootstrap(), &network.miner_addresses())?;
    let kept = matches!(home, Home::Kept(_));
    let ready = ready(&plan, &network, payers.accounts(), (home.path(), kept));
    let style = Style::of_stdout(options.json);
    let mut printer = Printer::of(&mut network, style).map_err(system("start a thread"))?;
    printer.line(&Line::Ready(&ready));
    let begun = Instant::now();
    let next_status = (style != Style::Json).then(|| begun + STATUS_INTERVAL);
    let payers = Some(payers);
    Devnet { plan, network, payers, printer, interrupt, begun, next_status }.run()
}

/// Where everything is kept: a directory of the user's, or one that goes away.
enum Home {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

/// A devnet that runs.
struct Devnet {
    plan: Plan,
    network: RunningNetwork,
    payers: Option<Payers>,
    printer: Printer,
    interrupt: Interrupt,
    begun: Instant,
    /// When the status is told next; never with `--json`.
    next_status: Option<Instant>,
}

impl Devnet {
    fn run(mut self) -> Result<Ending, DevnetError> {
        let goal = self.plan.until_height;
        // See `convergence`: the block at the goal comes from one miner alone.
        let others = goal.map_or(u32::MAX, |goal| goal.saturating_sub(1));
        self.network.mine_up_to(others, goal.unwrap_or(u32::MAX));
        if let Some(payers) = &mut self.payers {
            payers.start()?;
        }
        let reason = self.watch(goal)?;
        if reason != Reason::UntilHeight {
            self.settle()?;
        }
        self.finish(reason)
    }

    /// Prints until it is time to end, and says why.
    fn watch(&mut self, goal: Option<u32>) -> Result<Reason, DevnetError> {
        let mut convergence = goal.map(Convergence::at);
        loop {
            self.printer.events_for(LOOK_INTERVAL);
            self.tell_status();
            if self.printer.closed() {
                return Ok(Reason::OutputClosed);
            }
            match self.interrupt.asked() {
                Some(Ask::Interrupt) => return Ok(Reason::Interrupted),
                Some(Ask::Terminate) => return Ok(Reason::Terminated),
                None => {}
            }
            if self.network.shall_stop() {
                return Ok(Reason::Terminated);
            }
            self.fail_if_ended()?;
            if let Some(convergence) = &mut convergence
                && self.has_converged(convergence)
            {
                return Ok(Reason::UntilHeight);
            }
        }
    }

    /// Lets the miners rest and the nodes come to one tip, as far as that is possible in a short
    /// time.
    fn settle(&mut self) -> Result<(), DevnetError> {
        self.network.mine_up_to(0, 0);
        let mut convergence = Convergence::at(0);
        let end = Instant::now() + SETTLE_MAX;
        while Instant::now() < end && !self.has_converged(&mut convergence) {
            self.printer.events_for(LOOK_INTERVAL);
            self.fail_if_ended()?;
        }
        Ok(())
    }

    /// Whether all nodes agree now. Breaks a tie that would last.
    fn has_converged(&self, convergence: &mut Convergence) -> bool {
        let Some(standings) = self.network.standings() else {
            return false;
        };
        match convergence.observe(standings, self.begun.elapsed()) {
            Progress::Agreed(_) => true,
            Progress::Waiting => false,
            Progress::BreakTie(height) => {
                self.network.mine_up_to(0, height);
                false
            }
        }
    }

    fn tell_status(&mut self) {
        let now = Instant::now();
        if self.next_status.is_some_and(|due| due <= now) {
            self.next_status = Some(now + STATUS_INTERVAL);
            if let Some(status) = self.network.status() {
                note(&status);
            }
        }
    }

    fn fail_if_ended(&mut self) -> Result<(), DevnetError> {
        if !self.network.has_ended() {
            return Ok(());
        }
        let network = std::mem::replace(
            &mut self.network,
            RunningNetwork { nodes: Vec::new(), directory: None },
        );
        network.stop()?;
        Ok(())
    }

    /// Ends everything and tells what is on disk.
    fn finish(mut self, reason: Reason) -> Result<Ending, DevnetError> {
        let elapsed = self.begun.elapsed();
        let mining = self.network.mining();
        if let Some(payers) = &self.payers {
            payers.stop();
        }
        let stopped = self.network.stop()?;
        if let Some(payers) = self.payers.take() {
            payers.join();
        }
        self.printer.rest();
        let network = &self.plan.network;
        let nodes = stopped.into_iter().map(|node| audited(node, network));
        let nodes = nodes.collect::<Result<Vec<Audited>, DevnetError>>()?;
        let (first, others) = nodes.split_first().expect("a network has a bootstrap node");
        let summary = summary(reason, (first, others), (&mining, elapsed));
        self.printer.line(&Line::Summary(&summary));
        Ok(if reason == Reason::Interrupted {
            Ending::Interrupted
        } else if summary.agreed && summary.invariants.hold() {
            Ending::Good
        } else {
            Ending::Bad
        })
    }
}

impl Home {
    fn new(directory: Option<&Path>) -> Result<Self, DevnetError> {
        match directory {
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(system("make the data directory"))?;
                Ok(Self::Kept(directory.to_owned()))
            }
            None => {
                let made = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir();
                made.map(Self::Temporary).map_err(system("make a temporary directory"))
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(directory) => directory,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

/// What a node that has stopped left in its directory.
fn audited(
    (name, directory): (String, PathBuf),
    network: &Network,
) -> Result<Audited, DevnetError> {
    match Audit::of(&directory, network) {
        Ok(audit) => Ok(Audited { name, directory, audit }),
        Err(source) => Err(DevnetError::Audit { name, source }),
    }
}

fn system(action: &'static str) -> impl Fn(io::Error) -> DevnetError {
    move |source| DevnetError::System { action, source }
}
