//! Serving: headers, blocks and pending transactions, never more at a time than a queue holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chain::encoding::Encode;
use chain::hash::{BlockHash, Wtxid};
use chain::header::HEADER_BYTES;
use wire::frame::Frame;
use wire::peer::{HEADERS_MAX, LOCATOR_MAX, PeerMessage, REQUESTED_MAX};
use wire::{ByteString, Message};

use crate::conduct::Misbehavior;
use crate::effect::Effect;
use crate::{Machine, MachineError, PeerId};
use frames_on_their_way::FramesOnTheirWay;

mod frames_on_their_way;

/// Things that are queued for a connection that asks for them.
const SERVING_MAX: usize = REQUESTED_MAX;

/// Bytes and frames that are sent before the connection has to drain: half of what its queue still
/// takes when it is under half.
const SERVE_BYTES: usize = 1_000_000;
const SERVE_FRAMES: usize = 16;

/// What is owed to whom.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    /// The nodes and wallets whose handshake is done.
    pub(crate) peers: BTreeMap<PeerId, ServingPeer>,
    frames: FramesOnTheirWay,
}

/// What is owed to one connection.
#[derive(Debug, Default)]
pub(crate) struct ServingPeer {
    /// Blocks and transactions it asked for that are still to be sent.
    queue: VecDeque<Served>,
    /// Whether [`crate::Event::Drained`] is awaited before more is sent.
    pub(crate) draining: bool,
}

impl Serving {
    pub(crate) fn add_peer(&mut self, id: PeerId) {
        self.peers.insert(id, ServingPeer::default());
    }

    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.peers.remove(&id);
    }
}

/// Something that a connection asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Served {
    /// A whole block.
    Block(BlockHash),
    /// A pending transaction.
    Transaction(Wtxid),
}

impl Machine {
    /// Headers behind the newest hash of the locator that lies on our best chain.
    pub(crate) fn on_get_headers(&mut self, id: PeerId, locator: &[BlockHash]) {
        if locator.len() > LOCATOR_MAX {
            self.note_misbehavior(id, Misbehavior::TooMany, "a locator of more than 64 hashes");
            return;
        }
        let tip = self.ledger.published_id();
        let tip_height = self.tree.entry(tip).height;
        let fork = locator
            .iter()
            .filter_map(|hash| self.tree.find(hash))
            .find(|known| self.tree.is_ancestor(*known, tip));
        let from = fork.map_or(0, |fork| self.tree.entry(fork).height + 1);
        let count =
            (tip_height + 1).saturating_sub(from).min(u32::try_from(HEADERS_MAX).unwrap_or(0));
        let mut bytes = Vec::with_capacity(count as usize * HEADER_BYTES);
        for height in from..from + count {
            if let Some(entry) = self.tree.ancestor(tip, height) {
                bytes.extend_from_slice(&self.tree.entry(entry).header.to_bytes());
            }
        }
        self.send(id, &Message::Peer(PeerMessage::Headers(ByteString(bytes))));
    }

    /// A request for whole blocks.
    pub(crate) fn on_get_blocks(
        &mut self,
        id: PeerId,
        hashes: &[BlockHash],
    ) -> Result<(), MachineError> {
        self.queue_served(id, hashes.iter().map(|hash| Served::Block(*hash)).collect())
    }

    /// A request for pending transactions.
    pub(crate) fn on_get_transactions(
        &mut self,
        id: PeerId,
        wtxids: &[Wtxid],
    ) -> Result<(), MachineError> {
        self.queue_served(id, wtxids.iter().map(|wtxid| Served::Transaction(*wtxid)).collect())
    }

    fn queue_served(&mut self, id: PeerId, things: Vec<Served>) -> Result<(), MachineError> {
        let Some(serving) = self.serving.peers.get_mut(&id) else {
            return Ok(());
        };
        if serving.queue.len() + things.len() > SERVING_MAX {
            self.note_misbehavior(
                id,
                Misbehavior::TooMany,
                "more than 1000 things asked for at a time",
            );
            return Ok(());
        }
        serving.queue.extend(things);
        if serving.draining { Ok(()) } else { self.serve_queued(id) }
    }

    /// The outbound queue of a connection has room again.
    pub(crate) fn on_drained(&mut self, id: PeerId) -> Result<(), MachineError> {
        self.serve_queued(id)
    }

    /// Sends some of what a connection asked for; the rest when its queue has drained.
    fn serve_queued(&mut self, id: PeerId) -> Result<(), MachineError> {
        let Some(serving) = self.serving.peers.get_mut(&id) else {
            return Ok(());
        };
        let mut waiting = std::mem::take(&mut serving.queue);
        self.serve_some(id, &mut waiting)?;
        if let Some(serving) = self.serving.peers.get_mut(&id) {
            serving.draining = !waiting.is_empty();
            serving.queue = waiting;
            if serving.draining {
                self.effects.push(Effect::NotifyDrained { peer: id });
            }
        }
        Ok(())
    }

    fn serve_some(
        &mut self,
        id: PeerId,
        waiting: &mut VecDeque<Served>,
    ) -> Result<(), MachineError> {
        let (mut bytes_sent, mut frames_sent) = (0, 0);
        let (mut no_blocks, mut no_transactions) = (Vec::new(), Vec::new());
        while frames_sent < SERVE_FRAMES
            && let Some(thing) = waiting.front().copied()
        {
            if let Some(frame) = self.serve(thing)? {
                let bytes = frame.payload.len();
                if frames_sent > 0 && bytes_sent + bytes > SERVE_BYTES {
                    break;
                }
                (bytes_sent, frames_sent) = (bytes_sent + bytes, frames_sent + 1);
                self.effects.push(Effect::Send { peer: id, frame });
            } else {
                match thing {
                    Served::Block(hash) => no_blocks.push(hash),
                    Served::Transaction(wtxid) => no_transactions.push(wtxid),
                }
            }
            waiting.pop_front();
        }
        if !no_blocks.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::BlocksNotFound(no_blocks)));
        }
        if !no_transactions.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::TransactionsNotFound(no_transactions)));
        }
        Ok(())
    }

    /// The frame that brings something; `None` when it is not to be had.
    fn serve(&mut self, thing: Served) -> Result<Option<Arc<Frame>>, MachineError> {
        let is_to_be_had = match thing {
            Served::Block(hash) => self.ledger.has_durable_block(&hash),
            Served::Transaction(wtxid) => self.mempool.get_by_wtxid(&wtxid).is_some(),
        };
        if !is_to_be_had {
            return Ok(None);
        }
        if let Some(frame) = self.serving.frames.get(&thing) {
            return Ok(Some(frame));
        }
        let message = match thing {
            Served::Block(hash) => {
                self.ledger.block_bytes(&hash)?.map(|bytes| PeerMessage::Block(ByteString(bytes)))
            }
            Served::Transaction(wtxid) => {
                let pending = self.mempool.get_by_wtxid(&wtxid);
                pending
                    .map(|pending| ByteString(pending.transaction.encode()))
                    .map(PeerMessage::Transaction)
            }
        };
        let frame = message.map(|message| Arc::new(Message::Peer(message).to_frame()));
        if let Some(frame) = &frame {
            self.serving.frames.insert(thing, frame);
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
