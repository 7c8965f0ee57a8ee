//! Where a passphrase comes from: the terminal or a file, never the command line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::hidden_input::{self, HiddenInputError};

/// Longest passphrase, in bytes.
const BYTES_MAX: u64 = 1024;

/// Attempts to type the same new passphrase twice.
const ATTEMPTS_MAX: u32 = 3;

/// Names of standard input. Read as a file, more than its first line would be taken out of a pipe.
const STANDARD_INPUT: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Where to take passphrases from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// Asked on the terminal, where there is one.
    Terminal,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of standard input; what follows stays there, to be read by others. Where it
    /// is a terminal, nobody sees what is typed.
    StandardInput,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file cannot be read.
    #[error("cannot read the passphrase from {place}: {source}")]
    Io {
        /// The file, or standard input.
        place: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The passphrase is longer than any may be.
    #[error("a passphrase has {BYTES_MAX} bytes at most")]
    TooLong,
    /// Two new ones that differ.
    #[error("the two passphrases differ: nothing was created")]
    Differ,
    /// Somebody was asked and typed none.
    #[error(transparent)]
    NotTyped(#[from] HiddenInputError),
    /// Nobody can be asked.
    #[error("this wallet needs its passphrase: use a terminal, or --passphrase-file FILE")]
    NobodyToAsk,
}

impl PassphraseSource {
    /// What `--passphrase-file` says.
    pub fn of_flag(flag: Option<&PathBuf>) -> Self {
        match flag {
            None => Self::Terminal,
            Some(path) if STANDARD_INPUT.iter().any(|name| path.as_os_str() == *name) => {
                Self::StandardInput
            }
            Some(path) => Self::File(path.clone()),
        }
    }

    /// The passphrase of a wallet that exists.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn existing(&self, name: &str) -> Result<Zeroizing<String>, PassphraseError> {
        match self {
            Self::Terminal | Self::StandardInput if io::stdin().is_terminal() => {
                type_in(&format!("Passphrase of {name}: "))
            }
            Self::Terminal => Err(PassphraseError::NobodyToAsk),
            Self::File(path) => {
                let place = path.display().to_string();
                let file = File::open(path)
                    .map_err(|source| PassphraseError::Io { place: place.clone(), source })?;
                first_line(BufReader::new(file), &place)
            }
            Self::StandardInput => first_line(io::stdin().lock(), "standard input"),
        }
    }

    /// The passphrase of a wallet that is being created: typed twice, unless it is empty. `None`
    /// when nobody can be asked.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn new_one(&self, name: &str) -> Result<Option<Zeroizing<String>>, PassphraseError> {
        let is_typed = !matches!(self, Self::File(_)) && io::stdin().is_terminal();
        if !is_typed {
            return match self {
                Self::Terminal => Ok(None),
                Self::File(_) | Self::StandardInput => self.existing(name).map(Some),
            };
        }
        for _ in 0..ATTEMPTS_MAX {
            let first = type_in(&format!("New passphrase for {name} (Enter for none): "))?;
            if first.is_empty() || type_in("The same again: ")? == first {
                return Ok(Some(first));
            }
            eprintln!("The two differ.");
        }
        Err(PassphraseError::Differ)
    }
}

fn type_in(prompt: &str) -> Result<Zeroizing<String>, PassphraseError> {
    let typed = hidden_input::ask(prompt)?;
    if typed.len() as u64 > BYTES_MAX {
        return Err(PassphraseError::TooLong);
    }
    Ok(typed)
}

/// The first line without its end; what follows it stays unread.
fn first_line(mut from: impl BufRead, place: &str) -> Result<Zeroizing<String>, PassphraseError> {
    let mut line = Zeroizing::new(String::new());
    let read = from.by_ref().take(BYTES_MAX + 2).read_line(&mut line);
    read.map_err(|source| PassphraseError::Io { place: place.to_owned(), source })?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    if length as u64 > BYTES_MAX {
        return Err(PassphraseError::TooLong);
    }
    line.truncate(length);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_standard_input_is_called_only_its_first_line_is_taken() {
        for name in STANDARD_INPUT {
            let source = PassphraseSource::of_flag(Some(&PathBuf::from(name)));
            assert_eq!(source, PassphraseSource::StandardInput, "{name}");
        }
        let mut piped = "hunter2\r\nsend Bob 1\n".as_bytes();
        assert_eq!(first_line(&mut piped, "a pipe").unwrap().as_str(), "hunter2");
        assert_eq!(piped, b"send Bob 1\n");
    }

    #[test]
    fn a_file_gives_its_first_line_whatever_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        let source = PassphraseSource::of_flag(Some(&path));
        let texts = [("secret", "secret"), ("a b \r\nrest\n", "a b "), ("\n", ""), ("", "")];
        for (text, expected) in texts {
            std::fs::write(&path, text).unwrap();
            assert_eq!(source.existing("Adam").unwrap().as_str(), expected);
            assert_eq!(source.new_one("Adam").unwrap().unwrap().as_str(), expected);
        }
        std::fs::write(&path, "x".repeat(2000)).unwrap();
        assert!(matches!(source.existing("Adam"), Err(PassphraseError::TooLong)));
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(source.existing("Adam"), Err(PassphraseError::Io { .. })));
    }
}
