//! `ChainSpec`: the numbers that make a network, their bounds, and their consensus bytes.

mod file;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::amount::{Amount, COIN, MAX_MONEY};
use crate::encoding::{Encode, write_compact_size, write_list};
use crate::hash::{SpecHash, sha256d};
use crate::key::OutputKey;
use crate::target::{CompactTarget, Target};
use crate::transaction::Output;

/// Version of the rules that the spec's numbers are meant for; the first word of its consensus
/// bytes.
pub const RULES_VERSION: u32 = 1;

/// Most bytes of [`ChainSpec::coin_name`].
pub const COIN_NAME_BYTES_MAX: usize = 32;

/// Most bytes of [`ChainSpec::coin_symbol`].
pub const COIN_SYMBOL_BYTES_MAX: usize = 8;

/// Most bytes of [`ChainSpec::address_prefix`].
pub const ADDRESS_PREFIX_BYTES_MAX: usize = 16;

/// Most leading zero bits of a network's starting target: beyond all computers together, and far
/// from the end of 256 bits.
pub const ZERO_BITS_MAX: u32 = 200;

/// Most seconds between blocks: a day.
pub const SPACING_S_MAX: u32 = 86_400;

/// Fewest spacings of a half-life. The future limit is the same part of it, so a header may always
/// be ahead of the clock by a spacing.
pub const HALF_LIFE_SPACINGS_MIN: u32 = 24;

/// Most blocks until a coinbase can be spent.
pub const MATURITY_MAX: u32 = 10_000;

/// Smallest bound of a network's blocks.
pub const BLOCK_BYTES_MIN: u32 = 10_000;

/// Largest block that any network may allow: the upper bound of [`ChainSpec::block_bytes_max`].
pub const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// The year 2100, before which genesis is: the last second that 32 bits hold stays out of reach of
/// the future limit.
pub const GENESIS_TIME_END: u32 = 4_102_444_800;

/// Most genesis allocations.
pub const ALLOCATIONS_MAX: usize = 4096;

/// Least seconds that a header's time may be ahead of the wall clock, however short the half-life.
const FUTURE_LIMIT_S_MIN: u32 = 15;

/// How difficulty follows the hash rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retarget {
    /// By ASERT, from block to block.
    Asert,
    /// Not at all: the bits of genesis for ever.
    Fixed,
}

/// An output of genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The key that holds it.
    pub key: OutputKey,
    /// How much it holds from genesis on; more than zero.
    pub amount: Amount,
}

/// The numbers that make a network. Any value can be held; [`ChainSpec::check`] says which may be
/// used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSpec {
    /// Name of the coin, as [`is_coin_name`] says.
    pub coin_name: String,
    /// Its symbol, as [`is_coin_symbol`] says.
    pub coin_symbol: String,
    /// Prefix of addresses, `[a-z]`, 1 to [`ADDRESS_PREFIX_BYTES_MAX`] of them.
    pub address_prefix: String,
    /// Leading zero bits of genesis's target, 1 to [`ZERO_BITS_MAX`].
    pub starting_bits: u32,
    /// Leading zero bits of the easiest target, 1 to `starting_bits`.
    pub easiest_bits: u32,
    /// Seconds between blocks, 1 to [`SPACING_S_MAX`].
    pub spacing_s: u32,
    /// How difficulty follows the hash rate.
    pub retarget: Retarget,
    /// Seconds behind schedule that double the target; at least [`HALF_LIFE_SPACINGS_MIN`]
    /// spacings.
    pub half_life_s: u32,
    /// What the first blocks pay; with all halvings and the allocations at most
    /// [`crate::amount::MAX_MONEY`].
    pub subsidy: Amount,
    /// Blocks between halvings of the subsidy, at least 1.
    pub halving_interval: u32,
    /// Blocks until a coinbase can be spent, 1 to [`MATURITY_MAX`].
    pub maturity: u32,
    /// Most consensus bytes of a block, [`BLOCK_BYTES_MIN`] to [`BLOCK_BYTES_MAX`].
    pub block_bytes_max: u32,
    /// Time of genesis, seconds since 1970, before [`GENESIS_TIME_END`].
    pub genesis_time: u32,
    /// Outputs of genesis, at most [`ALLOCATIONS_MAX`].
    pub allocations: Vec<Allocation>,
}

