//! The bootstrap node's directory: who mines where, who has which name, and the faucet.
//!
//! One thread ([`THREAD`]) owns the `desk`. The node forwards questions that passed its checks;
//! answers go back through its handle. `registry`, `names` and [`faucet`] decide and are told
//! the time; [`database`] remembers; the calls that dial miners back are tasks of this thread.

pub mod database;
mod desk;
pub mod faucet;
mod names;
mod news;
mod registry;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use chain::genesis::Network;
use chain::key::SecretKey;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use wire::directory::MinerEntry;

pub use news::News;
pub use registry::EXPIRY;

use crate::runtime::{Forwarded, Handle, yield_to_the_chain};
use database::DatabaseError;
use desk::Desk;

/// Name of the thread.
pub const THREAD: &str = "directory";

/// What a directory is started with.
pub struct DirectoryOrder {
    /// The network.
    pub network: Arc<Network>,
    /// The data directory of its node, which has it locked.
    pub directory: PathBuf,
    /// The key of the faucet; none for a directory without one.
    pub faucet: Option<SecretKey>,
    /// Miners of the same process: listed for ever.
    pub miners: Vec<MinerEntry>,
    /// The node.
    pub handle: Handle,
    /// What the node forwards.
    pub questions: Receiver<Forwarded>,
    /// Hears what happens, on the directory's thread.
    pub tell: Box<dyn FnMut(News) + Send>,
}

/// A running directory. It ends with its node, or when it is stopped.
pub struct Directory {
    thread: JoinHandle<()>,
    stop: CancellationToken,
}

/// Why a directory did not start.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Its file is of no use.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The operating system refused a thread.
    #[error("cannot start the directory's thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Directory {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn start(order: DirectoryOrder) -> Result<Self, DirectoryError> {
        let stop = CancellationToken::new();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let desk = Desk::open(order, stop.clone())?;
        let serve = move || {
            yield_to_the_chain();
            tokio.block_on(desk.serve());
        };
        let thread = Builder::new().name(THREAD.to_owned()).spawn(serve)?;
        Ok(Self { thread, stop })
    }

    /// Ends it. Everything that was answered is on disk already.
    pub fn stop(self) {
        self.stop.cancel();
        // If it panicked there is nothing left to end.
        let _ = self.thread.join();
    }
}

/// Where the directory's file lies in a data directory.
pub fn database_file(directory: &Path) -> PathBuf {
    directory.join(database::FILE)
}
