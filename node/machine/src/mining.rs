//! Mining: which template is searched, and when it is replaced.

mod issued;
pub mod policy;
mod state;

use std::sync::Arc;
use std::time::Duration;

use chain::key::OutputKey;
use rand::{Rng, RngExt};

pub use policy::{MiningDecision, MiningPolicy, decide};
pub use state::MiningState;

use super::deadline::look_again;
use super::effect::Effect;
use super::template::{Template, TemplateContext, TemplateOutcome, build};
use super::{Machine, TemplateId};
use issued::Issued;

/// New pending transactions enter the template at most this often: every change restarts the
/// search's coinbase and merkle root.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// A template is replaced at the latest after this long, so that its time limit stays ahead of the
/// clock (the shortest future limit is 15 s).
const REFRESH_MAX: Duration = Duration::from_secs(10);

/// What is to be mined.
#[derive(Debug)]
pub(super) struct Mining {
    /// `None` on a node that makes no templates.
    policy: Option<MiningPolicy>,
    /// Two miners never search the same headers: every coinbase carries its node's own bytes.
    extra_prefix: [u8; 8],
    next_id: u64,
    /// What is being searched; `None` at rest.
    current: Option<Current>,
    /// What was handed out on the tip, replaced or not.
    issued: Issued,
    /// Transactions came that the template does not have.
    outdated: bool,
    /// When to look again though nothing happens.
    rest_until: Option<Duration>,
}

#[derive(Debug)]
struct Current {
    template: Arc<Template>,
    built: Duration,
}

impl Mining {
    pub(super) fn new(policy: Option<MiningPolicy>, rng: &mut impl Rng) -> Self {
        Self {
            policy,
            extra_prefix: rng.random(),
            next_id: 0,
            current: None,
            issued: Issued::default(),
            outdated: false,
            rest_until: None,
        }
    }

    /// When the miner wants to be looked at again.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.rest_until
    }

    /// A transaction is pending that the template does not have.
    pub(super) fn transaction_came(&mut self) {
        self.outdated = true;
    }
}

impl Machine {
    /// Looks whether to mine and what, and tells the body when that has changed.
    pub(super) fn refresh_mining(&mut self) {
        // On a disk that hangs the miner does not run ahead without end.
        let may_go_on = !self.is_walking() && self.has_room_for_blocks();
        let Some(policy) = self.mining.policy else {
            return;
        };
        if !may_go_on {
            // The end of the walk, or of the writes, is an event; there is nothing to wait for.
            self.mining.rest_until = None;
            self.rest_if_stale();
            return;
        }
        let now = self.now.monotonic;
        let pending = self.mempool.len();
        let oldest = self.mempool.oldest_arrived();
        match decide(&policy, pending, oldest, now) {
            MiningDecision::Mine => self.refresh_template(policy.payout),
            MiningDecision::RestUntil(until) => self.rest(Some(until)),
            MiningDecision::Rest => self.rest(None),
        }
    }

    /// Whether a solution of this template is worth a look: it is one of ours, and on the tip.
    pub(super) fn may_be_solved(&self, template: &Arc<Template>) -> bool {
        self.mining.issued.holds(template) && template.header.previous == self.ledger.tip().hash
    }

    fn refresh_template(&mut self, payout: OutputKey) {
        let now = self.now.monotonic;
        let tip = self.ledger.tip();
        if let Some(current) = &self.mining.current
            && current.template.header.previous == tip.hash
        {
            let due = current.built + if self.mining.outdated { REFRESH_MIN } else { REFRESH_MAX };
            if now < due {
                self.mining.rest_until = Some(due);
                return;
            }
        }
        let demands = self.tree.chain_end(self.ledger.tip_id()).context(&self.network);
        let context = TemplateContext {
            network: &self.network,
            previous: tip.hash,
            height: tip.height + 1,
            bits: demands.expected_bits,
            median_time: demands.median_time,
            wall_s: self.now.wall_s,
            payout,
            extra_prefix: self.mining.extra_prefix,
            id: TemplateId(self.mining.next_id),
        };
        match build(&context, &self.mempool) {
            TemplateOutcome::Ready(template) => {
                self.mining.next_id += 1;
                self.mining.rest_until = Some(now + REFRESH_MAX);
                self.mining.outdated = false;
                self.mining.issued.add(&template);
                self.mining.current = Some(Current { template: Arc::clone(&template), built: now });
                self.effects.push(Effect::Mine(template));
            }
            TemplateOutcome::NothingToClaim => self.rest(None),
            TemplateOutcome::WaitUntil { wall_s } => {
                self.rest(Some(look_again(self.now, wall_s)));
            }
        }
    }

    /// A template that the tip has left behind on a walk is not worth searching any more.
    fn rest_if_stale(&mut self) {
        let tip = self.ledger.tip().hash;
        let current = self.mining.current.as_ref();
        if current.is_some_and(|current| current.template.header.previous != tip) {
            self.rest(None);
        }
    }

    fn rest(&mut self, until: Option<Duration>) {
        self.mining.rest_until = until;
        if self.mining.current.take().is_some() {
            self.effects.push(Effect::Rest { tip: self.ledger.tip().hash });
        }
    }
}

#[cfg(test)]
mod tests;
