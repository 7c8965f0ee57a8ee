//! Coin selection: which coins a payment spends. Integers only, no clock, no state.
//!
//! Three methods each propose a set of coins and the proposal with the least *waste* wins: the fee
//! that is really paid, plus what it will cost to spend the change one day. Coins that cost more
//! than they bring are never used.

use std::cmp::Reverse;

use chain::amount::{Amount, MAX_MONEY};
use chain::transaction::{
    OUTPOINT_BYTES, OUTPUT_BYTES, OutPoint, SIGNATURE_BYTES, TRANSFER_BYTES_MIN,
};
use rand::{Rng, seq::SliceRandom};
use wire::fee::fee_at_rate;

use branch_and_bound::branch_and_bound;

mod branch_and_bound;

/// Bytes that one more input adds to a transfer.
pub const INPUT_BYTES: usize = OUTPOINT_BYTES + SIGNATURE_BYTES;

/// What the payer wants to pay the miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fee {
    /// Exactly this, whatever the size.
    Fixed(Amount),
    /// Units per 1000 bytes, rounded up.
    Rate(u64),
}

/// What bounds a payment besides the coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeePolicy {
    /// What the miner gets.
    pub fee: Fee,
    /// Largest transfer that may be made, in consensus bytes.
    pub transfer_bytes_max: usize,
}

/// A coin that may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub outpoint: OutPoint,
    /// What it is worth.
    pub amount: Amount,
}

/// How a proposal came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// A search for coins that need no change.
    BranchAndBound,
    /// Coins in random order until they suffice.
    RandomDraw,
    /// The largest coins until they suffice.
    LargestFirst,
}

/// Coins that suffice, and what follows from spending them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The coins, in the order in which they were taken.
    pub coins: Vec<Candidate>,
    /// What the miner gets: the policy's fee, plus a rest that is not worth a change output.
    pub fee: Amount,
    /// What comes back, if anything does.
    pub change: Option<Amount>,
    /// The fee, plus what spending the change will cost at the same rate.
    pub waste: Amount,
}

/// What one method came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The method that was tried.
    pub method: Method,
    /// Its proposal; `None` when it found none.
    pub proposal: Option<Proposal>,
}

/// The coins to spend, and how they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The proposal that won.
    pub chosen: Proposal,
    /// Whose it was.
    pub method: Method,
    /// Every method's proposal, for those who want it explained.
    pub attempts: Vec<Attempt>,
    /// Coins left alone because spending them costs at least what they are worth.
    pub uneconomic: Vec<Candidate>,
}

/// Why no coins could be selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// All coins together do not suffice.
    #[error(
        "{available} is available, {needed} is needed with the fee: send less, or wait until \
         pending payments are confirmed"
    )]
    Insufficient {
        /// Worth of all coins that are worth spending.
        available: Amount,
        /// The target plus the fee of spending them all.
        needed: Amount,
    },
    /// They suffice, but not within the largest transfer.
    #[error("needs more than the {coins_max} coins that fit one payment: pay in smaller parts")]
    TooManyCoins {
        /// How many fit.
        coins_max: usize,
    },
    /// More money than exists is wanted or offered.
    #[error("the amounts exceed all money that can exist ({MAX_MONEY})")]
    Impossible,
}

/// Selects coins worth `target` plus the fee that `policy` asks. `rng` orders the random draw.
///
/// # Errors
/// [`SelectionError`]: too little money, too many coins, or impossible amounts.
pub fn select<R: Rng + ?Sized>(
    coins: &[Candidate],
    target: Amount,
    policy: FeePolicy,
    rng: &mut R,
) -> Result<Selection, SelectionError> {
    let terms = Terms { target, policy };
    if !target.is_possible() || !terms.fee(1, 1).is_possible() {
        return Err(SelectionError::Impossible);
    }
    let (mut useful, uneconomic): (Vec<Candidate>, Vec<Candidate>) =
        coins.iter().partition(|coin| terms.is_economic(coin.amount));
    useful.sort_by_key(|coin| (Reverse(coin.amount), coin.outpoint));
    let mut shuffled = useful.clone();
    shuffled.shuffle(rng);
    let proposals = [
        (Method::BranchAndBound, branch_and_bound(&useful, &terms)),
        (Method::RandomDraw, first_that_suffice(&shuffled, &terms)),
        (Method::LargestFirst, first_that_suffice(&useful, &terms)),
    ];
    let attempts = proposals.map(|(method, proposal)| Attempt { method, proposal });
    // On equal waste no change beats change, then fewer coins, then the order above.
    let best = attempts
        .iter()
        .filter_map(|attempt| Some((attempt.method, attempt.proposal.as_ref()?)))
        .min_by_key(|(_, proposal)| {
            let has_change = proposal.change.is_some();
            (proposal.waste, has_change, proposal.coins.len())
        });
    let Some((method, chosen)) = best else {
        return Err(terms.refusal(&useful));
    };
    Ok(Selection { chosen: chosen.clone(), method, attempts: attempts.to_vec(), uneconomic })
}

