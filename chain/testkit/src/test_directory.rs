//! A bootstrap node for tests: a thread with a real socket that lists, names and pays as told.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use chain::genesis::Network;
use chain::key::SecretKey;
use wire::directory::{
    DirectoryMessage, FaucetAnswer, FaucetOutcome, MinerEntry, NameOutcome, NamePut, NameRecord,
    Named, Names,
};
use wire::frame::Phase;
use wire::{ByteString, Message};

use crate::test_node::{greet, receive, send, serve};

/// What a directory in a test knows and does; changed by the test while it runs.
#[derive(Debug)]
pub struct DirectoryState {
    /// Those that are listed.
    pub miners: Vec<MinerEntry>,
    /// By name in lower case.
    pub names: BTreeMap<String, NameRecord>,
    /// What the faucet says to everybody.
    pub faucet: FaucetOutcome,
    /// How often the faucet was asked.
    pub faucet_asked: u32,
    /// Nobody is answered.
    pub is_down: bool,
}

/// The state of a directory that runs; whoever holds the lock stops it.
pub type SharedDirectory = Arc<Mutex<DirectoryState>>;

impl DirectoryState {
    /// Lets `name` stand for the key of `secret`.
    pub fn register(&mut self, network: &Network, name: &str, secret: &SecretKey) {
        let record = NameRecord::sign(name, 1, network.genesis_hash(), secret, &[0; 32]);
        self.names.insert(name.to_ascii_lowercase(), record);
    }
}

/// Starts one that lists miners at `miners`, called `Miner1` and so on.
pub fn start(network: &Arc<Network>, miners: &[SocketAddr]) -> (String, SharedDirectory) {
    let entry = |(number, address): (usize, &SocketAddr)| MinerEntry {
        name: format!("Miner{}", number + 1),
        address: *address,
    };
    let state = Arc::new(Mutex::new(DirectoryState {
        miners: miners.iter().enumerate().map(entry).collect(),
        names: BTreeMap::new(),
        faucet: FaucetOutcome::Empty,
        faucet_asked: 0,
        is_down: false,
    }));
    let (shared, network) = (Arc::clone(&state), Arc::clone(network));
    let address = serve(move |stream| converse(stream, &network, &shared));
    (address.to_string(), state)
}

fn converse(mut stream: TcpStream, network: &Network, state: &SharedDirectory) {
    if state.lock().unwrap().is_down {
        return;
    }
    if greet(&mut stream, network).is_none() {
        return;
    }
    while let Some(Message::Directory(question)) = receive(&mut stream, Phase::Established) {
        let answer = answer(question, network, &mut state.lock().unwrap());
        send(&mut stream, &Message::Directory(answer));
    }
}

fn answer(
    question: DirectoryMessage,
    network: &Network,
    state: &mut DirectoryState,
) -> DirectoryMessage {
    match question {
        DirectoryMessage::GetSpec(()) => {
            DirectoryMessage::Spec(ByteString(network.spec.to_toml().into_bytes()))
        }
        DirectoryMessage::GetMiners(()) => DirectoryMessage::Miners(state.miners.clone()),
        DirectoryMessage::GetName(asked) => {
            let record = state.names.get(&asked.name.to_ascii_lowercase()).cloned();
            DirectoryMessage::Named(Named { request: asked.request, record })
        }
        DirectoryMessage::PutName(asked) => {
            assert!(asked.record.is_valid(network.genesis_hash()));
            let lower = asked.record.name.to_ascii_lowercase();
            let held = state.names.entry(lower).or_insert_with(|| asked.record.clone());
            let outcome = if held.key == asked.record.key {
                NameOutcome::Held
            } else {
                NameOutcome::Taken(held.clone())
            };
            DirectoryMessage::NamePut(NamePut { request: asked.request, outcome })
        }
        DirectoryMessage::AskFaucet(asked) => {
            state.faucet_asked += 1;
            let outcome = state.faucet.clone();
            DirectoryMessage::FaucetAnswer(FaucetAnswer { request: asked.request, outcome })
        }
        DirectoryMessage::GetNames(asked) => {
            let after = asked.after.to_ascii_lowercase();
            let behind = state.names.iter().filter(|(lower, _)| **lower > after);
            let mut names: Vec<String> = behind.map(|(_, record)| record.name.clone()).collect();
            let more = names.len() > 2;
            names.truncate(2);
            DirectoryMessage::Names(Names { request: asked.request, names, more })
        }
        other => panic!("not a question of a wallet: {other:?}"),
    }
}
