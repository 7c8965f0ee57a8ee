//! Connections, with a test in the machine's place.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Listener, dialer and connections of a node, with a closure instead of a machine.
struct Rig {
    address: SocketAddr,
    events: mpsc::Receiver<Event>,
    lanes: Arc<Lanes>,
    sockets: Arc<Sockets>,
    machine: Option<JoinHandle<()>>,
    /// For clients, and for everybody else.
    runtimes: Option<(Runtime, Runtime)>,
}

impl Rig {
    fn start(brain: impl FnMut(&Event) -> Vec<Effect> + Send + 'static) -> Self {
        Self::with_places(INBOUND_MAX, brain)
    }

    fn with_places(
        places: usize,
        mut brain: impl FnMut(&Event) -> Vec<Effect> + Send + 'static,
    ) -> Self {
        let tokio = runtime("sockets", 2, || ()).unwrap();
        let (listener, address) = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = into_tokio(&tokio, listener).unwrap();
        let (lanes, clock) = (Arc::new(Lanes::default()), Clock::start());
        let clients = runtime("clients", 1, || ()).unwrap();
        let sockets = Arc::new(Sockets::new(Arc::clone(&lanes), clients.handle().clone()));
        let (tell, _) = broadcast::channel(1);
        let mut outside = Outside::new(
            Arc::clone(&sockets),
            Arc::new(Templates::new(chain::hash::BlockHash::ZERO, u32::MAX, None)),
            tell,
            tokio.handle().clone(),
            Forwarding::to(None, None),
            (
                Disk::start(Arc::clone(&lanes)).unwrap(),
                HistoryReader::start(Arc::clone(&lanes)).unwrap(),
                RayonVerifier::shared().unwrap(),
            ),
        );
        let accepting = listener::accept(Arc::clone(&sockets), listener, clock, places);
        sockets.tasks.spawn_on(accepting, tokio.handle());
        let (seen, events) = mpsc::channel();
        let inbox = Arc::clone(&lanes);
        let machine = std::thread::spawn(move || {
            outside.carry_out(clock.now(), brain(&Event::Wakeup));
            while let Work::Peer(mut work) = inbox.next(None, &clock) {
                if outside.admit(&mut work) {
                    outside.carry_out(clock.now(), brain(&work.event));
                    let _ = seen.send(work.event);
                }
                work.handled.map(|handled| handled.send(()));
            }
        });
        Self {
            address,
            events,
            lanes,
            sockets,
            machine: Some(machine),
            runtimes: Some((clients, tokio)),
        }
    }

    fn clients(&self) -> &Runtime {
        &self.runtimes.as_ref().unwrap().0
    }

