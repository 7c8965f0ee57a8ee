//! Unpaid work: what it cost to judge transactions that came to nothing, by who brought them.
//!
//! A transaction that is taken pays with its fee; one whose last signature is wrong has cost as
//! much and pays nothing. A few are an accident; who goes on is shut out, also across connections.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Misbehavior;
use crate::intake::{Bringer, TransactionOutcome};
use crate::owner::Owner;
use crate::peers::Peer;
use crate::{Machine, PeerId};
use wire::hello::Role;

/// Unpaid work that an owner may cause at once, in signatures: two transactions of the largest kind
/// and some small ones, a tenth of a second of one core.
const UNPAID_WORK_MAX: u64 = 2_500;

/// So much of it is forgiven in a second: all of it in ten minutes. In a millisecond it is as many
/// thousandths of a signature.
const FORGIVEN_PER_S: u64 = 4;

/// Work is counted in thousandths of a signature, so that it is forgiven by the millisecond: who
/// comes several times in a second is forgiven as much as who comes once.
const THOUSANDTHS: u64 = 1_000;

/// Owners whose unpaid work is remembered; the one that owes least makes room for another.
const OWNERS_MAX: usize = 4096;

/// Inputs that are looked up in the time in which one signature is verified.
const INPUTS_PER_SIGNATURE: usize = 8;

/// What owners owe.
#[derive(Debug, Default)]
pub(crate) struct UnpaidWork {
    owners: BTreeMap<Owner, Debt>,
}

/// Work that was owed at a time.
#[derive(Debug, Clone, Copy)]
struct Debt {
    thousandths: u64,
    since_ms: u64,
}

impl Debt {
    /// Thousandths that are still owed.
    fn at(self, now_ms: u64) -> u64 {
        let forgiven = now_ms.saturating_sub(self.since_ms).saturating_mul(FORGIVEN_PER_S);
        self.thousandths.saturating_sub(forgiven)
    }
}

impl UnpaidWork {
    /// An owner caused so much work for nothing; true when that is too much.
    pub(crate) fn charge(&mut self, owner: Owner, work: u64, now: Duration) -> bool {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let owed = self.owners.get(&owner).map_or(0, |debt| debt.at(now_ms));
        let owed = owed.saturating_add(work.saturating_mul(THOUSANDTHS));
        let is_known = self.owners.contains_key(&owner);
        if !is_known && self.owners.len() >= OWNERS_MAX {
            self.owners.retain(|_, debt| debt.at(now_ms) > 0);
            let least = self.owners.iter().min_by_key(|(_, debt)| debt.at(now_ms));
            let least = least.map(|(owner, _)| *owner);
            if self.owners.len() >= OWNERS_MAX
                && let Some(least) = least
            {
                self.owners.remove(&least);
            }
        }
        self.owners.insert(owner, Debt { thousandths: owed, since_ms: now_ms });
        owed > UNPAID_WORK_MAX * THOUSANDTHS
    }
}

impl Machine {
    /// Whoever brought a transaction of so many inputs that is refused has caused work for nothing,
    /// if it is a wallet: a node relays what another one found good, and is judged by what it could
    /// know. Signatures of it that were verified, and held, count as those that do not.
    pub(crate) fn note_refusal(
        &mut self,
        (by, owner): (&Bringer, Option<Owner>),
        (inputs, signatures): (usize, usize),
        outcome: &TransactionOutcome,
    ) {
        let is_refused = matches!(outcome, TransactionOutcome::Refused { .. });
        if is_refused && let Bringer::Wallet { .. } = by {
            self.note_unpaid(by, owner, 1 + inputs / INPUTS_PER_SIGNATURE + signatures);
        }
    }

    /// Whoever brought a transaction has caused so much work for nothing. Who does it too often is
    /// banned, with all its wallets that are here; who is gone by now as well.
    pub(crate) fn note_unpaid(&mut self, by: &Bringer, owner: Option<Owner>, work: usize) {
        let Some((id, owner)) = by.peer().zip(owner) else {
            return;
        };
        let now = self.now.monotonic;
        if owner.is_loopback() || !self.conduct.unpaid.charge(owner, work as u64, now) {
            return;
        }
        self.conduct.ban(owner, now);
        let is_theirs = |peer: &&Peer| {
            let is_wallet = peer.role() == Some(Role::Wallet);
            peer.id == id || is_wallet && peer.owner() == owner
        };
        let theirs: Vec<PeerId> = self.peers.iter().filter(is_theirs).map(|peer| peer.id).collect();
        for id in theirs {
            let reason = "too many payments that are worth nothing";
            self.note_misbehavior(id, Misbehavior::UnpaidWork, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(number: u32) -> Owner {
        Owner::of((0x0800_0000 + number).to_be_bytes().into())
    }

    proptest! {
        /// However often somebody comes: exactly as much as was not forgiven.
        #[test]
        fn what_is_owed_is_forgiven_in_time_and_of_others_makes_no_difference(
            charges in prop::collection::vec(
                (0u32..3, 1u64..1_500, prop_oneof![0u64..2_000, 0u64..400_000]), 1..60),
        ) {
            let mut unpaid = UnpaidWork::default();
            // Thousandths of a signature: four a millisecond are forgiven.
            let (mut owed, mut last_ms, mut now_ms) = ([0u64; 3], [0u64; 3], 0);
            for (who, work, pause_ms) in charges {
                now_ms += pause_ms;
                let at = who as usize;
                owed[at] = owed[at].saturating_sub((now_ms - last_ms[at]) * 4) + work * 1_000;
                last_ms[at] = now_ms;
                let is_too_much = unpaid.charge(ip(who), work, Duration::from_millis(now_ms));
                prop_assert_eq!(is_too_much, owed[at] > 2_500_000);
            }
        }

        /// Many behind one address, each of whom makes a mistake now and then.
        #[test]
        fn little_and_often_is_forgiven_for_ever(pause_ms in 250u64..2_000) {
            let mut unpaid = UnpaidWork::default();
            for number in 0..5_000 {
                let now = Duration::from_millis(number * pause_ms);
                prop_assert!(!unpaid.charge(ip(0), 1, now), "charge {number}");
            }
        }
    }

    #[test]
    fn so_many_owners_are_remembered_and_those_who_owe_most_of_all() {
        let mut unpaid = UnpaidWork::default();
        assert!(!unpaid.charge(ip(0), 2_000, Duration::ZERO));
        for number in 1..10_000 {
            unpaid.charge(ip(number), 1, Duration::ZERO);
        }
        assert_eq!(unpaid.owners.len(), OWNERS_MAX);
        assert!(unpaid.charge(ip(0), 501, Duration::ZERO));
    }
}
