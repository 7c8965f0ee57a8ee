//! `Amount`: money in checked units of 1/100,000,000 coin.

use std::fmt;
use std::iter;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Units in one coin.
pub const COIN: u64 = 100_000_000;

/// No sum of money ever exceeds this many units (one thousand million coins); every spec's genesis
/// allocations plus all its subsidies stay below. Sums of two such amounts still fit 64 bits.
pub const MAX_MONEY: Amount = Amount(1_000_000_000 * COIN);

/// Money in units of 1/100,000,000 coin. Any `u64` can be held, so that a bad one can be named;
/// [`Amount::is_possible`] says whether it can exist.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Amount(pub u64);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Whole coins; `None` above 64 bits.
    pub fn from_coins(coins: u64) -> Option<Self> {
        coins.checked_mul(COIN).map(Self)
    }

    /// Whether so much can exist: at most [`MAX_MONEY`].
    pub fn is_possible(self) -> bool {
        self <= MAX_MONEY
    }

    /// The sum, or `None` when it exceeds [`MAX_MONEY`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| sum.is_possible())
    }

    /// The difference, or `None` when it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum of many, or `None` as soon as it exceeds [`MAX_MONEY`].
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:08}", self.0 / COIN, self.0 % COIN)
    }
}

/// A text that is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Not digits with an optional point.
    #[error("{0:?} is not an amount: write it like 12 or 0.25")]
    NotANumber(String),
    /// More than eight digits behind the point.
    #[error("{0:?} has more than 8 digits behind the point: the smallest unit is 0.00000001")]
    TooFine(String),
    /// More money than can exist.
    #[error("{0:?} is more than can ever exist ({MAX_MONEY})")]
    TooMuch(String),
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        let shown = || text.chars().take(80).collect::<String>();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(ParseAmountError::NotANumber(shown()));
        }
        if fraction.len() > 8 {
            return Err(ParseAmountError::TooFine(shown()));
        }
        let padded: String = fraction.chars().chain(iter::repeat('0')).take(8).collect();
        let units = padded.parse::<u64>().expect("eight decimal digits fit 64 bits");
        whole
            .parse::<u64>()
            .ok()
            .and_then(|coins| coins.checked_mul(COIN)?.checked_add(units))
            .map(Self)
            .filter(|amount| amount.is_possible())
            .ok_or_else(|| ParseAmountError::TooMuch(shown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_possible_amount_reads_back_as_it_was_shown(units in 0..=MAX_MONEY.0) {
            prop_assert_eq!(Amount(units).to_string().parse(), Ok(Amount(units)));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Amount>();
        }
    }

    #[test]
    fn wrong_texts_are_named() {
        for text in ["", ".", "1.", "-1", "+1", "1e3", " 1", "1,5", "0x10"] {
            assert!(
                matches!(text.parse::<Amount>(), Err(ParseAmountError::NotANumber(_))),
                "{text}"
            );
        }
        assert!(matches!("0.000000001".parse::<Amount>(), Err(ParseAmountError::TooFine(_))));
        assert!(matches!("1000000000.1".parse::<Amount>(), Err(ParseAmountError::TooMuch(_))));
        assert!(matches!(
            "99999999999999999999".parse::<Amount>(),
            Err(ParseAmountError::TooMuch(_))
        ));
    }

    #[test]
    fn sums_stop_at_max_money() {
        assert_eq!(MAX_MONEY.checked_add(Amount(1)), None);
        assert_eq!(Amount(u64::MAX).checked_add(Amount(2)), None);
        assert_eq!(Amount::checked_sum([MAX_MONEY, Amount::ZERO]), Some(MAX_MONEY));
    }
}
