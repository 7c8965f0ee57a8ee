//! `KeyFile`: the seed on disk, encrypted under a passphrase.
//!
//! The passphrase is stretched by Argon2id, the seed sealed by XChaCha20-Poly1305 with everything
//! before it as associated data. The account's public half stands there readable, so that looking
//! needs no passphrase; a checksum over all tells damage from a wrong passphrase.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use chain::encoding::{DecodeError, Reader};
use chain::genesis::Network;
use chain::hash::tagged_hash;
use chain::key::OutputKey;
use client::durable_file;
use zeroize::Zeroizing;

use crate::accounts::{Account, AccountKey, POINT_BYTES};
use crate::seed::{ENTROPY_BYTES, Seed};
use crate::wallet_directory::{self, DirectoryError, WalletDirectory};
use stretching::{SALT_BYTES, StretchingError};

pub use stretching::Stretching;

mod stretching;

/// The one address prefix under which a key must be protected.
pub const MAIN_PREFIX: &str = "lode";

const MAGIC: &[u8; 8] = b"LODE KEY";
const VERSION: u16 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = ENTROPY_BYTES + TAG_BYTES;
const CHECKSUM_BYTES: usize = 32;

/// Bytes before the nonce: magic, version, protection, stretching, salt and the account's key.
const HEADER_BYTES: usize = 8 + 2 + 1 + 3 * 4 + SALT_BYTES + POINT_BYTES + 32;

/// Every key file has exactly so many.
pub const KEY_FILE_BYTES: usize = HEADER_BYTES + NONCE_BYTES + SEALED_BYTES + CHECKSUM_BYTES;

/// No key file of any version has more, so no more is read.
const READ_BYTES_MAX: u64 = 64 * 1024;

/// A key file's content: all that can be known without the passphrase, and what needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Whether a passphrase that is not empty is needed to open it.
    pub is_protected: bool,
    /// The public half of the account: enough to look.
    pub account_key: AccountKey,
    stretching: Stretching,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
    sealed: [u8; SEALED_BYTES],
}