    /// Waits for the first event for which `found` has something to say.
    fn wait<T>(&self, mut found: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the event never came");
            if let Some(result) = found(event) {
                return result;
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.lanes.close();
        self.sockets.stop.cancel();
        let _ = self.machine.take().map(JoinHandle::join);
        if let Some((clients, tokio)) = self.runtimes.take() {
            clients.shutdown_timeout(STOP_TIMEOUT);
            tokio.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}

fn send(peer: PeerId, message: &Message) -> Effect {
    Effect::Send { peer, frame: Arc::new(message.to_frame()) }
}

fn block(bytes: usize) -> Message {
    Message::Peer(PeerMessage::Block(ByteString(vec![7; bytes])))
}

fn block_bytes(message: &Message) -> Option<usize> {
    match message {
        Message::Peer(PeerMessage::Block(bytes)) => Some(bytes.0.len()),
        _ => None,
    }
}

/// Answers hellos with hellos and pings with pongs.
fn polite(event: &Event) -> Vec<Effect> {
    match event {
        Event::Message { peer, message } => match **message {
            Message::Hello(_) => vec![send(*peer, &hello())],
            Message::Ping(number) => vec![send(*peer, &Message::Pong(number))],
            _ => vec![],
        },
        _ => vec![],
    }
}

/// Exchanges hellos on connections of either direction, then sends `count` blocks, each when the
/// queue has room for it. It asks for room twice as often as it needs to.
fn sends_blocks(count: usize, bytes: usize) -> impl FnMut(&Event) -> Vec<Effect> + Send {
    let mut left: BTreeMap<PeerId, usize> = BTreeMap::new();
    let mut dialed: BTreeSet<PeerId> = BTreeSet::new();
    let ask = |peer: PeerId| [Effect::NotifyDrained { peer }, Effect::NotifyDrained { peer }];
    move |event| match event {
        Event::Connected { peer, direction: Direction::Outbound, .. } => {
            dialed.insert(*peer);
            vec![send(*peer, &hello())]
        }
        Event::Message { peer, message } if matches!(**message, Message::Hello(_)) => {
            left.insert(*peer, count);
            let answer = (!dialed.contains(peer)).then(|| send(*peer, &hello()));
            answer.into_iter().chain(ask(*peer)).collect()
        }
        Event::Drained { peer } => match left.get_mut(peer) {
            Some(left) if *left > 0 => {
                *left -= 1;
                [send(*peer, &block(bytes))].into_iter().chain(ask(*peer)).collect()
            }
            _ => vec![],
        },
        _ => vec![],
    }
}

#[test]
fn threads_that_are_busy_with_clients_hold_up_no_node() {
    let rig = Rig::start(polite);
    let (release, released) = mpsc::channel::<()>();
    // The only thread for clients waits.
    rig.clients().spawn(async move { released.recv() });
    let Message::Hello(mut wallet) = hello() else { panic!() };
    wallet.role = Role::Wallet;
    let mut client = Client::connect(rig.address);
    client.send(&Message::Hello(wallet));
    rig.wait(|event| match event {
        Event::Message { message, .. } => matches!(*message, Message::Hello(_)).then_some(()),
        _ => None,
    });
    let mut node = Client::ready(rig.address);
    node.send(&Message::Ping(1));
    assert!(matches!(node.receive(), Some(Message::Pong(1))));
    client.stream.set_nonblocking(true).unwrap();
    let answer = client.stream.peek(&mut [0]);
    assert!(answer.is_err(), "a client was answered by a thread that is not for clients");
    client.stream.set_nonblocking(false).unwrap();
    release.send(()).unwrap();
    assert!(matches!(client.receive(), Some(Message::Hello(_))));
}

#[test]
fn both_sides_send_many_megabytes_at_once_and_all_of_it_arrives() {
    for (count, bytes) in [(4, 2_000_000), (8, 3_999_000)] {
        let rig = Rig::start(sends_blocks(count, bytes));
        let mut client = Client::ready(rig.address);
        let mut sender = Client::on(client.stream.try_clone().unwrap());
        let sending = std::thread::spawn(move || {
            (0..count).for_each(|_| sender.send(&block(bytes)));
        });
        let received: Vec<_> =
            (0..count).map(|_| block_bytes(&client.receive().unwrap())).collect();
        assert_eq!(received, vec![Some(bytes); count]);
        for _ in 0..count {
            let arrived = rig.wait(|event| match event {
                Event::Message { message, .. } => block_bytes(&message),
                _ => None,
            });
            assert_eq!(arrived, bytes);
        }
        sending.join().unwrap();
    }
}

#[test]
fn two_nodes_that_both_have_full_queues_do_not_wait_for_each_other() {
    let (count, bytes) = (8, 3_999_000);
    let answering = Rig::start(sends_blocks(count, bytes));
    let address = answering.address;
    let mut brain = sends_blocks(count, bytes);
    let dialing = Rig::start(move |event| match event {
        Event::Wakeup => vec![Effect::Dial { address }],
        event => brain(event),
    });
    for rig in [&answering, &dialing] {
        for _ in 0..count {
            rig.wait(|event| match event {
                Event::Message { message, .. } => block_bytes(&message),
                Event::Disconnected { .. } => panic!("a good connection was given up"),
                _ => None,
            });
        }
    }
}

#[test]
fn a_peer_that_never_reads_is_disconnected_and_the_others_are_served() {
    let rig = Rig::start(|event| match event {
        // Whoever asks for addresses gets megabytes, whether there is room for them or not.
        Event::Message { peer, message }
            if **message == Message::Peer(PeerMessage::GetAddresses(())) =>
        {
            vec![send(*peer, &block(1_000_000))]
        }
        event => polite(event),
    });
    let mut deaf = Client::ready(rig.address);
    let mut good = Client::ready(rig.address);
    let ask = Message::Peer(PeerMessage::GetAddresses(())).to_frame().to_bytes();
    // What the two sockets hold is large, but not 64 MB.
    for _ in 0..64 {
        if deaf.stream.write_all(&ask).is_err() {
            break;
        }
        good.send(&Message::Ping(1));
        assert_eq!(good.receive(), Some(Message::Pong(1)));
    }
    let first = PeerId(1);
    rig.wait(|event| matches!(event, Event::Disconnected { peer } if peer == first).then_some(()));
    good.send(&Message::Ping(2));
    assert_eq!(good.receive(), Some(Message::Pong(2)));
}

#[test]
fn what_is_no_message_is_told_and_closes_the_connection() {
    let claim = |command: u16, length: u32| {
        [&MAGIC[..], &command.to_le_bytes(), &length.to_le_bytes()].concat()
    };
    let bad = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        claim(1, u32::MAX),
        claim(19, 10),
        [claim(1, 3), vec![0xff; 3]].concat(),
    ];
    let rig = Rig::start(polite);
    for bytes in bad {
        let mut client = Client::connect(rig.address);
        client.stream.write_all(&bytes).unwrap();
        assert!(client.is_closed());
        let named = rig.wait(|event| match event {
            Event::Malformed { peer, reason } => Some((peer, reason)),
            _ => None,
        });
        assert!(!named.1.is_empty());
        rig.wait(|event| {
            matches!(event, Event::Disconnected { peer } if peer == named.0).then_some(())
        });
    }
    let mut client = Client::ready(rig.address);
    client.stream.write_all(&claim(19, u32::MAX)).unwrap();
    assert!(client.is_closed());
}

#[test]
fn a_message_that_comes_byte_by_byte_arrives_while_others_are_served() {
    let rig = Rig::start(polite);
    let mut slow = Client::ready(rig.address);
    let mut quick = Client::ready(rig.address);
    for byte in Message::Ping(77).to_frame().to_bytes() {
        slow.stream.write_all(&[byte]).unwrap();
        quick.send(&Message::Ping(1));
        assert_eq!(quick.receive(), Some(Message::Pong(1)));
    }
    assert_eq!(slow.receive(), Some(Message::Pong(77)));
}

#[test]
fn a_message_right_behind_the_hello_is_read_with_its_own_limit() {
    let rig = Rig::start(polite);
    let mut client = Client::connect(rig.address);
    let both = [hello(), block(100_000)].map(|message| message.to_frame().to_bytes()).concat();
    client.stream.write_all(&both).unwrap();
    let arrived = rig.wait(|event| match event {
        Event::Message { message, .. } => block_bytes(&message),
        _ => None,
    });
    assert_eq!(arrived, 100_000);
}

#[test]
fn nothing_but_a_hello_is_read_before_our_own_hello_is_sent() {
    let rig = Rig::start(|_| vec![]);
    let mut client = Client::connect(rig.address);
    client.send(&hello());
    client.send(&Message::Ping(1));
    assert!(client.is_closed());
    rig.wait(|event| matches!(event, Event::Malformed { .. }).then_some(()));
}

#[test]
fn a_connection_that_is_closed_still_gets_what_was_queued_and_no_event_follows() {
    let rig = Rig::start(|event| match event {
        Event::Message { peer, .. } => vec![
            send(*peer, &hello()),
            Effect::Disconnect { peer: *peer, reason: "enough".to_owned() },
        ],
        _ => vec![],
    });
    let mut client = Client::connect(rig.address);
    let three = [hello(), hello(), hello()].map(|message| message.to_frame().to_bytes()).concat();
    client.stream.write_all(&three).unwrap();
    assert_eq!(client.receive(), Some(hello()));
    assert!(client.is_closed());
    let mut messages = 0;
    rig.wait(|event| match event {
        Event::Message { .. } => {
            messages += 1;
            None
        }
        Event::Disconnected { .. } => Some(()),
        _ => None,
    });
    assert_eq!(messages, 1);
}

#[test]
fn who_is_being_closed_and_takes_its_time_keeps_no_place_from_a_newcomer() {
    let rig = Rig::with_places(4, |event| match event {
        Event::Connected { peer, .. } => {
            vec![Effect::Disconnect { peer: *peer, reason: "no place".to_owned() }]
        }
        _ => vec![],
    });
    let mut stubborn = Vec::new();
    for _ in 0..12 {
        // None of them closes its own side.
        stubborn.push(Client::connect(rig.address));
        rig.wait(|event| matches!(event, Event::Connected { .. }).then_some(()));
    }
}

#[test]
fn a_dial_that_nobody_answers_is_told() {
    let (listener, nobody) = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    drop(listener);
    let rig = Rig::start(move |event| match event {
        Event::Wakeup => vec![Effect::Dial { address: nobody }],
        _ => vec![],
    });
    let failed = rig.wait(|event| match event {
        Event::DialFailed { address } => Some(address),
        _ => None,
    });
    assert_eq!(failed, nobody);
}
