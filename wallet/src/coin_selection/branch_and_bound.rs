//! Branch and bound: the cheapest set of coins that needs no change.

use super::{Candidate, Proposal, Terms};

/// Sets of coins that are looked at before the search gives up: a few milliseconds.
const TRIES_MAX: u32 = 100_000;

/// The set of `coins` (sorted, largest first) with the least waste among those that need no change;
/// `None` when there is none, or none was found in time.
///
/// Every set is reached by taking or leaving the coins in order. A branch is cut as soon as all
/// that is left cannot suffice, or what is taken costs more than the best set so far.
pub(super) fn branch_and_bound(coins: &[Candidate], terms: &Terms) -> Option<Proposal> {
    let mut search = Search {
        coins,
        terms,
        worth_from: worth_from(coins),
        taken: Vec::new(),
        spent: 0,
        best: None,
    };
    let mut next = 0;
    for _ in 0..TRIES_MAX {
        if search.goes_on(next) {
            search.take(next);
            next += 1;
        } else {
            let Some(last) = search.leave() else { break };
            // A coin of the same worth as the one just left would lead to the same sets again.
            next = last + 1;
            while next < coins.len() && coins[next].amount == coins[last].amount {
                next += 1;
            }
        }
    }
    let chosen: Vec<Candidate> = search.best?.1.iter().map(|index| coins[*index]).collect();
    terms.propose(&chosen)
}

/// By position: what the coins from there on are worth together.
fn worth_from(coins: &[Candidate]) -> Vec<u128> {
    let mut sums = vec![0; coins.len() + 1];
    for (index, coin) in coins.iter().enumerate().rev() {
        sums[index] = sums[index + 1] + u128::from(coin.amount.0);
    }
    sums
}

struct Search<'a> {
    coins: &'a [Candidate],
    terms: &'a Terms,
    worth_from: Vec<u128>,
    /// Positions taken, rising.
    taken: Vec<usize>,
    spent: u128,
    /// Worth and positions of the best set so far.
    best: Option<(u128, Vec<usize>)>,
}

impl Search<'_> {
    /// Notes the set that is taken when it is the best so far; false when taking more, from
    /// position `next` on, leads nowhere.
    fn goes_on(&mut self, next: usize) -> bool {
        let count = self.taken.len();
        if self.best.as_ref().is_some_and(|(best, _)| self.spent >= *best) {
            return false;
        }
        if count > 0 && self.spent >= self.terms.needed(count, 1) {
            let rest = self.spent - self.terms.needed(count, 1);
            if rest <= self.terms.droppable(count) && self.terms.fits(count) {
                self.best = Some((self.spent, self.taken.clone()));
            }
            // Each coin brings more than it costs: taking more only leaves a larger rest.
            return false;
        }
        let reach = self.spent + self.worth_from[next];
        next < self.coins.len()
            && reach >= self.terms.needed(count.max(1), 1)
            && self.terms.fits(count + 1)
    }

    fn take(&mut self, index: usize) {
        self.taken.push(index);
        self.spent += u128::from(self.coins[index].amount.0);
    }

    /// Leaves the coin that was taken last, and says which it was.
    fn leave(&mut self) -> Option<usize> {
        let last = self.taken.pop()?;
        self.spent -= u128::from(self.coins[last].amount.0);
        Some(last)
    }
}
