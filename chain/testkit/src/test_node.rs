//! A node for tests: a thread with a real socket that answers wallets from a [`TestChain`].

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::BytesMut;
use chain::encoding::{Decode, Encode};
use chain::genesis::Network;
use chain::header::Header;
use chain::key::OutputKey;
use chain::transaction::Transaction;
use wire::directory::{DirectoryMessage, MinerEntry};
use wire::frame::{FrameDecoder, Incoming, Phase};
use wire::hello::{Hello, NetworkIdentity, Role};
use wire::peer::PeerMessage;
use wire::wallet::{
    History, HistoryEntry, Pending, RefusalKind, SubmitOutcome, Submitted, Tip, WalletMessage,
    beginning,
};
use wire::{ByteString, Message, PROTOCOL_VERSION};

use crate::test_chain::TestChain;

/// What a node in a test knows and does; changed by the test while it runs.
#[derive(Debug)]
pub struct NodeState {
    /// What it answers from.
    pub chain: TestChain,
    /// Bytes of every transaction that was handed over, in order.
    pub submitted: Vec<Vec<u8>>,
    /// Entries a page of history holds.
    pub page: usize,
    /// Closes the connection instead of answering the next submission.
    pub dies_on_submit: bool,
    /// Takes no payment, for this reason.
    pub refuses: Option<String>,
    /// Changes entries before they are sent.
    pub lie: fn(&mut HistoryEntry),
    /// Mines a block after the next answer to a history question, so many times.
    pub mines_meanwhile: u32,
    /// Closes every connection at its next message, and new ones at once.
    pub is_down: bool,
    /// Connections whose handshake was done.
    pub connections: u32,
    /// Mines what is pending right before the next question for it is answered.
    pub mines_when_asked_for_pending: bool,
    /// What is sent instead of an honest answer.
    pub deceit: Deceit,
}

/// What a node answers instead of what it would: from the question, what it knows, and the honest
/// answer. `None` is silence.
pub type Deceit = fn(&Message, &TestChain, Message) -> Option<Message>;

/// The state of a node that runs; whoever holds the lock stops it.
pub type SharedState = Arc<Mutex<NodeState>>;

/// Accepts connections for ever, one thread each. The threads end with the test's process.
pub fn start(chain: TestChain) -> (SocketAddr, SharedState) {
    let state = Arc::new(Mutex::new(NodeState {
        chain,
        submitted: Vec::new(),
        page: 3,
        dies_on_submit: false,
        refuses: None,
        lie: |_| {},
        mines_meanwhile: 0,
        is_down: false,
        connections: 0,
        mines_when_asked_for_pending: false,
        deceit: |_, _, answer| Some(answer),
    }));
    let shared = Arc::clone(&state);
    let address = serve(move |stream| converse(stream, &shared));
    (address, state)
}

/// Hands every connection to `handle`, one thread each.
pub fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = Arc::clone(&handle);
            let stream = stream.unwrap();
            // As a node does: answers of several parts must not wait for each other.
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// What a node of `network` says of itself.
pub fn hello(network: &Network) -> Hello {
    Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: Some(NetworkIdentity::of(network)),
        nonce: 1,
        listen_port: 1,
        wall_s: 0,
        height: 0,
        name: "node".to_owned(),
    }
}

/// The next message; `None` when the other side is gone.
pub fn receive(stream: &mut TcpStream, phase: Phase) -> Option<Message> {
    let (mut decoder, mut bytes) = (FrameDecoder::new(phase), BytesMut::new());
    loop {
        match decoder.decode(&mut bytes).unwrap() {
            Some(Incoming::Message(message)) => return Some(*message),
            Some(Incoming::Unknown { command }) => panic!("wallets never send {command}"),
            None => {
                let mut part = vec![0; decoder.missing(&bytes)];
                stream.read_exact(&mut part).ok()?;
                bytes.extend_from_slice(&part);
            }
        }
    }
}

/// Sends what it can: the other side may be gone.
pub fn send(stream: &mut TcpStream, message: &Message) {
    let _ = stream.write_all(&message.to_frame().to_bytes());
}

/// Exchanges hellos as a node of `network`; returns the other side's.
pub fn shake_hands(stream: &mut TcpStream, network: &Network) -> Hello {
    greet(stream, network).expect("a wallet begins with its hello")
}

/// The same with a wallet that may be killed before it has said anything.
pub(crate) fn greet(stream: &mut TcpStream, network: &Network) -> Option<Hello> {
    let theirs = match receive(stream, Phase::Handshake)? {
        Message::Hello(theirs) => theirs,
        other => panic!("a wallet begins with its hello, not {other:?}"),
    };
    send(stream, &Message::Hello(Box::new(hello(network))));
    Some(*theirs)
}

