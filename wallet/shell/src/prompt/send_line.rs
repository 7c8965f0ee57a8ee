//! `SendLine`: what stands behind `send` in the shell, before anything is asked.

use crate::commands::CommandError;

/// The parts of a payment that were typed in one line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SendLine {
    pub receiver: Option<String>,
    pub amount: Option<String>,
    pub fee: Option<String>,
    /// Look-alikes are meant.
    pub yes: bool,
}

impl SendLine {
    /// Takes `RECEIVER AMOUNT FEE` as far as they are there; the fee may also be written as on the
    /// command line, `--fee FEE`, anywhere, and so may `--yes`.
    ///
    /// # Errors
    /// [`CommandError::Usage`].
    pub fn of(words: &[&str]) -> Result<Self, CommandError> {
        let mut flag = None;
        let mut yes = false;
        let mut rest = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let fee = match word.strip_prefix("--") {
                None => {
                    rest.push((*word).to_owned());
                    continue;
                }
                Some("yes") if !yes => {
                    yes = true;
                    continue;
                }
                Some("fee") => words.next().copied(),
                Some(other) => other.strip_prefix("fee="),
            };
            let fee = fee.filter(|fee| !fee.is_empty() && !fee.starts_with("--"));
            if flag.is_some() {
                return Err(unusable());
            }
            flag = Some(fee.ok_or_else(unusable)?.to_owned());
        }
        if rest.len() + usize::from(flag.is_some()) > 3 {
            return Err(unusable());
        }
        let mut rest = rest.into_iter();
        let (receiver, amount, third) = (rest.next(), rest.next(), rest.next());
        Ok(Self { receiver, amount, fee: third.or(flag), yes })
    }
}

fn unusable() -> CommandError {
    CommandError::Usage("write send RECEIVER AMOUNT [--fee AMOUNT|auto] [--yes]".to_owned())
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
    fn a_yes_may_stand_anywhere() {
        for line in ["--yes Bob 5 0.1", "Bob --yes 5 --fee 0.1", "Bob 5 0.1 --yes"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(SendLine::of(&words).unwrap().yes, "{line}");
            assert_eq!(parts(line).unwrap(), ["Bob", "5", "0.1"], "{line}");
        }
        assert!(!SendLine::of(&["Bob", "5"]).unwrap().yes);
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
        ];
        for line in lines {
            assert_eq!(parts(line), None, "{line}");
        }
    }
}
