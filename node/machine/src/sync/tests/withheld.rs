//! A withheld block: older connections announce and deliver nothing, or a little at a time.

use std::collections::BTreeMap;

use chain::transaction::Transfer;
use proptest::prelude::*;

use super::*;
use crate::tests::rig::{answers, sent};
use crate::{Direction, Effect};

/// How those who withhold hide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// They announce a header.
    Headers,
    /// They announce a compact block.
    Compact,
    /// They announce a compact block, and what is asked of them comes a little at a time.
    Trickling,
}

/// From a question until its answer is here.
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// A machine among nodes, in virtual time.
struct Neighborhood {
    forge: Forge,
    rig: Rig,
    withholding: Vec<(PeerId, Manner)>,
    honest: Vec<PeerId>,
    tip: BlockHash,
    arrivals: BTreeMap<(Duration, usize), Event>,
    arrived: usize,
    /// Blocks that were asked of honest nodes, in whatever form.
    asked_of_honest: usize,
}

impl Neighborhood {
    fn new(manners: &[Manner], honest: &[Direction]) -> Self {
        let forge = Forge::new();
        let mut rig = Rig::new(&forge);
        let withholding = manners.iter().map(|manner| (rig.peer(), *manner)).collect();
        let honest = (0u8..).zip(honest).map(|(number, direction)| {
            let (peer, _) = rig.connect(&format!("9.{number}.0.1:9000"), *direction);
            let hello = rig.hello(Role::Peer);
            rig.tell(peer, Message::Hello(Box::new(hello)));
            rig.say(peer, PeerMessage::Headers(ByteString(Vec::new())));
            peer
        });
        let honest = honest.collect();
        let tip = forge.genesis();
        let (arrivals, arrived) = (BTreeMap::new(), 0);
        Self { forge, rig, withholding, honest, tip, arrivals, arrived, asked_of_honest: 0 }
    }

    fn arrives(&mut self, after: Duration, event: Event) {
        self.arrivals.insert((self.rig.now.monotonic + after, self.arrived), event);
        self.arrived += 1;
    }

    fn says(&mut self, after: Duration, peer: PeerId, message: PeerMessage) {
        let message = Box::new(Message::Peer(message));
        self.arrives(after, Event::Message { peer, message });
    }

    /// What comes of what the machine asked.
    fn follow(&mut self, effects: &[Effect]) {
        for peer in self.honest.clone() {
            for question in said(effects, peer) {
                let asked = matches!(
                    question,
                    PeerMessage::GetBlocks(_) | PeerMessage::GetBlockTransactions(_)
                );
                self.asked_of_honest += usize::from(asked);
                for answer in answers(&self.forge, self.tip, question) {
                    self.says(ROUND_TRIP, peer, answer);
                }
            }
        }
        for (peer, manner) in self.withholding.clone() {
            if manner == Manner::Trickling && !sent(effects, peer).is_empty() {
                for part in 1..600 {
                    self.arrives(Duration::from_millis(50) * part, Event::Progress { peer });
                }
            }
        }
    }

    /// A new block that everybody announces, the honest ones after `lag`: how long after that the
    /// machine has it.
    fn next_block(&mut self, number: u32, lag: Duration) -> Duration {
        // What nobody has, so that its body must be asked for.
        let payment: Transfer = self.forge.payment(number);
        self.tip = self.forge.mine(self.tip, &[payment]);
        for (peer, manner) in self.withholding.clone() {
            let message = match manner {
                Manner::Headers => {
                    let header = self.forge.header(self.tip).to_bytes();
                    PeerMessage::Headers(ByteString(header.to_vec()))
                }
                _ => PeerMessage::CompactBlock(compact(&self.forge, self.tip, 1)),
            };
            self.says(Duration::ZERO, peer, message);
        }
        for peer in self.honest.clone() {
            let news = PeerMessage::CompactBlock(compact(&self.forge, self.tip, 2));
            self.says(lag, peer, news);
        }
        let announced = self.rig.now.monotonic + lag;
        let end = announced + Duration::from_secs(200);
        while self.rig.tip() != self.tip {
            let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            let next = [arrival, self.rig.machine.next_wakeup()].into_iter().flatten().min();
            let at = next.filter(|at| *at <= end).expect("the block never comes");
            self.rig.now.monotonic = at.max(self.rig.now.monotonic);
            let event = match self.arrivals.first_entry() {
                Some(first) if first.key().0 <= self.rig.now.monotonic => first.remove(),
                _ => Event::Wakeup,
            };
            let effects = self.rig.settle(event);
            self.follow(&effects);
        }
        let took = self.rig.now.monotonic.saturating_sub(announced);
        self.arrivals.retain(|_, event| !matches!(event, Event::Progress { .. }));
        took
    }
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![Just(Manner::Headers), Just(Manner::Compact), Just(Manner::Trickling)]
}

