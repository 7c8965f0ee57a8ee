//! Questions to a running node: finds it, asks it, and shows what it says.

mod running;
mod tables;

use std::time::Duration;

use client::node_client::{ClientError, Timeouts};
use client::operator_client::OperatorClient;
use serde_json::{Value, json};
use wire::operator::Question;

use super::{Exit, print};
use crate::cli::{AskOptions, BlockOptions, ChainOptions, TxOptions};
use running::{FindError, Running};

/// How long a node on this very computer gets. A transaction may be searched for a while.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), answer: Duration::from_secs(60) };

/// Pending transactions that are fetched at most, page by page.
const PENDING_MAX: usize = 10_000;

/// Why a node was not asked, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QuestionError {
    /// No node, or too many to choose from.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It does not answer.
    #[error("the node {name} at {address} does not answer ({source}): is it still running?")]
    Unreachable {
        /// Its name.
        name: String,
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: ClientError,
    },
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// Its answer is none.
    #[error("the node's answer is not JSON ({0}): is it of another version?")]
    NotJson(serde_json::Error),
}

/// How the program ends by it.
pub(super) fn exit_of(error: &QuestionError) -> Exit {
    match error {
        QuestionError::Find(error) => running::exit_of(error),
        QuestionError::Unreachable { .. } => Exit::Unreachable,
        QuestionError::Refused(_) => Exit::Refused,
        QuestionError::NotJson(_) => Exit::Other,
    }
}

/// A node that is being asked.
struct Asked {
    running: Running,
    client: OperatorClient,
}

impl Asked {
    fn find(options: &AskOptions) -> Result<Self, QuestionError> {
        let running = running::find(options.node, options.data_dir.as_deref())?;
        let pass = &running.pass;
        let client = OperatorClient::connect(pass.address, &running.network, pass.token, TIMEOUTS);
        match client {
            Ok(client) => Ok(Self { running, client }),
            Err(source) => Err(unreachable(&running, source)),
        }
    }

    fn ask(&mut self, question: Question) -> Result<Value, QuestionError> {
        let answer = self.client.ask(question);
        let answer = answer.map_err(|source| unreachable(&self.running, source))?;
        let text = answer.map_err(QuestionError::Refused)?;
        serde_json::from_str(&text).map_err(QuestionError::NotJson)
    }
}

fn unreachable(running: &Running, source: ClientError) -> QuestionError {
    let (name, address) = (running.pass.name.clone(), running.pass.address);
    QuestionError::Unreachable { name, address, source }
}

/// Asks one question and shows the answer.
fn show(
    options: &AskOptions,
    question: Question,
    table: fn(&Value) -> String,
) -> anyhow::Result<Exit> {
    let answer = Asked::find(options)?.ask(question)?;
    print_answer(options, &answer, table)
}

fn print_answer(
    options: &AskOptions,
    answer: &Value,
    table: fn(&Value) -> String,
) -> anyhow::Result<Exit> {
    print(&if options.json { format!("{answer}\n") } else { table(answer) })?;
    Ok(Exit::Ok)
}

/// `lode status`.
pub(super) fn status(options: &AskOptions) -> anyhow::Result<Exit> {
    show(options, Question::Status, tables::status)
}

/// `lode peers`.
pub(super) fn peers(options: &AskOptions) -> anyhow::Result<Exit> {
    show(options, Question::Peers, tables::peers)
}

/// `lode miners`.
pub(super) fn miners(options: &AskOptions) -> anyhow::Result<Exit> {
    show(options, Question::Miners, tables::miners)
}

/// `lode block`.
pub(super) fn block(options: &BlockOptions) -> anyhow::Result<Exit> {
    show(&options.ask, Question::Block(options.block), tables::block)
}

/// `lode tx`.
pub(super) fn tx(options: &TxOptions) -> anyhow::Result<Exit> {
    show(&options.ask, Question::Tx(options.txid), tables::tx)
}

/// `lode stop`.
pub(super) fn stop(options: &AskOptions) -> anyhow::Result<Exit> {
    show(options, Question::Stop, tables::stop)
}

/// `lode mempool`: all pages as one answer.
pub(super) fn mempool(options: &AskOptions) -> anyhow::Result<Exit> {
    let mut asked = Asked::find(options)?;
    let mut answer = asked.ask(Question::Mempool { skip: 0 })?;
    let mut pending = take_list(&mut answer, "pending");
    while answer["more"] == true && pending.len() < PENDING_MAX {
        let skip = u32::try_from(pending.len()).unwrap_or(u32::MAX);
        let mut page = asked.ask(Question::Mempool { skip })?;
        let entries = take_list(&mut page, "pending");
        if entries.is_empty() {
            break;
        }
        pending.extend(entries);
        answer["more"] = page["more"].take();
    }
    answer["pending"] = json!(pending);
    print_answer(options, &answer, tables::mempool)
}

/// `lode chain`: as many blocks as are wanted, newest first.
pub(super) fn chain(options: &ChainOptions) -> anyhow::Result<Exit> {
    let mut asked = Asked::find(&options.ask)?;
    let wanted = options.count as usize;
    let mut answer = asked.ask(Question::Chain { from: u32::MAX, count: options.count })?;
    let mut blocks = take_list(&mut answer, "blocks");
    while blocks.len() < wanted
        && let Some(from) = answer["next"].as_u64().and_then(|next| u32::try_from(next).ok())
    {
        let count = u32::try_from(wanted - blocks.len()).unwrap_or(u32::MAX);
        let mut page = asked.ask(Question::Chain { from, count })?;
        let entries = take_list(&mut page, "blocks");
        if entries.is_empty() {
            break;
        }
        blocks.extend(entries);
        answer["next"] = page["next"].take();
    }
    answer["blocks"] = json!(blocks);
    print_answer(&options.ask, &answer, tables::chain)
}

fn take_list(answer: &mut Value, field: &str) -> Vec<Value> {
    match answer[field].take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}
