//! `Watch`: what those see who want nothing but to be served while a node is attacked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use client::directory_client::DirectoryClient;
use client::node_client::{NodeClient, Timeouts};
use client::operator_client::OperatorClient;
use wire::Message;
use wire::hello::Role;
use wire::operator::Question;

use crate::Attack;
use crate::line::Line;
use crate::target::Target;

/// Pause between two questions of the client that is connected all the time.
const QUESTION_PAUSE: Duration = Duration::from_millis(5);

/// Pause between two newcomers of one role.
const NEWCOMER_PAUSE: Duration = Duration::from_millis(250);

/// How long anybody waits before it counts as not served.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(10), answer: Duration::from_secs(10) };

/// Serves one newcomer, or says why it was not.
type Newcomer = fn(&Target) -> anyhow::Result<()>;

const NEWCOMERS: [(&str, Newcomer); 4] = [
    ("peer", |target| {
        let mut line = Line::greet(target, Role::Peer)?;
        line.say(&Message::Ping(7))?;
        while line.hear()? != Message::Pong(7) {}
        Ok(())
    }),
    ("wallet", |target| {
        NodeClient::connect(target.address, &target.network, TIMEOUTS)?.tip()?;
        Ok(())
    }),
    ("directory", |target| {
        DirectoryClient::connect(target.address, &target.network, TIMEOUTS)?.miners()?;
        Ok(())
    }),
    ("operator", |target| {
        let pass = &target.pass;
        let asked = OperatorClient::connect(pass.address, &target.network, pass.token, TIMEOUTS)?
            .ask(Question::Status)?;
        asked.map_err(anyhow::Error::msg)?;
        Ok(())
    }),
];

/// What honest clients saw.
pub(crate) struct Seen {
    /// Questions of the client that was connected all the time.
    pub questions: usize,
    /// How long it waited for an answer.
    pub tip_p50: Duration,
    /// The same, 99 times of 100.
    pub tip_p99: Duration,
    /// The longest time until a newcomer was served, by role; those in vain try again.
    pub newcomers: BTreeMap<&'static str, Duration>,
}

/// The threads that ask.
pub(crate) struct Watch {
    questions: JoinHandle<anyhow::Result<Vec<Duration>>>,
    newcomers: Vec<JoinHandle<(&'static str, Duration)>>,
}

impl Watch {
    /// Begins to ask; one client is connected before the attack begins.
    pub(crate) fn begin(attack: &Arc<Attack>) -> Self {
        let questions = {
            let attack = Arc::clone(attack);
            thread::spawn(move || ask_all_the_time(&attack))
        };
        let newcomers = NEWCOMERS.map(|(role, serve)| {
            let attack = Arc::clone(attack);
            thread::spawn(move || (role, longest_wait(&attack, serve)))
        });
        Self { questions, newcomers: newcomers.into() }
    }

    /// What they saw until the attack was over.
    pub(crate) fn end(self) -> anyhow::Result<Seen> {
        let mut waits = join(self.questions)??;
        let newcomers = self.newcomers.into_iter().map(join).collect::<anyhow::Result<_>>()?;
        waits.sort();
        let at = |part: usize| waits.get((waits.len() * part / 100).min(waits.len() - 1));
        let (p50, p99) = at(50).zip(at(99)).context("nobody was asked anything")?;
        Ok(Seen { questions: waits.len(), tip_p50: *p50, tip_p99: *p99, newcomers })
    }
}

fn join<T>(thread: JoinHandle<T>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow::anyhow!("a thread that asks has panicked"))
}

/// How long each answer took; one that never came took as long as it was waited for.
fn ask_all_the_time(attack: &Attack) -> anyhow::Result<Vec<Duration>> {
    let target = &attack.target;
    let mut client = NodeClient::connect(target.address, &target.network, TIMEOUTS)?;
    let mut waits = Vec::new();
    while waits.is_empty() || !attack.is_over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        if client.tip().is_err() {
            client = NodeClient::connect(target.address, &target.network, TIMEOUTS)?;
        }
        waits.push(asked.elapsed());
        thread::sleep(QUESTION_PAUSE);
    }
    Ok(waits)
}

/// The longest time that a newcomer waited, with all its attempts.
fn longest_wait(attack: &Attack, serve: Newcomer) -> Duration {
    let mut longest = Duration::ZERO;
    while longest.is_zero() || !attack.is_over() {
        let came = Instant::now();
        while serve(&attack.target).is_err() && !attack.is_over() {
            thread::sleep(QUESTION_PAUSE);
        }
        longest = longest.max(came.elapsed());
        thread::sleep(NEWCOMER_PAUSE);
    }
    longest
}