proptest! {
    /// Two seconds and the way there and back for the first, also where nobody of the honest was
    /// dialed, and all who withhold are older.
    #[test]
    fn eight_who_withhold_each_block_hold_up_nobody(
        manners in prop::collection::vec(
            prop_oneof![Just(Manner::Headers), Just(Manner::Compact)], 8),
        dialed in any::<bool>(),
        lag_ms in 0u64..400,
        pause_ms in 0u64..20_000,
    ) {
        let direction = if dialed { Direction::Outbound } else { Direction::Inbound };
        let mut there = Neighborhood::new(&manners, &[direction, Direction::Inbound]);
        for number in 0..6 {
            let took = there.next_block(number, Duration::from_millis(lag_ms));
            let most = match number {
                0 if !dialed => seconds(2) + ROUND_TRIP,
                _ => Duration::from_millis(300),
            };
            prop_assert!(took <= most, "block {number} after {took:?}");
            there.rig.pass(Duration::from_millis(pause_ms));
        }
        prop_assert!(there.honest.iter().all(|peer| there.rig.is_open(*peer)));
    }

    #[test]
    fn nor_do_those_who_let_it_trickle(
        manners in prop::collection::vec(manner(), 8),
        lag_ms in 0u64..400,
    ) {
        let mut there = Neighborhood::new(&manners, &[Direction::Outbound, Direction::Inbound]);
        for number in 0..6 {
            let took = there.next_block(number, Duration::from_millis(lag_ms));
            let most = if number == 0 { seconds(2) + ROUND_TRIP } else { ROUND_TRIP };
            prop_assert!(took <= most, "block {number} after {took:?}");
        }
    }
}

#[test]
fn another_is_asked_each_quarter_of_a_second_and_nobody_twice() {
    let mut forge = Forge::new();
    let hash = forge.chain(forge.genesis(), 1)[0];
    let mut rig = Rig::new(&forge);
    let peers: Vec<PeerId> = (0..5).map(|_| rig.peer()).collect();
    let mut asked = Vec::new();
    let mut note = |ms: u64, effects: &[Effect]| {
        for peer in &peers {
            asked.extend(blocks_asked(effects, *peer).iter().map(|_| (ms, *peer)));
        }
    };
    for peer in &peers {
        note(0, &rig.show_headers(*peer, &forge, &[hash]));
    }
    for step in 1..40 {
        note(step * 50, &rig.pass(Duration::from_millis(50)));
    }
    let expected: Vec<(u64, PeerId)> = (0..).step_by(250).zip(peers.iter().copied()).collect();
    assert_eq!(asked, expected);
}

#[test]
fn a_block_that_arrives_steadily_is_not_asked_for_again() {
    let mut forge = Forge::new();
    let hash = forge.chain(forge.genesis(), 1)[0];
    let mut rig = Rig::new(&forge);
    let (slow, other) = (rig.peer(), rig.peer());
    rig.show_headers(slow, &forge, &[hash]);
    let mut all = rig.show_headers(other, &forge, &[hash]);
    for _ in 0..8 {
        all.extend(rig.pass(Duration::from_millis(200)));
        all.extend(rig.settle(Event::Progress { peer: slow }));
    }
    assert_eq!(blocks_asked(&all, other), []);
    // Not for ever: it may be somebody who counts bytes.
    all.extend(rig.pass(Duration::from_millis(149)));
    assert_eq!(blocks_asked(&all, other), []);
    all.extend(rig.pass(Duration::from_millis(1)));
    assert_eq!(blocks_asked(&all, other), [hash]);
}

#[test]
fn a_wrong_body_or_none_at_all_makes_a_connection_the_last_that_is_asked() {
    for not_found in [true, false] {
        let mut forge = Forge::new();
        let chain = forge.chain(forge.genesis(), 2);
        let mut rig = Rig::new(&forge);
        let (liar, honest) = (rig.peer(), rig.peer());
        rig.show_headers(liar, &forge, &chain[..1]);
        rig.show_headers(honest, &forge, &chain[..1]);
        let effects = if not_found {
            rig.say(liar, PeerMessage::BlocksNotFound(vec![chain[0]]))
        } else {
            let mut bytes = forge.bytes(chain[0]);
            *bytes.last_mut().unwrap() ^= 1;
            rig.give(liar, bytes)
        };
        assert_eq!(blocks_asked(&effects, honest), chain[..1]);
        rig.answer(honest, &forge, chain[0], &effects);
        let effects = rig.show_headers(liar, &forge, &chain[1..]);
        assert_eq!(blocks_asked(&effects, liar), chain[1..], "nobody else has it");
        let effects = rig.show_headers(honest, &forge, &chain[1..]);
        assert_eq!(blocks_asked(&effects, honest), chain[1..], "at once");
    }
}

#[test]
fn blocks_that_a_node_is_far_behind_with_are_asked_of_others_after_two_seconds_each_time() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 100);
    let mut rig = Rig::new(&forge);
    let mute: Vec<PeerId> = (0..8).map(|_| rig.peer()).collect();
    let honest = rig.peer();
    let mut all = Vec::new();
    for peer in mute.iter().chain([&honest]) {
        all.extend(rig.show_headers(*peer, &forge, &chain));
    }
    let mut ms = 0;
    while rig.tip() != chain[99] {
        assert!(ms < 20_000, "{ms} ms and no end");
        let effects = rig.pass(Duration::from_millis(50));
        rig.answer(honest, &forge, chain[99], &effects);
        ms += 50;
    }
    assert!(rig.is_open(honest));
}
