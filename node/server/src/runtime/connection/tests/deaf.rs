//! Connections that ask and stop reading, at a whole machine, in a time that the test makes pass.

use bytes::BytesMut;
use chain::amount::Amount;
use chain::genesis::Network;
use chain::spec::{Allocation, ChainSpec};
use chain::transaction::TxPosition;
use machine::store::Store;
use machine::{Effect, Machine, MachineConfig, Now, Surroundings};
use testkit::samples;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::broadcast;
use wire::frame::{FrameDecoder, Phase};
use wire::hello::{Greeting, NetworkIdentity, Role};
use wire::peer::PeerMessage;
use wire::wallet::{GetHistory, WalletMessage};

use super::super::super::clock::Clock;
use super::super::super::disk::Disk;
use super::super::super::forwarding::Forwarding;
use super::super::super::history::HistoryReader;
use super::super::super::lanes::Work;
use super::super::super::outbound::{QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX};
use super::super::super::outside::Outside;
use super::super::super::signatures::RayonVerifier;
use super::super::super::templates::Templates;
use super::*;

/// Rounds without anything to do after which all tasks wait for the time or for a peer.
const QUIET_ROUNDS: u32 = 40;

/// Pieces in which an answer may come.
const PIECES_MAX: u32 = 2_000;

/// How often a deaf caller asks: more often than a node hears it before it gives it up.
const ASKED_MAX: u32 = 400;

/// A node with a test in place of its threads and its sockets.
struct House {
    machine: Machine,
    outside: Outside,
    sockets: Arc<Sockets>,
    network: Arc<Network>,
    clock: Clock,
    passed: Duration,
    /// Histories that the thread for them has not read yet.
    reading: u32,
}

impl House {
    fn new() -> Self {
        // A first block as large as it may be: whoever asks for it gets a large answer.
        let key = samples::secret(1).output_key();
        let allocations = vec![Allocation { key, amount: Amount(1) }; 4096];
        let network = Network::new(ChainSpec { allocations, ..samples::spec() }).unwrap();
        let network = Arc::new(network);
        let store = Store::in_memory(&network).unwrap();
        let config = MachineConfig::new("house", [1; 32]);
        let nowhere = Surroundings::default();
        let now = Now { wall_s: 1_700_000_100, monotonic: Duration::ZERO };
        let machine = Machine::new(config, nowhere, Arc::clone(&network), store, now).unwrap();
        let sockets = Arc::new(Sockets::new(Arc::default(), Handle::current()));
        let lanes = Arc::clone(&sockets.lanes);
        let outside = Outside::new(
            Arc::clone(&sockets),
            Arc::new(Templates::new(network.genesis_hash(), u32::MAX, None)),
            broadcast::channel(1).0,
            tokio::runtime::Handle::current(),
            Forwarding::to(None, None),
            (
                Disk::start(Arc::clone(&lanes)).unwrap(),
                HistoryReader::start(lanes).unwrap(),
                RayonVerifier::shared().unwrap(),
            ),
        );
        let (clock, passed) = (Clock::start(), Duration::ZERO);
        Self { machine, outside, sockets, network, clock, passed, reading: 0 }
    }

    fn handle(&mut self, event: Event) {
        let now = Now { wall_s: 1_700_000_100 + self.passed.as_secs(), monotonic: self.passed };
        self.reading -= u32::from(matches!(event, Event::Read { .. }));
        let effects = self.machine.handle(now, event).unwrap();
        let reads = effects.iter().filter(|effect| matches!(effect, Effect::Read { .. }));
        self.reading += u32::try_from(reads.count()).unwrap();
        self.outside.carry_out(now, effects);
    }

    /// Does what there is to do, until everybody waits.
    async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS {
            quiet += 1;
            let at_once = (self.reading == 0).then_some(Duration::ZERO);
            match self.sockets.lanes.next(at_once, &self.clock) {
                Work::Peer(mut work) => {
                    quiet = 0;
                    if self.outside.admit(&mut work) {
                        self.handle(work.event);
                    }
                    if let Some(handled) = work.handled {
                        self.outside.say_handled(work.peer, handled);
                    }
                }
                // No time passes, and every task has its turn.
                Work::Wakeup => advance(Duration::ZERO).await,
                Work::Own(event) => {
                    quiet = 0;
                    let asker = event.answers();
                    self.handle(event);
                    if let Some(peer) = asker {
                        self.outside.answered(peer);
                    }
                }
                Work::Question(_) | Work::Stop => panic!("nobody asks, and nobody stops it"),
            }
        }
    }

    async fn pass(&mut self, time: Duration) {
        advance(time).await;
        self.passed += time;
        if self.machine.next_wakeup().is_some_and(|at| at <= self.passed) {
            self.handle(Event::Wakeup);
        }
        self.settle().await;
    }

    /// A caller whose handshake is done.
    async fn call(&mut self, number: u16, role: Role) -> Caller {
        let (far, near) = duplex(64 * 1024);
        let sockets = Arc::clone(&self.sockets);
        let address = SocketAddr::from(([127, 0, 0, 1], 1000 + number));
        self.sockets.tasks.spawn(async move {
            let (incoming, outgoing) = split(near);
            let connection = sockets.meet(incoming, address, Direction::Inbound).await;
            sockets.converse(connection, outgoing).await;
        });
        let (incoming, outgoing) = split(far);
        let decoder = FrameDecoder::new(Phase::Established);
        let mut caller = Caller { incoming, outgoing, decoder, arrived: BytesMut::new() };
        let network = Some(NetworkIdentity::of(&self.network));
        let name = "caller".to_owned();
        let greeting = Greeting { network, role, nonce: number.into(), name, listen_port: 0 };
        let hello = Message::Hello(Box::new(greeting.hello(1_700_000_100, 0)));
        let theirs = caller.ask(self, &hello).await;
        assert!(matches!(theirs, Message::Hello(_)), "{theirs:?}");
        caller
    }
}

