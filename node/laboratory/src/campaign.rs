//! The campaign: all trials of all experiments, on several threads, told in their order.

use std::collections::BTreeMap;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use command::interrupt::Interrupt;

use crate::points::Point;
use crate::trial::{self, Trial, TrialError};

/// How often somebody looks whether Ctrl-C came.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Where the threads put what they have made: the place of the job, and what came of it.
type Results = Sender<(usize, Result<Trial, TrialError>)>;

/// One trial that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    /// Which experiment.
    pub point: usize,
    /// Which seed.
    pub seed: u64,
}

/// What is told of a trial.
pub(crate) enum News<'a> {
    /// It was made just now; some before it may still be under way.
    Made(&'a Trial),
    /// All before it were told: it is the next in the order of the jobs.
    Next(&'a Trial),
}

/// How a campaign ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All trials are done.
    Whole,
    /// Ctrl-C came.
    Interrupted,
}

/// Why a campaign broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CampaignError<E> {
    /// A trial cannot be made.
    #[error(transparent)]
    Trial(TrialError),
    /// What came of it cannot be told.
    #[error("{0}")]
    Tell(E),
}

/// What the threads share.
struct Work<'a> {
    points: &'a [Point],
    jobs: &'a [Job],
    /// Places of the jobs that are to be done, and which of them is next.
    wanted: Vec<usize>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

/// Makes all `jobs` that are not `known` by their place, and tells of each that it is made, and of
/// all in the order of the jobs, as soon as those before are done.
///
/// # Errors
/// [`CampaignError`], the first of all.
pub(crate) fn run<E>(
    points: &[Point],
    jobs: &[Job],
    known: BTreeMap<usize, Trial>,
    threads: usize,
    interrupt: &Interrupt,
    tell: impl FnMut(Job, News<'_>) -> Result<(), E>,
) -> Result<Ending, CampaignError<E>> {
    let wanted = (0..jobs.len()).filter(|place| !known.contains_key(place)).collect();
    let work =
        Work { points, jobs, wanted, next: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
    thread::scope(|scope| {
        let (results, done) = channel();
        let spawn = |_| {
            let (work, results) = (&work, results.clone());
            scope.spawn(move || work.go_on(&results))
        };
        let workers: Vec<_> = (0..threads.max(1)).map(spawn).collect();
        drop(results);
        let ended = hand_out(jobs, known, &done, interrupt, tell);
        work.is_over.store(true, Ordering::Relaxed);
        for worker in workers {
            if let Err(panicked) = worker.join() {
                panic::resume_unwind(panicked);
            }
        }
        ended
    })
}

impl Work<'_> {
    /// One thread: takes the next job until there is none.
    fn go_on(&self, results: &Results) {
        while !self.is_over.load(Ordering::Relaxed) {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(place) = self.wanted.get(next) else { return };
            let Job { point, seed } = self.jobs[*place];
            let trial = trial::run(&self.points[point].experiment, seed, &self.is_over);
            if results.send((*place, trial)).is_err() {
                return;
            }
        }
    }
}

/// Tells what is done in the order of the jobs.
fn hand_out<E>(
    jobs: &[Job],
    mut known: BTreeMap<usize, Trial>,
    done: &Receiver<(usize, Result<Trial, TrialError>)>,
    interrupt: &Interrupt,
    mut tell: impl FnMut(Job, News<'_>) -> Result<(), E>,
) -> Result<Ending, CampaignError<E>> {
    for (place, job) in jobs.iter().enumerate() {
        let next = loop {
            if let Some(trial) = known.remove(&place) {
                break trial;
            }
            if interrupt.came() {
                return Ok(Ending::Interrupted);
            }
            match done.recv_timeout(LOOK_INTERVAL) {
                Ok((place, Ok(trial))) => {
                    tell(jobs[place], News::Made(&trial)).map_err(CampaignError::Tell)?;
                    known.insert(place, trial);
                }
                Ok((_, Err(error))) => return Err(CampaignError::Trial(error)),
                Err(RecvTimeoutError::Timeout) => {}
                // A thread has panicked, which its join will say.
                Err(RecvTimeoutError::Disconnected) => return Ok(Ending::Interrupted),
            }
        };
        tell(*job, News::Next(&next)).map_err(CampaignError::Tell)?;
    }
    Ok(Ending::Whole)
}

#[cfg(test)]
mod tests;
