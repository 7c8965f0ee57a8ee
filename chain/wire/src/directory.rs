//! The conversation with the bootstrap node: the spec, the list of miners, names, the faucet.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{ByteString, at_most, check_node_name, conversation};
use chain::amount::Amount;
use chain::hash::{BlockHash, Txid, tagged_hash};
use chain::key::{OutputKey, SecretKey, Signature, SignatureCheck};

/// Most entries in a [`DirectoryMessage::Miners`].
pub const MINERS_MAX: usize = 256;

/// Largest spec file: all its allocations with their addresses.
pub const SPEC_BYTES_MAX: u32 = 1024 * 1024;

/// Longest name of a [`NameRecord`].
pub const NAME_BYTES_MAX: usize = 32;

/// Most names in a [`Names`].
pub const NAMES_MAX: usize = 256;

/// A miner that is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerEntry {
    /// Its name, for people only; as in a [`Hello`](crate::hello::Hello).
    pub name: String,
    /// Where it accepts peers and wallets.
    pub address: SocketAddr,
}

/// Asks to be listed: the directory dials the port back at the address that the question came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Repeated in the answer.
    pub request: u32,
    /// The miner's name; as in a [`Hello`](crate::hello::Hello).
    pub name: String,
    /// Where it accepts peers and wallets.
    pub port: u16,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegisterOutcome {
    /// It is listed until the time is over or it registers again.
    Listed {
        /// Seconds until the entry ends.
        expires_in_s: u32,
    },
    /// Nobody of this network answers there.
    Unreachable {
        /// What happened, as a sentence.
        reason: String,
    },
    /// The directory's own limits are reached: try again later.
    Busy,
}

/// Answers [`Register`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The request.
    pub request: u32,
    /// What became of it.
    pub outcome: RegisterOutcome,
}

/// Who is paid under a name, signed by the key that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord {
    /// ASCII letters, digits, `_` and `-`, at most [`NAME_BYTES_MAX`], shown as typed. Case makes
    /// no other name.
    pub name: String,
    /// Who is paid.
    pub key: OutputKey,
    /// Rises when a record replaces an older one of the same key.
    pub sequence: u64,
    /// The 64 bytes of the signature.
    pub signature: ByteString,
}

impl NameRecord {
    /// The record of `secret`'s key; `aux` as in [`SecretKey::sign`].
    pub fn sign(
        name: &str,
        sequence: u64,
        genesis: BlockHash,
        secret: &SecretKey,
        aux: &[u8; 32],
    ) -> Self {
        let key = secret.output_key();
        let signature = secret.sign(&message(name, &key, sequence, genesis), aux);
        let signature = ByteString(signature.0.to_vec());
        Self { name: name.to_owned(), key, sequence, signature }
    }

    /// Whether the name may be one and its key signed it for the network of `genesis`.
    pub fn is_valid(&self, genesis: BlockHash) -> bool {
        let Ok(signature) = self.signature.0.as_slice().try_into() else {
            return false;
        };
        let check = SignatureCheck {
            key: self.key,
            message: message(&self.name, &self.key, self.sequence, genesis),
            signature: Signature(signature),
            transaction: 0,
            input: 0,
        };
        is_name(&self.name) && check.is_valid()
    }
}

/// What a [`NameRecord`] signs: the tagged hash `lode/name` of genesis, key, sequence and the name
/// as typed.
fn message(name: &str, key: &OutputKey, sequence: u64, genesis: BlockHash) -> [u8; 32] {
    let parts: [&[u8]; 4] = [genesis.as_bytes(), &key.0, &sequence.to_le_bytes(), name.as_bytes()];
    tagged_hash("lode/name", &parts)
}

/// Whether a [`NameRecord`] may have this name.
pub fn is_name(name: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"_-".contains(&letter);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Asks who is paid under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetName {
    /// Repeated in the answer.
    pub request: u32,
    /// The name, in any case.
    pub name: String,
}

/// Answers [`GetName`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The request.
    pub request: u32,
    /// The record; none when nobody has the name.
    pub record: Option<NameRecord>,
}

