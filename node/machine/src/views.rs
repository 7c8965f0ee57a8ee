//! What others see of a node, typed: one struct a thing, one spelling a field.
//!
//! A view is made by a pure function of the little that it shows, written as JSON by whoever
//! answers, and read back by the same struct at the other end. `docs/json.md` explains every field.
//! Texts for people are made elsewhere, out of the views.

mod block;
mod mempool;
mod mining;
mod peers;
mod spelled;
mod status;
#[cfg(test)]
mod tests;
mod transaction;
mod words;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use block::{BlockSummary, BlockView, ChainView, LISTED_MAX, TxSummary, confirmations};
pub use mempool::{MempoolView, PendingView};
pub use mining::{HashRate, Luck, MinerLuck, MiningView, NetworkRate, Rates};
pub use peers::{MinerView, MinersView, PeerView, PeersView};
pub use status::{NodeView, ProcessView, Status, StopView};
pub use transaction::{PARTS_MAX, TxInput, TxOutput, TxPlace, TxView};
pub use words::{Direction, MinerState, PeerRole, Role, TxKind};

/// Version of the objects; it rises when a field changes its meaning.
pub const VERSION: u32 = 1;

/// A view in the envelope that every answer has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer<T> {
    /// [`VERSION`].
    pub v: u32,
    /// What was asked.
    pub command: Cow<'static, str>,
    /// What is answered; its fields stand beside those above.
    #[serde(flatten)]
    pub view: T,
}

impl<T> Answer<T> {
    /// The answer to `command`.
    pub fn to(command: &'static str, view: T) -> Self {
        Self { v: VERSION, command: Cow::Borrowed(command), view }
    }
}

impl<T: Serialize> Answer<T> {
    /// The answer as one JSON object on one line, its fields in alphabetical order.
    pub fn to_json(&self) -> String {
        // A struct writes its fields as they are declared, a value sorts them.
        let value = serde_json::to_value(self);
        value
            .expect("views hold texts, numbers and lists of them, which all can be written")
            .to_string()
    }
}
