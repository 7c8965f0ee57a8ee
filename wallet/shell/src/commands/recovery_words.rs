//! `words` and `restore`: the wallet as twelve words, out and in.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, IsTerminal};

use serde::Serialize;
use show::report::Report;
use wallet::keystore::{self, KeystoreError};
use wallet::seed::{Seed, WORDS};
use zeroize::Zeroizing;

use crate::cli::WalletOptions;
use crate::hidden_input::{self, HiddenInputError};
use crate::passphrase::PassphraseSource;

use super::{CommandError, Patience, opening, receive, show};

/// Most bytes of a line with words: twelve of at most eight letters, and generous spacing.
const WORDS_BYTES_MAX: u64 = 1024;

#[derive(Serialize)]
struct WordsReport {
    words: String,
}

impl Report for WordsReport {
    const COMMAND: &'static str = "wallet words";
}

impl fmt::Display for WordsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Shows the words, after the passphrase if there is one.
pub(super) fn show_words(options: &WalletOptions) -> Result<(), CommandError> {
    let joined = opening::joined(options, Patience::Seconds)?;
    let files = opening::open_files(&joined)?;
    let key_file = match keystore::load(&files) {
        Err(KeystoreError::Missing { .. }) => return Err(opening::missing(options)),
        loaded => loaded?,
    };
    let passphrase = if key_file.is_protected {
        PassphraseSource::of_flag(options.passphrase_file.as_ref()).existing(&options.name)?
    } else {
        Zeroizing::default()
    };
    let seed = key_file.open(&passphrase)?;
    show(options, &WordsReport { words: seed.words().to_string() })
}

/// Makes the wallet of the words that are typed, or that stand on standard input.
pub(super) fn restore(options: &WalletOptions) -> Result<(), CommandError> {
    let joined = opening::joined(options, Patience::Seconds)?;
    let files = opening::open_files(&joined)?;
    let path = files.key_file();
    if fs::symlink_metadata(&path).is_ok() {
        return Err(KeystoreError::Exists { path }.into());
    }
    let seed = Seed::from_words(&read_words()?)?;
    let session = opening::created(options, joined, files, &seed, false)?;
    show(options, &receive::report(&session))
}

/// The words, in one line or in several: whoever pastes them one a line must not hand eleven of
/// them to whatever reads next.
fn read_words() -> Result<Zeroizing<String>, CommandError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let more = |typed: &str| {
            let count = typed.split_whitespace().count();
            let is_begun = (1..WORDS).contains(&count);
            is_begun.then(|| format!("Recovery words ({count} of {WORDS} so far): "))
        };
        return hidden_input::ask_on("Recovery words: ", &more).map_err(|error| match error {
            HiddenInputError::Interrupted => CommandError::Interrupted,
            HiddenInputError::End => CommandError::Usage(error.to_string()),
            HiddenInputError::Io(error) => error.into(),
        });
    }
    Ok(words_of(stdin.lock())?)
}

/// The lines of a pipe that the words stand in; what follows them stays unread.
fn words_of(from: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut words = Zeroizing::new(String::with_capacity(WORDS_BYTES_MAX as usize));
    let mut from = from.take(WORDS_BYTES_MAX);
    while words.split_whitespace().count() < WORDS && from.read_line(&mut words)? > 0 {}
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_of_a_pipe_may_stand_in_any_lines_and_what_follows_them_is_left(
            words in prop::collection::vec("[a-z]{3,8}", WORDS),
            ends in prop::collection::vec(
                prop::sample::select(vec![" ", "\n", "\r\n", " \n\n"]), WORDS - 1,
            ),
            rest in "[a-z \n]{0,40}",
        ) {
            let mut text = words[0].clone();
            for (end, word) in ends.iter().zip(&words[1..]) {
                text.push_str(end);
                text.push_str(word);
            }
            let mut from = Cursor::new(format!("{text}\n{rest}"));
            let read = words_of(&mut from).unwrap();
            prop_assert_eq!(read.split_whitespace().collect::<Vec<_>>(), words);
            let mut left = String::new();
            from.read_to_string(&mut left).unwrap();
            prop_assert_eq!(left, rest);
        }
    }
}
