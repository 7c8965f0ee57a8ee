//! Block headers: 80 bytes of Bitcoin's layout.

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{BlockHash, MerkleRoot, sha256d};
use crate::target::CompactTarget;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 80;

/// The version bits a miner may roll, as in BIP 320.
pub const VERSION_ROLLING_MASK: u32 = 0x1fff_e000;

/// What the other version bits must be.
pub const VERSION_BASE: u32 = 0x2000_0000;

/// The 80 bytes that are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// [`VERSION_BASE`], with any bits of [`VERSION_ROLLING_MASK`].
    pub version: u32,
    /// Hash of the parent.
    pub previous: BlockHash,
    /// Root over the transactions' wtxids.
    pub merkle_root: MerkleRoot,
    /// When the miner says that it was made: seconds since 1970.
    pub time: u32,
    /// The target the hash must meet, in compact form.
    pub bits: CompactTarget,
    /// Free for miners to choose until the hash meets the target.
    pub nonce: u32,
}

impl Header {
    /// The bytes that are hashed and sent.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(&self.previous.0);
        bytes[36..68].copy_from_slice(&self.merkle_root.0);
        bytes[68..72].copy_from_slice(&self.time.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.bits.0.to_le_bytes());
        bytes[76..80].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// The header in 80 bytes.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self::decode(bytes).expect("a header is any 80 bytes")
    }

    /// SHA-256d of the 80 bytes.
    pub fn hash(&self) -> BlockHash {
        BlockHash(sha256d(&self.to_bytes()))
    }
}

impl Encode for Header {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_bytes());
    }
}

impl Decode for Header {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.u32()?,
            previous: BlockHash(reader.array()?),
            merkle_root: MerkleRoot(reader.array()?),
            time: reader.u32()?,
            bits: CompactTarget(reader.u32()?),
            nonce: reader.u32()?,
        })
    }
}

#[cfg(test)]
mod tests;