/// A field of a spec that is out of bounds, or a text that is no spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The text is no TOML, or a field is missing, unknown or of another type.
    #[error("{0}")]
    Syntax(String),
    /// A field is out of bounds.
    #[error("{field}: got {got}, expected {expected}")]
    Field {
        /// Name of the field as in the file.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        expected: String,
    },
}

impl ChainSpec {
    /// The address of `key` on this network.
    pub fn address(&self, key: OutputKey) -> Address {
        Address { prefix: self.address_prefix.clone(), key }
    }

    /// Target of genesis.
    pub fn starting_target(&self) -> Target {
        compact_target(self.starting_bits)
    }

    /// The target that none is above.
    pub fn easiest_target(&self) -> Target {
        compact_target(self.easiest_bits)
    }

    /// Seconds that a header's time may be ahead of the wall clock.
    pub fn future_limit_s(&self) -> u32 {
        (self.half_life_s / HALF_LIFE_SPACINGS_MIN).max(FUTURE_LIMIT_S_MIN)
    }

    /// Everything that subsidies can ever pay; `None` when it exceeds 64 bits.
    pub fn subsidies_total(&self) -> Option<Amount> {
        let interval = u64::from(self.halving_interval);
        let first = self.subsidy.0.checked_mul(interval.saturating_sub(1))?;
        (1..u64::BITS)
            .try_fold(first, |total, halvings| {
                total.checked_add((self.subsidy.0 >> halvings).checked_mul(interval)?)
            })
            .map(Amount)
    }

    /// SHA-256d of the spec's consensus bytes.
    pub fn hash(&self) -> SpecHash {
        SpecHash(sha256d(&self.encode()))
    }

    /// SHA-256d over the allocations alone, so that two specs can be told apart without sending
    /// them.
    pub fn allocations_hash(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        write_list(&self.allocations, &mut bytes);
        sha256d(&bytes)
    }

    /// Bounds every field.
    ///
    /// # Errors
    /// [`SpecError::Field`] names the first field that is out of bounds.
    pub fn check(&self) -> Result<(), SpecError> {
        self.check_names()?;
        self.check_pace()?;
        self.check_money()?;
        in_range("maturity", self.maturity, 1..=MATURITY_MAX, "blocks")?;
        let block_bytes = BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX;
        in_range("block_bytes_max", self.block_bytes_max, block_bytes, "bytes")?;
        let is_in_time = self.genesis_time < GENESIS_TIME_END;
        must("genesis_time", &self.genesis_time, is_in_time, || {
            "a time before the year 2100".to_owned()
        })
    }

