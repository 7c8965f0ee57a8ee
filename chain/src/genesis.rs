//! Genesis: the first block, made from the spec alone, and the network that it names.

use crate::block::{Block, CommittedBlock};
use crate::hash::{BlockHash, MerkleRoot, SpecHash};
use crate::header::{Header, VERSION_BASE};
use crate::spec::{ChainSpec, SpecError};
use crate::transaction::{Coinbase, Output, Transaction};

/// A checked spec with its genesis: everything that tells one network from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The rules' numbers.
    pub spec: ChainSpec,
    /// Hash of the spec's consensus bytes.
    pub spec_hash: SpecHash,
    /// The first block; valid by hash equality alone.
    pub genesis: CommittedBlock,
}

impl Network {
    /// Checks `spec` and makes its genesis.
    ///
    /// # Errors
    /// [`SpecError`] names the field that is out of bounds.
    pub fn new(spec: ChainSpec) -> Result<Self, SpecError> {
        spec.check()?;
        let spec_hash = spec.hash();
        let genesis = genesis_block(&spec, spec_hash);
        let body = genesis.encode_body();
        let genesis = CommittedBlock::decode(genesis.header, &body)
            .expect("genesis is made with its own root");
        Ok(Self { spec, spec_hash, genesis })
    }

    /// Hash of the first block: the network's name in the protocol.
    pub fn genesis_hash(&self) -> BlockHash {
        self.genesis.hash
    }
}

fn genesis_block(spec: &ChainSpec, spec_hash: SpecHash) -> Block {
    let outputs = spec
        .allocations
        .iter()
        .map(|allocation| Output { amount: allocation.amount, key: allocation.key })
        .collect();
    let coinbase = Transaction::Coinbase(Coinbase { height: 0, extra: spec_hash.0, outputs });
    let mut block = Block {
        header: Header {
            version: VERSION_BASE,
            previous: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: spec.genesis_time,
            bits: spec.starting_target().to_compact(),
            nonce: 0,
        },
        transactions: vec![coinbase],
    };
    block.header.merkle_root = block.merkle_root().expect("genesis has its coinbase");
    block
}

#[cfg(test)]
mod tests;
