//! Dispatch: which handler a message goes to, by what its sender is.
//!
//! There is one handler a message, named like it: `on_get_blocks` for what arrives. What we ask of
//! others is `request_*`, what goes out in answer `serve_*`.

use wire::Message;
use wire::hello::Role;
use wire::peer::PeerMessage;

use crate::handshake::Heard;
use crate::{Machine, MachineError, PeerId};

impl Machine {
    /// A message of whatever kind from a connection in whatever state.
    pub(crate) fn on_message(&mut self, id: PeerId, message: Message) -> Result<(), MachineError> {
        let (role, message) = match (self.heard_from(id), message) {
            (Heard::Closing, _) => return Ok(()),
            (_, Message::Hello(hello)) => {
                self.on_hello(id, &hello);
                return Ok(());
            }
            (Heard::Handshake, _) => {
                self.refuse_before_handshake(id);
                return Ok(());
            }
            (Heard::Ready(role), message) => (role, message),
        };
        if !matches!(message, Message::Ping(_) | Message::Pong(_))
            && let Some(peer) = self.peers.get_mut(id)
        {
            peer.last_asked = self.now.monotonic;
        }
        match (role, message) {
            (_, Message::Ping(number)) => self.send(id, &Message::Pong(number)),
            // Any message is a sign of life; a pong also tells how far away its sender is.
            (_, Message::Pong(number)) => self.on_pong(id, number),
            (role, Message::Directory(message)) => self.on_directory_message(id, role, message),
            (Role::Operator, Message::Operator(message)) => self.on_operator_message(id, message),
            (Role::Peer, Message::Peer(message)) => self.on_peer_message(id, message)?,
            (Role::Wallet, Message::Wallet(message)) => self.on_wallet_message(id, message)?,
            (Role::Wallet, Message::Peer(message)) => {
                self.on_peer_message_of_wallet(id, message)?;
            }
            _ => self.refuse_out_of_role(id),
        }
        Ok(())
    }

    /// What a node may say to a node.
    fn on_peer_message(&mut self, id: PeerId, message: PeerMessage) -> Result<(), MachineError> {
        match message {
            PeerMessage::GetHeaders(locator) => self.on_get_headers(id, &locator),
            PeerMessage::Headers(bytes) => self.on_headers(id, &bytes.0),
            PeerMessage::GetBlocks(hashes) => self.on_get_blocks(id, &hashes)?,
            PeerMessage::Block(bytes) => self.on_block(id, &bytes.0)?,
            PeerMessage::BlocksNotFound(hashes) => self.on_blocks_not_found(id, &hashes),
            PeerMessage::CompactBlock(compact) => self.on_compact_block(id, &compact)?,
            PeerMessage::GetBlockTransactions(request) => {
                self.on_get_block_transactions(id, &request)?;
            }
            PeerMessage::BlockTransactions(answer) => self.on_block_transactions(id, &answer)?,
            PeerMessage::AnnounceTransactions(wtxids) => {
                self.on_announce_transactions(id, &wtxids);
            }
            PeerMessage::GetTransactions(wtxids) => self.on_get_transactions(id, &wtxids)?,
            PeerMessage::Transaction(bytes) => self.on_transaction(id, &bytes.0)?,
            PeerMessage::TransactionsNotFound(wtxids) => {
                self.on_transactions_not_found(id, &wtxids);
            }
            PeerMessage::GetAddresses(()) => self.on_get_addresses(id),
            PeerMessage::Addresses(addresses) => self.on_addresses(id, &addresses),
        }
        Ok(())
    }

    /// What a wallet may say to a node besides its own conversation: a light client looks at
    /// headers and blocks as any node does.
    fn on_peer_message_of_wallet(
        &mut self,
        id: PeerId,
        message: PeerMessage,
    ) -> Result<(), MachineError> {
        match message {
            PeerMessage::GetHeaders(locator) => self.on_get_headers(id, &locator),
            PeerMessage::GetBlocks(hashes) => self.on_get_blocks(id, &hashes)?,
            _ => self.refuse_out_of_role(id),
        }
        Ok(())
    }
}
