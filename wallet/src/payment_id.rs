//! `PaymentId`: what a payer calls a payment, so that it is never made twice.

use std::fmt;
use std::str::FromStr;

/// Longest id in bytes: room for any number, date or hash that a program calls a payment by.
pub const ID_BYTES_MAX: usize = 64;

/// What a payer calls one payment. It stays in the journal beside the payment, and leaves it never.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentId(String);

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {ID_BYTES_MAX} bytes, and no control characters")]
pub struct NoPaymentId;

impl PaymentId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PaymentId {
    type Err = NoPaymentId;

    fn from_str(text: &str) -> Result<Self, NoPaymentId> {
        let fits = (1..=ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(NoPaymentId) }
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_any_text_that_can_be_shown_in_a_line() {
        for text in ["1", "2026-11-28 rent", "\u{e4}", &"x".repeat(ID_BYTES_MAX)] {
            assert_eq!(text.parse::<PaymentId>().unwrap().as_str(), text);
        }
        for text in ["", "a\nb", "\u{1b}[2J", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert_eq!(text.parse::<PaymentId>(), Err(NoPaymentId), "{text:?}");
        }
    }
}