/// Why a key cannot be read, written or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is none.
    #[error("there is no wallet in {}", path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// There is none, though a wallet was at work there.
    #[error(
        "{} is gone, and what the wallet wrote lies there: put the key back, restore it from its \
         words with `lode wallet NAME restore`, or choose another name",
        path.display()
    )]
    Gone {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// One is there already.
    #[error("{} is a wallet already: choose another name or directory", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed us.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is not as it was written.
    #[error(
        "{} is damaged ({reason}): restore the wallet from its words in another directory",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a later version of this program.
    #[error("{} is of version {version}: this program knows {VERSION}, update it", path.display())]
    LaterVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// The passphrase does not open it.
    #[error(
        "the passphrase is wrong: try again; if it is lost, the recovery words restore the wallet"
    )]
    WrongPassphrase,
    /// No passphrase was given where one is needed.
    #[error(
        "on the network {MAIN_PREFIX:?} a wallet needs a passphrase: create it with `lode wallet \
         NAME` on a terminal or with --passphrase-file"
    )]
    PassphraseNeeded,
    /// The operating system has no randomness, or no memory for the stretching.
    #[error("cannot encrypt the key: {0}")]
    Encryption(String),
    /// The wallet's directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Why bytes are no key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Cut off, too long, or a bit of it changed.
    #[error("{0}")]
    Damaged(&'static str),
    /// Written by a later version of this program.
    #[error("version {0}")]
    LaterVersion(u16),
    /// Its stretching takes more memory or time than any key needs.
    #[error(transparent)]
    Stretching(#[from] StretchingError),
}

impl From<DecodeError> for KeyFileError {
    fn from(_: DecodeError) -> Self {
        Self::Damaged("it does not have the length of a key")
    }
}

impl KeyFile {
    /// Encrypts `seed` under `passphrase`; an empty one protects nothing and is stretched no more
    /// than it must. `stretching` is [`Stretching::DEFAULT`] but in tests.
    ///
    /// # Errors
    /// [`KeystoreError::Encryption`].
    pub fn seal(
        seed: &Seed,
        passphrase: &str,
        stretching: Stretching,
    ) -> Result<Self, KeystoreError> {
        let is_protected = !passphrase.is_empty();
        let mut file = Self {
            is_protected,
            account_key: AccountKey::of(seed),
            stretching: if is_protected { stretching } else { Stretching::LEAST },
            salt: [0; SALT_BYTES],
            nonce: [0; NONCE_BYTES],
            sealed: [0; SEALED_BYTES],
        };
        let failed = |error: &dyn std::fmt::Display| KeystoreError::Encryption(error.to_string());
        getrandom::fill(&mut file.salt).map_err(|error| failed(&error))?;
        getrandom::fill(&mut file.nonce).map_err(|error| failed(&error))?;
        let cipher = file.cipher(passphrase).map_err(|error| failed(&error))?;
        let payload = Payload { msg: seed.entropy(), aad: &file.header() };
        let sealed = cipher.encrypt(&XNonce::from(file.nonce), payload);
        let sealed = sealed.map_err(|error| failed(&error))?;
        file.sealed = sealed.try_into().expect("sealing adds a tag of fixed length");
        Ok(file)
    }

    /// The seed. Nothing of it is released unless every byte of the file is as it was sealed.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassphrase`], [`KeystoreError::Encryption`].
    pub fn open(&self, passphrase: &str) -> Result<Seed, KeystoreError> {
        let cipher = self
            .cipher(passphrase)
            .map_err(|error| KeystoreError::Encryption(error.to_string()))?;
        let payload = Payload { msg: &self.sealed, aad: &self.header() };
        let opened = cipher
            .decrypt(&XNonce::from(self.nonce), payload)
            .map_err(|_| KeystoreError::WrongPassphrase)?;
        let opened = Zeroizing::new(opened);
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        entropy.copy_from_slice(&opened);
        Ok(Seed::from_entropy(*entropy))
    }

    /// Writes the file, so that after a crash the old one is there or the new one, readable by
    /// its owner alone.
    ///
    /// # Errors
    /// [`KeystoreError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), KeystoreError> {
        let io = |source| KeystoreError::Io { action: "write", path: path.to_owned(), source };
        durable_file::replace(path, &self.to_bytes()).map_err(io)
    }

    /// Reads the file. No passphrase is needed and nothing is stretched yet.
    ///
    /// # Errors
    /// [`KeystoreError`]: no file, a damaged one, one of a later version.
    pub fn load(path: &Path) -> Result<Self, KeystoreError> {
        let path = || path.to_owned();
        let bytes = match durable_file::read_limited(&path(), READ_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeystoreError::Missing { path: path() });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(KeystoreError::Damaged { path: path(), reason: error.to_string() });
            }
            Err(source) => {
                return Err(KeystoreError::Io { action: "read", path: path(), source });
            }
        };
        Self::from_bytes(&bytes).map_err(|error| match error {
            KeyFileError::LaterVersion(version) => {
                KeystoreError::LaterVersion { path: path(), version }
            }
            other => KeystoreError::Damaged { path: path(), reason: other.to_string() },
        })
    }

    /// The file's bytes, as `docs/files.md` describes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.sealed);
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`KeyFileError`], before any memory is spent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let (told, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(KeyFileError::Damaged("it is cut off"))?;
        let is_whole = checksum(told) == *sum;
        if bytes.len() == KEY_FILE_BYTES && !is_whole {
            return Err(KeyFileError::Damaged("its checksum does not hold"));
        }
        let mut reader = Reader::new(told);
        let magic: [u8; 8] = reader.array()?;
        let version = reader.u16()?;
        if magic != *MAGIC {
            return Err(KeyFileError::Damaged("it is no key file"));
        }
        if version > VERSION {
            return Err(KeyFileError::LaterVersion(version));
        }
        if version < VERSION {
            return Err(KeyFileError::Damaged("there never was such a version"));
        }
        if !is_whole {
            return Err(KeyFileError::Damaged("it does not have the length of a key"));
        }
        let file = Self {
            is_protected: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(KeyFileError::Damaged("it is neither protected nor not")),
            },
            stretching: Stretching {
                memory_kib: reader.u32()?,
                passes: reader.u32()?,
                lanes: reader.u32()?,
            },
            salt: reader.array()?,
            account_key: AccountKey { point: reader.array()?, chain_code: reader.array()? },
            nonce: reader.array()?,
            sealed: reader.array()?,
        };
        reader.finish()?;
        file.stretching.check()?;
        Ok(file)
    }

    /// All that is readable: the associated data.
    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(KEY_FILE_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(u8::from(self.is_protected));
        for number in [self.stretching.memory_kib, self.stretching.passes, self.stretching.lanes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.account_key.point);
        bytes.extend_from_slice(&self.account_key.chain_code);
        bytes
    }

    fn cipher(&self, passphrase: &str) -> Result<XChaCha20Poly1305, StretchingError> {
        let key = self.stretching.stretch(passphrase.as_bytes(), &self.salt)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

/// The key file of a wallet that is open.
///
/// # Errors
/// As [`KeyFile::load`]; [`KeystoreError::Gone`] where the key alone is missing.
pub fn load(directory: &WalletDirectory) -> Result<KeyFile, KeystoreError> {
    match KeyFile::load(&directory.key_file()) {
        Err(KeystoreError::Missing { path }) if directory.was_used() => {
            Err(KeystoreError::Gone { path })
        }
        loaded => loaded,
    }
}

/// Creates a wallet's key file of `seed`, unless one is there.
///
/// # Errors
/// [`KeystoreError::Exists`], [`KeystoreError::PassphraseNeeded`] for an empty passphrase on
/// [`MAIN_PREFIX`], and whatever keeps it from being written.
pub fn create(
    directory: &WalletDirectory,
    network: &Network,
    seed: &Seed,
    passphrase: &str,
    stretching: Stretching,
) -> Result<KeyFile, KeystoreError> {
    if passphrase.is_empty() && network.spec.address_prefix == MAIN_PREFIX {
        return Err(KeystoreError::PassphraseNeeded);
    }
    let path = directory.key_file();
    // A link that leads nowhere now may lead to a key again.
    if fs::symlink_metadata(&path).is_ok() {
        return Err(KeystoreError::Exists { path });
    }
    let file = KeyFile::seal(seed, passphrase, stretching)?;
    file.save(&path)?;
    Ok(file)
}

/// The first receiving key of the wallet in the data directory `directory`; the wallet is created
/// with an empty passphrase when it is missing. A miner is paid to it.
///
/// # Errors
/// [`KeystoreError`]; on [`MAIN_PREFIX`] a wallet must be created by its owner.
pub fn payout_key(directory: &Path, network: &Network) -> Result<OutputKey, KeystoreError> {
    let path = wallet_directory::key_file(&wallet_directory::folder(directory));
    let file = match KeyFile::load(&path) {
        Err(KeystoreError::Missing { .. }) => {
            let held = WalletDirectory::open(directory)?;
            // The wallet itself may have made one before the lock was ours.
            match load(&held) {
                Err(KeystoreError::Missing { .. }) => {
                    let seed = Seed::generate()
                        .map_err(|error| KeystoreError::Encryption(error.to_string()))?;
                    create(&held, network, &seed, "", Stretching::DEFAULT)?
                }
                loaded => loaded?,
            }
        }
        loaded => loaded?,
    };
    let account = Account::watch_only(file.account_key)
        .map_err(|error| KeystoreError::Damaged { path, reason: error.to_string() })?;
    Ok(account.receive_key(0))
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    tagged_hash("lode/key-file", &[bytes])
}

#[cfg(test)]
mod tests;
