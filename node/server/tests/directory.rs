//! The directory over real sockets: many at once, who can be listed, and who is paid.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;
use std::time::Instant;

use bytes::BytesMut;
use chain::amount::{Amount, COIN};
use chain::genesis::Network;
use chain::key::{OutputKey, SecretKey};
use chain::spec::ChainSpec;
use client::directory_client::DirectoryClient;
use client::node_client::{ClientError, NodeClient, Timeouts};
use machine::MachineConfig;
use server::directory::{Directory, DirectoryOrder, faucet};
use server::runtime::{FORWARDED_MAX, Node, NodeConfig, PanicPolicy, StorePlace};
use testkit::{HeldPort, PATIENCE, poll_until, samples};
use tokio::sync::mpsc::channel;
use wire::directory::{
    DirectoryMessage, FaucetOutcome, MinerEntry, NameOutcome, NameRecord, RegisterOutcome,
};
use wire::frame::{FrameDecoder, Incoming, Phase};
use wire::hello::{Hello, NetworkIdentity, Role};
use wire::{Message, PROTOCOL_VERSION};

/// The computer may be busy.
const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

fn faucet_secret() -> SecretKey {
    SecretKey::from_bytes([5; 32]).unwrap()
}

fn network_with(maturity: u32) -> Network {
    let allocations = faucet::allocations(faucet_secret().output_key(), 20).collect();
    Network::new(ChainSpec { maturity, allocations, ..samples::spec() }).unwrap()
}

static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(|| Arc::new(network_with(2)));

fn config(network: &Arc<Network>, store: StorePlace) -> NodeConfig {
    let machine = MachineConfig::new("test", rand::random());
    let listen = "127.0.0.1:0".parse().unwrap();
    let relay = NodeConfig::new(machine, Arc::clone(network), store, listen);
    NodeConfig { on_panic: PanicPolicy::Surface, ..relay }
}

/// A bootstrap node on a directory.
struct Bootstrap {
    node: Node,
    directory: Directory,
}

impl Bootstrap {
    fn start(home: &Path) -> Self {
        let (forward, questions) = channel(FORWARDED_MAX);
        let mut config = config(&NETWORK, StorePlace::Directory(home.to_owned()));
        config.machine.directory = true;
        config.directory = Some(forward);
        let node = Node::start(config).unwrap();
        let directory = Directory::start(DirectoryOrder {
            network: Arc::clone(&NETWORK),
            directory: home.to_owned(),
            faucet: Some(faucet_secret()),
            miners: Vec::new(),
            handle: node.handle.clone(),
            questions,
            tell: Box::new(|_| ()),
        })
        .unwrap();
        Self { node, directory }
    }

    fn call(&self) -> DirectoryClient {
        call(self.node.address)
    }

    fn stop(self) {
        self.directory.stop();
        self.node.stop().unwrap();
    }
}

fn call(address: SocketAddr) -> DirectoryClient {
    DirectoryClient::connect(address, &NETWORK, TIMEOUTS).unwrap()
}

/// Somewhere that answers each call with a hello of the network, as a node does.
fn answering_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hello = Message::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: Some(NetworkIdentity::of(&NETWORK)),
        nonce: u64::from(port),
        listen_port: port,
        wall_s: 0,
        height: 0,
        name: "miner".to_owned(),
    }));
    let bytes = hello.to_frame().to_bytes();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever hangs up first is of no interest.
            let _ = stream.and_then(|mut stream| stream.write_all(&bytes));
        }
    });
    port
}

fn receive(stream: &mut TcpStream) -> Message {
    let (mut decoder, mut bytes) = (FrameDecoder::new(Phase::Established), BytesMut::new());
    loop {
        match decoder.decode(&mut bytes).unwrap() {
            Some(Incoming::Message(message)) => return *message,
            Some(Incoming::Unknown { command }) => panic!("nodes never send {command}"),
            None => {
                let mut part = vec![0; decoder.missing(&bytes)];
                stream.read_exact(&mut part).unwrap();
                bytes.extend_from_slice(&part);
            }
        }
    }
}

fn is_listed(outcome: &RegisterOutcome) -> bool {
    matches!(outcome, RegisterOutcome::Listed { .. })
}

fn key(number: u8) -> OutputKey {
    SecretKey::from_bytes([number; 32]).unwrap().output_key()
}

