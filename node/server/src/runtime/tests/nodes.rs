//! Whole nodes: start, questions, end.

use std::num::NonZeroUsize;

use chain::transaction::TxPosition;
use testkit::HeldPort;
use wire::directory::{DirectoryMessage, GetName, Named};
use wire::hello::{NetworkIdentity, Role};
use wire::wallet::{GetHistory, WalletMessage};

use super::*;

pub(super) fn config() -> NodeConfig {
    let machine = MachineConfig::new("test", [1; 32]);
    let (network, listen) = (Arc::new(samples::network(8)), "127.0.0.1:0".parse().unwrap());
    let relay = NodeConfig::new(machine, network, StorePlace::Memory, listen);
    NodeConfig { on_panic: PanicPolicy::Surface, ..relay }
}

/// Always something to mine.
pub(super) fn policy() -> MiningPolicy {
    MiningPolicy { min_txs: 0, max_wait: None, payout: samples::secret(1).output_key() }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let node = Node::start(config()).unwrap();
    let mut second = config();
    second.listen = node.address;
    let Err(error) = Node::start(second) else {
        panic!("two nodes on one port");
    };
    let text = error.to_string();
    assert!(text.contains(&node.address.to_string()), "{text}");
    assert!(text.contains("choose another port"), "{text}");
}

#[test]
fn a_question_that_panics_is_an_error_and_the_node_lives_on() {
    let node = Node::start(config()).unwrap();
    let genesis = node.handle.ask_blocking(|machine| machine.network().genesis_hash());
    let panicked = node.handle.ask_blocking(|_| -> u8 { panic!("a bad question") });
    assert_eq!(panicked, Err(AskError::Panicked));
    assert_eq!(genesis, Ok(samples::network(8).genesis_hash()));
    assert_eq!(node.handle.ask_blocking(|machine| machine.tip().height), Ok(0));
    assert!(!node.ended.is_cancelled());
    node.stop().unwrap();
}

#[test]
fn questions_are_answered_while_peers_come_and_go() {
    let node = Node::start(config()).unwrap();
    let address = node.address;
    let done = CancellationToken::new();
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let done = done.clone();
            std::thread::spawn(move || {
                while !done.is_cancelled() {
                    // The node may close it in the middle.
                    let _ =
                        Client::connect(address).stream.write_all(&hello().to_frame().to_bytes());
                }
            })
        })
        .collect();
    let tokio = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..200 {
        let answer = tokio.block_on(node.handle.ask(|machine| machine.tip().height));
        assert_eq!(answer, Ok(0));
    }
    done.cancel();
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    node.stop().unwrap();
}

/// The hello of a wallet that knows the network.
fn hello_of_wallet() -> Message {
    let Message::Hello(mut wallet) = hello() else { panic!() };
    wallet.role = Role::Wallet;
    wallet.network = Some(NetworkIdentity::of(&samples::network(8)));
    Message::Hello(wallet)
}

#[test]
fn a_wallet_may_say_hello_and_ask_in_one_breath() {
    let node = Node::start(config()).unwrap();
    let question = Message::Wallet(WalletMessage::GetTip(7));
    let bytes = [hello_of_wallet(), question].map(|message| message.to_frame().to_bytes());
    let mut client = Client::connect(node.address);
    client.stream.write_all(&bytes.concat()).unwrap();
    assert!(matches!(client.receive(), Some(Message::Hello(_))));
    let answer = client.receive();
    assert!(matches!(answer, Some(Message::Wallet(WalletMessage::Tip(_)))), "{answer:?}");
    node.stop().unwrap();
}

