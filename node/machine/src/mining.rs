//! Mining: which template is searched, and when it is replaced.

pub mod policy;
mod state;

use std::sync::Arc;
use std::time::Duration;

use chain::block::Block;
use chain::header::Header;
use rand::{Rng, RngExt};

pub use policy::{MiningDecision, MiningPolicy, decide};
pub use state::MiningState;

use super::deadline::look_again;
use super::effect::Effect;
use super::template::{Template, TemplateContext, TemplateOutcome, assemble, build};
use super::{Machine, TemplateId};

/// New pending transactions enter the template at most this often: every change restarts the
/// search's coinbase and merkle root.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// A template is replaced at the latest after this long, so that its time limit stays ahead of the
/// clock (the shortest future limit is 15 s).
const REFRESH_MAX: Duration = Duration::from_secs(10);

/// What our miner is doing.
#[derive(Debug)]
pub(super) struct Mining {
    policy: MiningPolicy,
    /// Two miners never search the same headers: every coinbase carries its node's own bytes.
    extra_prefix: [u8; 8],
    next_id: u64,
    /// What is being searched; `None` at rest.
    current: Option<Current>,
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
    pub(super) fn new(policy: MiningPolicy, rng: &mut impl Rng) -> Self {
        let extra_prefix = rng.random();
        Self { policy, extra_prefix, next_id: 0, current: None, outdated: false, rest_until: None }
    }

    /// When the miner wants to be looked at again.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.rest_until
    }

    /// A transaction is pending that the template does not have.
    pub(super) fn transaction_came(&mut self) {
        self.outdated = true;
    }

    /// The block that a solution makes, and its height; `None` when its template was replaced.
    pub(super) fn solved(
        &self,
        id: TemplateId,
        header: Header,
        extra_nonce: u64,
    ) -> Option<(Block, u32)> {
        let template = &self.current.as_ref()?.template;
        if template.id != id {
            return None;
        }
        Some((assemble(template, header, extra_nonce)?, template.height))
    }
}

impl Machine {
    /// Looks whether to mine and what, and tells the body when that has changed.
    pub(super) fn refresh_mining(&mut self) {
        if !self.mining.policy.enabled || !self.ledger.is_settled() {
            return;
        }
        let now = self.now.monotonic;
        let pending = self.mempool.len();
        let oldest = self.mempool.oldest_arrived();
        match decide(&self.mining.policy, pending, oldest, now) {
            MiningDecision::Mine => self.refresh_template(),
            MiningDecision::RestUntil(until) => self.rest(Some(until)),
            MiningDecision::Rest => self.rest(None),
        }
    }

    fn refresh_template(&mut self) {
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
            payout: self.mining.policy.payout,
            extra_prefix: self.mining.extra_prefix,
            id: TemplateId(self.mining.next_id),
        };
        match build(&context, &self.mempool) {
            TemplateOutcome::Ready(template) => {
                self.mining.next_id += 1;
                self.mining.rest_until = Some(now + REFRESH_MAX);
                self.mining.outdated = false;
                self.mining.current = Some(Current { template: Arc::clone(&template), built: now });
                self.effects.push(Effect::Mine(template));
            }
            TemplateOutcome::NothingToClaim => self.rest(None),
            TemplateOutcome::WaitUntil { wall_s } => {
                self.rest(Some(look_again(self.now, wall_s)));
            }
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
