//! `Lanes`: what waits for the machine's thread, in the order in which it is served.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use wire::Message;

use super::clock::Clock;
use super::outbound::Outbound;
use machine::{Event, Machine, PeerId};

/// Questions that may wait at once; a further one is refused.
const QUESTIONS_MAX: usize = 64;

/// Events of the node itself that may wait when one more is offered that may be refused.
const OWN_MAX: usize = 256;

/// Own blocks, timers and questions go first, but after this many in a row one event of a peer is
/// served: no flood of questions shuts the network out.
const FAVORED_MAX: u32 = 8;

/// Blocks and transactions, and all that belongs to a connection itself, go before the questions of
/// wallets, operators and callers of the directory; but after this many in a row one of those is
/// served.
const NODES_FAVORED_MAX: u32 = 8;

/// One part in so many of the machine's time is for clients at most, whatever they ask: the rest is
/// there for the chain. They pay for it by waiting, also where the machine has nothing else to do.
const CLIENTS_PART: u32 = 8;

/// Clients wait once they have had so much of the machine's time since they last did: a wait after
/// every question would cost more wake-ups than it saves.
const CLIENTS_PIECE: Duration = Duration::from_micros(50);

/// Longest of these waits. A single call may have taken long because the computer was busy, and a
/// wallet that is not answered takes another node.
const CLIENTS_REST_MAX: Duration = Duration::from_millis(100);

/// Longest sleep without looking at the clock again.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// A closure that reads the machine; it answers through a channel of its own.
pub(super) type Question = Box<dyn FnOnce(&Machine) + Send>;

/// An event of one connection.
pub(super) struct PeerWork {
    /// Whose; none for a dial that failed.
    pub peer: Option<PeerId>,
    /// The event of this connection.
    pub event: Event,
    /// What the connection is: it says who pays for the work, and where what it asks waits.
    pub lane: Lane,
    /// Comes with [`Event::Connected`]: where frames for this connection go from now on.
    pub outbound: Option<Arc<Outbound>>,
    /// Hears when the event is handled and its effects are carried out.
    pub handled: Option<oneshot::Sender<()>>,
}

/// What the machine's thread does next.
pub(super) enum Work {
    /// Flush and end.
    Stop,
    /// An event that no connection waits with: a solution, an answer, the outcome of writes.
    Own(Event),
    /// The machine's own time has come.
    Wakeup,
    /// Somebody in this process asks the machine something.
    Question(Question),
    /// Something happened on a connection.
    Peer(PeerWork),
}

impl Work {
    /// Whether it is done for a client: for what one of them says, for an answer to it, or for a
    /// question in this process, as whoever answers operators asks them.
    pub fn is_for_clients(&self) -> bool {
        match self {
            Self::Stop | Self::Wakeup => false,
            Self::Own(event) => event.answers().is_some(),
            Self::Question(_) => true,
            Self::Peer(work) => work.lane == Lane::Clients,
        }
    }
}

/// What a connection is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A node, or nobody knows yet what.
    Nodes,
    /// A wallet, an operator, or a caller of the directory.
    Clients,
}

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait already.
    Full,
    /// The node has stopped.
    Stopped,
}

/// The queues in front of the machine's thread. The lanes of connections are bounded by the number
/// of those: each has one event in them and waits until that is handled. Beside it there may be the
/// answer to its last question, its end, word of its empty queue, and word of what arrives.
#[derive(Default)]
pub(super) struct Lanes {
    /// Threads of lower priority lock it, too, for as long as one push takes.
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    own: VecDeque<Event>,
    questions: VecDeque<Question>,
    nodes: VecDeque<PeerWork>,
    /// What wallets, operators and the like ask, and the answers of those who answer it elsewhere.
    clients: VecDeque<Work>,
    /// What the clients have had of the machine's time since they last rested.
    clients_had: Duration,
    /// When they are served again (monotonic).
    clients_rest_until: Duration,
    /// How many in a row were served before any connection.
    favored: u32,
    /// How many of nodes in a row were served before the clients.
    nodes_favored: u32,
    closed: bool,
}

