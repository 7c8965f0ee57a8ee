//! The search from its doors: the same answer everywhere, and none after a cancel.

use std::sync::LazyLock;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use testkit::{PATIENCE, poll_until};

use super::*;
use crate::job::{ROLLING_GROUPS, VERSIONS_MAX};
use crate::kernel::tests::{GENESIS, header_from_hex};
use crate::target::Target;

const NEVER: Target = Target::from_le_bytes([0; 32]);

/// Jobs that are compared: easy ones, so that each takes a moment.
const COMPARED_JOBS: u32 = 1000;

static MINERS: LazyLock<Vec<Miner>> = LazyLock::new(|| miners_of(Kernel::best()));

/// Waits until the miner has counted more hashes than `before`.
fn wait_for_hashes(miner: &Miner, before: u64) {
    let moved = || (miner.meter().snapshot().total > before).then_some(());
    poll_until("hashes of the search", PATIENCE, moved);
}

fn miners_of(kernel: Kernel) -> Vec<Miner> {
    let miner = |threads| Miner::new(NonZeroUsize::new(threads).unwrap(), kernel).unwrap();
    [1, 2, 3, 8].map(miner).into()
}

fn headers() -> impl Strategy<Value = [u8; 80]> {
    prop::collection::vec(any::<u8>(), 80).prop_map(|bytes| bytes.try_into().unwrap())
}

/// The answer as its definition has it: one attempt after the other.
fn first_by_reference(job: &Job, target: Target) -> Outcome {
    for position in 0..job.attempts() {
        let header = job.header_at(position).unwrap();
        let hash = crate::sha256d(&header);
        if target.is_met_by(&hash) {
            return Outcome::Found(Solution { header, hash, attempts: position + 1 });
        }
    }
    Outcome::Exhausted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(COMPARED_JOBS))]

    #[test]
    fn the_same_job_has_the_same_answer_on_any_number_of_threads_and_any_kernel(
        header in headers(),
        bits in 4_u32..14,
        group in 0..ROLLING_GROUPS,
        first: u32,
        nonces in 0_u32..1000,
        rolling: bool,
    ) {
        static OF_EVERY_KERNEL: LazyLock<Vec<Vec<Miner>>> =
            LazyLock::new(|| Kernel::available().into_iter().map(miners_of).collect());
        let target = Target::with_zero_bits(bits);
        let job = if rolling {
            Job::rolling(&header, target, group).unwrap()
        } else {
            Job::new(&header, target)
        };
        let job = job.with_nonces(first..=first.saturating_add(nonces));
        let expected = first_by_reference(&job, target);
        for miner in OF_EVERY_KERNEL.iter().flatten() {
            let outcome = miner.search(&job, &Cancel::new());
            let (kernel, threads) = (miner.kernel.name(), miner.threads());
            prop_assert_eq!(&outcome, &expected, "{} on {} threads", kernel, threads);
        }
        for kernel in Kernel::available() {
            let outcome = search_alone(kernel, &job, &Cancel::new());
            prop_assert_eq!(&outcome, &expected, "{}", kernel.name());
        }
    }
}

proptest! {
    #[test]
    fn all_solutions_are_given_in_order_and_none_after_a_cancel(
        header in headers(),
        bits in 2_u32..9,
        first: u32,
        nonces in 0_u32..250,
        wanted in 1_usize..9,
    ) {
        let target = Target::with_zero_bits(bits);
        let job = Job::rolling(&header, target, 0).unwrap();
        let job = job.with_nonces(first..=first.saturating_add(nonces));
        let attempts = (0..job.attempts()).map(|position| job.header_at(position).unwrap());
        let is_hit = |header: &[u8; 80]| target.is_met_by(&crate::sha256d(header));
        let hits = attempts.enumerate().filter(|(_, header)| is_hit(header));
        let expected: Vec<(u64, [u8; 80])> =
            hits.map(|(position, header)| (position as u64 + 1, header)).collect();
        for kernel in Kernel::available() {
            let mut found = Vec::new();
            let cancel = Cancel::new();
            search_all(kernel, &job, &cancel, |it| found.push((it.attempts, it.header)));
            prop_assert_eq!(&found, &expected, "{}", kernel.name());
            found.clear();
            search_all(kernel, &job, &cancel, |solution| {
                found.push((solution.attempts, solution.header));
                if found.len() == wanted {
                    cancel.cancel();
                }
            });
            prop_assert!(found.len() >= wanted.min(expected.len()));
            prop_assert_eq!(&found[..], &expected[..found.len()]);
        }
    }
}

#[test]
fn harder_jobs_have_the_same_answer_on_any_number_of_threads() {
    for (seed, bits) in [(1, 16), (2, 17), (3, 18)] {
        let job = Job::rolling(&[seed; 80], Target::with_zero_bits(bits), 5).unwrap();
        let alone = search_alone(Kernel::best(), &job, &Cancel::new());
        assert!(matches!(alone, Outcome::Found(_)));
        for miner in MINERS.iter() {
            assert_eq!(miner.search(&job, &Cancel::new()), alone, "{} threads", miner.threads());
        }
    }
}

