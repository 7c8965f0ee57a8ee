//! `Handle`: questions to a running machine, answered on its own thread.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chain::genesis::Network;
use chain::header::Header;
use chain::transaction::{Coinbase, Transaction};
use tokio::sync::oneshot;
use wire::Message;

use super::lanes::{Lanes, Refused};
use machine::store::Reader;
use machine::template::Template;
use machine::{Event, Machine, PeerId};

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too many questions wait.
    #[error("the node is busy: too many questions wait; ask again later")]
    Busy,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
    /// The question itself panicked; the node is unharmed.
    #[error("the question failed inside the node, which goes on")]
    Panicked,
}

/// Asks a running machine and brings it what other parts of the process know. Clones ask the same
/// one.
#[derive(Clone)]
pub struct Handle {
    lanes: Arc<Lanes>,
    reader: Reader,
    network: Arc<Network>,
}

impl Handle {
    pub(super) fn new(lanes: Arc<Lanes>, machine: &Machine) -> Self {
        let network = Arc::clone(machine.network());
        Self { lanes, reader: machine.reader().clone(), network }
    }

    /// Reads what is on disk, at the published tip, without asking the machine.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The network that the node is part of.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Runs `question` between two events, on one consistent state. It should be quick: the node
    /// does nothing else meanwhile.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let answer = self.queue(question)?;
        answer.await.unwrap_or(Err(AskError::Stopped))
    }

    /// The same for threads without tokio; it blocks them.
    ///
    /// # Errors
    /// [`AskError`].
    ///
    /// # Panics
    /// When it is called from an async function.
    pub fn ask_blocking<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, AskError> {
        let answer = self.queue(question)?;
        answer.blocking_recv().unwrap_or(Err(AskError::Stopped))
    }

    /// Answers a [`super::Forwarded`] question: exactly once each, as its connection waits for it.
    pub fn reply(&self, peer: PeerId, message: Message) {
        self.lanes.push_answer(Event::Reply { peer, message: Box::new(message) });
    }

    /// Offers a transaction of this process; what becomes of it is reported.
    pub fn submit(&self, transaction: Transaction) {
        self.lanes.push_own(Event::OwnTransaction(Box::new(transaction)));
    }

    /// Brings the solution of a template that [`super::Node::templates`] offered, the latest or
    /// not: it becomes a block while the tip is the template's. Check the target first.
    ///
    /// # Errors
    /// [`AskError`]: so much waits for the machine that something is wrong, or it has stopped.
    pub fn submit_solution(
        &self,
        template: Arc<Template>,
        header: Header,
        coinbase: Coinbase,
    ) -> Result<(), AskError> {
        let solved = self.lanes.try_push_own(Event::Mined { template, header, coinbase });
        solved.map_err(AskError::from)
    }

    /// Tells the node where others are; it dials them at once. At most
    /// [`wire::peer::ADDRESSES_MAX`] are taken.
    pub fn tell_addresses(&self, addresses: Vec<SocketAddr>) {
        self.lanes.push_own(Event::Addresses(addresses));
    }

    fn queue<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, AskError>>, AskError> {
        let (answer, wait) = oneshot::channel();
        let asked = self.lanes.ask(Box::new(move |machine| {
            // A question cannot leave the machine half changed: it only reads.
            let result = catch_unwind(AssertUnwindSafe(|| question(machine)));
            // Whoever asked may have given up waiting.
            let _ = answer.send(result.map_err(|_| AskError::Panicked));
        }));
        asked.map(|()| wait).map_err(AskError::from)
    }
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Busy,
            Refused::Stopped => Self::Stopped,
        }
    }
}
