//! `within`: holds a program to a time that it is promised in, and no computer to being idle.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A program that is too slow is so every time.
const TRIES: u32 = 3;

/// With a smaller part of the processors a program that is so many times too slow would pass.
const SHARE_MIN: f64 = 0.25;

/// For how long the share of the processors is measured: many turns of the system's scheduler.
const SLOT: Duration = Duration::from_millis(200);

/// Runs `attempt`, which returns how long something took, until it took no longer than `limit`.
/// While others use the processors, the limit is as much longer as our part of them is smaller, up
/// to four times.
///
/// # Panics
/// When no try of [`TRIES`] was soon enough; with all times.
pub fn within(limit: Duration, mut attempt: impl FnMut() -> Duration) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut told = Vec::new();
    for _ in 0..TRIES {
        let before = share_of_processors();
        let took = attempt();
        let share = before.min(share_of_processors());
        let allowed = limit.div_f64(share.max(SHARE_MIN));
        told.push(format!("{took:?} of {allowed:?} with {share:.2} of the processors"));
        eprintln!("{}", told[told.len() - 1]);
        if took <= allowed {
            return;
        }
    }
    panic!("{limit:?} were promised: {}", told.join("; "));
}

/// The part of all processors' time that this program gets when it wants all of it; 1 where the
/// system does not tell.
fn share_of_processors() -> f64 {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let shares: Vec<f64> = thread::scope(|scope| {
        let busy: Vec<_> = (0..processors).map(|_| scope.spawn(share_of_one)).collect();
        busy.into_iter().map(|busy| busy.join().unwrap()).collect()
    });
    shares.iter().sum::<f64>() / shares.len() as f64
}

fn share_of_one() -> f64 {
    let (begun, ran_before) = (Instant::now(), ran_for());
    while begun.elapsed() < SLOT {}
    let ran = ran_for().zip(ran_before).map(|(now, before)| now - before);
    // The system counts a thread's time in ticks, some of them late.
    ran.map_or(1.0, |ran| ran.div_duration_f64(begun.elapsed()).min(1.0))
}

/// Processor time of this thread so far.
fn ran_for() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

#[test]
fn one_try_of_three_may_be_the_lucky_one() {
    let mut tries = 0;
    within(Duration::from_secs(1), || {
        tries += 1;
        if tries < 3 { Duration::from_secs(5) } else { Duration::from_millis(999) }
    });
    assert_eq!(tries, 3);
}

#[test]
#[should_panic(expected = "1s were promised: 5s of ")]
fn a_program_that_is_always_too_slow_is_told() {
    within(Duration::from_secs(1), || Duration::from_secs(5));
}

#[test]
fn a_share_of_the_processors_is_a_part_of_them() {
    let share = share_of_processors();
    assert!((0.0..=1.0).contains(&share), "{share}");
}
