//! The header tree: every header worth keeping, its work, and which chains could become the best.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chain::chain_end::ChainEnd;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::Header;
use chain::retarget::Anchor;
use chain::rules::RuleError;
use chain::rules::header::{MEDIAN_TIME_HEADERS, check_alone};
use chain::target::Work;

/// Blocks of the tip's work that a branch may lag behind and still be kept: below, a chain of
/// headers is spam until it has shown more.
const LAG_BLOCKS: u32 = 144;

/// Names an entry of the tree. Parents have smaller numbers than their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderId(u32);

impl HeaderId {
    /// The first block.
    pub const GENESIS: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// One header of the tree.
#[derive(Debug, Clone)]
pub struct HeaderEntry {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// Its parent; genesis has none.
    pub parent: Option<HeaderId>,
    /// Work of the chain up to it.
    pub work: Work,
    /// The anchor of a chain that ends here.
    anchor: Anchor,
    /// An ancestor further away, so that any other is reached in a logarithmic number of steps.
    skip: HeaderId,
    children: Vec<HeaderId>,
    /// Order in which its body was stored; `None` without one.
    body: Option<u64>,
    /// It and all its ancestors have bodies.
    complete: bool,
    /// The rule that it, or an ancestor, breaks.
    invalid: Option<RuleError>,
}

/// Why a header is not taken into the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRefusal {
    /// Its parent is not in the tree.
    UnknownParent,
    /// It breaks a rule that everybody can check on the header itself.
    Invalid(RuleError),
    /// Its body, or an ancestor, is known to break a rule.
    Condemned(RuleError),
    /// Its chain has less work than was demanded; it breaks no rule.
    TooLittleWork,
}

/// All headers worth keeping.
#[derive(Debug)]
pub struct HeaderTree {
    network: Arc<Network>,
    /// Invariant: parents before children; entry 0 is genesis.
    entries: Vec<HeaderEntry>,
    by_hash: HashMap<BlockHash, HeaderId>,
    /// Complete chains that are not known to be invalid: most work last, earlier body before later.
    candidates: BTreeSet<(Work, Reverse<u64>, HeaderId)>,
    /// The header with most work that is not known to be invalid, with or without bodies.
    best_header: HeaderId,
    bodies: u64,
}

impl HeaderTree {
    /// A tree with genesis, whose body is stored.
    pub fn new(network: Arc<Network>) -> Self {
        let genesis = &network.genesis;
        let ChainEnd { work, anchor, .. } = ChainEnd::genesis(&network);
        let entry = HeaderEntry {
            header: genesis.block.header,
            hash: genesis.hash,
            height: 0,
            parent: None,
            work,
            anchor,
            skip: HeaderId::GENESIS,
            children: Vec::new(),
            body: Some(0),
            complete: true,
            invalid: None,
        };
        Self {
            by_hash: HashMap::from([(genesis.hash, HeaderId::GENESIS)]),
            candidates: BTreeSet::from([(work, Reverse(0), HeaderId::GENESIS)]),
            entries: vec![entry],
            best_header: HeaderId::GENESIS,
            bodies: 1,
            network,
        }
    }

    /// The entry named `id`.
    pub fn entry(&self, id: HeaderId) -> &HeaderEntry {
        &self.entries[id.index()]
    }

    /// The entry with this hash.
    pub fn find(&self, hash: &BlockHash) -> Option<HeaderId> {
        self.by_hash.get(hash).copied()
    }

    /// Headers in the tree.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: genesis is always there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The header with most work that is not known to be invalid.
    pub fn best_header(&self) -> HeaderId {
        self.best_header
    }

    /// The last block of the best chain whose bodies are all here: most work, then first stored.
    pub fn best_complete(&self) -> HeaderId {
        self.candidates.last().map_or(HeaderId::GENESIS, |(_, _, id)| *id)
    }

    /// The rule that the entry, or an ancestor, is known to break.
    pub fn invalid(&self, id: HeaderId) -> Option<&RuleError> {
        self.entry(id).invalid.as_ref()
    }

