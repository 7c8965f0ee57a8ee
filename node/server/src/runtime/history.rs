//! The thread that reads histories for wallets, so that the machine's thread never does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use machine::store::StoreError;
use machine::{Event, HistoryQuestion, PeerId};

use super::lanes::Lanes;

/// Answers what wallets ask, one after the other. A connection is not read on until its question is
/// answered, so no more questions wait than there are connections. Dropping it waits for the answer
/// that is under way: nothing is read from files that are closed.
pub(super) struct HistoryReader {
    /// `None` once it is being dropped.
    questions: Option<Sender<(PeerId, HistoryQuestion)>>,
    thread: Option<JoinHandle<()>>,
}

impl HistoryReader {
    /// Starts the thread; answers go to `lanes`.
    pub fn start(lanes: Arc<Lanes>) -> std::io::Result<Self> {
        let (questions, asked) = channel();
        let thread = Builder::new()
            .name("histories".to_owned())
            .spawn(move || answer_all(&asked, &lanes))?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    /// Has a question answered, after those that came before it.
    pub fn ask(&self, peer: PeerId, question: HistoryQuestion) {
        // The thread ends only with this sender.
        let _ = self.questions.as_ref().map(|questions| questions.send((peer, question)));
    }
}

impl Drop for HistoryReader {
    fn drop(&mut self) {
        self.questions = None;
        // Its panics were caught; there is nobody to tell of another one.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer_all(asked: &Receiver<(PeerId, HistoryQuestion)>, lanes: &Lanes) {
    while let Ok((peer, question)) = asked.recv() {
        // Whoever waits must hear of the end, whatever it is.
        let answered = catch_unwind(AssertUnwindSafe(|| question.answer()));
        let outcome = answered.unwrap_or(Err(StoreError::Stopped)).map_err(Arc::new);
        lanes.push_answer(Event::Read { peer, outcome });
    }
}
