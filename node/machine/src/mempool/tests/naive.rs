//! Random operations on the pool against a naive model that recomputes everything every time.

use std::collections::BTreeSet;

use chain::encoding::Encode;
use chain::transaction::OutPoint;
use proptest::sample::Index;

use super::super::fixture::{Spendable, made};
use super::*;

#[derive(Debug, Clone)]
enum Operation {
    /// Pays from confirmed coins (spent by others or not) and pending outputs.
    Pay { from: Vec<Index>, outputs: usize, fee: u64 },
    /// A block confirms a share of the pool, parents first.
    Confirm(Index),
    /// A block spends a coin that a pending transaction spends.
    ConfirmConflict(Index),
    /// Hours pass.
    Wait(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let sources = prop::collection::vec(any::<Index>(), 1..4);
    prop_oneof![
        12 => (sources, 1usize..4, 400u64..4_000)
            .prop_map(|(from, outputs, fee)| Operation::Pay { from, outputs, fee }),
        1 => any::<Index>().prop_map(Operation::Confirm),
        1 => any::<Index>().prop_map(Operation::ConfirmConflict),
        1 => (1u64..30).prop_map(Operation::Wait),
    ]
}

#[derive(Clone)]
struct Known {
    transfer: Transfer,
    txid: Txid,
    fee: u64,
    bytes: u64,
    heap: usize,
    arrived_h: u64,
}

/// The pool as a list in order of arrival.
struct Model {
    limits: MempoolLimits,
    known: Vec<Known>,
    rate_min: u64,
}

type Named = BTreeSet<Txid>;

fn beats(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1) > u128::from(b.0) * u128::from(a.1)
}

fn spends_from(child: &Transfer, parent: &Txid) -> bool {
    child.inputs.iter().any(|input| input.outpoint.txid == *parent)
}

fn outpoints(transfer: &Transfer) -> BTreeSet<OutPoint> {
    transfer.inputs.iter().map(|input| input.outpoint).collect()
}

impl Model {
    fn below(&self, mut named: Named) -> Named {
        // Without reorganizations children come after their parents.
        for known in &self.known {
            if named.iter().any(|parent| spends_from(&known.transfer, parent)) {
                named.insert(known.txid);
            }
        }
        named
    }

    fn above(&self, transfer: &Transfer) -> Named {
        let mut named = Named::new();
        for known in self.known.iter().rev() {
            let child_of = |child: &Known| spends_from(&child.transfer, &known.txid);
            let indirect =
                self.known.iter().any(|child| named.contains(&child.txid) && child_of(child));
            if spends_from(transfer, &known.txid) || indirect {
                named.insert(known.txid);
            }
        }
        named
    }

    fn of<'a>(&'a self, named: &'a Named) -> impl Iterator<Item = &'a Known> {
        self.known.iter().filter(|known| named.contains(&known.txid))
    }

    fn keep_rate(&self, known: &Known) -> (u64, u64) {
        let below = self.below([known.txid].into());
        let rates = self.of(&below).map(|known| (known.fee, known.bytes));
        rates.reduce(|best, rate| if beats(rate, best) { rate } else { best }).unwrap()
    }

