//! The spec as a TOML file: amounts as decimal coins, keys as addresses of the network itself.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::amount::{Amount, COIN, MAX_MONEY};
use crate::spec::{Allocation, ChainSpec, Retarget, SpecError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    coin_name: String,
    coin_symbol: String,
    address_prefix: String,
    starting_bits: u32,
    easiest_bits: u32,
    spacing_s: u32,
    retarget: Retarget,
    half_life_s: u32,
    subsidy: String,
    halving_interval: u32,
    maturity: u32,
    block_bytes_max: u32,
    genesis_time: u32,
    #[serde(default)]
    allocations: Vec<AllocationFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllocationFile {
    address: String,
    amount: String,
}

impl ChainSpec {
    /// Reads and checks a spec file.
    ///
    /// # Errors
    /// [`SpecError`] with the line or the field that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let file: SpecFile = toml::from_str(text)
            .map_err(|error| SpecError::Syntax(syntax_message(text, &error)))?;
        let mut spec = Self {
            subsidy: parse_amount("subsidy", &file.subsidy)?,
            coin_name: file.coin_name,
            coin_symbol: file.coin_symbol,
            address_prefix: file.address_prefix,
            starting_bits: file.starting_bits,
            easiest_bits: file.easiest_bits,
            spacing_s: file.spacing_s,
            retarget: file.retarget,
            half_life_s: file.half_life_s,
            halving_interval: file.halving_interval,
            maturity: file.maturity,
            block_bytes_max: file.block_bytes_max,
            genesis_time: file.genesis_time,
            allocations: Vec::new(),
        };
        // A wrong prefix is named as what it is before every address is found to be another
        // network's.
        spec.check_names()?;
        spec.allocations = file
            .allocations
            .iter()
            .map(|entry| entry.read(&spec.address_prefix))
            .collect::<Result<_, _>>()?;
        spec.check()?;
        Ok(spec)
    }

    /// The spec as a file that [`ChainSpec::from_toml`] reads back.
    pub fn to_toml(&self) -> String {
        let file = SpecFile {
            coin_name: self.coin_name.clone(),
            coin_symbol: self.coin_symbol.clone(),
            address_prefix: self.address_prefix.clone(),
            starting_bits: self.starting_bits,
            easiest_bits: self.easiest_bits,
            spacing_s: self.spacing_s,
            retarget: self.retarget,
            half_life_s: self.half_life_s,
            subsidy: self.subsidy.to_string(),
            halving_interval: self.halving_interval,
            maturity: self.maturity,
            block_bytes_max: self.block_bytes_max,
            genesis_time: self.genesis_time,
            allocations: self
                .allocations
                .iter()
                .map(|allocation| AllocationFile {
                    address: self.address(allocation.key).to_string(),
                    amount: allocation.amount.to_string(),
                })
                .collect(),
        };
        toml::to_string(&file).expect("strings and numbers always serialize")
    }
}

impl AllocationFile {
    fn read(&self, prefix: &str) -> Result<Allocation, SpecError> {
        let address = Address::parse(&self.address, prefix).map_err(|error| SpecError::Field {
            field: "allocations.address",
            got: format!("{:?} ({error})", cut(&self.address)),
            expected: "an address of this network".to_owned(),
        })?;
        Ok(Allocation {
            key: address.key,
            amount: parse_amount("allocations.amount", &self.amount)?,
        })
    }
}

fn parse_amount(field: &'static str, text: &str) -> Result<Amount, SpecError> {
    text.parse().map_err(|_| SpecError::Field {
        field,
        got: format!("{:?}", cut(text)),
        expected: format!(
            "an amount in coins such as \"50\" or \"0.25\", at most {}",
            MAX_MONEY.0 / COIN
        ),
    })
}

/// One line that says where and what: toml's own message names neither line nor field.
fn syntax_message(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', "; ");
    let Some(span) = error.span().filter(|span| span.end > 0) else {
        return message;
    };
    let before = text.get(..span.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    format!("line {number} ({}): {message}", cut(line.trim()))
}

/// At most 80 characters, none of which moves the cursor of whoever reads them.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