#[test]
fn bitcoins_first_header_is_found() {
    let header = header_from_hex(GENESIS);
    let nonce = 2_083_236_893_u32;
    let job = Job::new(&header, Target::with_zero_bits(32)).with_nonces(nonce - 20_000..=u32::MAX);
    for miner in MINERS.iter() {
        let Outcome::Found(solution) = miner.search(&job, &Cancel::new()) else {
            panic!("not found by {} threads", miner.threads());
        };
        assert_eq!(solution.header, header);
        assert_eq!(solution.attempts, 20_001);
        assert!(Target::with_zero_bits(32).is_met_by(&solution.hash));
    }
}

#[test]
fn a_range_at_the_end_of_the_nonces_does_not_wrap_around() {
    // A header that some nonce of the lowest 300 solves, but none of the highest 701.
    let target = Target::with_zero_bits(10);
    let job = (0..)
        .map(|seed| Job::new(&[seed; 80], target))
        .find(|job| {
            let low = first_by_reference(&job.clone().with_nonces(0..=299), target);
            let high = job.clone().with_nonces(u32::MAX - 700..=u32::MAX);
            low != Outcome::Exhausted && first_by_reference(&high, target) == Outcome::Exhausted
        })
        .unwrap();
    let job = job.with_nonces(u32::MAX - 700..=u32::MAX);
    for miner in MINERS.iter() {
        assert_eq!(miner.search(&job, &Cancel::new()), Outcome::Exhausted);
    }
}

#[test]
fn an_exhausted_job_was_counted_to_the_last_hash() {
    let miner = Miner::new(NonZeroUsize::new(3).unwrap(), Kernel::portable()).unwrap();
    let job = Job::rolling(&[4; 80], NEVER, 1).unwrap().with_nonces(17..=3016);
    assert_eq!(miner.search(&job, &Cancel::new()), Outcome::Exhausted);
    let snapshot = miner.meter().snapshot();
    assert_eq!(snapshot.total, job.attempts());
    assert_eq!(snapshot.per_thread.len(), 3);
    #[expect(clippy::reversed_empty_ranges, reason = "an empty range is the point")]
    let empty = job.with_nonces(9..=8);
    assert_eq!(miner.search(&empty, &Cancel::new()), Outcome::Exhausted);
    assert_eq!(miner.meter().snapshot(), snapshot);
}

#[test]
fn a_cancelled_search_has_no_answer_even_for_the_easiest_job() {
    let job = Job::new(&[1; 80], Target::with_zero_bits(0));
    let cancel = Cancel::new();
    cancel.clone().cancel();
    for miner in MINERS.iter() {
        assert_eq!(miner.search(&job, &cancel), Outcome::Cancelled);
    }
    assert_eq!(search_alone(Kernel::portable(), &job, &cancel), Outcome::Cancelled);
}

#[test]
fn a_hit_in_hand_is_dropped_when_the_cancel_comes_before_the_end() {
    let job = Job::new(&[1; 80], Target::with_zero_bits(0));
    let cancel = Cancel::new();
    let search = Search::new(Kernel::portable(), &job, &cancel);
    search.work(|_| ());
    assert!(search.solution.lock().unwrap().is_some());
    cancel.cancel();
    assert_eq!(search.outcome(), Outcome::Cancelled);
}

#[test]
fn a_hit_of_a_higher_position_never_replaces_a_lower_one() {
    let job = Job::new(&[1; 80], NEVER);
    let cancel = Cancel::new();
    let search = Search::new(Kernel::portable(), &job, &cancel);
    for attempts in [50, 20, 30] {
        search.hand_in(Solution { header: [0; 80], hash: [0; 32], attempts });
    }
    let Outcome::Found(solution) = search.outcome() else { panic!("a hit was handed in") };
    assert_eq!(solution.attempts, 20);
}

