//! Stretching a passphrase: Argon2id, with bounds that hold before any memory is spent.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

/// Bytes of the salt, as RFC 9106 recommends.
pub const SALT_BYTES: usize = 16;

/// Most memory that reading a file may take: 1 GiB. No key of ours takes more than 64 MiB.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Most passes over it.
const PASSES_MAX: u32 = 16;

/// Most lanes.
const LANES_MAX: u32 = 16;

/// How much work stands between a guess of the passphrase and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretching {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that could be filled side by side.
    pub lanes: u32,
}

/// Work that no key of ours asks for, or that there is no memory for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "its passphrase takes {} KiB, {} passes and {} lanes to check; the most is {MEMORY_KIB_MAX} \
     KiB, {PASSES_MAX} and {LANES_MAX}",
    _0.memory_kib, _0.passes, _0.lanes
)]
pub struct StretchingError(pub Stretching);

impl Stretching {
    /// RFC 9106's second choice: 64 MiB, three passes, four lanes.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// The least that Argon2 knows, for a passphrase that is empty anyway.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// Whether a file may ask for it.
    ///
    /// # Errors
    /// It asks for more than a key may cost.
    pub fn check(self) -> Result<Params, StretchingError> {
        let Self { memory_kib, passes, lanes } = self;
        if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
            return Err(StretchingError(self));
        }
        Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| StretchingError(self))
    }

    /// The key that `passphrase` and `salt` give.
    ///
    /// # Errors
    /// As [`Stretching::check`], before any memory is spent.
    pub fn stretch(
        self,
        passphrase: &[u8],
        salt: &[u8; SALT_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, StretchingError> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.check()?);
        let mut key = Zeroizing::new([0; 32]);
        argon2
            .hash_password_into(passphrase, salt, key.as_mut_slice())
            .map_err(|_| StretchingError(self))?;
        Ok(key)
    }
}
