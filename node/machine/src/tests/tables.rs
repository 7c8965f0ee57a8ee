//! Tables: what is kept about connections, and who is asked for what.

use std::collections::BTreeSet;

use chain::hash::BlockHash;
use proptest::prelude::*;
use wire::Message;
use wire::hello::Role;
use wire::peer::PeerMessage;

use super::conversation::{Conversation, Step, machine_config, steps};
use super::rig::sent;
use crate::peers::PeerState;
use crate::{Effect, Event, Machine, PeerId};

/// No table has anything of a connection that is closing or gone, and none lacks one that is here.
fn check_tables(machine: &Machine) -> Result<(), TestCaseError> {
    let open = |roles: &[Role]| -> BTreeSet<PeerId> {
        let has_role = |role: Option<Role>| role.is_some_and(|role| roles.contains(&role));
        machine.peers().filter(|peer| has_role(peer.role())).map(|peer| peer.id).collect()
    };
    let (nodes, served) = (open(&[Role::Peer]), open(&[Role::Peer, Role::Wallet]));
    let here = machine.peers().filter(|peer| peer.state != PeerState::Closing);
    let here: BTreeSet<PeerId> = here.map(|peer| peer.id).collect();
    let names = |keys: Vec<&PeerId>| keys.into_iter().copied().collect::<BTreeSet<_>>();
    prop_assert_eq!(names(machine.conduct.peers.keys().collect()), here);
    prop_assert_eq!(names(machine.serving.peers.keys().collect()), served);
    prop_assert_eq!(&names(machine.sync.peers.keys().collect()), &nodes);
    prop_assert_eq!(&names(machine.relay.peers.keys().collect()), &nodes);
    prop_assert_eq!(&names(machine.address_book.peers.keys().collect()), &nodes);
    prop_assert!(machine.sync.downloads.peers().all(|(id, _)| nodes.contains(&id)));
    prop_assert!(machine.relay.requests.peers().all(|(id, _)| nodes.contains(&id)));
    prop_assert!(machine.relay.partial.keys().all(|id| nodes.contains(id)));
    for (wtxid, others) in &machine.relay.others {
        prop_assert!(machine.relay.requests.contains(wtxid), "others of what nobody is asked for");
        prop_assert!(others.iter().all(|id| nodes.contains(id)));
    }
    Ok(())
}

/// Who was asked for a block and has not answered, as the connections see it.
#[derive(Default)]
struct Asked {
    whole: BTreeSet<(BlockHash, PeerId)>,
    /// Its missing transactions.
    parts: BTreeSet<(BlockHash, PeerId)>,
}

impl Asked {
    /// What a connection says may answer what it was asked.
    fn answer(&mut self, peer: PeerId, message: &Message) {
        match message {
            Message::Peer(PeerMessage::Block(bytes)) => {
                let header = bytes.0.first_chunk().map(chain::header::Header::from_bytes);
                let hash = header.map(|header| header.hash());
                let is_other = |(at, of): &(BlockHash, PeerId)| Some(*at) != hash || *of != peer;
                self.whole.retain(is_other);
                self.parts.retain(is_other);
            }
            Message::Peer(PeerMessage::BlocksNotFound(_)) => {
                self.forget(peer);
            }
            // A newer block of a connection takes the place of one that waits for its parts.
            Message::Peer(PeerMessage::BlockTransactions(_) | PeerMessage::CompactBlock(_)) => {
                self.parts.retain(|(_, of)| *of != peer);
            }
            _ => {}
        }
    }

    fn forget(&mut self, peer: PeerId) {
        self.whole.retain(|(_, of)| *of != peer);
        self.parts.retain(|(_, of)| *of != peer);
    }

    /// What the machine asks now, in the order in which it does.
    fn ask(&mut self, effects: &[Effect], connected: &[PeerId]) -> Result<(), TestCaseError> {
        for effect in effects {
            if let Effect::Disconnect { peer, .. } = effect {
                self.forget(*peer);
            }
        }
        for peer in connected {
            for message in sent(effects, *peer) {
                match message {
                    Message::Peer(PeerMessage::GetBlocks(hashes)) => {
                        for hash in hashes {
                            self.check_free(hash, *peer)?;
                            self.whole.insert((hash, *peer));
                        }
                    }
                    Message::Peer(PeerMessage::GetBlockTransactions(request)) => {
                        self.check_free(request.block, *peer)?;
                        self.parts.insert((request.block, *peer));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn check_free(&self, hash: BlockHash, peer: PeerId) -> Result<(), TestCaseError> {
        let asked = self.whole.contains(&(hash, peer)) || self.parts.contains(&(hash, peer));
        prop_assert!(!asked, "{hash} is asked of {peer} twice");
        Ok(())
    }
}

fn happen(talk: &mut Conversation, asked: &mut Asked, event: Event) -> Result<(), TestCaseError> {
    match &event {
        Event::Message { peer, message } => asked.answer(*peer, message),
        Event::Disconnected { peer } => asked.forget(*peer),
        _ => {}
    }
    let effects = talk.handle(event);
    asked.ask(&effects, &talk.connected)?;
    check_tables(&talk.rig.machine)?;
    while talk.rig.machine.next_wakeup().is_some_and(|at| at <= talk.rig.now.monotonic) {
        let effects = talk.handle(Event::Wakeup);
        asked.ask(&effects, &talk.connected)?;
        check_tables(&talk.rig.machine)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn nothing_is_kept_of_who_is_gone_and_no_block_is_asked_of_one_twice(
        config in machine_config(),
        steps in steps(),
    ) {
        let mut talk = Conversation::new(config);
        let mut asked = Asked::default();
        for step in &steps {
            if let Step::Pass { ms } = step {
                let end = talk.rig.now.monotonic + std::time::Duration::from_millis(*ms);
                while let Some(at) = talk.rig.machine.next_wakeup().filter(|at| *at <= end) {
                    talk.set_time(at);
                    happen(&mut talk, &mut asked, Event::Wakeup)?;
                }
                talk.set_time(end);
            }
            if let Some(event) = talk.event(step) {
                happen(&mut talk, &mut asked, event)?;
            }
            if let Step::Join { role: Some(role), .. } = step
                && let Some(hello) = talk.hello(*role)
            {
                happen(&mut talk, &mut asked, hello)?;
            }
        }
        for peer in std::mem::take(&mut talk.connected) {
            happen(&mut talk, &mut asked, Event::Disconnected { peer })?;
        }
        prop_assert_eq!(talk.rig.machine.sync.downloads.len(), 0);
        prop_assert_eq!(talk.rig.machine.relay.requests.len(), 0);
    }
}