impl Lanes {
    /// The next work, once there is some; [`Work::Wakeup`] when `wakeup` (monotonic) has come.
    pub fn next(&self, wakeup: Option<Duration>, clock: &Clock) -> Work {
        let mut waiting = self.lock();
        loop {
            let now = clock.monotonic();
            let mut sleep = wakeup.map_or(SLEEP_MAX, |at| at.saturating_sub(now));
            if let Some(work) = waiting.take(sleep.is_zero(), now) {
                return work;
            }
            if !waiting.clients.is_empty() {
                sleep = sleep.min(waiting.clients_rest_until.saturating_sub(now));
            }
            let slept = self.arrived.wait_timeout(waiting, sleep.min(SLEEP_MAX));
            waiting = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A client's work took the machine so long, until `now` (monotonic): the others wait a while
    /// once that was enough.
    pub fn client_had(&self, time: Duration, now: Duration) {
        let mut waiting = self.lock();
        waiting.clients_had += time;
        if waiting.clients_had >= CLIENTS_PIECE {
            let had = std::mem::take(&mut waiting.clients_had);
            let rest = had.saturating_mul(CLIENTS_PART - 1).min(CLIENTS_REST_MAX);
            waiting.clients_rest_until = now + rest;
        }
    }

    /// Whether anything was done for clients.
    #[cfg(test)]
    pub fn clients_have_had_time(&self) -> bool {
        let waiting = self.lock();
        !waiting.clients_had.is_zero() || !waiting.clients_rest_until.is_zero()
    }

    /// Queues an event of the node itself.
    pub fn push_own(&self, event: Event) {
        self.push(|waiting| waiting.own.push_back(event));
    }

    /// The same for an event that may be refused.
    pub fn try_push_own(&self, event: Event) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Refused::Stopped);
        }
        if waiting.own.len() >= OWN_MAX {
            return Err(Refused::Full);
        }
        waiting.own.push_back(event);
        self.wake(waiting);
        Ok(())
    }

    /// Queues the answer to a connection's question that was given elsewhere.
    pub fn push_answer(&self, event: Event) {
        self.push(|waiting| waiting.clients.push_back(Work::Own(event)));
    }

    /// Queues an event that nobody waits for.
    pub fn push_peer(&self, peer: Option<PeerId>, event: Event) {
        let work = PeerWork { peer, event, lane: Lane::Nodes, outbound: None, handled: None };
        self.push(|waiting| waiting.push_peer(work));
    }

    /// Queues an event of a node that it does not wait for; tells when it is handled.
    pub fn push_watched(&self, peer: PeerId, event: Event) -> oneshot::Receiver<()> {
        let (handled, wait) = oneshot::channel();
        let (peer, handled) = (Some(peer), Some(handled));
        let work = PeerWork { peer, event, lane: Lane::Nodes, outbound: None, handled };
        self.push(|waiting| waiting.push_peer(work));
        wait
    }

    /// Events of nodes that wait.
    #[cfg(test)]
    pub fn waiting_of_nodes(&self) -> usize {
        self.lock().nodes.len()
    }

    /// Queues an event of a connection and waits until it is handled; false when the node stops
    /// instead. `outbound` comes with the connection's first event.
    pub async fn hand_over(
        &self,
        peer: PeerId,
        event: Event,
        outbound: Option<Arc<Outbound>>,
        lane: Lane,
    ) -> bool {
        let (handled, wait) = oneshot::channel();
        let (peer, handled) = (Some(peer), Some(handled));
        let work = PeerWork { peer, event, lane, outbound, handled };
        self.push(|waiting| waiting.push_peer(work));
        wait.await.is_ok()
    }

    /// Queues a question.
    pub fn ask(&self, question: Question) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Refused::Stopped);
        }
        if waiting.questions.len() >= QUESTIONS_MAX {
            return Err(Refused::Full);
        }
        waiting.questions.push_back(question);
        self.wake(waiting);
        Ok(())
    }

    /// Lets [`Lanes::next`] say [`Work::Stop`] for ever, once the answers that were given are on
    /// their way: whoever asked the node to stop has one of them. All else that waits is dropped,
    /// so that whoever waits for an answer hears of it.
    pub fn close(&self) {
        let dropped = {
            let mut waiting = self.lock();
            let mut dropped = std::mem::take(&mut *waiting);
            let clients = std::mem::take(&mut dropped.clients);
            let is_answer = |work: &Work| matches!(work, Work::Own(_));
            (waiting.clients, dropped.clients) = clients.into_iter().partition(is_answer);
            waiting.closed = true;
            dropped
        };
        self.arrived.notify_one();
        drop(dropped);
    }

    fn push(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        if !waiting.closed {
            add(&mut waiting);
            self.wake(waiting);
        }
    }

    /// Wakes the machine's thread with the lock let go: its priority may be the higher one, so that
    /// it would run at once, and wait at the lock for whoever woke it.
    fn wake(&self, waiting: MutexGuard<'_, Waiting>) {
        drop(waiting);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; a queue is whole in any case.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, wakeup_due: bool, now: Duration) -> Option<Work> {
        if self.closed {
            return Some(self.clients.pop_front().unwrap_or(Work::Stop));
        }
        let clients_may = !self.clients.is_empty() && self.clients_rest_until <= now;
        let waits = !self.nodes.is_empty() || clients_may;
        let connections_turn = self.favored >= FAVORED_MAX && waits;
        if !connections_turn && let Some(work) = self.take_favored(wakeup_due) {
            self.favored = self.favored.saturating_add(1);
            return Some(work);
        }
        self.favored = 0;
        let clients_turn = self.nodes_favored >= NODES_FAVORED_MAX && clients_may;
        if !clients_turn && let Some(work) = self.nodes.pop_front() {
            self.nodes_favored = self.nodes_favored.saturating_add(1);
            return Some(Work::Peer(work));
        }
        self.nodes_favored = 0;
        if clients_may { self.clients.pop_front() } else { None }
    }

    /// What a client asks waits with the clients, and so does what only clients should ask. The end
    /// of a connection comes when all that it said is handled, or nobody shall hear it.
    fn push_peer(&mut self, work: PeerWork) {
        let waits_with_clients = match &work.event {
            Event::Message { message, .. } => match **message {
                Message::Wallet(_) | Message::Operator(_) | Message::Directory(_) => true,
                Message::Hello(_) | Message::Pong(_) => false,
                _ => work.lane == Lane::Clients,
            },
            _ => false,
        };
        if waits_with_clients {
            self.clients.push_back(Work::Peer(work));
        } else {
            self.nodes.push_back(work);
        }
    }

    fn take_favored(&mut self, wakeup_due: bool) -> Option<Work> {
        if let Some(event) = self.own.pop_front() {
            return Some(Work::Own(event));
        }
        // Questions come between two wake-ups: a machine that asks to be woken at once, over and
        // over, still answers.
        let questions_turn = !wakeup_due || self.favored % 2 == 1;
        if questions_turn && let Some(question) = self.questions.pop_front() {
            return Some(Work::Question(question));
        }
        wakeup_due.then_some(Work::Wakeup)
    }
}

#[cfg(test)]
mod tests;
