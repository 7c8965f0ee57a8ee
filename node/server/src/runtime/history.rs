//! The thread that reads histories for wallets, so that the machine's thread never does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use machine::store::StoreError;
use machine::{Event, HistoryQuestion, PeerId};

use super::FORWARDED_MAX;
use super::lanes::Lanes;
use super::outbound::Outbound;
use super::priority::{rest, yield_to_the_chain};

/// A question, and where its answer goes.
struct Asked {
    peer: PeerId,
    outbound: Arc<Outbound>,
    question: HistoryQuestion,
}

/// Answers what wallets ask, one after the other, as long as they are there to hear it. Dropping it
/// waits for the answer that is under way: nothing is read from files that are closed.
pub(super) struct HistoryReader {
    /// `None` once it is being dropped.
    questions: Option<SyncSender<Asked>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HistoryReader {
    /// Starts the thread; answers go to `lanes`.
    pub fn start(lanes: Arc<Lanes>) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(FORWARDED_MAX);
        let ends = Arc::new(AtomicBool::new(false));
        let shall_end = Arc::clone(&ends);
        let thread = Builder::new().name("histories".to_owned()).spawn(move || {
            yield_to_the_chain();
            answer_all(&asked, &shall_end, &lanes);
        })?;
        Ok(Self { questions: Some(questions), ends, thread: Some(thread) })
    }

    /// Has a question answered, after those that came before it. False when too many wait: those of
    /// connections that are gone are among them.
    pub fn ask(&self, peer: PeerId, outbound: Arc<Outbound>, question: HistoryQuestion) -> bool {
        let asked = Asked { peer, outbound, question };
        self.questions.as_ref().is_some_and(|questions| questions.try_send(asked).is_ok())
    }
}

impl Drop for HistoryReader {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.questions = None;
        // Its panics were caught; there is nobody to tell of another one.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer_all(asked: &Receiver<Asked>, shall_end: &AtomicBool, lanes: &Lanes) {
    while let Ok(Asked { peer, outbound, question }) = asked.recv() {
        if shall_end.load(Ordering::Relaxed) {
            return;
        }
        if !outbound.is_open() {
            continue;
        }
        // Whoever waits must hear of the end, whatever it is.
        let answered = catch_unwind(AssertUnwindSafe(|| question.answer()));
        let outcome = answered.unwrap_or(Err(StoreError::Stopped)).map_err(Arc::new);
        lanes.push_answer(Event::Read { peer, outcome });
        rest();
    }
}