#[test]
fn a_client_pays_for_its_questions_with_the_machines_time() {
    let node = Node::start(config()).unwrap();
    let had = || {
        let lanes = &node.parts.as_ref().unwrap().lanes;
        lanes.clients_have_had_time()
    };
    let mut client = Client::connect(node.address);
    assert!(!had());
    client.send(&hello_of_wallet());
    assert!(matches!(client.receive(), Some(Message::Hello(_))));
    client.send(&Message::Wallet(WalletMessage::GetTip(1)));
    assert!(matches!(client.receive(), Some(Message::Wallet(WalletMessage::Tip(_)))));
    assert!(had());
    node.stop().unwrap();
}

#[test]
fn answers_to_a_wallet_keep_the_order_of_its_questions_whoever_answers_them() {
    let node = Node::start(config()).unwrap();
    let mut client = Client::connect(node.address);
    client.send(&hello_of_wallet());
    assert!(matches!(client.receive(), Some(Message::Hello(_))));
    let key = samples::secret(1).output_key();
    let from = TxPosition { height: 0, transaction: 0 };
    for request in 0..100 {
        // A thread reads histories; the machine itself tells the tip.
        client.send(&Message::Wallet(match request % 2 {
            0 => WalletMessage::GetHistory(GetHistory { request, key, from }),
            _ => WalletMessage::GetTip(request),
        }));
    }
    for request in 0..100 {
        let answered = match client.receive() {
            Some(Message::Wallet(WalletMessage::History(history))) => (history.request, 0),
            Some(Message::Wallet(WalletMessage::Tip(tip))) => (tip.request, 1),
            other => panic!("{other:?}"),
        };
        assert_eq!(answered, (request, request % 2));
    }
    node.stop().unwrap();
}

#[test]
fn a_stopped_node_frees_its_port_closes_its_connections_and_answers_no_more() {
    // Nobody else may take the port before it is listened on again.
    let held = HeldPort::any();
    let mut here = config();
    here.listen = held.address();
    let node = Node::start(here).unwrap();
    let (address, handle, ended) = (node.address, node.handle.clone(), node.ended.clone());
    let mut client = Client::connect(address);
    node.stop().unwrap();
    assert!(ended.is_cancelled());
    // The node may have stopped before it took the connection up, which makes the end a reset.
    let end = client.stream.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)), "{end:?}");
    assert_eq!(handle.ask_blocking(|_| ()), Err(AskError::Stopped));
    let mut again = config();
    again.listen = address;
    Node::start(again).unwrap().stop().unwrap();
}

#[test]
fn a_directory_of_another_network_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |bits| {
        let mut config = config();
        config.network = Arc::new(samples::network(bits));
        config.store = StorePlace::Directory(directory.path().to_owned());
        Node::start(config)
    };
    at(8).unwrap().stop().unwrap();
    assert!(at(9).is_err());
    at(8).unwrap().stop().unwrap();
}

#[test]
fn a_node_without_a_miner_has_no_hash_rate_and_one_with_a_miner_has() {
    let mut mining = config();
    mining.mining =
        Some(MiningConfig { threads: NonZeroUsize::MIN, kernel: engine::Kernel::portable() });
    let miner = Node::start(mining).unwrap();
    assert_eq!(miner.hash_rate(), Some(HashRate::default()));
    assert_eq!(Node::start(config()).unwrap().hash_rate(), None);
}

#[test]
fn a_node_mines_and_another_follows_its_chain_over_a_real_connection() {
    let mining = MiningConfig { threads: NonZeroUsize::MIN, kernel: engine::Kernel::portable() };
    let mut miner = config();
    miner.mining = Some(mining);
    miner.machine.mining = Some(policy());
    let miner = Node::start(miner).unwrap();
    let mut follower = config();
    follower.machine.seed = [2; 32];
    follower.machine.peers = vec![miner.address];
    let mut follower = Node::start(follower).unwrap();
    let (mut numbers, mut heights) = (Vec::new(), Vec::new());
    while heights.len() < 3 {
        let told = follower.reports.blocking_recv().unwrap();
        numbers.push(told.number);
        if let Report::BlockConnected { height, .. } = told.report {
            heights.push(height);
        }
    }
    assert_eq!(heights, [1, 2, 3]);
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    assert!(miner.hash_rate().unwrap().hashes > 0);
    let mined = miner.handle.ask_blocking(|machine| machine.tip().height).unwrap();
    assert!(mined >= 3);
    miner.stop().unwrap();
    follower.stop().unwrap();
}