    /// Whether the body of this entry is stored.
    pub fn has_body(&self, id: HeaderId) -> bool {
        self.entry(id).body.is_some()
    }

    /// Whether the bodies of this entry and all its ancestors are stored.
    pub fn is_complete(&self, id: HeaderId) -> bool {
        self.entry(id).complete
    }

    /// Work below which a branch is not kept while the best chain ends in `tip`.
    pub fn work_threshold(&self, tip: HeaderId) -> Work {
        let entry = self.entry(tip);
        let own = entry.header.bits.expand().map_or(Work::ZERO, |target| target.work());
        entry.work.saturating_sub(own.times(LAG_BLOCKS))
    }

    /// What a header behind `id` is judged by.
    pub fn chain_end(&self, id: HeaderId) -> ChainEnd {
        let entry = self.entry(id);
        let mut times: Vec<u32> = self
            .ancestors(id)
            .take(MEDIAN_TIME_HEADERS)
            .map(|ancestor| self.entry(ancestor).header.time)
            .collect();
        times.reverse();
        ChainEnd {
            hash: entry.hash,
            height: entry.height,
            work: entry.work,
            anchor: entry.anchor,
            times,
        }
    }

    /// The entry itself, its parent, and so on down to genesis.
    pub fn ancestors(&self, id: HeaderId) -> impl Iterator<Item = HeaderId> {
        std::iter::successors(Some(id), |id| self.entry(*id).parent)
    }

    /// The ancestor of `id` at `height`, which may be `id` itself; `None` above it.
    pub fn ancestor(&self, id: HeaderId, height: u32) -> Option<HeaderId> {
        if height > self.entry(id).height {
            return None;
        }
        let mut at = id;
        while self.entry(at).height > height {
            let skip = self.entry(at).skip;
            at = if self.entry(skip).height >= height { skip } else { self.entry(at).parent? };
        }
        Some(at)
    }

    /// Whether `ancestor` lies on the chain that ends in `id` (or is `id`).
    pub fn is_ancestor(&self, ancestor: HeaderId, id: HeaderId) -> bool {
        self.ancestor(id, self.entry(ancestor).height) == Some(ancestor)
    }

    /// The last block of `id`'s chain whose bodies are all stored.
    pub fn last_complete(&self, id: HeaderId) -> HeaderId {
        self.last_where(id, |at| self.is_complete(at))
    }

    /// The last block of `id`'s chain that is not known to be invalid.
    pub fn last_valid(&self, id: HeaderId) -> HeaderId {
        self.last_where(id, |at| self.invalid(at).is_none())
    }

