//! Whoever runs a node asks it: the desk that answers, and the pass that opens it.
//!
//! The questions come over the node's own port from this computer only. Whoever can read the pass
//! in the data directory may ask; the machine is read between two events, one consistent state for
//! each answer.

mod answers;
mod mining;
mod mining_text;
pub mod pass;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use machine::views::{NodeView, ProcessView, Status};
use machine::{Machine, PeerId};
use wire::operator::{Answer, AnswerOutcome, Ask, OperatorMessage, Question, Token};
use wire::{ByteString, Message};

use crate::runtime::{AskError, Forwarded, Handle, Mining, Node, rest, yield_to_the_chain};
use pass::Pass;

pub use machine::views::Role;
pub use mining::mining_view;

/// Pause before a wrong token is told: guessing is hopeless anyway, and stays cheap for the node.
/// Only whoever guesses waits: its connection is not read meanwhile.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_millis(250);

/// What a node cannot be asked because it does not know.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its data directory.
    pub directory: PathBuf,
}

/// The thread that answers. [`OperatorDesk::close`] comes after the node has stopped.
pub struct OperatorDesk {
    directory: PathBuf,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OperatorDesk {
    /// Writes the pass and answers what arrives in `asked` until the node is gone. Whoever is to
    /// stop it is the thread that calls this, which is unparked then.
    ///
    /// # Errors
    /// The pass cannot be written, or the operating system refused randomness or a thread.
    pub fn open(about: About, node: &Node, asked: Receiver<Forwarded>) -> io::Result<Self> {
        let mut token = [0; 32];
        getrandom::fill(&mut token)?;
        let token = Token(token);
        let address = pass::reachable(node.address);
        let pass = Pass { name: about.name.clone(), address, token, pid: std::process::id() };
        pass.write(&about.directory)?;
        let stop = Arc::new(AtomicBool::new(false));
        let directory = about.directory.clone();
        let desk = Desk {
            about,
            pass,
            handle: node.handle.clone(),
            mining: Box::new(node.mining_reader()),
            started: Instant::now(),
            stop: Arc::clone(&stop),
            opener: thread::current(),
        };
        let thread = Builder::new().name("operator".to_owned()).spawn(move || {
            yield_to_the_chain();
            let handle = desk.handle.clone();
            desk.serve(&asked, Instant::now, |peer, answer| handle.reply(peer, answer));
        })?;
        Ok(Self { directory, stop, thread })
    }

    /// Whether somebody who may asked the node to stop.
    pub fn shall_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes the pass away: the node has stopped.
    pub fn close(self) {
        // It answers or waits; one that panicked answers no more, which is what is wanted.
        let _ = self.thread.join();
        pass::remove(&self.directory);
    }
}

/// What the thread holds.
struct Desk {
    about: About,
    pass: Pass,
    handle: Handle,
    mining: Box<dyn Fn() -> Option<Mining> + Send>,
    started: Instant,
    stop: Arc<AtomicBool>,
    /// Is unparked when it shall stop the node.
    opener: Thread,
}

impl Desk {
    /// Answers what is asked, until nobody can ask any more.
    fn serve(
        &self,
        asked: &Receiver<Forwarded>,
        now: impl Fn() -> Instant,
        mut reply: impl FnMut(PeerId, Message),
    ) {
        // Wrong tokens and when they are told; in this order, as the pause is always the same.
        let mut refused: VecDeque<(Instant, PeerId, u32)> = VecDeque::new();
        loop {
            let next = match refused.front() {
                Some((at, ..)) => asked.recv_timeout(at.saturating_duration_since(now())),
                None => asked.recv().map_err(RecvTimeoutError::from),
            };
            match next {
                Ok(Forwarded { peer, message: Message::Operator(message), .. }) => {
                    if let OperatorMessage::Ask(ask) = message {
                        if pass::is_same(&ask.token, &self.pass.token) {
                            self.answer(peer, &ask, &mut reply);
                        } else {
                            refused.push_back((now() + WRONG_TOKEN_PAUSE, peer, ask.request));
                        }
                    }
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some((_, peer, request)) = refused.pop_front_if(|(at, ..)| *at <= now()) {
                let reason = "the token is not this node's: was it started anew meanwhile?";
                let outcome = AnswerOutcome::Refused { reason: reason.to_owned() };
                let answer = OperatorMessage::Answer(Answer { request, outcome });
                reply(peer, Message::Operator(answer));
            }
            rest();
        }
    }

    /// Answers somebody who may ask.
    fn answer(&self, peer: PeerId, ask: &Ask, mut reply: impl FnMut(PeerId, Message)) {
        let outcome = match answers::answer(self, &ask.question) {
            Ok(json) => AnswerOutcome::Json(ByteString(json.into_bytes())),
            Err(reason) => AnswerOutcome::Refused { reason },
        };
        let stops = ask.question == Question::Stop && matches!(outcome, AnswerOutcome::Json(_));
        let answer = OperatorMessage::Answer(Answer { request: ask.request, outcome });
        reply(peer, Message::Operator(answer));
        if stops {
            self.stop.store(true, Ordering::Relaxed);
            self.opener.unpark();
        }
    }

    /// How the node is: what the machine knows, and what it does not.
    fn status(&self) -> Result<Status, String> {
        let look = |machine: &Machine| (NodeView::of(machine), machine.mining_state());
        let (node, state) = ask(&self.handle, look)?;
        let mining = (self.mining)().as_ref().map(mining_view);
        let process = ProcessView {
            name: self.about.name.clone(),
            role: self.about.role,
            lode: env!("CARGO_PKG_VERSION").to_owned(),
            pid: self.pass.pid,
            address: self.pass.address,
            directory: self.about.directory.to_string_lossy().into_owned(),
            uptime_s: self.started.elapsed().as_secs(),
        };
        let (hash_rate, luck) = mining.map(|mining| (mining.hash_rate, mining.luck)).unzip();
        Ok(Status { process, node, mining_reason: mining_text::reason(state), hash_rate, luck })
    }
}

/// Asks the machine, with its refusals as sentences.
fn ask<T: Send + 'static>(
    handle: &Handle,
    question: impl FnOnce(&Machine) -> T + Send + 'static,
) -> Result<T, String> {
    handle.ask_blocking(question).map_err(|error: AskError| error.to_string())
}

/// Where the passes of running nodes may lie below `home`: one place for each network and name.
pub fn directories(home: &Path) -> Vec<PathBuf> {
    pass::directories_below(&home.join("lode"))
}

#[cfg(test)]
mod tests;
