//! The hello: who one is, which network one means, and whom one talks to.

use serde::{Deserialize, Serialize};

use crate::{PROTOCOL_VERSION, WireError, command};
use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{BlockHash, SpecHash};
use chain::spec::{ChainSpec, Retarget};

/// Largest payload of a hello: the frame limit before the handshake.
pub const HELLO_BYTES_MAX: u32 = super::frame::HANDSHAKE_PAYLOAD_BYTES_MAX;

/// What the sender of a hello is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A full node: speaks the peer conversation.
    Peer,
    /// A light client: speaks the wallet conversation.
    Wallet,
    /// Only asks the directory.
    Directory,
    /// Whoever runs the node, asking it from the same computer.
    Operator,
}

/// The fixed-size fields of a spec, so that a refusal can name the one that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecFields {
    /// See [`ChainSpec::starting_bits`].
    pub starting_bits: u32,
    /// See [`ChainSpec::easiest_bits`].
    pub easiest_bits: u32,
    /// See [`ChainSpec::spacing_s`].
    pub spacing_s: u32,
    /// See [`ChainSpec::retarget`].
    pub retarget: Retarget,
    /// See [`ChainSpec::half_life_s`].
    pub half_life_s: u32,
    /// See [`ChainSpec::subsidy`].
    pub subsidy: Amount,
    /// See [`ChainSpec::halving_interval`].
    pub halving_interval: u32,
    /// See [`ChainSpec::maturity`].
    pub maturity: u32,
    /// See [`ChainSpec::block_bytes_max`].
    pub block_bytes_max: u32,
    /// See [`ChainSpec::genesis_time`].
    pub genesis_time: u32,
}

impl SpecFields {
    /// The fields of `spec`.
    pub fn of(spec: &ChainSpec) -> Self {
        Self {
            starting_bits: spec.starting_bits,
            easiest_bits: spec.easiest_bits,
            spacing_s: spec.spacing_s,
            retarget: spec.retarget,
            half_life_s: spec.half_life_s,
            subsidy: spec.subsidy,
            halving_interval: spec.halving_interval,
            maturity: spec.maturity,
            block_bytes_max: spec.block_bytes_max,
            genesis_time: spec.genesis_time,
        }
    }

    /// Name and both values of the first field that differs from `other`'s.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        macro_rules! first_difference {
            ($($field:ident),*) => {
                $(if self.$field != other.$field {
                    let shown = |fields: &Self| format!("{:?}", fields.$field).to_lowercase();
                    return Some((stringify!($field), shown(self), shown(other)));
                })*
            };
        }
        first_difference!(
            starting_bits,
            easiest_bits,
            spacing_s,
            retarget,
            half_life_s,
            halving_interval,
            maturity,
            block_bytes_max,
            genesis_time
        );
        (self.subsidy != other.subsidy)
            .then(|| ("subsidy", self.subsidy.to_string(), other.subsidy.to_string()))
    }
}

/// What names a network in a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkIdentity {
    /// Hash of genesis.
    pub genesis: BlockHash,
    /// Hash of the whole spec.
    pub spec_hash: SpecHash,
    /// Its fixed-size fields.
    pub fields: SpecFields,
    /// Hash of its allocations.
    pub allocations_hash: [u8; 32],
}

impl NetworkIdentity {
    /// What names `network`.
    pub fn of(network: &Network) -> Self {
        Self {
            genesis: network.genesis_hash(),
            spec_hash: network.spec_hash,
            fields: SpecFields::of(&network.spec),
            allocations_hash: network.spec.allocations_hash(),
        }
    }
}

/// The first message of both sides. The version comes first and stays first for ever; later
/// versions may append fields, so only here are extra bytes at the end allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender.
    pub protocol: u16,
    /// What the sender is.
    pub role: Role,
    /// The network it means; none when it still has to ask for the spec, which is then all it may
    /// do.
    pub network: Option<NetworkIdentity>,
    /// Drawn at random once per process: who reads his own talks to himself.
    pub nonce: u64,
    /// Port on which the sender accepts connections, zero for none.
    pub listen_port: u16,
    /// The sender's clock, seconds since 1970.
    pub wall_s: u64,
    /// Height of the sender's tip: a hint, never believed.
    pub height: u32,
    /// Name of the node, as its user typed it; for people only. At most [`NODE_NAME_BYTES_MAX`], no
    /// control characters.
    pub name: String,
}