fn converse(mut stream: TcpStream, state: &SharedState) {
    let network = Arc::clone(&state.lock().unwrap().chain.network);
    if state.lock().unwrap().is_down {
        return;
    }
    if greet(&mut stream, &network).is_none() {
        return;
    }
    state.lock().unwrap().connections += 1;
    let mut pongs_owed = 0;
    while let Some(message) = receive(&mut stream, Phase::Established) {
        let mut state = state.lock().unwrap();
        if message == Message::Pong(7) {
            pongs_owed -= 1;
            continue;
        }
        // Two questions may be asked at once.
        assert!((0..=1).contains(&pongs_owed), "{pongs_owed} pings were not answered");
        if state.is_down {
            return;
        }
        let answer = match message.clone() {
            Message::Peer(PeerMessage::GetHeaders(locator)) => {
                let headers = state.chain.headers_behind(&locator);
                let bytes = headers.iter().flat_map(Header::to_bytes).collect();
                Message::Peer(PeerMessage::Headers(ByteString(bytes)))
            }
            Message::Peer(PeerMessage::GetBlocks(hashes)) => {
                let found = hashes.first().and_then(|hash| state.chain.block(hash));
                let found = found.map(|block| PeerMessage::Block(ByteString(block.encode())));
                Message::Peer(found.unwrap_or(PeerMessage::BlocksNotFound(hashes)))
            }
            Message::Wallet(question) => match answer(question, &mut state) {
                Some(answer) => Message::Wallet(answer),
                None => return,
            },
            Message::Directory(DirectoryMessage::GetSpec(())) => {
                let spec = network.spec.to_toml().into_bytes();
                Message::Directory(DirectoryMessage::Spec(ByteString(spec)))
            }
            Message::Directory(DirectoryMessage::GetMiners(())) => {
                let address = "127.0.0.1:9001".parse().unwrap();
                let miner = MinerEntry { name: "Miner1".to_owned(), address };
                Message::Directory(DirectoryMessage::Miners(vec![miner]))
            }
            other => panic!("not a question of a wallet: {other:?}"),
        };
        let Some(answer) = (state.deceit)(&message, &state.chain, answer) else { continue };
        // A ping and a command of a later version come before every answer.
        send(&mut stream, &Message::Ping(7));
        let _ = stream.write_all(b"LODE\xff\xff\x02\0\0\0??");
        pongs_owed += 1;
        send(&mut stream, &answer);
    }
}

fn answer(question: WalletMessage, state: &mut NodeState) -> Option<WalletMessage> {
    let tip = state.chain.tip();
    Some(match question {
        WalletMessage::GetTip(request) => WalletMessage::Tip(Tip {
            request,
            tip: tip.hash,
            height: tip.height,
            fee_rate_min: 1000,
            pending_changes: state.chain.pending.len() as u64,
        }),
        WalletMessage::GetHistory(question) => {
            let mut entries = state.chain.history(&question.key);
            entries.retain(|entry| entry.position >= question.from);
            let more = entries.len() > state.page;
            entries.truncate(state.page);
            entries.iter_mut().for_each(state.lie);
            if state.mines_meanwhile > 0 {
                state.mines_meanwhile -= 1;
                state.chain.mine(question.key, vec![]);
            }
            let request = question.request;
            let (tip, tip_height) = (tip.hash, tip.height);
            WalletMessage::History(History { request, tip, tip_height, entries, more })
        }
        WalletMessage::GetPending(question) => {
            if std::mem::take(&mut state.mines_when_asked_for_pending) {
                state.chain.mine_pending(question.key);
            }
            let pending = state.chain.pending_of(&question.key);
            let transactions = pending.iter().map(|pending| ByteString(pending.encode()));
            let request = question.request;
            WalletMessage::Pending(Pending { request, transactions: transactions.collect() })
        }
        WalletMessage::GetPendingOfMany(question) => {
            if std::mem::take(&mut state.mines_when_asked_for_pending) {
                state.chain.mine_pending(OutputKey([9; 32]));
            }
            let is_wanted = |transaction: &&Transaction| {
                let keys = state.chain.keys_of(transaction);
                keys.iter().any(|key| question.beginnings().contains(&beginning(key)))
            };
            let pending = state.chain.pending.iter().filter(is_wanted);
            let transactions = pending.map(|pending| ByteString(pending.encode())).collect();
            WalletMessage::Pending(Pending { request: question.request, transactions })
        }
        WalletMessage::Submit(question) => {
            let bytes = question.transaction.0;
            let transaction = Transaction::decode(&bytes).unwrap();
            let txid = transaction.txid();
            if let Some(reason) = state.refuses.clone() {
                let outcome = SubmitOutcome::Refused { kind: RefusalKind::Busy, reason };
                let request = question.request;
                return Some(WalletMessage::Submitted(Submitted { request, outcome }));
            }
            let known = state.chain.knows(&transaction);
            state.submitted.push(bytes);
            if !known {
                state.chain.pending.push(transaction);
            }
            if std::mem::take(&mut state.dies_on_submit) {
                return None;
            }
            let outcome = if known {
                SubmitOutcome::AlreadyKnown(txid)
            } else {
                SubmitOutcome::Accepted(txid)
            };
            WalletMessage::Submitted(Submitted { request: question.request, outcome })
        }
        other => panic!("not a question of a wallet: {other:?}"),
    })
}
