//! What a node is asked about its chain: headers, and whole blocks.

use chain::block::CommittedBlock;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use wire::Message;
use wire::peer::{HEADERS_MAX, PeerMessage};

use super::{ClientError, NodeClient};

impl NodeClient {
    /// The headers that follow the first of the `locator`'s blocks that lies on the node's chain,
    /// in rising order: at most [`HEADERS_MAX`], and fewer only when these are the last.
    ///
    /// # Errors
    /// [`ClientError`], also for bytes that are no headers.
    pub fn headers(&mut self, locator: Vec<BlockHash>) -> Result<Vec<Header>, ClientError> {
        let question = Message::Peer(PeerMessage::GetHeaders(locator));
        let bytes = self.ask(question, |message| match message {
            Message::Peer(PeerMessage::Headers(bytes)) => Some(bytes.0),
            _ => None,
        })?;
        let (headers, rest) = bytes.as_chunks::<HEADER_BYTES>();
        if !rest.is_empty() || headers.len() > HEADERS_MAX {
            let reason = format!("{} bytes of headers", bytes.len());
            return Err(ClientError::Protocol(reason));
        }
        Ok(headers.iter().map(Header::from_bytes).collect())
    }

    /// The whole block of this header; `None` when the node does not have it.
    ///
    /// # Errors
    /// [`ClientError`], also for a body that is not the header's.
    pub fn block(&mut self, header: &Header) -> Result<Option<CommittedBlock>, ClientError> {
        let hash = header.hash();
        let question = Message::Peer(PeerMessage::GetBlocks(vec![hash]));
        let bytes = self.ask(question, |message| match message {
            Message::Peer(PeerMessage::Block(bytes)) => Some(Some(bytes.0)),
            Message::Peer(PeerMessage::BlocksNotFound(_)) => Some(None),
            _ => None,
        })?;
        let Some(bytes) = bytes else { return Ok(None) };
        let body = bytes.strip_prefix(&header.to_bytes());
        let body =
            body.ok_or_else(|| ClientError::Protocol(format!("another block than {hash}")))?;
        let block = CommittedBlock::decode(*header, body);
        block
            .map(Some)
            .map_err(|mismatch| ClientError::Protocol(format!("block {hash}: {mismatch}")))
    }
}
