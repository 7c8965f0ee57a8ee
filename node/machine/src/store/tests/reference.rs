//! Whatever is done to the store, it equals a replay of its chain from genesis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::encoding::Encode;
use chain::key::OutputKey;
use chain::subsidy::subsidy;
use chain::transaction::{OutPoint, Transaction, TxPosition};
use chain::utxo::UtxoSum;
use proptest::prelude::*;

use super::FIRST;
use super::chains::{Chain, Mined, Recipe, keys, recipe};
use super::disk::Disk;
use crate::store::change::{Change, Undo};
use crate::store::{Spender, Store, Totals, View};

#[derive(Debug, Clone)]
enum Step {
    /// Append and connect a new block.
    Connect(Recipe),
    /// Append a block and leave it at that.
    Append(Recipe),
    Disconnect,
    /// Connect the block again that was disconnected last.
    ConnectAgain,
    /// Make durable what was appended.
    Sync,
    Flush,
    /// Show readers the chain of now, if it is durable.
    Publish,
    /// End without a flush, start again.
    Restart,
    /// The same without closing anything.
    Crash,
    /// The same with everything lost that was not synced.
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => recipe().prop_map(Step::Connect),
        1 => recipe().prop_map(Step::Append),
        3 => Just(Step::Disconnect),
        2 => Just(Step::ConnectAgain),
        3 => Just(Step::Sync),
        2 => Just(Step::Flush),
        3 => Just(Step::Publish),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => Just(Step::PowerCut),
    ]
}

/// The store beside what it should be.
struct Model {
    chain: Chain,
    /// The chain at the last flush: where a crash leads back to.
    flushed: Chain,
    /// The last chain that rests on durable blocks alone: what a flush may write.
    durable: Chain,
    /// Chains since then, each with the number of blocks that must be durable first.
    staged: Vec<(usize, Chain)>,
    /// Every block appended, in order.
    stored: Vec<CommittedBlock>,
    /// Of those, how many are durable.
    synced: usize,
    /// Views that were taken, each with the chain that it must show for ever.
    views: Vec<(Arc<View>, Chain)>,
    /// Blocks disconnected since the tip last grew otherwise, last one last.
    left: Vec<Mined>,
    /// Every outpoint that ever was.
    outpoints: BTreeSet<OutPoint>,
}

impl Model {
    fn new() -> Self {
        let chain = Chain::new(1);
        let stored = vec![chain.network().genesis.clone()];
        let outpoints = chain.coins().into_keys().collect();
        Self {
            flushed: chain.clone(),
            durable: chain.clone(),
            staged: Vec::new(),
            chain,
            stored,
            synced: 1,
            views: Vec::new(),
            left: Vec::new(),
            outpoints,
        }
    }

    /// The chain has moved.
    fn moved(&mut self) {
        self.staged.push((self.stored.len(), self.chain.clone()));
        self.settle();
    }

    fn settle(&mut self) {
        let synced = self.synced;
        let ready = self.staged.iter().take_while(|(blocks, _)| *blocks <= synced).count();
        if let Some((_, chain)) = self.staged.drain(..ready).next_back() {
            self.durable = chain;
        }
    }

    fn append(&mut self, store: &mut Store, block: &CommittedBlock) {
        store.append_block(block).unwrap();
        if self.stored.iter().all(|stored| stored.hash != block.hash) {
            self.stored.push(block.clone());
        }
        for (txid, transaction) in block.txids.iter().zip(&block.block.transactions) {
            let outputs = (0..).zip(transaction.outputs());
            self.outpoints.extend(outputs.map(|(index, _)| OutPoint { txid: *txid, index }));
        }
    }

    fn take(&mut self, store: &mut Store, step: &Step) {
        match step {
            Step::Connect(recipe) => {
                let mined = self.chain.mine(recipe);
                self.append(store, &mined.block);
                store.connect(&mined.block, mined.height, &mined.connection).unwrap();
                self.left.clear();
                self.moved();
            }
            Step::Append(recipe) => {
                let mined = self.chain.clone().mine(recipe);
                self.append(store, &mined.block);
            }
            Step::Disconnect => {
                if let Some(last) = self.chain.mined.pop() {
                    store.disconnect(&last.block, last.height).unwrap();
                    self.left.push(last);
                    self.moved();
                }
            }
            Step::ConnectAgain => {
                if let Some(again) = self.left.pop() {
                    store.connect(&again.block, again.height, &again.connection).unwrap();
                    self.chain.mined.push(again);
                    self.moved();
                }
            }
            Step::Sync => {
                store.sync().unwrap();
                self.synced = self.stored.len();
                self.settle();
            }
            Step::Flush => {
                store.flush().unwrap();
                assert_eq!(store.dirty_coins(), 0);
                self.flushed = self.durable.clone();
            }
            Step::Publish => {
                if self.staged.is_empty() {
                    store.publish(store.moment());
                    self.views.push((store.reader().view(), self.chain.clone()));
                }
            }
            Step::Restart | Step::Crash | Step::PowerCut => {
                self.chain = self.flushed.clone();
                self.durable = self.flushed.clone();
                self.staged.clear();
                self.stored.truncate(self.synced);
                self.views.clear();
                self.left.clear();
            }
        }
    }

