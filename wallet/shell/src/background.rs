//! `Background`: a session on a thread of its own, so that it goes on while somebody types.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use wallet::session::{Session, WalletEvent};

/// Questions that wait for the session; whoever asks waits for the answer, so few are enough.
const QUESTIONS_MAX: usize = 16;

/// Events on their way to the screen; what does not fit waits in the session.
const EVENTS_MAX: usize = 64;

type Question = Box<dyn FnOnce(&mut Session) + Send>;

/// The way to a session that lives on its own thread. The thread ends when this is dropped.
#[derive(Debug, Clone)]
pub struct Background {
    questions: SyncSender<Question>,
}

/// The session's thread is gone: it failed, which is a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the wallet's thread has failed: please report this bug; nothing that was paid is lost")]
pub struct SessionFailed;

impl Background {
    /// Lets `session` live on, polled when it is due. Its events come out of the second value.
    pub fn start(session: Session) -> (Self, Receiver<WalletEvent>) {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let (events, told) = sync_channel(EVENTS_MAX);
        thread::spawn(move || live(session, &asked, &events));
        (Self { questions }, told)
    }

    /// Runs `question` on the session's thread and waits for its answer.
    ///
    /// # Errors
    /// [`SessionFailed`].
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Session) -> T + Send + 'static,
    ) -> Result<T, SessionFailed> {
        let (answer, answered) = sync_channel(1);
        let question: Question = Box::new(move |session| {
            // Who asked may have stopped waiting.
            let _ = answer.send(question(session));
        });
        self.questions.send(question).map_err(|_| SessionFailed)?;
        answered.recv().map_err(|_| SessionFailed)
    }
}

fn live(mut session: Session, asked: &Receiver<Question>, events: &SyncSender<WalletEvent>) {
    let mut due = Instant::now();
    let mut waiting = Vec::new();
    loop {
        let now = Instant::now();
        if now >= due {
            session.poll(now);
            due = Instant::now() + session.next_poll(Instant::now());
        }
        waiting.extend(session.take_events());
        waiting = send_on(waiting, events);
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match asked.recv_timeout(wait) {
            Ok(question) => question(&mut session),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Sends what fits and returns the rest; when nobody listens any more, nothing is kept.
fn send_on(waiting: Vec<WalletEvent>, events: &SyncSender<WalletEvent>) -> Vec<WalletEvent> {
    let mut waiting = waiting.into_iter();
    while let Some(next) = waiting.next() {
        match events.try_send(next) {
            Ok(()) => {}
            Err(TrySendError::Full(next)) => return [next].into_iter().chain(waiting).collect(),
            Err(TrySendError::Disconnected(_)) => return Vec::new(),
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::WalletOptions;
    use crate::commands::opening::{self, Patience};
    use crate::commands::tests::Rig;

    fn start(rig: &Rig) -> (Background, Receiver<WalletEvent>) {
        let options: WalletOptions = rig.options("");
        Background::start(opening::opened(&options, Patience::Seconds).unwrap())
    }

    #[test]
    fn it_finds_a_miner_and_tells_it_without_being_asked() {
        let rig = Rig::new("");
        let (background, events) = start(&rig);
        let first = events.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(first, WalletEvent::Connected { again: false, .. }), "{first:?}");
        assert!(background.ask(|session| session.is_synced()).unwrap());
    }

    #[test]
    fn questions_are_answered_one_by_one_and_the_thread_ends_with_the_last_asker() {
        let rig = Rig::new("");
        let (background, events) = start(&rig);
        let askers: Vec<_> = (0..8)
            .map(|number| {
                let background = background.clone();
                thread::spawn(move || background.ask(move |_| number).unwrap())
            })
            .collect();
        let answers: Vec<u32> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        assert_eq!(answers, (0..8).collect::<Vec<_>>());
        drop(background);
        while events.recv_timeout(Duration::from_secs(20)).is_ok() {}
        assert_eq!(events.try_recv().unwrap_err(), std::sync::mpsc::TryRecvError::Disconnected);
    }

    #[test]
    fn a_question_that_fails_is_an_error_and_no_endless_wait() {
        let rig = Rig::new("");
        let (background, _events) = start(&rig);
        assert_eq!(
            background.ask(|_| panic!("a bug, planted")),
            Err::<(), SessionFailed>(SessionFailed)
        );
        assert_eq!(background.ask(|_| ()), Err(SessionFailed));
    }
}