/// The answer to a question, perhaps of another call: one lasts ten seconds.
fn ask<T>(
    client: &mut DirectoryClient,
    address: SocketAddr,
    question: impl Fn(&mut DirectoryClient) -> Result<T, ClientError>,
) -> T {
    question(client).unwrap_or_else(|_| {
        *client = call(address);
        question(client).unwrap()
    })
}

#[test]
fn ten_thousand_registrations_and_listings_over_64_connections_are_all_answered_and_none_mixed() {
    const CALLERS: usize = 64;
    const ROUNDS: usize = 157;
    let home = tempfile::tempdir().unwrap();
    let bootstrap = Bootstrap::start(home.path());
    let (address, start) = (bootstrap.node.address, Arc::new(Barrier::new(CALLERS)));
    let begun = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                let port = answering_port();
                let name = format!("M{port}");
                let mut client = call(address);
                start.wait();
                for _ in 0..ROUNDS {
                    // The client takes no answer but that to its own request.
                    let outcome = ask(&mut client, address, |one| one.register(&name, port));
                    assert!(is_listed(&outcome), "{outcome:?}");
                    let miners = ask(&mut client, address, DirectoryClient::miners);
                    let own = miners.iter().filter(|miner| miner.address.port() == port);
                    assert_eq!(own.map(|miner| miner.name.clone()).collect::<Vec<_>>(), [&*name]);
                    for miner in miners {
                        assert_eq!(miner.name, format!("M{}", miner.address.port()));
                    }
                }
                MinerEntry { name, address: SocketAddr::from(([127, 0, 0, 1], port)) }
            })
        })
        .collect();
    let mut expected: Vec<MinerEntry> =
        callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    eprintln!("{} registrations and as many listings in {:?}", CALLERS * ROUNDS, begun.elapsed());
    expected.sort_by_key(|miner| miner.address);
    assert_eq!(bootstrap.call().miners().unwrap(), expected);
    bootstrap.stop();
}

