//! Sources: of whom a block is asked first, and when of somebody else as well.
//!
//! Whoever announces blocks and withholds them must not hold up those who have them: a block that
//! is awaited without progress is asked of the next connection, again and again, of each of them
//! once. Who fails is asked last from then on.

use std::time::Duration;

use chain::hash::BlockHash;

use super::Sync;
use crate::conduct::Source;
use crate::event::Direction;
use crate::requests::Request;
use crate::{Machine, PeerId};

/// How many blocks a node may lack and still be at the tip, where each of them is urgent.
pub(super) const TIP_BLOCKS_MAX: u32 = 8;

/// Patience with a block at the tip: a few ways around the earth. Nobody makes progress for longer
/// than three times that and more are asked: so three requests without progress are out at most
/// before the first of them is taken for failed.
const TIP_PATIENCE: Duration = Duration::from_millis(250);

/// Patience far behind the tip, where bodies come in batches; one connection's turn is another's
/// chance, so it does not grow with those who fail.
pub(super) const FAR_PATIENCE: Duration = Duration::from_secs(2);

/// For so long bytes that arrive count as progress at the tip: who delivers by the byte gains no
/// more than that, so that a block comes within two seconds all the same, and a large one on a slow
/// line is asked of a second connection only then.
const TIP_STEADY_MAX: Duration = Duration::from_millis(1500);

/// The same far behind the tip: what a frame may take.
pub(super) const FAR_STEADY_MAX: Duration = Duration::from_secs(30);

/// How a connection did with the last block that was asked of it; the best is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Standing {
    /// It delivered.
    Proven,
    /// Nothing is known yet.
    #[default]
    New,
    /// Another one was asked later and delivered first, or it brought something else.
    Failed,
}

/// Patience with a block, by how urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It is one of the last of its chain.
    Tip,
    /// There are many behind it.
    Far,
}

impl Urgency {
    fn patience(self) -> Duration {
        match self {
            Self::Tip => TIP_PATIENCE,
            Self::Far => FAR_PATIENCE,
        }
    }

    fn steady_max(self) -> Duration {
        match self {
            Self::Tip => TIP_STEADY_MAX,
            Self::Far => FAR_STEADY_MAX,
        }
    }
}

impl Sync {
    /// The nodes in the order in which they are asked for blocks: who failed last, then those that
    /// we chose ourselves, then those that have delivered, then the oldest.
    pub(super) fn in_order(&self) -> Vec<PeerId> {
        let mut nodes: Vec<_> = self
            .peers
            .iter()
            .map(|(id, peer)| {
                let failed = peer.standing == Standing::Failed;
                (failed, peer.direction == Direction::Inbound, peer.standing, *id)
            })
            .collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(.., id)| id).collect()
    }

    /// When this request has brought nothing for too long.
    fn overdue_at(&self, request: Request, urgency: Urgency) -> Duration {
        self.progress_since(request.from, request.since, urgency.steady_max()) + urgency.patience()
    }

    /// When something came last of what was asked of this connection at `since`. Bytes of whatever
    /// is on its way count for `steady_max` without a block.
    pub(super) fn progress_since(
        &self,
        id: PeerId,
        since: Duration,
        steady_max: Duration,
    ) -> Duration {
        let Some(peer) = self.peers.get(&id) else {
            return since;
        };
        let since = since.max(peer.last_delivery);
        since.max(peer.last_bytes.min(since + steady_max))
    }

    /// Whether this connection may be asked for a block now: it has not been, and nobody else is on
    /// the way with it who is as good.
    pub(super) fn may_be_asked(
        &self,
        id: PeerId,
        hash: &BlockHash,
        urgency: Urgency,
        now: Duration,
    ) -> bool {
        let is_free = self.asked_until(id, hash, urgency).is_none_or(|until| until <= now);
        is_free && !self.downloads.is_from(hash, id)
    }

    /// Until when others are left alone with a block that this connection has, too.
    fn asked_until(&self, id: PeerId, hash: &BlockHash, urgency: Urgency) -> Option<Duration> {
        let standing = |id| self.peers.get(&id).map_or(Standing::Failed, |peer| peer.standing);
        // A proven one need not wait for a newcomer, nor that one for who failed.
        let counts =
            |request: &&Request| urgency == Urgency::Far || standing(request.from) <= standing(id);
        let requests = self.downloads.of(hash).iter().filter(counts);
        requests.map(|request| self.overdue_at(*request, urgency)).max()
    }

    /// Whether anything that is awaited is overdue far behind the tip.
    pub(super) fn is_anything_late(&self, now: Duration) -> bool {
        let mut asked = self.downloads.times().map(|(from, since)| Request { from, since });
        asked.any(|request| self.overdue_at(request, Urgency::Far) <= now)
    }

    /// This connection is asked last from now on.
    fn fail(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.standing = Standing::Failed;
        }
    }
}

impl Machine {
    /// Some of a message is here.
    pub(crate) fn on_progress(&mut self, id: PeerId) {
        if let Some(peer) = self.sync.peers.get_mut(&id) {
            peer.last_bytes = self.now.monotonic;
        }
    }

    /// When a block at the tip is asked of another connection that has it.
    pub(crate) fn next_retry(&self) -> Option<Duration> {
        let now = self.now.monotonic;
        if self.sync.downloads.len() == 0 {
            return None;
        }
        let urgent = |id: PeerId| {
            let missing = self.missing_range(id).filter(|range| range.urgency == Urgency::Tip)?;
            Some((id, missing))
        };
        let ids = self.sync.peers.keys().filter_map(|id| urgent(*id));
        let times = ids.flat_map(|(id, missing)| {
            self.missing_hashes(missing)
                .filter(move |hash| !self.sync.downloads.is_from(hash, id))
                .filter_map(move |hash| self.sync.asked_until(id, &hash, Urgency::Tip))
        });
        times.filter(|at| *at > now).min()
    }

    /// A body is here: nobody is asked for it any more, and who had his time with it failed.
    pub(crate) fn note_block_came(&mut self, source: Source, hash: &BlockHash) {
        let now = self.now.monotonic;
        for request in self.sync.downloads.remove(hash) {
            let is_late = self.sync.overdue_at(request, Urgency::Tip) <= now;
            if is_late && source != Source::Peer(request.from) {
                self.sync.fail(request.from);
            } else if let Some(peer) = self.sync.peers.get_mut(&request.from) {
                peer.overtaken = Some(*hash);
            }
        }
        self.forget_partials_of(hash);
        if let Source::Peer(id) = source
            && let Some(peer) = self.sync.peers.get_mut(&id)
        {
            peer.standing = Standing::Proven;
        }
    }

    /// A connection brought a block that another one had brought meanwhile: it was on the way.
    pub(crate) fn note_block_came_late(&mut self, id: PeerId, hash: &BlockHash) {
        if let Some(peer) = self.sync.peers.get_mut(&id)
            && peer.overtaken.take_if(|overtaken| overtaken == hash).is_some()
            && peer.standing == Standing::New
        {
            peer.standing = Standing::Proven;
        }
    }

    /// What somebody brought is not what was asked for.
    pub(crate) fn note_block_failed(&mut self, source: Source) {
        if let Source::Peer(id) = source {
            self.sync.fail(id);
        }
    }
}
