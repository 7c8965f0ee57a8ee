//! `lode bench cancel`: how promptly a search stops, and how soon the next one is under way.
//!
//! Cancels come at any moment of a batch, with every worker busy. Times are taken by the workers
//! themselves; the hashes wasted are those that were counted after `cancel()` was called.

mod beside;
mod node;
mod rounds;
mod watch;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use engine::{Cancel, Job, Kernel, Miner, Outcome, Target, WorkSpan, default_threads};
use serde_json::json;
use thread_priority::{ThreadPriority, set_current_thread_priority};

use super::progress;
use super::spread::Spread;
use crate::options::BenchCancelOptions;
use command::kernel_choice;
use command::print;
use show::exit::Exit;

/// Cancels unless told otherwise.
const CANCELS: u32 = 10_000;

/// Looks at a flag that are timed together.
const CHECKS: u32 = 10_000_000;

/// What a run of many cancels has shown.
#[derive(Default)]
struct Found {
    /// From `cancel()` to the last worker idle.
    cancel: Vec<Duration>,
    /// From the call of a search to the last worker's first hash.
    start: Vec<Duration>,
    wasted_hashes_max: u64,
}

pub(super) fn run(options: &BenchCancelOptions) -> anyhow::Result<Exit> {
    let threads = options.threads.unwrap_or_else(default_threads);
    let kernel = kernel_choice::choose(options.kernel);
    if options.node {
        return node::run(options, threads, kernel);
    }
    let cancels = options.count.unwrap_or(CANCELS);
    let miner = yielding_miner(threads, kernel)?;
    // A target of zero is met by no hash that anybody will see.
    let job = Job::rolling(&[0x5a; 80], Target::from_le_bytes([0; 32]), 0);
    let job = job.ok_or_else(|| anyhow::anyhow!("a header without versions to roll"))?;
    let mut found = Found::default();
    let bar = progress(cancels, "cancel");
    for number in 0..cancels {
        one_cancel(&miner, &job, number, &mut found)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let (cancel, start) = (Spread::of(&found.cancel), Spread::of(&found.start));
    let (batch_hashes, check_ns) = (miner.batch_attempts(&job), check_ns());
    let text = if options.json {
        let result = json!({
            "v": 1,
            "command": "bench cancel",
            "cancel_us": cancel.to_json(),
            "start_us": start.to_json(),
            "cancels": cancels,
            "wasted_hashes_max": found.wasted_hashes_max,
            "batch_hashes": batch_hashes,
            "check_ns": check_ns,
            "threads": threads.get(),
            "kernel": kernel.name(),
        });
        format!("{result}\n")
    } else {
        Spread::heading()
            + &cancel.row("from cancel to the last worker idle")
            + &start.row("from a new job to the last worker's first hash")
            + &format!(
                "{cancels} cancels, {threads} threads, {}; at most {} hashes wasted, a batch has \
                 {batch_hashes}; a look at the flag takes {check_ns} ns.\n",
                kernel.name(),
                found.wasted_hashes_max,
            )
    };
    print(&text)?;
    Ok(Exit::Ok)
}

/// A miner whose workers yield to everything else, as those of a node do.
fn yielding_miner(threads: NonZeroUsize, kernel: Kernel) -> anyhow::Result<Miner> {
    Ok(Miner::with_thread_start(threads, kernel, |_worker| {
        // Mining at the usual priority is no reason not to measure.
        let _ = set_current_thread_priority(ThreadPriority::Min);
    })?)
}

/// Starts a search, waits until every worker is busy, and cancels it.
fn one_cancel(miner: &Miner, job: &Job, number: u32, found: &mut Found) -> anyhow::Result<()> {
    let cancel = Cancel::new();
    let before = miner.meter().snapshot().per_thread;
    let all_busy = || {
        let now = miner.meter().snapshot().per_thread;
        now.iter().zip(&before).all(|(now, before)| now > before)
    };
    let (cancelled, hashes_before, (asked, (outcome, spans))) = thread::scope(|scope| {
        let searching = scope.spawn(|| (Instant::now(), miner.search_timed(job, &cancel)));
        while !all_busy() {
            thread::yield_now();
        }
        // From 0 to 255 microseconds later: anywhere in a batch.
        let moment =
            Instant::now() + Duration::from_micros(u64::from(number.wrapping_mul(97) % 256));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        let cancelled = Instant::now();
        cancel.cancel();
        let hashes_before = miner.meter().snapshot().total;
        (cancelled, hashes_before, searching.join().unwrap_or_else(|_| unfinished()))
    });
    anyhow::ensure!(outcome == Outcome::Cancelled, "a search ended by itself; please report this");
    let last = |moments: &mut dyn Iterator<Item = Instant>, since: Instant| {
        moments.max().map(|moment| moment.saturating_duration_since(since))
    };
    found.cancel.extend(last(&mut spans.iter().map(|span| span.idle), cancelled));
    found.start.extend(last(&mut spans.iter().filter_map(|span| span.first_hash), asked));
    let wasted = miner.meter().snapshot().total - hashes_before;
    found.wasted_hashes_max = found.wasted_hashes_max.max(wasted);
    Ok(())
}

/// What a search that panicked is taken for.
fn unfinished() -> (Instant, (Outcome, Vec<WorkSpan>)) {
    (Instant::now(), (Outcome::Exhausted, Vec::new()))
}

/// Nanoseconds that one look at a cancel flag takes, to a hundredth.
fn check_ns() -> f64 {
    let cancel = Cancel::new();
    let started = Instant::now();
    for _ in 0..CHECKS {
        black_box(black_box(&cancel).is_cancelled());
    }
    (started.elapsed().as_secs_f64() * 1e11 / f64::from(CHECKS)).round() / 100.0
}
