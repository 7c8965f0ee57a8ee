//! `OperatorClient`: whoever runs a node asks it, over loopback and with the token of its pass.

use std::net::SocketAddr;

use chain::genesis::Network;
use wire::Message;
use wire::hello::Role;
use wire::operator::{AnswerOutcome, Ask, OperatorMessage, Question, Token};

use crate::node_client::{ClientError, NodeClient, Timeouts};

/// A connection to a node of one's own, after the handshake.
#[derive(Debug)]
pub struct OperatorClient {
    client: NodeClient,
    token: Token,
}

impl OperatorClient {
    /// Connects to the node at `address`, which is on `network`.
    ///
    /// # Errors
    /// [`ClientError`]; whether the token is right shows with the first question.
    pub fn connect(
        address: SocketAddr,
        network: &Network,
        token: Token,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        let client = NodeClient::greet(address, Role::Operator, Some(network), timeouts)?;
        Ok(Self { client, token })
    }

    /// Asks one question; the answer is the text of a JSON object, or why there is none.
    ///
    /// # Errors
    /// [`ClientError`], also for an answer that is no text.
    pub fn ask(&mut self, question: Question) -> Result<Result<String, String>, ClientError> {
        let request = self.client.next_request();
        let ask = Ask { request, token: self.token, question };
        let question = Message::Operator(OperatorMessage::Ask(ask));
        let outcome = self.client.ask(question, |message| match message {
            Message::Operator(OperatorMessage::Answer(answer)) if answer.request == request => {
                Some(answer.outcome)
            }
            _ => None,
        })?;
        match outcome {
            AnswerOutcome::Json(bytes) => {
                let text = String::from_utf8(bytes.0);
                text.map(Ok).map_err(|error| ClientError::Protocol(error.to_string()))
            }
            AnswerOutcome::Refused { reason } => Ok(Err(reason)),
        }
    }
}
