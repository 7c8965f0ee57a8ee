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
/// wallets, operators and newcomers; but after this many in a row one of those is served.
const NODES_FAVORED_MAX: u32 = 8;

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
/// answer to its last question, its end, and word of its empty queue.
#[derive(Default)]
pub(super) struct Lanes {
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
            let sleep = wakeup.map_or(SLEEP_MAX, |at| at.saturating_sub(clock.monotonic()));
            if let Some(work) = waiting.take(sleep.is_zero()) {
                return work;
            }
            let slept = self.arrived.wait_timeout(waiting, sleep.min(SLEEP_MAX));
            waiting = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
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
        self.arrived.notify_one();
        Ok(())
    }

    /// Queues the answer to a connection's question that was given elsewhere.
    pub fn push_answer(&self, event: Event) {
        self.push(|waiting| waiting.clients.push_back(Work::Own(event)));
    }

    /// Queues an event that nobody waits for.
    pub fn push_peer(&self, peer: Option<PeerId>, event: Event) {
        let work = PeerWork { peer, event, outbound: None, handled: None };
        self.push(|waiting| waiting.push_peer(work));
    }

    /// Queues an event of a connection and waits until it is handled; false when the node stops
    /// instead. `outbound` comes with the connection's first event.
    pub async fn hand_over(
        &self,
        peer: PeerId,
        event: Event,
        outbound: Option<Arc<Outbound>>,
    ) -> bool {
        let (handled, wait) = oneshot::channel();
        let work = PeerWork { peer: Some(peer), event, outbound, handled: Some(handled) };
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
        self.arrived.notify_one();
        Ok(())
    }

    /// Lets [`Lanes::next`] say [`Work::Stop`] for ever. What waits is dropped, so that whoever
    /// waits for an answer hears of it.
    pub fn close(&self) {
        let dropped = {
            let mut waiting = self.lock();
            let dropped = std::mem::take(&mut *waiting);
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
            self.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; a queue is whole in any case.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, wakeup_due: bool) -> Option<Work> {
        if self.closed {
            return Some(Work::Stop);
        }
        let waits = !self.nodes.is_empty() || !self.clients.is_empty();
        let connections_turn = self.favored >= FAVORED_MAX && waits;
        if !connections_turn && let Some(work) = self.take_favored(wakeup_due) {
            self.favored = self.favored.saturating_add(1);
            return Some(work);
        }
        self.favored = 0;
        let clients_turn = self.nodes_favored >= NODES_FAVORED_MAX && !self.clients.is_empty();
        if !clients_turn && let Some(work) = self.nodes.pop_front() {
            self.nodes_favored = self.nodes_favored.saturating_add(1);
            return Some(Work::Peer(work));
        }
        self.nodes_favored = 0;
        self.clients.pop_front()
    }

    /// The end of a connection comes when all that it said is handled, or nobody shall hear it.
    fn push_peer(&mut self, work: PeerWork) {
        let is_question = |message: &Message| {
            matches!(message, Message::Wallet(_) | Message::Operator(_) | Message::Directory(_))
        };
        if matches!(&work.event, Event::Message { message, .. } if is_question(message)) {
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
mod tests {
    use wire::peer::PeerMessage;
    use wire::wallet::WalletMessage;

    use super::*;

    fn own() -> Event {
        Event::Addresses(Vec::new())
    }

    fn name(work: &Work) -> &'static str {
        match work {
            Work::Stop => "stop",
            Work::Own(_) => "own",
            Work::Wakeup => "wakeup",
            Work::Question(_) => "question",
            Work::Peer(_) => "peer",
        }
    }

    #[test]
    fn own_blocks_timers_and_questions_are_served_before_peers() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        let gone = Event::Disconnected { peer: PeerId(1) };
        lanes.push_peer(Some(PeerId(1)), gone);
        lanes.ask(Box::new(|_| ())).unwrap();
        lanes.push_own(own());
        let due = Some(Duration::ZERO);
        let order: Vec<_> = [due, due, due, None]
            .into_iter()
            .map(|wakeup| name(&lanes.next(wakeup, &clock)))
            .collect();
        assert_eq!(order, ["own", "question", "wakeup", "peer"]);
    }

    #[test]
    fn neither_questions_nor_a_restless_machine_shut_the_peers_out() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        lanes.push_peer(None, own());
        let mut served = Vec::new();
        for _ in 0..2 * FAVORED_MAX {
            lanes.ask(Box::new(|_| ())).unwrap();
            served.push(name(&lanes.next(Some(Duration::ZERO), &clock)));
        }
        assert!(served.contains(&"peer"), "{served:?}");
        assert!(served.contains(&"question"), "{served:?}");
        assert!(served.contains(&"wakeup"), "{served:?}");
    }

    fn said(peer: u64, message: Message) -> (Option<PeerId>, Event) {
        let peer = PeerId(peer);
        (Some(peer), Event::Message { peer, message: Box::new(message) })
    }

    fn of_node() -> (Option<PeerId>, Event) {
        said(1, Message::Peer(PeerMessage::GetBlocks(Vec::new())))
    }

    fn of_wallet() -> (Option<PeerId>, Event) {
        said(2, Message::Wallet(WalletMessage::GetTip(1)))
    }

    fn whose(work: &Work) -> Option<PeerId> {
        match work {
            Work::Peer(work) => work.peer,
            _ => None,
        }
    }

    #[test]
    fn nodes_go_before_clients_and_do_not_shut_them_out() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        for (peer, event) in [of_wallet(), of_wallet(), of_node()] {
            lanes.push_peer(peer, event);
        }
        let next = || whose(&lanes.next(None, &clock));
        assert_eq!((next(), next()), (Some(PeerId(1)), Some(PeerId(2))));
        let mut turns = 0;
        loop {
            let (peer, event) = of_node();
            lanes.push_peer(peer, event);
            turns += 1;
            if whose(&lanes.next(None, &clock)) == Some(PeerId(2)) {
                break;
            }
        }
        assert_eq!(turns, NODES_FAVORED_MAX + 1);
    }

    #[test]
    fn signs_of_life_and_ends_of_connections_wait_for_no_question() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        let (peer, event) = of_wallet();
        lanes.push_peer(peer, event);
        let (peer, event) = said(1, Message::Pong(1));
        lanes.push_peer(peer, event);
        lanes.push_peer(Some(PeerId(3)), Event::Disconnected { peer: PeerId(3) });
        let order = [(); 3].map(|()| whose(&lanes.next(None, &clock)));
        assert_eq!(order, [1, 3, 2].map(|peer| Some(PeerId(peer))));
    }

    #[test]
    fn wakeups_nodes_and_clients_all_have_their_turn() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        let (peer, event) = of_wallet();
        lanes.push_peer(peer, event);
        let turns = (FAVORED_MAX + 1) * (NODES_FAVORED_MAX + 1);
        let served: Vec<_> = (0..turns)
            .map(|_| {
                let (peer, event) = of_node();
                lanes.push_peer(peer, event);
                whose(&lanes.next(Some(Duration::ZERO), &clock))
            })
            .collect();
        let count = |who| served.iter().filter(|whose| **whose == who).count() as u32;
        assert_eq!(count(Some(PeerId(2))), 1);
        assert_eq!(count(Some(PeerId(1))), NODES_FAVORED_MAX);
        assert_eq!(count(None), turns - NODES_FAVORED_MAX - 1);
    }

    #[test]
    fn questions_beyond_the_limit_are_refused_and_closing_drops_the_rest() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        for _ in 0..QUESTIONS_MAX {
            lanes.ask(Box::new(|_| ())).unwrap();
        }
        assert_eq!(lanes.ask(Box::new(|_| ())), Err(Refused::Full));
        for _ in 0..OWN_MAX {
            lanes.try_push_own(own()).unwrap();
        }
        assert_eq!(lanes.try_push_own(own()), Err(Refused::Full));
        lanes.close();
        assert_eq!(lanes.ask(Box::new(|_| ())), Err(Refused::Stopped));
        assert_eq!(lanes.try_push_own(own()), Err(Refused::Stopped));
        assert_eq!(name(&lanes.next(None, &clock)), "stop");
        assert_eq!(name(&lanes.next(None, &clock)), "stop");
    }
}
