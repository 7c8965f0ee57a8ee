//! Questions to a running node: finds it, asks it, and shows what it says.

mod running;

use std::time::Duration;

use client::node_client::{ClientError, Timeouts};
use client::operator_client::OperatorClient;
use machine::views::{Answer, ChainView, MempoolView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::operator::Question;

use crate::cli::{AskOptions, BlockOptions, ChainOptions, TxOptions};
use command::failure::Failure;
use command::print;
use output::tables;
pub(super) use running::FindError;
use running::Running;
use show::exit::Exit;

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
        /// The address it was found at.
        address: std::net::SocketAddr,
        /// What went wrong with the connection.
        source: ClientError,
    },
    /// The node refuses to answer, and says why.
    #[error("{0}")]
    Refused(String),
    /// Its answer is none.
    #[error("the node's answer makes no sense ({0}): is it of another version?")]
    Unreadable(serde_json::Error),
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

    /// What it answers, as it came.
    fn ask_text(&mut self, question: Question) -> Result<String, QuestionError> {
        let answer = self.client.ask(question);
        let answer = answer.map_err(|source| unreachable(&self.running, source))?;
        answer.map_err(QuestionError::Refused)
    }

    fn ask<T: DeserializeOwned>(&mut self, question: Question) -> Result<Answer<T>, QuestionError> {
        read(&self.ask_text(question)?)
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, QuestionError> {
    serde_json::from_str(text).map_err(QuestionError::Unreadable)
}

fn unreachable(running: &Running, source: ClientError) -> QuestionError {
    let (name, address) = (running.pass.name.clone(), running.pass.address);
    QuestionError::Unreachable { name, address, source }
}

/// Asks one question and shows the answer; to programs all of it, also what this one does not know.
fn show<T: DeserializeOwned>(
    options: &AskOptions,
    question: Question,
    table: fn(&T) -> String,
) -> Result<Exit, Failure> {
    let text = Asked::find(options)?.ask_text(question)?;
    let shown = if options.json {
        format!("{}\n", read::<Value>(&text)?)
    } else {
        table(&read::<Answer<T>>(&text)?.view)
    };
    print(&shown)?;
    Ok(Exit::Ok)
}

/// Shows an answer that was put together from several.
fn show_whole<T: Serialize>(
    options: &AskOptions,
    answer: &Answer<T>,
    table: fn(&T) -> String,
) -> Result<Exit, Failure> {
    print(&if options.json { answer.to_json() + "\n" } else { table(&answer.view) })?;
    Ok(Exit::Ok)
}

/// `lode status`.
pub(super) fn status(options: &AskOptions) -> Result<Exit, Failure> {
    show(options, Question::Status, tables::status)
}

/// `lode peers`.
pub(super) fn peers(options: &AskOptions) -> Result<Exit, Failure> {
    show(options, Question::Peers, tables::peers)
}

/// `lode miners`.
pub(super) fn miners(options: &AskOptions) -> Result<Exit, Failure> {
    show(options, Question::Miners, tables::miners)
}

/// `lode block`.
pub(super) fn block(options: &BlockOptions) -> Result<Exit, Failure> {
    show(&options.ask, Question::Block(options.block), tables::block)
}

/// `lode tx`.
pub(super) fn tx(options: &TxOptions) -> Result<Exit, Failure> {
    show(&options.ask, Question::Tx(options.txid), tables::tx)
}

/// `lode stop`.
pub(super) fn stop(options: &AskOptions) -> Result<Exit, Failure> {
    show(options, Question::Stop, tables::stop)
}

/// `lode mempool`: all pages as one answer.
pub(super) fn mempool(options: &AskOptions) -> Result<Exit, Failure> {
    let mut asked = Asked::find(options)?;
    let mut answer: Answer<MempoolView> = asked.ask(Question::Mempool { skip: 0 })?;
    let whole = &mut answer.view;
    while whole.more && whole.pending.len() < PENDING_MAX {
        let skip = u32::try_from(whole.pending.len()).unwrap_or(u32::MAX);
        let page: MempoolView = asked.ask(Question::Mempool { skip })?.view;
        if page.pending.is_empty() {
            break;
        }
        whole.pending.extend(page.pending);
        whole.more = page.more;
    }
    show_whole(options, &answer, tables::mempool)
}

/// `lode chain`: as many blocks as are wanted, newest first.
pub(super) fn chain(options: &ChainOptions) -> Result<Exit, Failure> {
    let mut asked = Asked::find(&options.ask)?;
    let wanted = options.count as usize;
    let first = Question::Chain { from: u32::MAX, count: options.count };
    let mut answer: Answer<ChainView> = asked.ask(first)?;
    let whole = &mut answer.view;
    while whole.blocks.len() < wanted
        && let Some(from) = whole.next
    {
        let count = u32::try_from(wanted - whole.blocks.len()).unwrap_or(u32::MAX);
        let page: ChainView = asked.ask(Question::Chain { from, count })?.view;
        if page.blocks.is_empty() {
            break;
        }
        whole.blocks.extend(page.blocks);
        whole.next = page.next;
    }
    show_whole(&options.ask, &answer, tables::chain)
}
