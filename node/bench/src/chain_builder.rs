//! `ChainBuilder`: chains for measurements, block on block; `Coins` fill them with payments.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use chain::amount::Amount;
use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, sha256};
use chain::header::{Header, VERSION_BASE};
use chain::key::{OutputKey, SecretKey, Signature};
use chain::rules::header::{MEDIAN_TIME_HEADERS, median_time};
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::transaction::{
    Coinbase, Input, OutPoint, Output, SighashContext, Transaction, Transfer,
};
use engine::{Cancel, Job, Kernel, Miner, Outcome, Target};
use wire::peer::{CompactBlock, PeerMessage};
use wire::{ByteString, Message};

/// Who is paid by all blocks; nobody spends it.
pub(super) const PAYOUT: OutputKey = OutputKey([1; 32]);

/// What each coin is worth; with all subsidies it stays below all the money there may be.
const COIN: Amount = Amount(1000);

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

/// The same for a network whose blocks take so many threads of `kernel` the time `block_time` to
/// find, or up to twice that.
pub(super) fn spec_by_time(
    kernel: Kernel,
    threads: NonZeroUsize,
    block_time: Duration,
) -> anyhow::Result<ChainSpec> {
    let trial = Kernel::trials().iter().find(|trial| trial.kernel == kernel);
    let rate = trial.and_then(|trial| trial.rate.as_ref().ok()).copied().unwrap_or(1_000_000);
    let hashes = rate as f64 * threads.get() as f64 * block_time.as_secs_f64();
    let bits = (8..64).find(|bits| 2_f64.powi(*bits) >= hashes).unwrap_or(64);
    let allocation = Allocation { key: PAYOUT, amount: Amount(1) };
    Ok(spec(u32::try_from(bits)?, vec![allocation]))
}

/// The frame that announces a block without transfers: all of it is in there.
pub(super) fn announcement(block: &Block) -> Vec<u8> {
    let compact = CompactBlock {
        header: ByteString(block.header.to_bytes().to_vec()),
        salt: 0,
        coinbase: ByteString(block.transactions[0].encode()),
        short_ids: ByteString(Vec::new()),
    };
    Message::Peer(PeerMessage::CompactBlock(compact)).to_frame().to_bytes()
}

/// Makes a chain, block on block.
pub(super) struct ChainBuilder<'a> {
    network: &'a Network,
    tip: BlockHash,
    height: u32,
    /// Of the last blocks, or of all of a shorter chain.
    times: VecDeque<u32>,
    /// In every coinbase: blocks of two branches are never the same.
    extra: [u8; 32],
}

impl<'a> ChainBuilder<'a> {
    /// From genesis on.
    pub(super) fn new(network: &'a Network) -> Self {
        let times = VecDeque::from([network.spec.genesis_time]);
        Self { network, tip: network.genesis_hash(), height: 0, times, extra: [0; 32] }
    }

    /// A branch behind the last of these blocks, genesis the first; `extra` tells it from others.
    pub(super) fn behind(network: &'a Network, path: &[(BlockHash, u32)], extra: [u8; 32]) -> Self {
        let mut builder = Self { extra, ..Self::new(network) };
        for (hash, time) in path.iter().skip(1) {
            builder.passes(*hash, *time);
        }
        builder
    }

    fn passes(&mut self, tip: BlockHash, time: u32) {
        self.tip = tip;
        self.height += 1;
        self.times.push_back(time);
        if self.times.len() > MEDIAN_TIME_HEADERS {
            self.times.pop_front();
        }
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
        let coinbase = Coinbase { height, extra: self.extra, outputs: vec![output] };
        // The earliest that is allowed: no chain is so fast that it runs ahead of the clock.
        let median = median_time(&mut Vec::from(self.times.clone()));
        let header = Header {
            version: VERSION_BASE,
            previous: self.tip,
            merkle_root: MerkleRoot::ZERO,
            time: median + 1,
            bits: spec.starting_target().to_compact(),
            nonce: 0,
        };
        let transactions = std::iter::once(Transaction::Coinbase(coinbase)).chain(transfers);
        let mut block = Block { header, transactions: transactions.collect() };
        block.header.merkle_root =
            block.merkle_root().ok_or_else(|| anyhow::anyhow!("a block without transactions"))?;
        block.header = solve(block.header)?;
        self.passes(block.header.hash(), block.header.time);
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

/// Solves a header that needs a handful of hashes.
pub(super) fn solve_at_once(mut header: Header) -> anyhow::Result<Header> {
    let target = header.bits.expand()?;
    while !target.is_met_by(&header.hash()) {
        header.nonce = header.nonce.wrapping_add(1);
    }
    Ok(header)
}

/// Coins of genesis that every block moves once, each by a transfer of its own to the same owner.
pub(super) struct Coins {
    owners: Vec<SecretKey>,
    at: Vec<OutPoint>,
}

impl Coins {
    /// Owners of `count` coins, and what genesis must pay them.
    pub(super) fn owners(count: u32) -> anyhow::Result<(Vec<SecretKey>, Vec<Allocation>)> {
        let secrets = (0..count).map(|number| SecretKey::from_bytes(sha256(&number.to_le_bytes())));
        let owners: Vec<SecretKey> = secrets.collect::<Result<_, _>>()?;
        let paid = |owner: &SecretKey| Allocation { key: owner.output_key(), amount: COIN };
        let allocations = owners.iter().map(paid).collect();
        Ok((owners, allocations))
    }

    /// The coins as genesis leaves them.
    pub(super) fn of_genesis(owners: Vec<SecretKey>, network: &Network) -> Self {
        let txid = network.genesis.txids[0];
        let at = (0u32..).zip(&owners).map(|(index, _)| OutPoint { txid, index }).collect();
        Self { owners, at }
    }

    /// The transfers of the next block.
    pub(super) fn move_all(&mut self, network: &Network) -> Vec<Transaction> {
        let genesis = network.genesis_hash();
        let moved = self.owners.iter().zip(&mut self.at).map(|(owner, at)| {
            let output = Output { amount: COIN, key: owner.output_key() };
            let mut transfer = Transfer {
                inputs: vec![Input { outpoint: *at, signature: Signature([0; 64]) }],
                outputs: vec![output],
                lock_height: 0,
            };
            let message = SighashContext::new(&transfer, &[output], genesis).message(0);
            for input in &mut transfer.inputs {
                input.signature = owner.sign(&message, &[0; 32]);
            }
            *at = OutPoint { txid: transfer.txid(), index: 0 };
            Transaction::Transfer(transfer)
        });
        moved.collect()
    }
}
