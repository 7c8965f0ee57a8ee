//! `ChainBuilder`: chains for measurements, block on block.

use chain::amount::Amount;
use chain::block::Block;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::transaction::{Coinbase, Output, Transaction};
use engine::{Cancel, Job, Miner, Outcome, Target};

/// Who is paid by all blocks; nobody spends it.
pub(super) const PAYOUT: OutputKey = OutputKey([1; 32]);

/// A network whose every block needs `bits` leading zero bits.
pub(super) fn spec(bits: u32, allocations: Vec<Allocation>) -> ChainSpec {
    ChainSpec {
        coin_name: "Bench".to_owned(),
        coin_symbol: "BENCH".to_owned(),
        address_prefix: "bench".to_owned(),
        starting_bits: bits,
        easiest_bits: bits,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: Amount::from_coins(50).unwrap_or(Amount::ZERO),
        halving_interval: 1_000_000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations,
    }
}

/// Makes a chain from genesis on.
pub(super) struct ChainBuilder<'a> {
    network: &'a Network,
    tip: BlockHash,
    height: u32,
}

impl<'a> ChainBuilder<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        Self { network, tip: network.genesis_hash(), height: 0 }
    }

    /// The next block; `solve` finds the header that meets the target.
    pub(super) fn extend(
        &mut self,
        transfers: Vec<Transaction>,
        solve: impl FnOnce(Header) -> anyhow::Result<Header>,
    ) -> anyhow::Result<Block> {
        let spec = &self.network.spec;
        let height = self.height + 1;
        let output = Output { amount: subsidy(spec, height), key: PAYOUT };
        let coinbase = Coinbase { height, extra: [0; 32], outputs: vec![output] };
        let header = Header {
            version: VERSION_BASE,
            previous: self.tip,
            merkle_root: MerkleRoot::ZERO,
            time: spec.genesis_time + height,
            bits: spec.starting_target().to_compact(),
            nonce: 0,
        };
        let transactions = std::iter::once(Transaction::Coinbase(coinbase)).chain(transfers);
        let mut block = Block { header, transactions: transactions.collect() };
        block.header.merkle_root =
            block.merkle_root().ok_or_else(|| anyhow::anyhow!("a block without transactions"))?;
        block.header = solve(block.header)?;
        self.tip = block.header.hash();
        self.height = height;
        Ok(block)
    }
}

/// Solves a header on all threads of a miner.
pub(super) fn solve_with(miner: &Miner, header: Header) -> anyhow::Result<Header> {
    let target = header.bits.expand()?;
    let job = Job::rolling(&header.to_bytes(), Target::from_le_bytes(target.to_le_bytes()), 0);
    let job = job.ok_or_else(|| anyhow::anyhow!("a header without versions to roll"))?;
    match miner.search(&job, &Cancel::new()) {
        Outcome::Found(solution) => Ok(Header::from_bytes(&solution.header)),
        _ => anyhow::bail!("a header without a solution, one in many millions: try again"),
    }
}