#[test]
fn answers_come_in_the_order_of_the_questions_also_when_they_were_all_sent_at_once() {
    let home = tempfile::tempdir().unwrap();
    let bootstrap = Bootstrap::start(home.path());
    let mut stream = TcpStream::connect(bootstrap.node.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = Vec::new();
    let mut questions = Vec::new();
    hello.extend(
        Message::Hello(Box::new(Hello {
            protocol: PROTOCOL_VERSION,
            role: Role::Directory,
            network: Some(NetworkIdentity::of(&NETWORK)),
            nonce: 1,
            listen_port: 0,
            wall_s: 0,
            height: 0,
            name: "caller".to_owned(),
        }))
        .to_frame()
        .to_bytes(),
    );
    // A call that takes its time, and a row of listings behind it.
    let port = answering_port();
    let register = wire::directory::Register { request: 1, name: "M".to_owned(), port };
    let register = Message::Directory(DirectoryMessage::Register(register));
    questions.extend(register.to_frame().to_bytes());
    for _ in 0..200 {
        let ask = Message::Directory(DirectoryMessage::GetMiners(()));
        questions.extend(ask.to_frame().to_bytes());
    }
    stream.write_all(&hello).unwrap();
    assert!(matches!(receive(&mut stream), Message::Hello(_)));
    stream.write_all(&questions).unwrap();
    assert!(matches!(receive(&mut stream), Message::Directory(DirectoryMessage::Registered(_))));
    for _ in 0..200 {
        let Message::Directory(DirectoryMessage::Miners(miners)) = receive(&mut stream) else {
            panic!("a listing was asked for");
        };
        assert_eq!(miners.len(), 1, "the registration was answered before");
    }
    bootstrap.stop();
}

#[test]
fn nobody_is_listed_at_a_port_where_no_node_of_this_network_answers() {
    let home = tempfile::tempdir().unwrap();
    let bootstrap = Bootstrap::start(home.path());
    let other = Node::start(config(&Arc::new(network_with(3)), StorePlace::Memory)).unwrap();
    let ours = Node::start(config(&NETWORK, StorePlace::Memory)).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = HeldPort::any();
    let mut client = bootstrap.call();
    for (port, said) in [
        (nobody.port, "refused"),
        (silent.local_addr().unwrap().port(), "2 s"),
        (other.address.port(), "maturity"),
        (0, "port 0"),
    ] {
        let RegisterOutcome::Unreachable { reason } = client.register("M", port).unwrap() else {
            panic!("port {port} is listed");
        };
        assert!(reason.contains(said), "{reason}");
    }
    assert!(client.miners().unwrap().is_empty());
    assert!(is_listed(&client.register("M", ours.address.port()).unwrap()));
    assert_eq!(client.miners().unwrap().len(), 1);
    other.stop().unwrap();
    ours.stop().unwrap();
    bootstrap.stop();
}

#[test]
fn the_bootstrap_node_connects_with_whoever_registers() {
    let home = tempfile::tempdir().unwrap();
    let bootstrap = Bootstrap::start(home.path());
    let miner = Node::start(config(&NETWORK, StorePlace::Memory)).unwrap();
    assert!(is_listed(&bootstrap.call().register("M", miner.address.port()).unwrap()));
    let nodes = || {
        let count = |machine: &machine::Machine| {
            machine.peers().filter(|peer| peer.is_ready_node()).count()
        };
        bootstrap.node.handle.ask_blocking(count).unwrap()
    };
    poll_until("they are connected", PATIENCE, || (nodes() > 0).then_some(()));
    miner.stop().unwrap();
    bootstrap.stop();
}

#[test]
fn the_faucet_pays_a_key_once_however_many_ask_at_once_and_before_and_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let bootstrap = Bootstrap::start(home.path());
    let address = bootstrap.node.address;
    let askers: Vec<_> =
        (0..8).map(|_| thread::spawn(move || call(address).ask_faucet(key(9)).unwrap())).collect();
    let mut outcomes: Vec<FaucetOutcome> =
        askers.into_iter().map(|asker| asker.join().unwrap()).collect();
    outcomes.push(bootstrap.call().ask_faucet(key(9)).unwrap());
    let FaucetOutcome::Paid { txid, amount } = outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(amount, Amount(100 * COIN));
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    let mut wallet = NodeClient::connect(address, &NETWORK, TIMEOUTS).unwrap();
    let pending = wallet.pending(key(9)).unwrap();
    assert_eq!(pending.len(), 1, "it is pending as soon as it is told");
    assert_eq!(pending[0].txid(), txid);
    assert_eq!(pending[0].outputs[0].amount, amount);
    drop(wallet);
    bootstrap.stop();
    // Pending transactions are forgotten with the node: the faucet brings the payout again.
    let bootstrap = Bootstrap::start(home.path());
    assert_eq!(bootstrap.call().ask_faucet(key(9)).unwrap(), outcomes[0]);
    let mut wallet = NodeClient::connect(bootstrap.node.address, &NETWORK, TIMEOUTS).unwrap();
    let pending = poll_until("the payout comes again", PATIENCE, || {
        Some(wallet.pending(key(9)).unwrap()).filter(|pending| !pending.is_empty())
    });
    assert_eq!(pending[0].txid(), txid);
    let FaucetOutcome::Paid { txid: second, .. } = bootstrap.call().ask_faucet(key(8)).unwrap()
    else {
        panic!("there is more");
    };
    assert_ne!(second, txid);
    bootstrap.stop();
}

#[test]
fn names_are_there_again_for_a_node_that_took_over_the_files_of_one_that_never_closed_them() {
    let (home, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bootstrap = Bootstrap::start(home.path());
    let record = |name: &str, secret: u8, sequence| {
        let secret = SecretKey::from_bytes([secret; 32]).unwrap();
        NameRecord::sign(name, sequence, NETWORK.genesis_hash(), &secret, &[0; 32])
    };
    let mut client = bootstrap.call();
    assert_eq!(client.put_name(&record("Bob", 1, 1)).unwrap(), NameOutcome::Held);
    assert_eq!(client.put_name(&record("Adam", 2, 1)).unwrap(), NameOutcome::Held);
    assert_eq!(client.put_name(&record("BOB", 1, 2)).unwrap(), NameOutcome::Held);
    let thief = client.put_name(&record("bob", 3, 9)).unwrap();
    assert_eq!(thief, NameOutcome::Taken(record("BOB", 1, 2)));
    // What a kill at this moment leaves behind.
    let file = server::directory::database::FILE;
    std::fs::copy(home.path().join(file), copy.path().join(file)).unwrap();
    let second = Bootstrap::start(copy.path());
    let mut client = second.call();
    assert_eq!(client.name("bob").unwrap(), Some(record("BOB", 1, 2)));
    assert_eq!(client.name("ADAM").unwrap(), Some(record("Adam", 2, 1)));
    assert_eq!(client.name("nobody").unwrap(), None);
    second.stop();
    bootstrap.stop();
}