/// What one side says of itself, and by which it judges the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Our network; none while we still have to ask for its spec.
    pub network: Option<NetworkIdentity>,
    /// What we are.
    pub role: Role,
    /// See [`Hello::nonce`].
    pub nonce: u64,
    /// See [`Hello::name`].
    pub name: String,
    /// See [`Hello::listen_port`].
    pub listen_port: u16,
}

/// Why a hello ends the conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloRefusal {
    /// It speaks another version of the protocol.
    #[error("it speaks protocol {got}, this node {PROTOCOL_VERSION}")]
    OtherVersion {
        /// The version it names.
        got: u16,
    },
    /// We have called ourselves.
    #[error("this is our own address")]
    Ourselves,
    /// We called a node and somebody else answered.
    #[error("it is a {role:?}, not a node")]
    NoNode {
        /// What it is.
        role: Role,
    },
    /// It names no network, though it may do more than ask for the spec.
    #[error("it is on another network: it names no network")]
    NoNetwork,
    /// It means another network.
    #[error("it is on another network: {difference}")]
    OtherNetwork {
        /// The field that differs, with both values.
        difference: String,
    },
}

impl Greeting {
    /// Our hello, at the time `wall_s` (seconds since 1970) and at `height`.
    pub fn hello(&self, wall_s: u64, height: u32) -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            role: self.role,
            network: self.network,
            nonce: self.nonce,
            listen_port: self.listen_port,
            wall_s,
            height,
            name: self.name.clone(),
        }
    }

    /// Whether a conversation can follow the other side's hello. A node talks to every role,
    /// everybody else only to nodes; how many, and from where, is not decided here.
    ///
    /// # Errors
    /// [`HelloRefusal`].
    pub fn judge(&self, theirs: &Hello) -> Result<(), HelloRefusal> {
        if theirs.protocol != PROTOCOL_VERSION {
            return Err(HelloRefusal::OtherVersion { got: theirs.protocol });
        }
        if theirs.nonce == self.nonce {
            return Err(HelloRefusal::Ourselves);
        }
        if self.role != Role::Peer && theirs.role != Role::Peer {
            return Err(HelloRefusal::NoNode { role: theirs.role });
        }
        let difference = match (&self.network, &theirs.network) {
            // Whoever asks for the spec does not know it yet.
            (None, _) => None,
            (Some(_), None) if theirs.role == Role::Directory => None,
            (Some(_), None) => return Err(HelloRefusal::NoNetwork),
            (Some(ours), Some(theirs)) => Hello::difference(ours, theirs),
        };
        match difference {
            Some(difference) => Err(HelloRefusal::OtherNetwork { difference }),
            None => Ok(()),
        }
    }
}

/// Longest node name in a hello.
pub const NODE_NAME_BYTES_MAX: usize = 32;

/// Names end up on other people's terminals: short, and without what moves a cursor.
pub(super) fn check_node_name(name: &str) -> Result<(), String> {
    if name.len() > NODE_NAME_BYTES_MAX {
        return Err(format!(
            "a name of {} bytes, at most {NODE_NAME_BYTES_MAX} are allowed",
            name.len()
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("a name with control characters".to_owned());
    }
    Ok(())
}

impl Hello {
    pub(super) fn from_payload(payload: &[u8]) -> Result<Self, WireError> {
        let malformed = |reason: String| WireError::Malformed { command: command::HELLO, reason };
        // The version comes first, so that a hello of another version is told apart from noise.
        let (protocol, _) = postcard::take_from_bytes::<u16>(payload)
            .map_err(|reason| malformed(reason.to_string()))?;
        if protocol != PROTOCOL_VERSION {
            return Err(WireError::OtherVersion { got: protocol });
        }
        let (hello, _later_fields) = postcard::take_from_bytes::<Self>(payload)
            .map_err(|reason| malformed(reason.to_string()))?;
        check_node_name(&hello.name).map_err(malformed)?;
        Ok(hello)
    }

    /// Why the two sides cannot talk, as a sentence that names the field that differs; `None` when
    /// they mean the same network.
    pub fn difference(ours: &NetworkIdentity, theirs: &NetworkIdentity) -> Option<String> {
        if ours.genesis == theirs.genesis && ours.spec_hash == theirs.spec_hash {
            return None;
        }
        if let Some((field, our, their)) = ours.fields.difference(&theirs.fields) {
            return Some(format!("{field} is {our} here and {their} there"));
        }
        if ours.allocations_hash != theirs.allocations_hash {
            return Some("the genesis allocations differ".to_owned());
        }
        Some("the coin's name, symbol or address prefix differs".to_owned())
    }
}