#[test]
fn a_chain_is_still_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start = |mine: bool| {
        let mut config = config();
        config.store = StorePlace::Directory(directory.path().to_owned());
        config.mining = mine.then(|| MiningConfig {
            threads: NonZeroUsize::MIN,
            kernel: engine::Kernel::portable(),
        });
        config.machine.mining = mine.then(policy);
        Node::start(config).unwrap()
    };
    let mut node = start(true);
    while !matches!(
        node.reports.blocking_recv().unwrap().report,
        Report::BlockConnected { height: 2, .. }
    ) {}
    let before = node.handle.ask_blocking(|machine| machine.tip().height).unwrap();
    node.stop().unwrap();
    let node = start(false);
    let after = node.handle.ask_blocking(|machine| (machine.tip().height, machine.totals()));
    let (height, totals) = after.unwrap();
    assert!(height >= before);
    assert!(totals.coins > 2);
    node.stop().unwrap();
}

/// A caller of the directory whose handshake is done.
fn caller(address: SocketAddr) -> Client {
    let Message::Hello(mut hello) = hello() else { unreachable!("hello() makes a hello") };
    hello.role = Role::Directory;
    hello.network = Some(NetworkIdentity::of(&samples::network(8)));
    let mut client = Client::connect(address);
    client.send(&Message::Hello(hello));
    assert!(matches!(client.receive(), Some(Message::Hello(_))));
    client
}

fn get_name(request: u32) -> Message {
    Message::Directory(DirectoryMessage::GetName(GetName { request, name: "Bob".to_owned() }))
}

fn named(request: u32) -> Message {
    Message::Directory(DirectoryMessage::Named(Named { request, record: None }))
}

#[test]
fn a_thousand_forwarded_questions_of_one_connection_are_answered_in_order_one_at_a_time() {
    const QUESTIONS: u32 = 1000;
    let (desk, mut questions) = tokio::sync::mpsc::channel(1);
    let node = Node::start(NodeConfig {
        machine: MachineConfig { directory: true, ..config().machine },
        directory: Some(desk),
        ..config()
    })
    .unwrap();
    let mut client = caller(node.address);
    let mut writing = Client::on(client.stream.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        (0..QUESTIONS).for_each(|request| writing.send(&get_name(request)));
    });
    let handle = node.handle.clone();
    let answering = std::thread::spawn(move || {
        while let Some(question) = questions.blocking_recv() {
            // There is one place in the channel: a second question would have ended the connection.
            let Forwarded { peer, message: Message::Directory(message), .. } = question else {
                panic!("{question:?}");
            };
            let DirectoryMessage::GetName(GetName { request, .. }) = message else {
                panic!("{message:?}");
            };
            assert!(questions.try_recv().is_err());
            handle.reply(peer, named(request));
        }
    });
    for request in 0..QUESTIONS {
        assert_eq!(client.receive(), Some(named(request)));
    }
    writer.join().unwrap();
    node.stop().unwrap();
    answering.join().unwrap();
}

#[test]
fn a_question_that_nobody_takes_ends_its_connection() {
    let (full, _questions) = tokio::sync::mpsc::channel(1);
    let filler = Forwarded { peer: PeerId(0), address: config().listen, message: get_name(0) };
    full.try_send(filler).unwrap();
    for directory in [None, Some(full)] {
        let node = Node::start(NodeConfig {
            machine: MachineConfig { directory: true, ..config().machine },
            directory,
            ..config()
        })
        .unwrap();
        let mut client = caller(node.address);
        client.send(&get_name(1));
        assert!(client.is_closed());
        node.stop().unwrap();
    }
}
