//! `HeaderChain`: the headers from genesis on that a wallet believes, judged as nodes judge them.
//!
//! A header alone shows only that somebody did the work of one block, and how little that may be,
//! the header itself says. A chain of them from genesis on shows what the whole network did: its
//! links, its difficulty and its times follow rules that whoever wants to forge one block must keep
//! for all of them. So a wallet believes what the chain of most work holds that any miner has shown
//! it, and nothing else.

use std::sync::Arc;

use chain::chain_end::ChainEnd;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::Header;
use chain::retarget::Anchor;
use chain::rules::RuleError;
use chain::rules::header::{MEDIAN_TIME_HEADERS, TooEarly, check_time};
use chain::target::Work;
use wire::peer::LOCATOR_MAX;
use wire::wallet::ChainTip;

pub use following::{Follow, FollowError, Followed, OfEqualWork};
pub use header_file::{HeaderFile, Opened};

mod following;
mod header_file;
#[cfg(test)]
mod tests;

/// Most headers that are kept, 80 bytes each in memory: eight months of a block every five seconds.
/// A longer chain is not followed, so that whoever has work to spare cannot fill memory and disk.
pub const HEADERS_MAX: usize = 1 << 22;

/// Headers that a branch with no more work may have beyond those whose place it would take, kept in
/// memory while it may still turn out to have more: as many as nodes keep for that. One that is
/// longer and still has less work is fed, not followed.
pub const LIGHT_HEADERS_MAX: usize = 1 << 16;

/// Hashes at the end of a locator that stand one beside the other; before them they thin out.
const LOCATOR_DENSE: usize = 10;

/// The chain of most work that any miner has shown, from genesis on.
#[derive(Debug, Clone)]
pub struct HeaderChain {
    network: Arc<Network>,
    /// By height, genesis first; never empty. Each names the one before it, and passed every rule.
    headers: Vec<Header>,
    /// Where they end.
    end: ChainEnd,
    /// Up to this height they stand on disk.
    kept: u32,
    /// Up to this height they are those that the wallet's history was read on.
    read: u32,
}

/// What breaks off the following of a miner: it shows headers that cannot be, or feeds some without
/// end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The first header stands behind none of those that the question named.
    #[error("its headers begin behind {previous}, which was not asked for")]
    Unlinked {
        /// What the first header stands behind.
        previous: BlockHash,
    },
    /// A header breaks a rule.
    #[error("its header at height {height} breaks a rule: {rule}")]
    Rule {
        /// The header's height.
        height: u32,
        /// The rule.
        rule: RuleError,
    },
    /// A chain that grows and stays lighter than the one that is known.
    #[error("its chain is {LIGHT_HEADERS_MAX} headers longer than the known one, with less work")]
    Light,
    /// More headers than are kept.
    #[error("its chain has more than {HEADERS_MAX} headers")]
    Endless,
}

/// Headers of a miner behind one of the chain's: judged, and not believed before they have more
/// work than what they would take the place of.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Height of the last header that both have.
    fork: u32,
    headers: Vec<Header>,
    end: ChainEnd,
}

/// A page of headers that passed.
#[derive(Debug)]
pub struct Judged {
    /// What it is the end of.
    pub branch: Branch,
    /// The first header that is from the future by this computer's clock; it and those behind it
    /// are not in the branch. Nobody is to blame.
    pub early: Option<TooEarly>,
}

impl HeaderChain {
    /// The chain that has only genesis.
    pub fn new(network: Arc<Network>) -> Self {
        let headers = vec![network.genesis.block.header];
        Self { end: ChainEnd::genesis(&network), headers, network, kept: 0, read: 0 }
    }

    /// Its last block.
    pub fn tip(&self) -> ChainTip {
        ChainTip { hash: self.end.hash, height: self.end.height }
    }

    /// Up to this height the chain is as it was when [`HeaderChain::mark_read`] was called last, or
    /// shorter.
    pub fn read_height(&self) -> u32 {
        self.read
    }

    /// The blocks up to `height` are read.
    pub fn mark_read(&mut self, height: u32) {
        self.read = height;
    }

    /// Its work.
    pub fn work(&self) -> Work {
        self.end.work
    }

    /// The header at `height`; `None` above the tip.
    pub fn header(&self, height: u32) -> Option<&Header> {
        self.headers.get(height as usize)
    }

    /// Hash of the header at `height`; `None` above the tip.
    pub fn hash(&self, height: u32) -> Option<BlockHash> {
        if height == self.end.height {
            return Some(self.end.hash);
        }
        self.headers.get(height as usize + 1).map(|next| next.previous)
    }

    /// Whether the block lies on the chain at that height.
    pub fn contains(&self, block: ChainTip) -> bool {
        self.hash(block.height) == Some(block.hash)
    }

    /// Heights and hashes of the chain, dense at its end and thinning out toward genesis, newest
    /// first: with these a miner finds the last block that both have.
    pub fn locator(&self) -> Vec<ChainTip> {
        let mut blocks = Vec::new();
        let (mut height, mut step) = (self.end.height, 1u32);
        // One place is left for the end of a branch, one for genesis.
        while height > 0 && blocks.len() < LOCATOR_MAX - 2 {
            blocks.extend(self.hash(height).map(|hash| ChainTip { hash, height }));
            if blocks.len() >= LOCATOR_DENSE {
                step = step.saturating_mul(2);
            }
            height = height.saturating_sub(step);
        }
        blocks.push(ChainTip { hash: self.network.genesis_hash(), height: 0 });
        blocks
    }

