//! Addresses: bech32m of an output key, with the network's prefix in front.

use std::fmt;

use bech32::Bech32m;
use bech32::primitives::decode::{CheckedHrpstring, SegwitHrpstring};
use bech32::primitives::hrp::Hrp;
use bech32::segwit::VERSION_1;

use crate::key::OutputKey;

/// Where one can be paid on one network: a key with that network's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The network's prefix, `[a-z]{1,16}` as [`crate::spec::ChainSpec::check`] demands.
    pub prefix: String,
    /// The key that is paid.
    pub key: OutputKey,
}

/// What is wrong with a text that should be an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A wrong character, a wrong checksum, or something else entirely.
    #[error("this is not an address, or a character of it is wrong (checksum failed)")]
    Malformed,
    /// A good address of something else.
    #[error("this address is for the network {got:?}, not {expected:?}")]
    OtherNetwork {
        /// The prefix it has.
        got: String,
        /// The prefix it should have.
        expected: String,
    },
    /// A checksum that holds around a kind of address that does not exist here.
    #[error("this address has a version or length that the network does not know")]
    UnknownKind,
}

impl Address {
    /// Reads an address of the network with `prefix`.
    ///
    /// # Errors
    /// [`AddressError`]: a wrong character, another network, or an unknown version.
    pub fn parse(text: &str, prefix: &str) -> Result<Self, AddressError> {
        let checked =
            CheckedHrpstring::new::<Bech32m>(text.trim()).map_err(|_| AddressError::Malformed)?;
        let got = checked.hrp().to_lowercase();
        if got != prefix {
            return Err(AddressError::OtherNetwork { got, expected: prefix.to_owned() });
        }
        let segwit = SegwitHrpstring::new(text.trim()).map_err(|_| AddressError::UnknownKind)?;
        let bytes: Vec<u8> = segwit.byte_iter().collect();
        let key = bytes.try_into().map_err(|_| AddressError::UnknownKind)?;
        if segwit.witness_version() != VERSION_1 {
            return Err(AddressError::UnknownKind);
        }
        Ok(Self { prefix: got, key: OutputKey(key) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(hrp) = Hrp::parse(&self.prefix) else {
            // No network has such a prefix; what is shown must not look like an address.
            return write!(f, "(no address: prefix {:?}, key {})", self.prefix, self.key);
        };
        bech32::segwit::encode_lower_to_fmt_unchecked(f, hrp, VERSION_1, &self.key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(bytes: [u8; 32]) -> Address {
        Address { prefix: "dlode".to_owned(), key: OutputKey(bytes) }
    }

    proptest! {
        #[test]
        fn an_address_reads_back(bytes: [u8; 32]) {
            let address = address(bytes);
            prop_assert_eq!(Address::parse(&address.to_string(), "dlode"), Ok(address));
        }

        #[test]
        fn every_single_character_error_is_caught(
            bytes: [u8; 32],
            position in any::<prop::sample::Index>(),
        ) {
            let text = address(bytes).to_string();
            let position = position.index(text.len());
            for replacement in "qpzry9x8gf2tvdw0s3jn54khce6mua7l1b".chars() {
                let mut characters: Vec<char> = text.chars().collect();
                if characters[position] == replacement {
                    continue;
                }
                characters[position] = replacement;
                let wrong: String = characters.into_iter().collect();
                prop_assert!(Address::parse(&wrong, "dlode").is_err(), "{}", wrong);
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            prop_assert!(Address::parse(&text, "dlode").is_err());
        }
    }

    #[test]
    fn an_address_of_another_network_is_named() {
        let text = address([7; 32]).to_string();
        assert_eq!(
            Address::parse(&text, "lode"),
            Err(AddressError::OtherNetwork {
                got: "dlode".to_owned(),
                expected: "lode".to_owned()
            })
        );
    }

    fn encoded<C: bech32::Checksum>(version: u8, bytes: &[u8]) -> String {
        use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
        let version = bech32::Fe32::try_from(version).unwrap();
        let hrp = Hrp::parse("dlode").unwrap();
        bytes
            .iter()
            .copied()
            .bytes_to_fes()
            .with_checksum::<C>(&hrp)
            .with_witness_version(version)
            .chars()
            .collect()
    }

    #[test]
    fn other_versions_lengths_and_checksums_are_refused() {
        let refused = |text: &str| Address::parse(text, "dlode").unwrap_err();
        assert_eq!(Address::parse(&encoded::<Bech32m>(1, &[7; 32]), "dlode"), Ok(address([7; 32])));
        for (version, length) in [(0, 32), (2, 32), (16, 32), (1, 31), (1, 33), (1, 20), (1, 0)] {
            let text = encoded::<Bech32m>(version, &vec![7; length]);
            assert_eq!(refused(&text), AddressError::UnknownKind, "{text}");
        }
        let older = encoded::<bech32::Bech32>(1, &[7; 32]);
        assert_eq!(refused(&older), AddressError::Malformed);
    }

    #[test]
    fn capitals_read_and_a_mixture_does_not() {
        let text = address([7; 32]).to_string();
        let capitals = text.to_uppercase();
        assert_eq!(Address::parse(&capitals, "dlode"), Ok(address([7; 32])));
        let mixed = format!("{}{}", &capitals[..20], &text[20..]);
        assert_eq!(Address::parse(&mixed, "dlode"), Err(AddressError::Malformed));
        assert_eq!(Address::parse(&format!(" {text}\n"), "dlode"), Ok(address([7; 32])));
    }

    #[test]
    fn showing_an_address_of_an_impossible_prefix_does_not_panic() {
        for prefix in ["", "\u{e9}", "a b", &"x".repeat(500)] {
            let shown = Address { prefix: prefix.to_owned(), key: OutputKey([7; 32]) }.to_string();
            assert!(Address::parse(&shown, prefix).is_err());
        }
    }
}