    fn check(&self, store: &Store) {
        assert_eq!(store.position(), self.chain.tip());
        assert_eq!(store.totals(), totals(&self.chain));
        let coins = self.chain.coins();
        for outpoint in &self.outpoints {
            assert_eq!(store.coin(outpoint).unwrap(), coins.get(outpoint).copied());
        }
        let histories = histories(&self.chain);
        for key in keys() {
            let expected = histories.get(&key).cloned().unwrap_or_default();
            let all = store.history(&key, FIRST, usize::MAX).unwrap();
            assert_eq!(all, Vec::from_iter(expected.iter().copied()));
            let middle = TxPosition { height: 2, transaction: 1 };
            let page: Vec<_> = expected.range(middle..).take(3).copied().collect();
            assert_eq!(store.history(&key, middle, 3).unwrap(), page);
        }
        assert!(store.blocks().map(|block| block.hash).eq(self.stored.iter().map(|b| b.hash)));
        for block in &self.stored {
            assert!(store.contains(&block.hash));
            assert_eq!(store.read_block(&block.hash).unwrap(), Some(block.block.encode()));
        }
        for (number, block) in self.stored.iter().enumerate() {
            assert_eq!(store.is_durable(&block.hash), number < self.synced);
        }
        let last = store.reader().view();
        if let Some((_, chain)) = self.views.last() {
            assert_eq!(last.tip(), chain.tip());
        }
        for (view, chain) in self.views.iter().rev().take(3) {
            self.check_view(view, chain);
        }
    }

    /// A view shows its own chain, whatever has become of the store since.
    fn check_view(&self, view: &View, chain: &Chain) {
        assert_eq!((view.tip(), view.totals()), (chain.tip(), totals(chain)));
        let coins = chain.coins();
        for outpoint in &self.outpoints {
            assert_eq!(view.coin(outpoint).unwrap(), coins.get(outpoint).copied());
        }
        let histories = histories(chain);
        for key in keys() {
            let expected = histories.get(&key).cloned().unwrap_or_default();
            let all = view.history(&key, FIRST, usize::MAX).unwrap();
            assert_eq!(all, Vec::from_iter(expected.iter().copied()));
            let owned: BTreeMap<_, _> =
                coins.iter().filter(|(_, coin)| coin.output.key == key).collect();
            let found = view.coins_of(&key, usize::MAX).unwrap();
            assert!(found.iter().map(|(at, coin)| (at, coin)).eq(owned));
        }
        let mut spenders = BTreeMap::new();
        for (height, block) in chain.blocks() {
            assert_eq!(view.header_at(height), Some((block.hash, block.block.header)));
            assert_eq!(view.block(&block.hash).unwrap().as_ref(), Some(block));
            for (position, transaction) in (0..).zip(&block.block.transactions) {
                let txid = block.txids[position as usize];
                let place = TxPosition { height, transaction: position };
                assert_eq!(view.transaction(&txid).unwrap(), Some(place));
                let digits = txid.to_string();
                let found = view.transactions_with_prefix(&digits[..12], 2).unwrap();
                assert_eq!(found, [(txid, place)]);
                if let Transaction::Transfer(transfer) = transaction {
                    let inputs = (0..).zip(&transfer.inputs);
                    spenders
                        .extend(inputs.map(|(input, it)| (it.outpoint, Spender { place, input })));
                }
            }
        }
        assert_eq!(view.header_at(view.height() + 1), None);
        for outpoint in &self.outpoints {
            assert_eq!(view.spender(outpoint).unwrap(), spenders.get(outpoint).copied());
        }
        let transactions = chain.blocks().map(|(_, block)| block.txids.len()).sum::<usize>();
        let every = [0; 32]..=[0xff; 32];
        assert_eq!(view.moment.transactions(&every, usize::MAX).unwrap().len(), transactions);
        for digits in ["", "0", "012", "not hexadecimal", &"0".repeat(65)] {
            assert_eq!(view.transactions_with_prefix(digits, usize::MAX).unwrap(), []);
        }
    }
}

