//! Forwarding: what another part of the process answers. The machine checks who may ask, passes
//! the question on, and hands the answer to whoever asked, if it is still there.

use std::net::SocketAddr;

use wire::directory::DirectoryMessage;
use wire::hello::Role;
use wire::operator::OperatorMessage;
use wire::peer::ADDRESSES_MAX;
use wire::{ByteString, Message};

use crate::address_book::is_dialable;
use crate::conduct::Misbehavior;
use crate::{Effect, Machine, PeerId};

impl Machine {
    /// What anybody asks of the directory. The spec is handed out here; the rest is the
    /// directory's own.
    pub(crate) fn on_directory_message(
        &mut self,
        id: PeerId,
        role: Role,
        message: DirectoryMessage,
    ) {
        let is_nameless = self.peers.get(id).is_none_or(|peer| peer.is_nameless);
        match message {
            DirectoryMessage::GetSpec(()) if self.config.directory => {
                let spec = ByteString(self.network.spec.to_toml().into_bytes());
                self.send(id, &Message::Directory(DirectoryMessage::Spec(spec)));
            }
            DirectoryMessage::GetMiners(())
            | DirectoryMessage::Register(_)
            | DirectoryMessage::GetName(_)
            | DirectoryMessage::GetNames(_)
            | DirectoryMessage::PutName(_)
            | DirectoryMessage::AskFaucet(_)
                if self.config.directory && !is_nameless =>
            {
                self.forward_question(id, Message::Directory(message));
            }
            _ => {
                let reason = format!("a directory message that a {role:?} may not send here");
                self.note_misbehavior(id, Misbehavior::OutOfRole, &reason);
            }
        }
    }

    /// What whoever runs the node asks; the hello was taken from this computer only.
    pub(crate) fn on_operator_message(&mut self, id: PeerId, message: OperatorMessage) {
        match message {
            OperatorMessage::Ask(_) => self.forward_question(id, Message::Operator(message)),
            OperatorMessage::Answer(_) => {
                self.note_misbehavior(
                    id,
                    Misbehavior::OutOfRole,
                    "an answer that nobody asked for",
                );
            }
        }
    }

    /// Notes that a question has its answer; whether whoever asked is still there.
    pub(crate) fn note_answered(&mut self, id: PeerId) -> bool {
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        (peer.awaits_answer, peer.last_asked) = (false, now);
        peer.role().is_some()
    }

    /// The answer to something that was forwarded.
    pub(crate) fn on_reply(&mut self, id: PeerId, message: &Message) {
        if self.note_answered(id) {
            self.send(id, message);
        }
    }

    /// Addresses that another part of the process has heard: dialed at once, also those that did
    /// not answer earlier.
    pub(crate) fn hear_addresses(&mut self, addresses: &[SocketAddr]) {
        let now = self.now.monotonic;
        for address in addresses.iter().take(ADDRESSES_MAX).filter(|address| is_dialable(address)) {
            self.address_book.seen(*address, now);
            self.address_book.try_again(*address, now);
        }
    }

    fn forward_question(&mut self, peer: PeerId, message: Message) {
        if let Some(asker) = self.peers.get_mut(peer) {
            asker.awaits_answer = true;
            let address = asker.address;
            self.effects.push(Effect::Forward { peer, address, message: Box::new(message) });
        }
    }
}

#[cfg(test)]
mod tests;