struct Caller {
    incoming: ReadHalf<DuplexStream>,
    outgoing: WriteHalf<DuplexStream>,
    decoder: FrameDecoder,
    arrived: BytesMut,
}

impl Caller {
    /// The answer to a question, without any time passing.
    async fn ask(&mut self, house: &mut House, question: &Message) -> Message {
        self.outgoing.write_all(&question.to_frame().to_bytes()).await.unwrap();
        for _ in 0..PIECES_MAX {
            match self.decoder.decode(&mut self.arrived).unwrap() {
                Some(Incoming::Message(message)) => match *message {
                    Message::Ping(number) => {
                        let pong = Message::Pong(number).to_frame().to_bytes();
                        self.outgoing.write_all(&pong).await.unwrap();
                    }
                    // The node asks what everybody has when it meets a node.
                    Message::Peer(PeerMessage::GetHeaders(_) | PeerMessage::GetAddresses(())) => {}
                    answer => return answer,
                },
                Some(Incoming::Unknown { command }) => panic!("nodes never send {command}"),
                None => {
                    house.settle().await;
                    let read = self.incoming.read_buf(&mut self.arrived).now_or_never();
                    assert!(!matches!(read, Some(Ok(0) | Err(_))), "closed");
                }
            }
        }
        panic!("no answer to {question:?}");
    }

    /// Asks the same over and over and reads nothing; the far end stays with whoever holds the
    /// result.
    fn go_deaf(mut self, question: &Message) -> ReadHalf<DuplexStream> {
        let bytes = question.to_frame().to_bytes();
        tokio::spawn(async move {
            for _ in 0..ASKED_MAX {
                // It ends with the connection.
                if self.outgoing.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        self.incoming
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_reads_nothing_for_a_minute_changes_nothing_and_grows_nothing() {
    let mut house = House::new();
    let genesis = house.network.genesis_hash();
    let from = TxPosition { height: 0, transaction: 0 };
    let key = samples::secret(1).output_key();
    let history = GetHistory { request: 7, key, from };
    let history = Message::Wallet(WalletMessage::GetHistory(history));
    let blocks = |count| Message::Peer(PeerMessage::GetBlocks(vec![genesis; count]));
    let mut peer = house.call(1, Role::Peer).await;
    let mut wallet = house.call(2, Role::Wallet).await;
    let block = peer.ask(&mut house, &blocks(1)).await;
    let told = wallet.ask(&mut house, &history).await;
    let large = block.to_frame().payload.len();
    assert!(large > 100_000, "{large} bytes are no large answer");
    let mut deaf = Vec::new();
    for (number, role) in (10..).zip([Role::Peer, Role::Wallet].repeat(4)) {
        let caller = house.call(number, role).await;
        let asked = if role == Role::Peer { blocks(20) } else { history.clone() };
        deaf.push(caller.go_deaf(&asked));
    }
    house.settle().await;
    let mut most = 0;
    for _ in 0..60 {
        house.pass(Duration::from_secs(1)).await;
        for outbound in house.outside.connections().values() {
            let (frames, bytes) = outbound.waiting();
            assert!(frames <= QUEUE_FRAMES_MAX, "{frames} frames wait");
            assert!(bytes <= QUEUE_BYTES_MAX + large + 100, "{bytes} bytes wait");
            most = most.max(bytes);
        }
        assert_eq!(house.sockets.incoming.used(), 0);
        assert_eq!(peer.ask(&mut house, &blocks(1)).await, block);
        assert_eq!(wallet.ask(&mut house, &history).await, told);
    }
    assert!(most > large, "at most {most} bytes waited: nobody was deaf");
    assert_eq!(house.outside.connections().len(), 2, "the deaf are given up");
    // A reader and a writer of each.
    assert_eq!(house.sockets.tasks.len(), 4);
    assert_eq!(house.machine.tip().hash, genesis);
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_for_longest_makes_room_when_all_together_are_owed_too_much() {
    let mut house = House::new();
    let genesis = house.network.genesis_hash();
    let question = Message::Peer(PeerMessage::GetBlocks(vec![genesis]));
    let mut good = house.call(1, Role::Peer).await;
    let (mut deaf, mut frames) = (Vec::new(), Vec::new());
    for number in 0..30 {
        let caller = house.call(10 + number, Role::Peer).await;
        let newest = *house.outside.connections().keys().last().unwrap();
        deaf.push((newest, caller));
        // Each has asked for another block of the largest kind.
        let frame = Arc::new(Frame { command: 19, payload: vec![7; 4_000_000] });
        frames.push(Arc::downgrade(&frame));
        let now = Now { wall_s: 0, monotonic: house.passed };
        house.outside.carry_out(now, vec![Effect::Send { peer: newest, frame }]);
        house.pass(Duration::from_millis(100)).await;
        let held = frames.iter().filter(|frame| frame.strong_count() > 0).count() * 4_000_000;
        assert!(held <= 64 * 1024 * 1024, "{held} bytes for {} connections", deaf.len());
        let answer = good.ask(&mut house, &question).await;
        assert!(answer.to_frame().payload.len() > 100_000);
    }
    let open = house.outside.connections().iter().filter(|(_, outbound)| outbound.is_open());
    let left: Vec<PeerId> = open.map(|(peer, _)| *peer).skip(1).collect();
    let newest: Vec<PeerId> = deaf[14..].iter().map(|(peer, _)| *peer).collect();
    assert_eq!(left, newest, "the latest sixteen fit, and whoever waited longest went first");
}