/// The totals, recomputed from nothing.
fn totals(chain: &Chain) -> Totals {
    let coins = chain.coins();
    let supply = coins.values().map(|coin| coin.output.amount.0).sum();
    let allocated: u64 = chain.network().spec.allocations.iter().map(|a| a.amount.0).sum();
    let made: u64 =
        chain.blocks().map(|(height, _)| subsidy(&chain.network().spec, height).0).sum();
    let mut sum = UtxoSum::default();
    coins.iter().for_each(|(outpoint, coin)| sum.add(outpoint, coin));
    Totals {
        supply: Amount(supply),
        burned: Amount(allocated + made - supply),
        coins: coins.len() as u64,
        utxo_hash: sum.hash(),
    }
}

/// The history of each key, by looking up what every input spends in all blocks before.
fn histories(chain: &Chain) -> BTreeMap<OutputKey, BTreeSet<TxPosition>> {
    let mut owners = BTreeMap::new();
    let mut histories: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (height, block) in chain.blocks() {
        for (position, transaction) in (0..).zip(&block.block.transactions) {
            let place = TxPosition { height, transaction: position };
            for (index, output) in (0..).zip(transaction.outputs()) {
                let txid = block.txids[position as usize];
                owners.insert(OutPoint { txid, index }, output.key);
                histories.entry(output.key).or_default().insert(place);
            }
            if let Transaction::Transfer(transfer) = transaction {
                for input in &transfer.inputs {
                    histories.entry(owners[&input.outpoint]).or_default().insert(place);
                }
            }
        }
    }
    histories
}

proptest! {
    #[test]
    fn any_steps_lead_to_what_a_replay_from_genesis_gives(
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let mut disk = Disk::default();
        let mut model = Model::new();
        let network = model.chain.network().clone();
        // Small files, so that most chains span several.
        let mut store = disk.open(&network, 1_000).unwrap();
        for step in &steps {
            model.take(&mut store, step);
            let next = match step {
                Step::Restart => Some(disk.clone()),
                Step::Crash => Some(disk.after_a_crash()),
                Step::PowerCut => Some(disk.after_a_power_cut()),
                _ => None,
            };
            if let Some(next) = next {
                drop(store);
                disk = next;
                store = disk.open(&network, 1_000).unwrap();
                assert_eq!(store.cut(), None);
            }
            model.check(&store);
        }
    }

    #[test]
    fn connect_then_disconnect_is_the_identity(
        recipes in prop::collection::vec(recipe(), 1..12),
        flush_at: u16,
    ) {
        let mut model = Model::new();
        let mut store = Store::in_memory(model.chain.network()).unwrap();
        for (number, recipe) in recipes.iter().enumerate() {
            model.take(&mut store, &Step::Connect(recipe.clone()));
            if flush_at >> number & 1 == 1 {
                store.flush().unwrap();
            }
        }
        model.check(&store);
        for _ in 0..recipes.len() {
            model.take(&mut store, &Step::Disconnect);
            model.check(&store);
        }
        store.flush().unwrap();
        model.check(&store);
        for _ in 0..recipes.len() {
            model.take(&mut store, &Step::ConnectAgain);
        }
        model.check(&store);
    }

    #[test]
    fn the_change_of_a_block_is_the_one_that_the_rules_found(
        recipes in prop::collection::vec(recipe(), 1..12),
    ) {
        let mut chain = Chain::new(1);
        for recipe in &recipes {
            let mined = chain.mine(recipe);
            let undo = Arc::new(Undo::of(&mined.connection));
            let change = Change::of(&mined.block, mined.height, undo);
            prop_assert!(change.created.iter().eq(&mined.connection.created));
        }
    }
}

#[test]
fn a_directory_holds_what_memory_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::new();
    let network = model.chain.network().clone();
    let recipe = |nonce| Recipe {
        transfers: vec![(vec![1, 7], vec![0, 1, 2]), (vec![9], vec![3])],
        burned: 5,
        payout: 1,
        nonce,
    };
    for round in 0..3 {
        let mut store = Store::open_with(dir.path(), &network, 1_000).unwrap();
        model.check(&store);
        model.take(&mut store, &Step::Connect(recipe(round)));
        model.take(&mut store, &Step::Connect(recipe(round + 10)));
        model.take(&mut store, &Step::Flush);
        model.take(&mut store, &Step::Disconnect);
        model.take(&mut store, &Step::Connect(recipe(round + 20)));
        model.check(&store);
        model.take(&mut store, &Step::Restart);
    }
    model.check(&Store::open_with(dir.path(), &network, 1_000).unwrap());
}
