//! Keys and signatures: BIP 340 Schnorr on secp256k1.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::hash::to_hex;

/// The 32 bytes an output pays to: a BIP 340 x-only key, used as it is. Any 32 bytes can be paid;
/// bytes that are no curve point can never be spent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputKey(pub [u8; 32]);

impl OutputKey {
    /// Whether the bytes are a point of the curve, so that somebody could ever spend what is paid
    /// to it.
    pub fn is_spendable(&self) -> bool {
        secp256k1::XOnlyPublicKey::from_byte_array(self.0).is_ok()
    }
}

impl fmt::Display for OutputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for OutputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputKey({self})")
    }
}

/// The 64 bytes of a BIP 340 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", to_hex(&self.0))
    }
}

/// Bytes that are no secret key: zero, or not below the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these 32 bytes are not a secret key of the curve")]
pub struct InvalidSecretKey;

/// A secret key; wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key from its 32 big-endian bytes.
    ///
    /// # Errors
    /// [`InvalidSecretKey`] for zero and for numbers not below the curve's order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidSecretKey> {
        secp256k1::SecretKey::from_secret_bytes(bytes).map_err(|_| InvalidSecretKey)?;
        Ok(Self(bytes))
    }

    /// The key that others pay to.
    pub fn output_key(&self) -> OutputKey {
        OutputKey(self.keypair().x_only_public_key().0.to_byte_array())
    }

    /// A BIP 340 signature of `message`; `aux` is fresh randomness, or zeros for a deterministic
    /// one.
    pub fn sign(&self, message: &[u8; 32], aux: &[u8; 32]) -> Signature {
        let signature = secp256k1::schnorr::sign_with_aux_rand(message, &self.keypair(), aux);
        Signature(signature.to_byte_array())
    }

    fn keypair(&self) -> secp256k1::Keypair {
        secp256k1::Keypair::from_secret_bytes(self.0).expect("checked when the key was made")
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// One signature still to be verified: the expensive part of a transaction, handed to the caller,
/// who may spread a list of them over cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureCheck {
    /// Who must have signed.
    pub key: OutputKey,
    /// What must have been signed.
    pub message: [u8; 32],
    /// The signature.
    pub signature: Signature,
    /// Position of the transaction in its block (zero for a single one).
    pub transaction: u32,
    /// Position of the input in its transaction.
    pub input: u32,
}

impl SignatureCheck {
    /// Whether the signature is good. A key that is no curve point never is.
    pub fn is_valid(&self) -> bool {
        let Ok(key) = secp256k1::XOnlyPublicKey::from_byte_array(self.key.0) else {
            return false;
        };
        let signature = secp256k1::schnorr::Signature::from_byte_array(self.signature.0);
        secp256k1::schnorr::verify(&signature, &self.message, &key).is_ok()
    }
}

#[cfg(test)]
mod tests;
