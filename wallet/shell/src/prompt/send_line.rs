//! `SendLine`: what stands behind `send` in the shell, before anything is asked.

use wallet::payment_id::{NoPaymentId, PaymentId};

use crate::commands::CommandError;

/// The parts of a payment that were typed in one line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SendLine {
    pub receiver: Option<String>,
    pub amount: Option<String>,
    pub fee: Option<String>,
    /// What the payer calls the payment.
    pub id: Option<PaymentId>,
    /// Look-alikes are meant.
    pub yes: bool,
}

impl SendLine {
    /// Takes `RECEIVER AMOUNT FEE` as far as they are there. The flags of the command line may
    /// stand anywhere: `--fee FEE`, which is the same as the third word, `--id TEXT` and `--yes`.
    ///
    /// # Errors
    /// [`CommandError::Usage`].
    pub fn of(words: &[&str]) -> Result<Self, CommandError> {
        let (mut fee, mut id, mut yes) = (None, None, false);
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--") else {
                rest.push((*word).to_owned());
                continue;
            };
            if flag == "yes" && !yes {
                yes = true;
                continue;
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, words.next().copied()),
            };
            let value = value.filter(|value| !value.is_empty() && !value.starts_with("--"));
            let place = match name {
                "fee" => &mut fee,
                "id" => &mut id,
                _ => return Err(unusable()),
            };
            if place.is_some() {
                return Err(unusable());
            }
            *place = Some(value.ok_or_else(unusable)?.to_owned());
        }
        if rest.len() + usize::from(fee.is_some()) > 3 {
            return Err(unusable());
        }
        let id = id.map(|id: String| id.parse()).transpose();
        let id = id.map_err(|error: NoPaymentId| CommandError::Usage(error.to_string()))?;
        let mut rest = rest.into_iter();
        let (receiver, amount, third) = (rest.next(), rest.next(), rest.next());
        Ok(Self { receiver, amount, fee: third.or(fee), id, yes })
    }
}

fn unusable() -> CommandError {
    let usage = "write send RECEIVER AMOUNT [--fee AMOUNT|auto] [--id TEXT] [--yes]";
    CommandError::Usage(usage.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Option<[String; 3]> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let SendLine { receiver, amount, fee, .. } = SendLine::of(&words).ok()?;
        Some([receiver, amount, fee].map(Option::unwrap_or_default))
    }

    #[test]
    fn a_fee_is_the_third_word_or_behind_its_flag() {
        for line in ["Bob 5 0.1", "Bob 5 --fee 0.1", "--fee 0.1 Bob 5", "Bob --fee=0.1 5"] {
            assert_eq!(parts(line).unwrap(), ["Bob", "5", "0.1"], "{line}");
        }
        assert_eq!(parts("").unwrap(), ["", "", ""]);
        assert_eq!(parts("Bob --fee auto").unwrap(), ["Bob", "", "auto"]);
    }

    #[test]
    fn a_yes_and_an_id_may_stand_anywhere() {
        for line in
            ["--yes Bob 5 0.1 --id=7", "Bob --id 7 --yes 5 --fee 0.1", "Bob 5 0.1 --id 7 --yes"]
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            let read = SendLine::of(&words).unwrap();
            assert!(read.yes && read.id == "7".parse().ok(), "{line}");
            assert_eq!(parts(line).unwrap(), ["Bob", "5", "0.1"], "{line}");
        }
        let plain = SendLine::of(&["Bob", "5"]).unwrap();
        assert!(!plain.yes && plain.id.is_none());
    }

    #[test]
    fn what_stands_there_too_much_is_refused() {
        let lines = [
            "Bob 5 1 1",
            "Bob 5 --fee",
            "Bob 5 --fee=",
            "Bob 5 --fee --fee",
            "Bob 5 1 --fee 1",
            "--fee 1 --fee 2 Bob",
            "Bob 5 --wait",
            "Bob 5 --yes --yes",
            "Bob 5 --fee --yes",
            "Bob 5 --id",
            "Bob 5 --id 1 --id 2",
            "Bob 5 --id --yes",
        ];
        for line in lines {
            assert_eq!(parts(line), None, "{line}");
        }
    }
}
