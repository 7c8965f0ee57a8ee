//! `ChainEnd`: the last header of a chain, and what the next one is judged by.

use crate::genesis::Network;
use crate::hash::BlockHash;
use crate::header::Header;
use crate::retarget::{Anchor, next_bits};
use crate::rules::RuleError;
use crate::rules::header::{
    HeaderContext, MEDIAN_TIME_HEADERS, check_alone, check_in_context, median_time,
};
use crate::target::Work;

/// The end of a chain of headers: all that the next one is judged by. Whoever judges headers (a
/// node, a replay, a wallet) starts from [`ChainEnd::genesis`] or from an end that was kept, and
/// goes on by [`ChainEnd::extended`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Hash of the last header.
    pub hash: BlockHash,
    /// Height of the last header; genesis has 0.
    pub height: u32,
    /// Work of the chain up to it.
    pub work: Work,
    /// The block from which ASERT measures for the next header.
    pub anchor: Anchor,
    /// Times of the last [`MEDIAN_TIME_HEADERS`] headers, or of all of a shorter chain: its own
    /// time last. Never empty.
    pub times: Vec<u32>,
}

impl ChainEnd {
    /// The chain that has only genesis.
    pub fn genesis(network: &Network) -> Self {
        Self {
            hash: network.genesis_hash(),
            height: 0,
            work: network.spec.starting_target().work(),
            anchor: Anchor::genesis(&network.spec),
            times: vec![network.spec.genesis_time],
        }
    }

    /// What the chain demands of its next header.
    pub fn context(&self, network: &Network) -> HeaderContext {
        HeaderContext {
            expected_bits: next_bits(&network.spec, &self.anchor, self.height, self.time()),
            median_time: median_time(&mut self.times.clone()),
        }
    }

    /// The chain with `header` behind it, once that has passed every rule but the clock's.
    ///
    /// # Errors
    /// The rule that the header breaks.
    pub fn extended(&self, header: &Header, network: &Network) -> Result<Self, RuleError> {
        if header.previous != self.hash {
            return Err(RuleError::InvalidParent { parent: header.previous });
        }
        check_alone(header, &network.spec)?;
        check_in_context(header, &self.context(network))?;
        let target = header
            .bits
            .expand()
            .map_err(|reason| RuleError::BitsMalformed { got: header.bits, reason })?;
        let mut times = self.times.clone();
        times.push(header.time);
        if times.len() > MEDIAN_TIME_HEADERS {
            times.remove(0);
        }
        let height = self.height + 1;
        Ok(Self {
            hash: header.hash(),
            height,
            work: self.work + target.work(),
            anchor: self.anchor.after(&network.spec, header.bits, height, self.time()),
            times,
        })
    }

    /// Time of the last header.
    fn time(&self) -> u32 {
        self.times.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