    /// Judges `page`, headers in rising order behind `branch` or behind a block of the `locator`,
    /// by every rule and, with `wall_s` (seconds since 1970), by the clock.
    ///
    /// # Errors
    /// [`HeaderFault`]: whoever sent the page is not to be believed.
    pub fn judge(
        &self,
        branch: Option<Branch>,
        locator: &[ChainTip],
        page: &[Header],
        wall_s: u64,
    ) -> Result<Judged, HeaderFault> {
        let (mut branch, page) = match page.first() {
            Some(first) => self.linked(branch, locator, first.previous, page)?,
            None => (branch.unwrap_or_else(|| self.branch_at(self.headers.len() - 1)), page),
        };
        for header in page {
            if let Err(early) = check_time(header, &self.network.spec, wall_s) {
                return Ok(Judged { branch, early: Some(early) });
            }
            if branch.fork as usize + branch.headers.len() + 1 >= HEADERS_MAX {
                return Err(HeaderFault::Endless);
            }
            let height = branch.end.height + 1;
            branch.end = branch
                .end
                .extended(header, &self.network)
                .map_err(|rule| HeaderFault::Rule { height, rule })?;
            branch.headers.push(*header);
        }
        if self.is_fed(&branch, LIGHT_HEADERS_MAX) {
            return Err(HeaderFault::Light);
        }
        Ok(Judged { branch, early: None })
    }

    /// Whether the branch is more than `spare` headers longer than what it would take the place of,
    /// and has no more work. A branch of more work may begin far back, and passes the known one
    /// only at its end.
    fn is_fed(&self, branch: &Branch, spare: usize) -> bool {
        let known = self.end.height.saturating_sub(branch.fork) as usize;
        branch.headers.len() > known + spare && branch.end.work <= self.end.work
    }

    /// The branch that a page continues, and what of the page is behind it. Where the locator is
    /// thin, a page begins with headers that are known.
    fn linked<'a>(
        &self,
        branch: Option<Branch>,
        locator: &[ChainTip],
        previous: BlockHash,
        page: &'a [Header],
    ) -> Result<(Branch, &'a [Header]), HeaderFault> {
        let continued = branch.filter(|branch| branch.end.hash == previous);
        let fork = match continued {
            Some(branch) if !branch.headers.is_empty() => return Ok((branch, page)),
            Some(branch) => branch.fork,
            None => {
                let fork = locator.iter().find(|block| block.hash == previous);
                fork.ok_or(HeaderFault::Unlinked { previous })?.height
            }
        };
        let behind = self.headers.get(fork as usize + 1..).unwrap_or_default();
        let known = page.iter().zip(behind).take_while(|(one, other)| one == other).count();
        Ok((self.branch_at(fork as usize + known), &page[known..]))
    }

    /// An empty branch behind the header at `height`, which is on the chain.
    fn branch_at(&self, height: usize) -> Branch {
        let end = self.end_at(height);
        Branch { fork: end.height, headers: Vec::new(), end }
    }

    /// What a header behind the one at `height` is judged by; the tip's when it is above.
    fn end_at(&self, height: usize) -> ChainEnd {
        let number = u32::try_from(height).unwrap_or(u32::MAX);
        if number >= self.end.height {
            return self.end.clone();
        }
        let first = (height + 1).saturating_sub(MEDIAN_TIME_HEADERS);
        ChainEnd {
            hash: self.hash(number).unwrap_or(self.end.hash),
            height: number,
            // Exact: no chain that anybody could mine makes the sum stand still.
            work: self.end.work.saturating_sub(work(&self.headers[height + 1..])),
            anchor: anchor(&self.network, &self.headers[..=height]),
            times: self.headers[first..=height].iter().map(|header| header.time).collect(),
        }
    }

    /// Work of the branch compared with that of what it would take the place of.
    pub fn compare(&self, branch: &Branch) -> std::cmp::Ordering {
        branch.end.work.cmp(&self.end.work)
    }

    /// The branch becomes the chain's end, in the place of all behind its first header's parent.
    pub fn adopt(&mut self, branch: Branch) {
        self.headers.truncate(branch.fork as usize + 1);
        self.headers.extend(branch.headers);
        self.end = branch.end;
        self.kept = self.kept.min(branch.fork);
        self.read = self.read.min(branch.fork);
    }

    /// A chain of these headers, genesis first, which were judged when they were kept.
    fn restored(network: Arc<Network>, headers: Vec<Header>) -> Self {
        let mut chain = Self::new(network);
        let Some(last) = headers.last().filter(|_| headers.len() > 1) else {
            return chain;
        };
        let first = headers.len().saturating_sub(MEDIAN_TIME_HEADERS);
        chain.end = ChainEnd {
            hash: last.hash(),
            height: u32::try_from(headers.len() - 1).unwrap_or(u32::MAX),
            work: chain.end.work + work(&headers[1..]),
            anchor: anchor(&chain.network, &headers),
            times: headers[first..].iter().map(|header| header.time).collect(),
        };
        chain.kept = chain.end.height;
        chain.headers = headers;
        chain
    }
}

/// Sum of what the headers stand for.
fn work(headers: &[Header]) -> Work {
    let work = |header: &Header| header.bits.expand().map_or(Work::ZERO, |target| target.work());
    headers.iter().map(work).sum()
}

/// The anchor of a chain of these headers, genesis first: the last one at the easiest difficulty.
fn anchor(network: &Network, headers: &[Header]) -> Anchor {
    let genesis = Anchor::genesis(&network.spec);
    let easiest = network.spec.easiest_target().to_compact();
    let last = headers.iter().rposition(|header| header.bits == easiest);
    let Some(at) = last.filter(|at| *at > 0) else {
        return genesis;
    };
    let height = u32::try_from(at).unwrap_or(u32::MAX);
    genesis.after(&network.spec, easiest, height, headers[at - 1].time)
}
