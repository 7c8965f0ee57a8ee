//! A network of funded keys for tests: real signatures, real coins, no store.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use chain::amount::Amount;
use chain::block::{Block, CommittedBlock};
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::{OutputKey, SecretKey, Signature};
use chain::rules::block::{Connection, check_alone, connect};
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::target::CompactTarget;
use chain::transaction::{
    Coinbase, Input, OutPoint, Output, SighashContext, Transaction, Transfer,
};
use chain::utxo::Coin;

use super::{Mempool, MempoolError, MempoolLimits};

/// What each genesis output holds.
pub(crate) const FUNDS: u64 = 1_000_000_000;
const KEYS: u8 = 4;

/// An outpoint with its output: what an input needs.
pub(crate) type Spendable = (OutPoint, Output);

/// A network, its confirmed coins and everybody's keys.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) coins: BTreeMap<OutPoint, Coin>,
    secrets: BTreeMap<OutputKey, SecretKey>,
    /// Height of the next block.
    pub(crate) height: u32,
}

impl World {
    /// So many genesis outputs of [`FUNDS`], owned by the keys in turn.
    pub(crate) fn new(funded: usize) -> Self {
        Self::with_spec(funded, |_| {})
    }

    pub(crate) fn with_spec(funded: usize, edit: impl FnOnce(&mut ChainSpec)) -> Self {
        let secrets: Vec<SecretKey> = (1..=KEYS).map(secret).collect();
        let keys: Vec<OutputKey> = secrets.iter().map(SecretKey::output_key).collect();
        let owners = keys.iter().cycle().take(funded);
        let mut spec = ChainSpec {
            coin_name: "Test".into(),
            coin_symbol: "TST".into(),
            address_prefix: "tlode".into(),
            starting_bits: 1,
            easiest_bits: 1,
            spacing_s: 1,
            retarget: Retarget::Fixed,
            half_life_s: 120,
            subsidy: Amount(5_000_000_000),
            halving_interval: 100_000,
            maturity: 3,
            block_bytes_max: 100_000,
            genesis_time: 1_700_000_000,
            allocations: owners
                .map(|key| Allocation { key: *key, amount: Amount(FUNDS) })
                .collect(),
        };
        edit(&mut spec);
        let network = Network::new(spec).unwrap();
        let none = |_: &OutPoint| Ok::<_, Infallible>(None);
        let genesis = connect(&network.genesis, 0, &network, none).unwrap();
        Self {
            coins: genesis.created.into_iter().collect(),
            secrets: keys.into_iter().zip(secrets).collect(),
            network,
            height: 1,
        }
    }

    /// The output that key number `at` (of a few) is paid with.
    pub(crate) fn key(&self, at: usize) -> OutputKey {
        *self.secrets.keys().nth(at % self.secrets.len()).unwrap()
    }

    /// Genesis output number `index`.
    pub(crate) fn funds(&self, index: u32) -> Spendable {
        let outpoint = OutPoint { txid: self.network.genesis.txids[0], index };
        (outpoint, self.network.genesis.block.transactions[0].outputs()[index as usize])
    }

    pub(crate) fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.coins.get(outpoint).copied())
    }

    /// Signed by the owners of what is spent.
    pub(crate) fn transfer(
        &self,
        spent: &[Spendable],
        outputs: Vec<Output>,
        lock_height: u32,
    ) -> Transfer {
        let unsigned = |(outpoint, _): &Spendable| Input {
            outpoint: *outpoint,
            signature: Signature([0; 64]),
        };
        let mut transfer =
            Transfer { inputs: spent.iter().map(unsigned).collect(), outputs, lock_height };
        let spent: Vec<Output> = spent.iter().map(|(_, output)| *output).collect();
        let context = SighashContext::new(&transfer, &spent, self.network.genesis_hash());
        for (at, (input, output)) in (0u32..).zip(transfer.inputs.iter_mut().zip(&spent)) {
            input.signature = self.secrets[&output.key].sign(&context.message(at), &[0; 32]);
        }
        transfer
    }

    /// Spends all of `spent` into `outputs` equal parts, for the keys in turn, less `fee`.
    pub(crate) fn payment(&self, spent: &[Spendable], outputs: usize, fee: u64) -> Transfer {
        let sum: u64 = spent.iter().map(|(_, output)| output.amount.0).sum();
        let parts = outputs as u64;
        let part = (sum - fee) / parts;
        let mut paid: Vec<Output> =
            (0..outputs).map(|at| Output { amount: Amount(part), key: self.key(at) }).collect();
        paid[0].amount.0 += sum - fee - part * parts;
        self.transfer(spent, paid, 0)
    }

    /// Check, signatures and insertion, as the intake does it.
    pub(crate) fn admit(
        &self,
        pool: &mut Mempool,
        transfer: &Transfer,
        now: Duration,
    ) -> Result<(), MempoolError> {
        let coin = |outpoint: &OutPoint| self.coin(outpoint);
        let candidate = pool.check(transfer, &self.network, self.height, coin).unwrap()?;
        assert!(candidate.checks.iter().all(chain::key::SignatureCheck::is_valid));
        pool.insert(candidate, now)
    }

    /// A block of these transfers on nothing in particular, unsolved.
    pub(crate) fn block(&self, transfers: &[Transfer]) -> CommittedBlock {
        let coinbase = Transaction::Coinbase(Coinbase {
            height: self.height,
            extra: [0; 32],
            outputs: vec![Output { amount: Amount(1), key: self.key(0) }],
        });
        let transfers = transfers.iter().cloned().map(Transaction::Transfer);
        let mut block = Block {
            header: Header {
                version: VERSION_BASE,
                previous: BlockHash::ZERO,
                merkle_root: MerkleRoot::ZERO,
                time: 0,
                bits: CompactTarget::with_zero_bits(1),
                nonce: 0,
            },
            transactions: std::iter::once(coinbase).chain(transfers).collect(),
        };
        block.header.merkle_root = block.merkle_root().unwrap();
        CommittedBlock::decode(block.header, &block.encode_body()).unwrap()
    }

    /// Connects a block by all the rules of blocks, signatures too, and moves the coins.
    pub(crate) fn connect(&mut self, block: &CommittedBlock) -> Connection {
        check_alone(block, self.height, &self.network).unwrap();
        let coin = |outpoint: &OutPoint| Ok::<_, Infallible>(self.coins.get(outpoint).copied());
        let connection = connect(block, self.height, &self.network, coin).unwrap();
        assert!(connection.checks.iter().all(chain::key::SignatureCheck::is_valid));
        for (outpoint, _) in &connection.spent {
            self.coins.remove(outpoint);
        }
        self.coins.extend(connection.created.iter().copied());
        self.height += 1;
        connection
    }

    /// Takes the last block back.
    pub(crate) fn disconnect(&mut self, connection: &Connection) {
        for (outpoint, _) in &connection.created {
            self.coins.remove(outpoint);
        }
        self.coins.extend(connection.spent.iter().copied());
        self.height -= 1;
    }
}

/// What a transfer made, for spending.
pub(crate) fn made(transfer: &Transfer) -> Vec<Spendable> {
    let txid = transfer.txid();
    (0u32..)
        .zip(&transfer.outputs)
        .map(|(index, output)| (OutPoint { txid, index }, *output))
        .collect()
}

pub(crate) fn pool() -> Mempool {
    Mempool::new(MempoolLimits::default())
}

/// Consensus bytes of a transfer.
pub(crate) fn bytes_of(transfer: &Transfer) -> u64 {
    transfer.encode().len() as u64
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32]).unwrap()
}
