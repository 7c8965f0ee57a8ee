//! Founding: the numbers of a new network, and how the flags of a command line change them.

use chain::amount::{Amount, COIN};
use chain::spec::{ChainSpec, Retarget};
use wire::hello::SpecFields;

use crate::words::Coin;

/// Leading zero bits of the starting target, which is also the easiest: four million attempts, less
/// than a second of work for two slow cores. ASERT climbs from there to what the machine can do.
pub const DIFFICULTY_DEFAULT: u32 = 22;

/// Spacings that double the target when the chain is late by them.
const HALF_LIFE_SPACINGS: u32 = 120;

/// Coins that a block of the first years pays.
const SUBSIDY_COINS: u64 = 50;

/// Blocks between halvings, as in Bitcoin.
const HALVING_INTERVAL: u32 = 210_000;

/// Blocks until a miner can spend its coinbase: a minute or two at the usual spacings.
const MATURITY: u32 = 10;

/// Most bytes of a block.
const BLOCK_BYTES_MAX: u32 = 1_000_000;

/// What a command line says of a network's numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `--coin`.
    pub coin: Option<Coin>,
    /// `--difficulty`, in leading zero bits.
    pub difficulty: Option<u32>,
    /// `--retarget`.
    pub retarget: Option<Retarget>,
    /// `--spacing`, in seconds.
    pub spacing_s: Option<u32>,
}

/// A new network without allocations.
pub fn default_spec(address_prefix: &str, spacing_s: u32, genesis_time: u32) -> ChainSpec {
    ChainSpec {
        coin_name: "Lode".to_owned(),
        coin_symbol: "LODE".to_owned(),
        address_prefix: address_prefix.to_owned(),
        starting_bits: DIFFICULTY_DEFAULT,
        easiest_bits: DIFFICULTY_DEFAULT,
        spacing_s,
        retarget: Retarget::Asert,
        half_life_s: spacing_s * HALF_LIFE_SPACINGS,
        subsidy: Amount(SUBSIDY_COINS * COIN),
        halving_interval: HALVING_INTERVAL,
        maturity: MATURITY,
        block_bytes_max: BLOCK_BYTES_MAX,
        genesis_time,
        allocations: Vec::new(),
    }
}

/// The spec that the wishes make of `spec`; what nobody wishes is as it was.
pub fn apply(wishes: &Wishes, mut spec: ChainSpec) -> ChainSpec {
    if let Some(coin) = &wishes.coin {
        (spec.coin_name, spec.coin_symbol) = (coin.name.clone(), coin.symbol.clone());
    }
    if let Some(bits) = wishes.difficulty {
        (spec.starting_bits, spec.easiest_bits) = (bits, bits);
    }
    if let Some(retarget) = wishes.retarget {
        spec.retarget = retarget;
    }
    if let Some(spacing_s) = wishes.spacing_s {
        spec.spacing_s = spacing_s;
        spec.half_life_s = spacing_s.saturating_mul(HALF_LIFE_SPACINGS);
    }
    spec
}

/// A field in which a network is not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {kept}, not {wanted}: leave {flag} away")]
pub struct Contradiction {
    /// The spec's field that differs.
    pub field: &'static str,
    /// The flag that it comes from.
    pub flag: &'static str,
    /// Its value in the directory.
    pub kept: String,
    /// Its value by the flags.
    pub wanted: String,
}

/// The first field besides the allocations in which a network is not the one asked for;
/// `from_file` when `--spec` asks.
pub fn contradiction(
    kept: &ChainSpec,
    wanted: &ChainSpec,
    from_file: bool,
) -> Option<Contradiction> {
    let (field, kept, wanted) = difference(kept, wanted)?;
    let flag = if from_file { "--spec" } else { flag_of(field) };
    Some(Contradiction { field, flag, kept, wanted })
}

fn difference(kept: &ChainSpec, wanted: &ChainSpec) -> Option<(&'static str, String, String)> {
    let names = [
        ("coin_name", &kept.coin_name, &wanted.coin_name),
        ("coin_symbol", &kept.coin_symbol, &wanted.coin_symbol),
    ];
    let name = names.into_iter().find(|(_, kept, wanted)| kept != wanted);
    if let Some((field, kept, wanted)) = name {
        return Some((field, kept.clone(), wanted.clone()));
    }
    SpecFields::of(kept).difference(&SpecFields::of(wanted))
}

/// The flag that a field comes from.
fn flag_of(field: &str) -> &'static str {
    match field {
        "coin_name" | "coin_symbol" => "--coin",
        "starting_bits" | "easiest_bits" => "--difficulty",
        "retarget" => "--retarget",
        _ => "--spacing",
    }
}
