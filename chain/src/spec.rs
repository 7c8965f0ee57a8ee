//! `ChainSpec`: the numbers that make a network, their bounds, and their consensus bytes.

mod file;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::amount::Amount;
use crate::encoding::{Encode, write_compact_size, write_list};
use crate::hash::{SpecHash, sha256d};
use crate::key::OutputKey;
use crate::target::{CompactTarget, Target};
use crate::transaction::Output;

/// Version of the rules that the spec's numbers are meant for; the first word of its consensus
/// bytes.
pub const RULES_VERSION: u32 = 1;

/// Largest block that any network may allow: the upper bound of [`ChainSpec::block_bytes_max`].
pub const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// Most genesis allocations.
pub const ALLOCATIONS_MAX: usize = 4096;

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
    /// Who is paid.
    pub key: OutputKey,
    /// How much.
    pub amount: Amount,
}

/// The numbers that make a network. Any value can be held; [`ChainSpec::check`] says which may be
/// used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSpec {
    /// Name of the coin, 1 to 32 letters, digits, spaces or dashes.
    pub coin_name: String,
    /// Its symbol, `[A-Z0-9]{1,8}`.
    pub coin_symbol: String,
    /// Prefix of addresses, `[a-z]{1,16}`.
    pub address_prefix: String,
    /// Leading zero bits of genesis's target, 1..=200.
    pub starting_bits: u32,
    /// Leading zero bits of the easiest target, 1..=`starting_bits`.
    pub easiest_bits: u32,
    /// Seconds between blocks, 1..=86,400.
    pub spacing_s: u32,
    /// How difficulty follows the hash rate.
    pub retarget: Retarget,
    /// Seconds behind schedule that double the target; at least 24 spacings.
    pub half_life_s: u32,
    /// What the first blocks pay; with all halvings and the allocations at most
    /// [`crate::amount::MAX_MONEY`].
    pub subsidy: Amount,
    /// Blocks between halvings of the subsidy, at least 1.
    pub halving_interval: u32,
    /// Blocks until a coinbase can be spent, 1..=10,000.
    pub maturity: u32,
    /// Most consensus bytes of a block, 10,000..=4,000,000.
    pub block_bytes_max: u32,
    /// Time of genesis, seconds since 1970.
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
        /// What it is.
        got: String,
        /// What it may be.
        expected: &'static str,
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
        (self.half_life_s / 24).max(15)
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
        in_bounds("maturity", &self.maturity, "1 to 10000 blocks", |maturity| {
            (1..=10_000).contains(maturity)
        })?;
        in_bounds("block_bytes_max", &self.block_bytes_max, "10000 to 4000000 bytes", |bytes| {
            (10_000..=BLOCK_BYTES_MAX).contains(bytes)
        })?;
        // The last second that 32 bits hold stays out of reach of the future limit.
        in_bounds("genesis_time", &self.genesis_time, "a time before the year 2100", |time| {
            *time < 4_102_444_800
        })
    }

    fn check_names(&self) -> Result<(), SpecError> {
        let lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
        let symbol = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -".contains(&byte))
        };
        in_bounds(
            "coin_name",
            &self.coin_name,
            "1 to 32 letters, digits, spaces or dashes",
            |text| (1..=32).contains(&text.len()) && name(text),
        )?;
        in_bounds("coin_symbol", &self.coin_symbol, "1 to 8 capitals or digits", |text| {
            (1..=8).contains(&text.len()) && symbol(text)
        })?;
        in_bounds("address_prefix", &self.address_prefix, "1 to 16 lower-case letters", |text| {
            (1..=16).contains(&text.len()) && lower(text)
        })
    }

    fn check_pace(&self) -> Result<(), SpecError> {
        in_bounds("starting_bits", &self.starting_bits, "1 to 200 leading zero bits", |bits| {
            (1..=200).contains(bits)
        })?;
        in_bounds("easiest_bits", &self.easiest_bits, "1 to starting_bits", |bits| {
            (1..=self.starting_bits).contains(bits)
        })?;
        in_bounds("spacing_s", &self.spacing_s, "1 to 86400 seconds", |spacing_s| {
            (1..=86_400).contains(spacing_s)
        })?;
        in_bounds("half_life_s", &self.half_life_s, "at least 24 times spacing_s", |half_life_s| {
            *half_life_s >= self.spacing_s.saturating_mul(24)
        })
    }

    fn check_money(&self) -> Result<(), SpecError> {
        in_bounds("halving_interval", &self.halving_interval, "at least 1 block", |interval| {
            *interval >= 1
        })?;
        in_bounds("allocations", &self.allocations.len(), "at most 4096", |count| {
            *count <= ALLOCATIONS_MAX
        })?;
        for allocation in &self.allocations {
            in_bounds("allocations.amount", &allocation.amount, "more than zero", |amount| {
                *amount > Amount::ZERO
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
                expected: "allocations plus all subsidies of at most 1000000000 coins",
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

fn in_bounds<T: ToString + ?Sized>(
    field: &'static str,
    value: &T,
    expected: &'static str,
    is_good: impl Fn(&T) -> bool,
) -> Result<(), SpecError> {
    if is_good(value) {
        return Ok(());
    }
    let got = value.to_string().chars().filter(|c| !c.is_control()).take(80).collect();
    Err(SpecError::Field { field, got, expected })
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