    fn pay(&mut self, new: Known) -> Result<Named, &'static str> {
        let rate = (new.fee, new.bytes);
        if self.known.iter().any(|known| known.txid == new.txid) {
            return Err("pending");
        }
        if new.fee * 1000 < self.rate_min * new.bytes {
            return Err("fee");
        }
        let spent = outpoints(&new.transfer);
        let rivals =
            self.known.iter().filter(|known| !outpoints(&known.transfer).is_disjoint(&spent));
        let replaced = self.below(rivals.map(|known| known.txid).collect());
        let fees: u64 = self.of(&replaced).map(|known| known.fee).sum();
        let outdone = self.of(&replaced).all(|known| beats(rate, (known.fee, known.bytes)));
        if !replaced.is_empty() && (new.fee <= fees || !outdone) {
            return Err("conflict");
        }
        let above = self.above(&new.transfer);
        if above.len() >= self.limits.ancestors_max {
            return Err("chain");
        }
        if !above.is_disjoint(&replaced) {
            return Err("spends replaced");
        }
        for ancestor in &above {
            let below = self.below([*ancestor].into());
            if below.difference(&replaced).count() >= self.limits.descendants_max {
                return Err("chain");
            }
        }
        let evicted = self.evict(&new, &replaced, &above).ok_or("full")?;
        let lost = self.of(&evicted).map(|known| known.fee * 1000 / known.bytes + 1).max();
        self.rate_min = self.rate_min.max(lost.unwrap_or(0));
        self.known
            .retain(|known| !replaced.contains(&known.txid) && !evicted.contains(&known.txid));
        self.known.push(new);
        Ok(&replaced | &evicted)
    }

    fn evict(&self, new: &Known, replaced: &Named, above: &Named) -> Option<Named> {
        let mut order: Vec<(usize, (u64, u64))> =
            self.known.iter().map(|known| self.keep_rate(known)).enumerate().collect();
        let own = |at: usize| (self.known[at].fee, self.known[at].bytes);
        order.sort_by(|a, b| {
            let first = |a, b| beats(b, a).cmp(&beats(a, b)).reverse();
            first(a.1, b.1).then(first(own(a.0), own(b.0))).then(b.0.cmp(&a.0))
        });
        let mut evicted = Named::new();
        for (at, keep_rate) in order {
            let stays =
                |known: &&Known| !replaced.contains(&known.txid) && !evicted.contains(&known.txid);
            let held: usize = self.known.iter().filter(stays).map(|known| known.heap).sum();
            if held + new.heap <= self.limits.bytes_max {
                return Some(evicted);
            }
            if !beats((new.fee, new.bytes), keep_rate) {
                return None;
            }
            let victim = self.known[at].txid;
            if !above.contains(&victim) && !replaced.contains(&victim) {
                let below = self.below([victim].into());
                evicted.extend(below.difference(replaced).copied());
            }
        }
        let held: usize = self
            .known
            .iter()
            .filter(|known| !replaced.contains(&known.txid) && !evicted.contains(&known.txid))
            .map(|known| known.heap)
            .sum();
        (held + new.heap <= self.limits.bytes_max).then_some(evicted)
    }

    fn drop_named(&mut self, named: &Named) {
        self.known.retain(|known| !named.contains(&known.txid));
    }

    fn relax(&mut self) {
        self.rate_min = match self.known.is_empty() {
            true => FEE_RATE_FLOOR,
            false => (self.rate_min / 2).max(FEE_RATE_FLOOR),
        };
    }
}

fn label(refusal: &MempoolError) -> &'static str {
    match refusal {
        MempoolError::AlreadyPending(_) => "pending",
        MempoolError::FeeTooLow { .. } => "fee",
        MempoolError::Conflict { .. } => "conflict",
        MempoolError::SpendsReplaced { .. } => "spends replaced",
        MempoolError::TooLongChain { .. } => "chain",
        MempoolError::Full { .. } => "full",
        _ => "other",
    }
}

struct Trial {
    world: World,
    pool: Mempool,
    model: Model,
    hour: u64,
}