/// Asks for the names that somebody has, a page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetNames {
    /// Repeated in the answer.
    pub request: u32,
    /// Names up to this one, in the order of [`Names::names`], are left out; empty for the first
    /// page.
    pub after: String,
}

/// Answers [`GetNames`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The request.
    pub request: u32,
    /// At most [`NAMES_MAX`] names as typed, rising in the order of their lower-case bytes.
    pub names: Vec<String>,
    /// More names follow; ask again from behind the last one.
    pub more: bool,
}

/// Asks for a name, or changes the record of one that the same key holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutName {
    /// Repeated in the answer.
    pub request: u32,
    /// The record.
    pub record: NameRecord,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameOutcome {
    /// The directory holds this record or a later one of the same key.
    Held,
    /// Another key has the name: first come, first served.
    Taken(NameRecord),
    /// It is refused, and will be again.
    Refused {
        /// Why, as a sentence.
        reason: String,
    },
    /// The directory's own limits are reached: try again later.
    Busy,
}

/// Answers [`PutName`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamePut {
    /// The request.
    pub request: u32,
    /// What became of it.
    pub outcome: NameOutcome,
}

/// Asks the faucet to pay a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskFaucet {
    /// Repeated in the answer.
    pub request: u32,
    /// Who is to be paid.
    pub key: OutputKey,
}

/// What the faucet did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaucetOutcome {
    /// The key is paid, now or at an earlier time: each key once.
    Paid {
        /// The transaction that pays it.
        txid: Txid,
        /// What that transaction pays to the key.
        amount: Amount,
    },
    /// Not yet: too many asked before.
    Later {
        /// Seconds until it makes sense to ask again.
        wait_s: u32,
    },
    /// There is no faucet here, or nothing is left in it.
    Empty,
}

/// Answers [`AskFaucet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaucetAnswer {
    /// The request.
    pub request: u32,
    /// What the faucet did.
    pub outcome: FaucetOutcome,
}

fn registration_is_sound(register: &Register) -> Result<(), String> {
    check_node_name(&register.name)
}

fn miners_are_sound(miners: &[MinerEntry]) -> Result<(), String> {
    at_most(MINERS_MAX, miners.len(), "miners")?;
    miners.iter().try_for_each(|miner| check_node_name(&miner.name))
}

fn names_are_sound(names: &Names) -> Result<(), String> {
    at_most(NAMES_MAX, names.names.len(), "names")?;
    let bad = names.names.iter().find(|name| !is_name(name));
    bad.map_or(Ok(()), |name| Err(format!("{name:?} is no name")))
}

conversation! {
    /// What anybody and the bootstrap node say to each other.
    DirectoryMessage {
        /// Asks for the spec: the only question of a caller that named no network.
        128 GetSpec(()) <= 0;
        /// The spec as a TOML file.
        129 Spec(ByteString) <= SPEC_BYTES_MAX;
        /// Asks for the miners that are listed now; answers come in the order of the questions.
        130 GetMiners(()) <= 0;
        /// The miners.
        131 Miners(Vec<MinerEntry>) <= MINERS_MAX as u32 * 64, if miners_are_sound;
        /// Asks to be listed.
        132 Register(Register) <= 64, if registration_is_sound;
        /// What became of it.
        133 Registered(Registered) <= 512;
        /// Asks who has a name.
        134 GetName(GetName) <= 64;
        /// The answer.
        135 Named(Named) <= 256;
        /// Asks for a name.
        136 PutName(PutName) <= 256;
        /// What became of it.
        137 NamePut(NamePut) <= 512;
        /// Asks to be paid by the faucet.
        138 AskFaucet(AskFaucet) <= 64;
        /// What it did.
        139 FaucetAnswer(FaucetAnswer) <= 64;
        /// Asks for the names that somebody has.
        140 GetNames(GetNames) <= 64;
        /// A page of them.
        141 Names(Names) <= NAMES_MAX as u32 * 33 + 16, if names_are_sound;
    }
}
