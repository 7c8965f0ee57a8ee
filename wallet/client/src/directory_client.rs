//! `DirectoryClient`: what anybody asks the bootstrap node; the spec, miners, names, the faucet.

use std::net::SocketAddr;
use std::str;

use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::spec::ChainSpec;
use wire::Message;
use wire::directory::{
    AskFaucet, DirectoryMessage, FaucetOutcome, GetName, GetNames, MINERS_MAX, MinerEntry,
    NameOutcome, NameRecord, PutName, Register, RegisterOutcome,
};
use wire::hello::Role;

use crate::node_client::{ClientError, NodeClient, Timeouts};

/// Most names that are taken from one directory.
pub const LISTED_NAMES_MAX: usize = 4096;

/// A connection to a bootstrap node, after the handshake.
///
/// No answer is believed further than it can be checked here: a directory can withhold names and
/// miners, but cannot make one key answer to the name of another unnoticed once the name is known.
#[derive(Debug)]
pub struct DirectoryClient {
    client: NodeClient,
    genesis: BlockHash,
}

/// Asks the bootstrap node at `address` for the spec of its network, which the caller then pins.
///
/// # Errors
/// [`ClientError`], also for a spec that does not pass its own checks or is not the network's that
/// the node says it is on.
pub fn spec(address: SocketAddr, timeouts: Timeouts) -> Result<ChainSpec, ClientError> {
    let mut client = NodeClient::greet(address, Role::Directory, None, timeouts)?;
    let question = Message::Directory(DirectoryMessage::GetSpec(()));
    let bytes = client.ask(question, |message| match message {
        Message::Directory(DirectoryMessage::Spec(bytes)) => Some(bytes.0),
        _ => None,
    })?;
    let no_spec = |reason: String| ClientError::Protocol(format!("its spec: {reason}"));
    let text = str::from_utf8(&bytes).map_err(|error| no_spec(error.to_string()))?;
    let spec = ChainSpec::from_toml(text).map_err(|error| no_spec(error.to_string()))?;
    let said = client.node().network.as_ref().map(|network| network.spec_hash);
    if said.is_some_and(|said| said != spec.hash()) {
        return Err(no_spec("it is not the one of its hello".to_owned()));
    }
    Ok(spec)
}

impl DirectoryClient {
    /// Connects to the bootstrap node of `network`.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::WrongNetwork`] names the field that differs.
    pub fn connect(
        address: SocketAddr,
        network: &Network,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        let client = NodeClient::greet(address, Role::Directory, Some(network), timeouts)?;
        Ok(Self { client, genesis: network.genesis_hash() })
    }

    /// The miners that are listed now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn miners(&mut self) -> Result<Vec<MinerEntry>, ClientError> {
        let question = Message::Directory(DirectoryMessage::GetMiners(()));
        let miners = self.client.ask(question, |message| match message {
            Message::Directory(DirectoryMessage::Miners(miners)) => Some(miners),
            _ => None,
        })?;
        if miners.len() > MINERS_MAX {
            return Err(ClientError::Protocol(format!("{} miners", miners.len())));
        }
        Ok(miners)
    }

    /// Asks to be listed under `name` (see [`wire::hello::NODE_NAME_BYTES_MAX`]) with `port`
    /// of the address that this connection comes from, which the directory dials before it answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn register(&mut self, name: &str, port: u16) -> Result<RegisterOutcome, ClientError> {
        let request = self.client.next_request();
        let question =
            DirectoryMessage::Register(Register { request, name: name.to_owned(), port });
        self.client.ask(Message::Directory(question), |message| match message {
            Message::Directory(DirectoryMessage::Registered(answer))
                if answer.request == request =>
            {
                Some(answer.outcome)
            }
            _ => None,
        })
    }

    /// Who has `name`, in any case of its letters; `None` when nobody has.
    ///
    /// # Errors
    /// [`ClientError`], also for a record that its key did not sign or that is of another name.
    pub fn name(&mut self, name: &str) -> Result<Option<NameRecord>, ClientError> {
        let request = self.client.next_request();
        let question = DirectoryMessage::GetName(GetName { request, name: name.to_owned() });
        let record = self.client.ask(Message::Directory(question), |message| match message {
            Message::Directory(DirectoryMessage::Named(answer)) if answer.request == request => {
                Some(answer.record)
            }
            _ => None,
        })?;
        record.map(|record| self.checked(name, record)).transpose()
    }

    /// The names that somebody has, in the order of their lower-case bytes;
    /// [`LISTED_NAMES_MAX`] of them at most.
    ///
    /// # Errors
    /// [`ClientError`], also for pages that do not follow each other.
    pub fn names(&mut self) -> Result<Vec<String>, ClientError> {
        let mut all: Vec<String> = Vec::new();
        while all.len() < LISTED_NAMES_MAX {
            let request = self.client.next_request();
            let after = all.last().cloned().unwrap_or_default();
            let question = DirectoryMessage::GetNames(GetNames { request, after });
            let page = self.client.ask(Message::Directory(question), |message| match message {
                Message::Directory(DirectoryMessage::Names(answer))
                    if answer.request == request =>
                {
                    Some(answer)
                }
                _ => None,
            })?;
            let is_empty = page.names.is_empty();
            all.extend(page.names);
            let lower = all.iter().map(|name| name.to_ascii_lowercase());
            if !lower.is_sorted_by(|before, after| before < after) {
                return Err(ClientError::Protocol("a page of names that does not follow".into()));
            }
            if !page.more || is_empty {
                break;
            }
        }
        all.truncate(LISTED_NAMES_MAX);
        Ok(all)
    }

    /// Hands in a record: a new name, or a newer record of one that the same key holds.
    ///
    /// # Errors
    /// [`ClientError`], also when the name is said to be taken and the proof of it is none.
    pub fn put_name(&mut self, record: &NameRecord) -> Result<NameOutcome, ClientError> {
        let request = self.client.next_request();
        let question = DirectoryMessage::PutName(PutName { request, record: record.clone() });
        let outcome = self.client.ask(Message::Directory(question), |message| match message {
            Message::Directory(DirectoryMessage::NamePut(answer)) if answer.request == request => {
                Some(answer.outcome)
            }
            _ => None,
        })?;
        match outcome {
            NameOutcome::Taken(other) => Ok(NameOutcome::Taken(self.checked(&record.name, other)?)),
            outcome => Ok(outcome),
        }
    }

    /// Asks the faucet to pay `key`; each key is paid once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask_faucet(&mut self, key: OutputKey) -> Result<FaucetOutcome, ClientError> {
        let request = self.client.next_request();
        let question = DirectoryMessage::AskFaucet(AskFaucet { request, key });
        self.client.ask(Message::Directory(question), |message| match message {
            Message::Directory(DirectoryMessage::FaucetAnswer(answer))
                if answer.request == request =>
            {
                Some(answer.outcome)
            }
            _ => None,
        })
    }

    fn checked(&self, name: &str, record: NameRecord) -> Result<NameRecord, ClientError> {
        if !record.name.eq_ignore_ascii_case(name) {
            return Err(ClientError::Protocol("a record of another name".to_owned()));
        }
        if !record.is_valid(self.genesis) {
            return Err(ClientError::Protocol("a record that its key did not sign".to_owned()));
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
