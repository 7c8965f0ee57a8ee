//! Small values that the tests of several modules start from.

use chain::amount::Amount;
use chain::genesis::Network;
use chain::key::SecretKey;
use chain::spec::{Allocation, ChainSpec, Retarget};

/// A secret key that differs for every `number`.
pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number.max(1); 32]).unwrap()
}

/// A network whose blocks need `bits` leading zero bits and whose genesis pays [`secret`] 1.
pub(crate) fn network(bits: u32) -> Network {
    let allocation =
        Allocation { key: secret(1).output_key(), amount: Amount::from_coins(100).unwrap() };
    Network::new(ChainSpec {
        coin_name: "Sample".to_owned(),
        coin_symbol: "SMP".to_owned(),
        address_prefix: "slode".to_owned(),
        starting_bits: bits,
        easiest_bits: bits,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: Amount::from_coins(50).unwrap(),
        halving_interval: 1000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations: vec![allocation],
    })
    .unwrap()
}
