//! `words` and `restore`: the wallet as twelve words, out and in.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read};

use serde::Serialize;
use show::report::Report;
use wallet::keystore::{KeyFile, KeystoreError};
use wallet::seed::Seed;
use wallet::wallet_directory::WalletDirectory;
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
    let files = WalletDirectory::open(&joined.directory)?;
    let key_file = match KeyFile::load(&files.key_file()) {
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
    let files = WalletDirectory::open(&joined.directory)?;
    let path = files.key_file();
    if path.exists() {
        return Err(KeystoreError::Exists { path }.into());
    }
    let seed = Seed::from_words(&read_words()?)?;
    let session = opening::created(options, joined, files, &seed, false)?;
    show(options, &receive::report(&session))
}

fn read_words() -> Result<Zeroizing<String>, CommandError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return hidden_input::ask("Recovery words: ").map_err(|error| match error {
            HiddenInputError::Interrupted => CommandError::Interrupted,
            HiddenInputError::End => CommandError::Usage(error.to_string()),
            HiddenInputError::Io(error) => error.into(),
        });
    }
    let mut line = Zeroizing::new(String::new());
    stdin.lock().take(WORDS_BYTES_MAX).read_line(&mut line)?;
    Ok(line)
}