#[test]
fn ten_thousand_cancels_under_load_end_ten_thousand_searches_and_lose_no_thread() {
    let job = Job::rolling(&[1; 80], NEVER, 0).unwrap();
    // With more workers than cores a cancel waits for the operating system, so fewer of those.
    // The miners are its own: the other tests' hashes would be counted, too.
    for (miner, turns) in miners_of(Kernel::best()).iter().zip([9000, 500, 500]) {
        for turn in 0..turns + turns / 10 {
            let cancel = Cancel::new();
            let counted = miner.meter().snapshot().total;
            let outcome = std::thread::scope(|scope| {
                let search = scope.spawn(|| miner.search(&job, &cancel));
                // The search is under way once its meter moves. Behind those come a few that are
                // cancelled after none to six looks, wherever they are by then.
                if turn < turns {
                    wait_for_hashes(miner, counted);
                } else {
                    let looks = (0..turn % 7).map(|_| miner.meter().snapshot().total);
                    std::hint::black_box(looks.max());
                }
                cancel.cancel();
                search.join().unwrap()
            });
            assert_eq!(outcome, Outcome::Cancelled);
        }
        // Every worker is still there: each has its share of a search without an end.
        let before = miner.meter().snapshot().per_thread;
        let cancel = Cancel::new();
        std::thread::scope(|scope| {
            let search = scope.spawn(|| miner.search(&job, &cancel));
            let all_moved = || {
                let now = miner.meter().snapshot().per_thread;
                now.iter().zip(&before).all(|(now, before)| now > before)
            };
            poll_until("every worker hashes", PATIENCE, || all_moved().then_some(()));
            cancel.cancel();
            assert_eq!(search.join().unwrap(), Outcome::Cancelled);
        });
        // And it rests: nothing is hashed when there is no job.
        let resting = miner.meter().snapshot();
        let easy = Job::new(&[1; 80], Target::with_zero_bits(0));
        assert!(matches!(miner.search(&easy, &Cancel::new()), Outcome::Found(_)));
        let hashed = miner.meter().snapshot().total - resting.total;
        assert!(hashed <= miner.threads() as u64, "{hashed}");
    }
}

#[test]
fn each_worker_tells_when_it_began_and_ended() {
    let job = Job::new(&[1; 80], NEVER).with_nonces(0..=9999);
    for miner in MINERS.iter() {
        let before = Instant::now();
        let (outcome, spans) = miner.search_timed(&job, &Cancel::new());
        assert_eq!(outcome, Outcome::Exhausted);
        assert_eq!(spans.len(), miner.threads());
        let began: Vec<_> = spans.iter().filter_map(|span| span.first_hash).collect();
        assert!(!began.is_empty());
        assert!(began.iter().all(|began| *began >= before));
        assert!(spans.iter().all(|span| span.first_hash.is_none_or(|it| it <= span.idle)));
        let cancelled = Cancel::new();
        cancelled.cancel();
        let (_, spans) = miner.search_timed(&job, &cancelled);
        assert!(spans.iter().all(|span| span.first_hash.is_none()));
    }
}

#[test]
fn a_cancelled_search_wastes_at_most_a_batch_a_worker() {
    let job = Job::rolling(&[1; 80], NEVER, 0).unwrap();
    // The miners are its own: the other tests' hashes would be counted, too.
    for miner in &miners_of(Kernel::best())[..2] {
        let batch = miner.batch_attempts(&job);
        for _ in 0..100 {
            let cancel = Cancel::new();
            let at_cancel = std::thread::scope(|scope| {
                let search = scope.spawn(|| miner.search(&job, &cancel));
                let before = miner.meter().snapshot().total;
                wait_for_hashes(miner, before);
                cancel.cancel();
                let at_cancel = miner.meter().snapshot().total;
                assert_eq!(search.join().unwrap(), Outcome::Cancelled);
                at_cancel
            });
            let wasted = miner.meter().snapshot().total - at_cancel;
            assert!(wasted <= batch * miner.threads() as u64, "{wasted} of {batch}");
        }
    }
}

#[test]
fn every_worker_starts_once_with_its_index() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let threads = NonZeroUsize::new(3).unwrap();
    let start = |index: usize| {
        STARTED.fetch_add(1 << (8 * index), Ordering::Relaxed);
    };
    let miner = Miner::with_thread_start(threads, Kernel::portable(), start).unwrap();
    let job = Job::new(&[1; 80], NEVER).with_nonces(0..=0);
    assert_eq!(miner.search(&job, &Cancel::new()), Outcome::Exhausted);
    assert_eq!(STARTED.load(Ordering::Relaxed), 0x01_0101);
    assert_eq!(miner.threads(), 3);
}

#[test]
fn the_default_leaves_a_core_for_the_node() {
    let threads = default_threads().get();
    let allowed = std::thread::available_parallelism().unwrap().get();
    assert!(threads <= (allowed - 1).max(1));
}

#[test]
fn batches_shrink_for_easy_targets() {
    for kernel in Kernel::available() {
        let attempts = |bits| {
            let job = Job::rolling(&[1; 80], Target::with_zero_bits(bits), 0).unwrap();
            batches_of(kernel, &job).full_nonces() * VERSIONS_MAX as u64
        };
        // A row of the widest kernel is the least.
        assert_eq!(attempts(8), 512, "{}", kernel.name());
        for bits in 8..40 {
            assert!(attempts(bits) <= ((1 << bits) / 64).max(512), "{} {bits}", kernel.name());
            assert!(attempts(bits) <= attempts(bits + 1), "{} {bits}", kernel.name());
        }
    }
}