    /// The last block of `id`'s chain that has a property which genesis has and which, once lost
    /// along a chain, never comes back: so halving finds the place.
    fn last_where(&self, id: HeaderId, holds: impl Fn(HeaderId) -> bool) -> HeaderId {
        if holds(id) {
            return id;
        }
        let (mut low, mut high) = (0, self.entry(id).height);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.ancestor(id, middle) {
                Some(at) if holds(at) => low = middle,
                _ => high = middle - 1,
            }
        }
        self.ancestor(id, low).unwrap_or(HeaderId::GENESIS)
    }

    /// Hashes of a chain, dense at its end and thinning out toward genesis: what another node needs
    /// to find the last block that both have.
    pub fn locator(&self, id: HeaderId) -> Vec<BlockHash> {
        let mut hashes = Vec::new();
        let (mut height, mut step) = (self.entry(id).height, 1u32);
        while let Some(at) = self.ancestor(id, height) {
            hashes.push(self.entry(at).hash);
            if height == 0 || hashes.len() >= wire::peer::LOCATOR_MAX - 1 {
                break;
            }
            if hashes.len() >= 10 {
                step = step.saturating_mul(2);
            }
            height = height.saturating_sub(step);
        }
        if hashes.last() != Some(&self.network.genesis_hash()) {
            hashes.push(self.network.genesis_hash());
        }
        hashes
    }

    /// Takes a header in if its chain has at least `work_min`; one that is there already is only
    /// named.
    ///
    /// # Errors
    /// [`HeaderRefusal`]; the tree is as before.
    pub fn insert(&mut self, header: &Header, work_min: Work) -> Result<HeaderId, HeaderRefusal> {
        let hash = header.hash();
        if let Some(id) = self.find(&hash) {
            return match self.invalid(id) {
                Some(rule) => Err(HeaderRefusal::Condemned(rule.clone())),
                None => Ok(id),
            };
        }
        let Some(parent) = self.find(&header.previous) else {
            check_alone(header, &self.network.spec).map_err(HeaderRefusal::Invalid)?;
            return Err(HeaderRefusal::UnknownParent);
        };
        if self.invalid(parent).is_some() {
            let rule = RuleError::InvalidParent { parent: header.previous };
            return Err(HeaderRefusal::Condemned(rule));
        }
        let end = self
            .chain_end(parent)
            .extended(header, &self.network)
            .map_err(HeaderRefusal::Invalid)?;
        if end.work < work_min {
            return Err(HeaderRefusal::TooLittleWork);
        }
        Ok(self.push(header, parent, end))
    }

    fn push(&mut self, header: &Header, parent: HeaderId, end: ChainEnd) -> HeaderId {
        let id =
            HeaderId(u32::try_from(self.entries.len()).expect("memory ends before 2^32 headers"));
        let skip = self.ancestor(parent, skip_height(end.height)).unwrap_or(HeaderId::GENESIS);
        self.by_hash.insert(end.hash, id);
        self.entries.push(HeaderEntry {
            header: *header,
            hash: end.hash,
            height: end.height,
            parent: Some(parent),
            work: end.work,
            anchor: end.anchor,
            skip,
            children: Vec::new(),
            body: None,
            complete: false,
            invalid: None,
        });
        self.entries[parent.index()].children.push(id);
        if end.work > self.entry(self.best_header).work {
            self.best_header = id;
        }
        id
    }

    /// The body of this entry is stored now. Descendants that waited for it may become candidates.
    pub fn set_body(&mut self, id: HeaderId) {
        if self.has_body(id) {
            return;
        }
        self.entries[id.index()].body = Some(self.bodies);
        self.bodies += 1;
        let parent_complete = self.entry(id).parent.is_none_or(|parent| self.is_complete(parent));
        if !parent_complete {
            return;
        }
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let entry = &mut self.entries[id.index()];
            let Some(sequence) = entry.body else { continue };
            entry.complete = true;
            if entry.invalid.is_none() {
                self.candidates.insert((entry.work, Reverse(sequence), id));
            }
            open.extend_from_slice(&entry.children);
        }
    }

    /// Condemns an entry and all its descendants.
    pub fn set_invalid(&mut self, id: HeaderId, rule: RuleError) {
        let parent = self.entry(id).hash;
        let mut open = vec![(id, rule)];
        while let Some((id, rule)) = open.pop() {
            let entry = &mut self.entries[id.index()];
            if entry.invalid.is_none() {
                entry.invalid = Some(rule);
            }
            if let Some(sequence) = entry.body {
                self.candidates.remove(&(entry.work, Reverse(sequence), id));
            }
            let below = RuleError::InvalidParent { parent };
            open.extend(entry.children.iter().map(|child| (*child, below.clone())));
        }
        if self.invalid(self.best_header).is_some() {
            self.best_header = self
                .entries
                .iter()
                .zip(0..)
                .filter(|(entry, _)| entry.invalid.is_none())
                .max_by_key(|(entry, index)| (entry.work, Reverse(*index)))
                .map_or(HeaderId::GENESIS, |(_, index)| HeaderId(index));
        }
    }
}

/// The height that a block's skip link leads to: far for some, near for others, so that walks of
/// any length take few steps (as in Bitcoin's block index).
fn skip_height(height: u32) -> u32 {
    let without_lowest_one = |number: u32| number & number.wrapping_sub(1);
    match height {
        0 | 1 => 0,
        odd if odd % 2 == 1 => without_lowest_one(without_lowest_one(odd - 1)) + 1,
        even => without_lowest_one(even),
    }
}

#[cfg(test)]
mod tests;
