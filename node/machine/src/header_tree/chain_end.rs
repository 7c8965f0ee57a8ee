//! `ChainEnd`: the last header of a chain, in the tree or not, and what the next is judged by.

use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::Header;
use chain::retarget::{Anchor, next_bits};
use chain::rules::RuleError;
use chain::rules::header::{
    HeaderContext, MEDIAN_TIME_HEADERS, check_alone, check_in_context, median_time,
};
use chain::target::Work;

/// The end of a chain of headers: all that the next one is judged by.
#[derive(Debug, Clone)]
pub struct ChainEnd {
    /// Hash of the last header.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// Work of the chain up to it.
    pub work: Work,
    /// Its time.
    pub(super) time: u32,
    /// Its anchor.
    pub(super) anchor: Anchor,
    /// Times of the last [`MEDIAN_TIME_HEADERS`] headers, newest last.
    pub(super) times: Vec<u32>,
}

impl ChainEnd {
    /// What the chain demands of its next header.
    pub fn context(&self, network: &Network) -> HeaderContext {
        HeaderContext {
            expected_bits: next_bits(&network.spec, &self.anchor, self.height, self.time),
            median_time: median_time(&mut self.times.clone()),
        }
    }

    /// The chain with `header` behind it, once that has passed every rule but the clock's.
    ///
    /// # Errors
    /// The rule that the header breaks.
    pub fn extended(&self, header: &Header, network: &Network) -> Result<Self, RuleError> {
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
            time: header.time,
            anchor: self.anchor.after(&network.spec, header.bits, height, self.time),
            times,
        })
    }
}
