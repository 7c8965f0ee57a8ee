//! `Forwarding`: questions that another part of the process answers, and the connections that wait
//! for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use wire::Message;

use machine::PeerId;

/// A question that came over a connection and passed the machine's checks.
#[derive(Debug, Clone)]
pub struct Forwarded {
    /// Who asks, for [`super::Handle::reply`].
    pub peer: PeerId,
    /// Its address; IPv4 is never in its IPv6-mapped form.
    pub address: SocketAddr,
    /// The message that is to be answered.
    pub message: Message,
}

/// Where questions go. A connection has one question on its way and nothing more is read from it
/// until [`super::Handle::reply`], so answers come in order and a channel with a place for every
/// connection never fills.
#[derive(Debug)]
pub(super) struct Forwarding {
    /// None on a node without a directory.
    directory: Option<Sender<Forwarded>>,
    /// None on a node that nobody may ask.
    operator: Option<SyncSender<Forwarded>>,
    /// Connections whose question is answered elsewhere; told so, they read on.
    waiting: BTreeMap<PeerId, Option<oneshot::Sender<()>>>,
}

impl Forwarding {
    /// To these; nobody waits yet.
    pub fn to(
        directory: Option<Sender<Forwarded>>,
        operator: Option<SyncSender<Forwarded>>,
    ) -> Self {
        Self { directory, operator, waiting: BTreeMap::new() }
    }

    /// Passes a question on; false when nobody takes it, and the connection shall end.
    pub fn pass_on(&mut self, question: Forwarded) -> bool {
        let peer = question.peer;
        let taken = match (&question.message, &self.operator, &self.directory) {
            (Message::Operator(_), Some(operator), _) => operator.try_send(question).is_ok(),
            (Message::Directory(_), _, Some(directory)) => directory.try_send(question).is_ok(),
            _ => false,
        };
        if taken {
            self.wait(peer);
        }
        taken
    }

    /// A question of this connection is answered elsewhere.
    pub fn wait(&mut self, peer: PeerId) {
        self.waiting.insert(peer, None);
    }

    /// Keeps `handled` back while a question of this connection is answered; else says it.
    pub fn say_handled(&mut self, peer: Option<PeerId>, handled: oneshot::Sender<()>) {
        match peer.and_then(|peer| self.waiting.get_mut(&peer)) {
            Some(waiting) => *waiting = Some(handled),
            // The connection may be gone meanwhile.
            None => _ = handled.send(()),
        }
    }

    /// The question of this connection is answered, or the connection is gone.
    pub fn done(&mut self, peer: PeerId) {
        if let Some(Some(handled)) = self.waiting.remove(&peer) {
            let _ = handled.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    #[test]
    fn a_connection_reads_on_once_its_question_is_answered_and_not_before() {
        let mut forwarding = Forwarding::to(None, None);
        let (asker, other) = (PeerId(1), PeerId(2));
        let handled = |forwarding: &mut Forwarding, peer| {
            let (said, heard) = oneshot::channel();
            forwarding.say_handled(Some(peer), said);
            heard
        };
        forwarding.wait(asker);
        let mut heard = handled(&mut forwarding, asker);
        assert_eq!(handled(&mut forwarding, other).try_recv(), Ok(()));
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
        forwarding.done(asker);
        assert_eq!(heard.try_recv(), Ok(()));
        // Answered in the call that asked.
        forwarding.wait(asker);
        forwarding.done(asker);
        assert_eq!(handled(&mut forwarding, asker).try_recv(), Ok(()));
    }
}