    fn check_names(&self) -> Result<(), SpecError> {
        let (name, symbol, prefix) = (&self.coin_name, &self.coin_symbol, &self.address_prefix);
        must("coin_name", name, is_coin_name(name), || {
            format!("1 to {COIN_NAME_BYTES_MAX} letters, digits, spaces or dashes")
        })?;
        must("coin_symbol", symbol, is_coin_symbol(symbol), || {
            format!("1 to {COIN_SYMBOL_BYTES_MAX} capitals or digits")
        })?;
        let is_prefix = (1..=ADDRESS_PREFIX_BYTES_MAX).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase());
        must("address_prefix", prefix, is_prefix, || {
            format!("1 to {ADDRESS_PREFIX_BYTES_MAX} lower-case letters")
        })
    }

    fn check_pace(&self) -> Result<(), SpecError> {
        let zero_bits = 1..=ZERO_BITS_MAX;
        in_range("starting_bits", self.starting_bits, zero_bits, "leading zero bits")?;
        let is_easier = (1..=self.starting_bits).contains(&self.easiest_bits);
        must("easiest_bits", &self.easiest_bits, is_easier, || "1 to starting_bits".to_owned())?;
        in_range("spacing_s", self.spacing_s, 1..=SPACING_S_MAX, "seconds")?;
        let half_life_s_min = self.spacing_s.saturating_mul(HALF_LIFE_SPACINGS_MIN);
        must("half_life_s", &self.half_life_s, self.half_life_s >= half_life_s_min, || {
            format!("at least {HALF_LIFE_SPACINGS_MIN} times spacing_s")
        })
    }

    fn check_money(&self) -> Result<(), SpecError> {
        let halves = self.halving_interval >= 1;
        must("halving_interval", &self.halving_interval, halves, || "at least 1 block".to_owned())?;
        let count = self.allocations.len();
        must("allocations", &count, count <= ALLOCATIONS_MAX, || {
            format!("at most {ALLOCATIONS_MAX}")
        })?;
        for Allocation { amount, .. } in &self.allocations {
            must("allocations.amount", amount, *amount > Amount::ZERO, || {
                "more than zero".to_owned()
            })?;
        }
        let allocated = Amount::checked_sum(self.allocations.iter().map(|entry| entry.amount));
        let supply = allocated
            .zip(self.subsidies_total())
            .and_then(|(allocated, subsidies)| allocated.checked_add(subsidies));
        if supply.is_none() {
            return Err(SpecError::Field {
                field: "subsidy",
                got: format!("{} halving every {} blocks", self.subsidy, self.halving_interval),
                expected: format!(
                    "allocations plus all subsidies of at most {} coins",
                    MAX_MONEY.0 / COIN
                ),
            });
        }
        Ok(())
    }
}

fn compact_target(bits: u32) -> Target {
    // A spec that nobody checked may hold any number: no target below one is asked of it.
    CompactTarget::with_zero_bits(bits.min(255))
        .expand()
        .expect("a target above zero has a compact form")
}

/// Whether `text` can be the name of a coin: 1 to [`COIN_NAME_BYTES_MAX`] letters, digits, spaces
/// or dashes.
pub fn is_coin_name(text: &str) -> bool {
    (1..=COIN_NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -".contains(&byte))
}

/// Whether `text` can be the symbol of a coin: 1 to [`COIN_SYMBOL_BYTES_MAX`] capitals or digits.
pub fn is_coin_symbol(text: &str) -> bool {
    (1..=COIN_SYMBOL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn in_range(
    field: &'static str,
    value: u32,
    range: RangeInclusive<u32>,
    unit: &str,
) -> Result<(), SpecError> {
    let (low, high) = (range.start(), range.end());
    must(field, &value, range.contains(&value), || format!("{low} to {high} {unit}"))
}

/// `expected` says what a `value` that is not good may be.
fn must<T: ToString>(
    field: &'static str,
    value: &T,
    is_good: bool,
    expected: impl FnOnce() -> String,
) -> Result<(), SpecError> {
    if is_good {
        return Ok(());
    }
    let got = value.to_string().chars().filter(|c| !c.is_control()).take(80).collect();
    Err(SpecError::Field { field, got, expected: expected() })
}

impl Encode for Allocation {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        Output { amount: self.amount, key: self.key }.encode_to(bytes);
    }
}

impl Encode for ChainSpec {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&RULES_VERSION.to_le_bytes());
        for text in [&self.coin_name, &self.coin_symbol, &self.address_prefix] {
            write_compact_size(text.len() as u64, bytes);
            bytes.extend_from_slice(text.as_bytes());
        }
        for number in [self.starting_bits, self.easiest_bits, self.spacing_s] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(match self.retarget {
            Retarget::Asert => 0,
            Retarget::Fixed => 1,
        });
        bytes.extend_from_slice(&self.half_life_s.to_le_bytes());
        bytes.extend_from_slice(&self.subsidy.0.to_le_bytes());
        for number in
            [self.halving_interval, self.maturity, self.block_bytes_max, self.genesis_time]
        {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        write_list(&self.allocations, bytes);
    }
}
