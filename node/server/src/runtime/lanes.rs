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

/// One part in so many of the machine's time is for clients at most, whatever they ask: the rest is
/// there for the chain. It goes in pieces, so that one who asks now and then never waits.
const CLIENTS_PART: u32 = 8;
const CLIENTS_PIECE: Duration = Duration::from_micros(50);

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
    /// Where it waits.
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

/// Where the messages of a connection wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Those of nodes, and of whoever has not said what it is.
    Nodes,
    /// Those of wallets, operators and callers of the directory.
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
            waiting.clients_rest_until = now + had * (CLIENTS_PART - 1);
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

    /// Wakes the machine's thread once it can have the lock: it goes before whoever wakes it, and
    /// would only wait for that one to go on.
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
        let clients_wait = !self.clients.is_empty() && self.clients_rest_until <= now;
        let waits = !self.nodes.is_empty() || clients_wait;
        let connections_turn = self.favored >= FAVORED_MAX && waits;
        if !connections_turn && let Some(work) = self.take_favored(wakeup_due) {
            self.favored = self.favored.saturating_add(1);
            return Some(work);
        }
        self.favored = 0;
        let clients_turn = self.nodes_favored >= NODES_FAVORED_MAX && clients_wait;
        if !clients_turn && let Some(work) = self.nodes.pop_front() {
            self.nodes_favored = self.nodes_favored.saturating_add(1);
            return Some(Work::Peer(work));
        }
        self.nodes_favored = 0;
        if clients_wait { self.clients.pop_front() } else { None }
    }

    /// The end of a connection comes when all that it said is handled, or nobody shall hear it.
    fn push_peer(&mut self, mut work: PeerWork) {
        let is_question =
            |message: &Message| !matches!(message, Message::Hello(_) | Message::Pong(_));
        if !matches!(&work.event, Event::Message { message, .. } if is_question(message)) {
            work.lane = Lane::Nodes;
        }
        match work.lane {
            Lane::Nodes => self.nodes.push_back(work),
            Lane::Clients => self.clients.push_back(Work::Peer(work)),
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
    use proptest::prelude::*;
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

    fn push(lanes: &Lanes, (peer, event): (Option<PeerId>, Event), lane: Lane) {
        let work = PeerWork { peer, event, lane, outbound: None, handled: None };
        lanes.push(|waiting| waiting.push_peer(work));
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
        push(&lanes, of_wallet(), Lane::Clients);
        push(&lanes, of_wallet(), Lane::Clients);
        push(&lanes, of_node(), Lane::Nodes);
        let next = || whose(&lanes.next(None, &clock));
        assert_eq!((next(), next()), (Some(PeerId(1)), Some(PeerId(2))));
        let mut turns = 0;
        loop {
            push(&lanes, of_node(), Lane::Nodes);
            turns += 1;
            if whose(&lanes.next(None, &clock)) == Some(PeerId(2)) {
                break;
            }
        }
        assert_eq!(turns, NODES_FAVORED_MAX + 1);
    }

    #[test]
    fn what_a_client_asks_as_nodes_do_waits_with_the_clients() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        let (_, blocks) = of_node();
        push(&lanes, (Some(PeerId(2)), blocks), Lane::Clients);
        push(&lanes, of_node(), Lane::Nodes);
        let order = [(); 2].map(|()| whose(&lanes.next(None, &clock)));
        assert_eq!(order, [1, 2].map(|peer| Some(PeerId(peer))));
    }

    #[test]
    fn signs_of_life_and_ends_of_connections_wait_for_no_question() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        push(&lanes, of_wallet(), Lane::Clients);
        push(&lanes, said(1, Message::Pong(1)), Lane::Clients);
        lanes.push_peer(Some(PeerId(3)), Event::Disconnected { peer: PeerId(3) });
        let order = [(); 3].map(|()| whose(&lanes.next(None, &clock)));
        assert_eq!(order, [1, 3, 2].map(|peer| Some(PeerId(peer))));
    }

    proptest! {
        #[test]
        fn clients_have_an_eighth_of_the_time_whatever_they_ask(
            micros in prop::collection::vec(1u64..5_000, 1..200),
        ) {
            let lanes = Lanes::default();
            let (mut now, mut had) = (Duration::ZERO, Duration::ZERO);
            for time in micros.into_iter().map(Duration::from_micros) {
                push(&lanes, of_wallet(), Lane::Clients);
                now = now.max(lanes.lock().clients_rest_until);
                prop_assert!(lanes.lock().take(false, now).is_some());
                (now, had) = (now + time, had + time);
                lanes.client_had(time, now);
            }
            now = now.max(lanes.lock().clients_rest_until);
            prop_assert!(had <= now / CLIENTS_PART + CLIENTS_PIECE, "{had:?} of {now:?}");
        }
    }

    #[test]
    fn while_clients_rest_only_nodes_are_served() {
        let lanes = Lanes::default();
        lanes.client_had(CLIENTS_PIECE, Duration::ZERO);
        push(&lanes, of_wallet(), Lane::Clients);
        push(&lanes, of_node(), Lane::Nodes);
        let rests = CLIENTS_PIECE * (CLIENTS_PART - 1);
        let just_before = rests - Duration::from_nanos(1);
        let next = |now| lanes.lock().take(false, now).and_then(|work| whose(&work));
        assert_eq!(next(just_before), Some(PeerId(1)));
        assert_eq!(next(just_before), None);
        assert_eq!(next(rests), Some(PeerId(2)));
    }

    #[test]
    fn a_client_that_waits_is_served_when_the_rest_is_over_and_not_with_the_next_event() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        lanes.client_had(Duration::from_millis(1), clock.monotonic());
        push(&lanes, of_wallet(), Lane::Clients);
        let wakeup = clock.monotonic() + Duration::from_secs(60);
        assert_eq!(whose(&lanes.next(Some(wakeup), &clock)), Some(PeerId(2)));
    }

    #[test]
    fn what_was_answered_is_said_before_the_stop_even_while_clients_rest() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        lanes.client_had(Duration::from_secs(60), clock.monotonic());
        push(&lanes, of_wallet(), Lane::Clients);
        lanes.push_answer(own());
        push(&lanes, of_wallet(), Lane::Clients);
        lanes.close();
        let order = [(); 3].map(|()| name(&lanes.next(None, &clock)));
        assert_eq!(order, ["own", "stop", "stop"]);
    }

    #[test]
    fn wakeups_nodes_and_clients_all_have_their_turn() {
        let (lanes, clock) = (Lanes::default(), Clock::start());
        push(&lanes, of_wallet(), Lane::Clients);
        let turns = (FAVORED_MAX + 1) * (NODES_FAVORED_MAX + 1);
        let served: Vec<_> = (0..turns)
            .map(|_| {
                push(&lanes, of_node(), Lane::Nodes);
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