/// Consensus bytes of a transfer with so many inputs and outputs (fewer than 253 outputs).
fn transfer_bytes(inputs: usize, outputs: usize) -> usize {
    let count_bytes = match inputs {
        0..=0xfc => 0,
        0xfd..=0xffff => 2,
        _ => 4,
    };
    let further = inputs.saturating_sub(1).saturating_mul(INPUT_BYTES);
    let outputs = outputs.saturating_sub(1).saturating_mul(OUTPUT_BYTES);
    (TRANSFER_BYTES_MIN + count_bytes).saturating_add(further).saturating_add(outputs)
}

/// What has to be paid, and what paying costs.
struct Terms {
    target: Amount,
    policy: FeePolicy,
}

impl Terms {
    fn fee(&self, inputs: usize, outputs: usize) -> Amount {
        match self.policy.fee {
            Fee::Fixed(fee) => fee,
            Fee::Rate(rate) => fee_at_rate(rate, transfer_bytes(inputs, outputs) as u64),
        }
    }

    /// What spending one more coin costs, now or one day.
    fn spending_cost(&self) -> Amount {
        match self.policy.fee {
            Fee::Fixed(_) => Amount::ZERO,
            Fee::Rate(rate) => fee_at_rate(rate, INPUT_BYTES as u64),
        }
    }

    fn is_economic(&self, amount: Amount) -> bool {
        amount > self.spending_cost()
    }

    /// What `inputs` coins must be worth at least, wide enough for any sum.
    fn needed(&self, inputs: usize, outputs: usize) -> u128 {
        u128::from(self.target.0) + u128::from(self.fee(inputs, outputs).0)
    }

    /// The largest rest of `inputs` coins that is better left to the miner than taken as change. A
    /// fixed fee is meant exactly, so nothing is ever left then.
    fn droppable(&self, inputs: usize) -> u128 {
        let output_cost = self.needed(inputs, 2) - self.needed(inputs, 1);
        output_cost + u128::from(self.spending_cost().0)
    }

    /// Whether that many coins fit one transfer, with change.
    fn fits(&self, inputs: usize) -> bool {
        transfer_bytes(inputs, 2) <= self.policy.transfer_bytes_max
    }

    /// The proposal to spend `coins`, if they suffice, fit and can exist.
    fn propose(&self, coins: &[Candidate]) -> Option<Proposal> {
        let spent = total(coins);
        let rest = spent.checked_sub(self.needed(coins.len(), 1))?;
        if coins.is_empty() || !self.fits(coins.len()) || spent > u128::from(MAX_MONEY.0) {
            return None;
        }
        let change = (rest > self.droppable(coins.len()))
            .then(|| spent - self.needed(coins.len(), 2))
            .map(|units| Amount(u64::try_from(units).expect("less than all money")));
        let back = change.unwrap_or(Amount::ZERO);
        let fee = spent - u128::from(self.target.0) - u128::from(back.0);
        let fee = Amount(u64::try_from(fee).expect("less than all money"));
        let later = change.map_or(0, |_| self.spending_cost().0);
        Some(Proposal {
            coins: coins.to_vec(),
            fee,
            change,
            waste: Amount(fee.0.saturating_add(later)),
        })
    }

    /// Why `coins`, all that are economic and largest first, cannot pay.
    fn refusal(&self, coins: &[Candidate]) -> SelectionError {
        let available = total(coins);
        let needed = self.needed(coins.len().max(1), 1);
        if available < needed {
            return SelectionError::Insufficient {
                available: saturate(available),
                needed: saturate(needed),
            };
        }
        let coins_max = (1..=coins.len()).take_while(|count| self.fits(*count)).count();
        if coins_max < coins.len() {
            return SelectionError::TooManyCoins { coins_max };
        }
        SelectionError::Impossible
    }
}

fn total(coins: &[Candidate]) -> u128 {
    coins.iter().map(|coin| u128::from(coin.amount.0)).sum()
}

fn saturate(units: u128) -> Amount {
    Amount(u64::try_from(units).unwrap_or(u64::MAX))
}

/// The shortest beginning of `coins` that suffices.
fn first_that_suffice(coins: &[Candidate], terms: &Terms) -> Option<Proposal> {
    let mut spent = 0u128;
    let enough = (1..).zip(coins).find(|(count, coin)| {
        spent += u128::from(coin.amount.0);
        spent >= terms.needed(*count, 1)
    });
    terms.propose(&coins[..enough?.0])
}

#[cfg(test)]
mod tests;
