//! What a flush says about itself, and its bytes.

use chain::amount::Amount;
use chain::encoding::{Decode, DecodeError, Encode, Reader};
use chain::hash::{BlockHash, UtxoHash};

use super::change::Totals;

/// Which block the coins belong to, and their sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The block.
    pub position: BlockHash,
    /// Its height.
    pub height: u32,
    /// Sums over the coins.
    pub totals: Totals,
}

/// What a flush says about itself. It names nothing that was not synced before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlushRecord {
    /// Which block the coins in the database belong to.
    pub standing: Standing,
    /// The last block file that the flush knows.
    pub synced_file: u32,
    /// Its synced bytes.
    pub synced_bytes: u64,
    /// Blocks in the files up to there.
    pub blocks: u64,
}

impl FlushRecord {
    /// Before the first flush.
    pub(super) fn nothing() -> Self {
        Self {
            standing: Standing { position: BlockHash::ZERO, height: 0, totals: Totals::NONE },
            synced_file: 0,
            synced_bytes: 0,
            blocks: 0,
        }
    }
}

impl Encode for FlushRecord {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        let totals = &self.standing.totals;
        bytes.extend_from_slice(&self.standing.position.0);
        bytes.extend_from_slice(&self.standing.height.to_le_bytes());
        bytes.extend_from_slice(&totals.supply.0.to_le_bytes());
        bytes.extend_from_slice(&totals.burned.0.to_le_bytes());
        bytes.extend_from_slice(&totals.coins.to_le_bytes());
        bytes.extend_from_slice(&totals.utxo_hash.0);
        bytes.extend_from_slice(&self.synced_file.to_le_bytes());
        bytes.extend_from_slice(&self.synced_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.blocks.to_le_bytes());
    }
}

impl Decode for FlushRecord {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            standing: Standing {
                position: BlockHash(reader.array()?),
                height: reader.u32()?,
                totals: Totals {
                    supply: Amount(reader.u64()?),
                    burned: Amount(reader.u64()?),
                    coins: reader.u64()?,
                    utxo_hash: UtxoHash(reader.array()?),
                },
            },
            synced_file: reader.u32()?,
            synced_bytes: reader.u64()?,
            blocks: reader.u64()?,
        })
    }
}