impl Trial {
    fn new(room: usize) -> Self {
        let limits = MempoolLimits {
            bytes_max: room * PAYMENT_HEAP(),
            ancestors_max: 5,
            descendants_max: 5,
            ..MempoolLimits::default()
        };
        let model = Model { limits, known: Vec::new(), rate_min: FEE_RATE_FLOOR };
        Self { world: World::new(8), pool: Mempool::new(limits), model, hour: 0 }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Pay { from, outputs, fee } => self.pay(from, *outputs, *fee),
            Operation::Confirm(share) => {
                let count = share.index(self.model.known.len() + 1);
                let confirmed: Vec<Transfer> =
                    self.model.known[..count].iter().map(|known| known.transfer.clone()).collect();
                self.connect(&confirmed);
                self.model.known.drain(..count);
                self.model.relax();
            }
            Operation::ConfirmConflict(which) => {
                let coins: Vec<OutPoint> = self.world.coins.keys().copied().collect();
                let outpoint = coins[which.index(coins.len())];
                let coin = self.world.coins[&outpoint];
                if coin.coinbase {
                    return;
                }
                let winner = self.world.payment(&[(outpoint, coin.output)], 5, 1);
                self.connect(&[winner]);
                let rivals = self.model.known.iter();
                let rivals = rivals.filter(|known| outpoints(&known.transfer).contains(&outpoint));
                let lost = self.model.below(rivals.map(|known| known.txid).collect());
                self.model.drop_named(&lost);
                self.model.relax();
            }
            Operation::Wait(hours) => {
                self.hour += hours;
                let now = Duration::from_hours(self.hour);
                let expired = leavers(&mut self.pool, |pool| pool.expire(now));
                let expired = expired.into_iter().collect::<Named>();
                let old = self.model.known.iter().filter(|known| known.arrived_h + 72 <= self.hour);
                let old = self.model.below(old.map(|known| known.txid).collect());
                assert_eq!(expired, old);
                self.model.drop_named(&old);
                if !old.is_empty() {
                    self.model.relax();
                }
            }
        }
        self.compare();
    }

    fn pay(&mut self, from: &[Index], outputs: usize, fee: u64) {
        let mut open: Vec<Spendable> = self
            .world
            .coins
            .iter()
            .filter(|(_, coin)| !coin.coinbase)
            .map(|(outpoint, coin)| (*outpoint, coin.output))
            .collect();
        open.extend(self.model.known.iter().flat_map(|known| made(&known.transfer)));
        let mut spent: Vec<Spendable> =
            from.iter().map(|index| open[index.index(open.len())]).collect();
        spent.sort_by_key(|(outpoint, _)| *outpoint);
        spent.dedup();
        if spent.iter().map(|(_, output)| output.amount.0).sum::<u64>() < fee + 10 {
            return;
        }
        let transfer = self.world.payment(&spent, outputs, fee);
        let new = Known {
            txid: transfer.txid(),
            fee,
            bytes: transfer.encode().len() as u64,
            heap: heap_estimate(spent.len(), outputs),
            arrived_h: self.hour,
            transfer: transfer.clone(),
        };
        let (world, now) = (&self.world, Duration::from_hours(self.hour));
        let mut outcome = Ok(());
        let left = leavers(&mut self.pool, |pool| outcome = world.admit(pool, &transfer, now));
        let outcome = outcome
            .map(|()| left.into_iter().collect::<Named>())
            .map_err(|refusal| label(&refusal));
        assert_eq!(outcome, self.model.pay(new));
    }

    fn connect(&mut self, transfers: &[Transfer]) {
        let block = self.world.block(transfers);
        self.world.connect(&block);
        self.pool.remove_confirmed(&block);
    }

    fn compare(&self) {
        let known: Vec<Txid> = self.model.known.iter().map(|known| known.txid).collect();
        assert_eq!(txids(&self.pool), known);
        assert_eq!(self.pool.fee_rate_min(), self.model.rate_min);
        let heap: usize = self.model.known.iter().map(|known| known.heap).sum();
        assert_eq!(self.pool.heap_bytes(), heap);
        assert_consistent(&self.pool);
    }
}

proptest! {
    #[test]
    fn random_operations_leave_the_pool_as_a_naive_model_says(
        operations in prop::collection::vec(operation(), 1..40),
        room in 2usize..12,
    ) {
        let mut trial = Trial::new(room);
        for operation in &operations {
            trial.apply(operation);
        }
        trial.apply(&Operation::Wait(1000));
        prop_assert_eq!(trial.pool.heap_bytes(), 0);
        prop_assert!(trial.pool.is_empty());
        prop_assert!(trial.pool.by_key.is_empty() && trial.pool.spenders.is_empty());
    }
}
