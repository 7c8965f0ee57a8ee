//! Any connections that take, write and stop: the memory that they hold has a bound, and who is
//! on its way stays.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

const MAX: usize = 1_000_000;

/// What happens at connection number `.0`.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It holds so many bytes of its own.
    Hold(usize, usize),
    /// It takes one of some frames.
    Take(usize, usize),
    /// It gives back the oldest of those it took.
    GiveBack(usize),
    /// It is read.
    Progress(usize),
    /// So many milliseconds pass.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..5;
    prop_oneof![
        (who.clone(), 0usize..600_000).prop_map(|(who, bytes)| Step::Hold(who, bytes)),
        (who.clone(), 0usize..6).prop_map(|(who, frame)| Step::Take(who, frame)),
        who.clone().prop_map(Step::GiveBack),
        who.prop_map(Step::Progress),
        (0u64..2_000).prop_map(Step::Pass),
    ]
}

/// What one connection holds, as the test counts it.
struct Counted {
    share: Share,
    drop_it: CancellationToken,
    own: usize,
    frames: Vec<usize>,
    since: Instant,
}

impl Counted {
    fn weight(&self, frames: &[Arc<Frame>]) -> (u128, usize) {
        let mut held = self.frames.clone();
        held.sort_unstable();
        held.dedup();
        let shared: usize = held.iter().map(|at| frames[*at].payload.len()).sum();
        let bytes = self.own.saturating_sub(GUARANTEED_BYTES) + shared;
        (self.since.elapsed().as_nanos() * bytes as u128, bytes)
    }
}

fn used(all: &[Counted], frames: &[Arc<Frame>]) -> usize {
    let here = || all.iter().filter(|one| !one.drop_it.is_cancelled());
    let own: usize = here().map(|one| one.own.saturating_sub(GUARANTEED_BYTES)).sum();
    let is_held = |at: &usize| here().any(|one| one.frames.contains(at));
    let shared = (0..frames.len()).filter(is_held).map(|at| frames[at].payload.len());
    own + shared.sum::<usize>()
}

async fn run(steps: &[Step]) {
    let memory = Arc::new(ConnectionMemory::new(MAX));
    let frame = |at: usize| Arc::new(Frame { command: 19, payload: vec![0; 70_000 * (at + 1)] });
    let frames: Vec<Arc<Frame>> = (0..6).map(frame).collect();
    let mut all: Vec<Counted> = (0..5)
        .map(|peer| {
            let drop_it = CancellationToken::new();
            let share = memory.share(PeerId(peer), drop_it.clone());
            Counted { share, drop_it, own: 0, frames: Vec::new(), since: Instant::now() }
        })
        .collect();
    for step in steps {
        let here: Vec<bool> = all.iter().map(|one| !one.drop_it.is_cancelled()).collect();
        match *step {
            Step::Pass(milliseconds) => advance(Duration::from_millis(milliseconds)).await,
            Step::Hold(who, _) | Step::Take(who, _) | Step::GiveBack(who) | Step::Progress(who) => {
                let one = &mut all[who];
                if one.weight(&frames).1 == 0 {
                    one.since = Instant::now();
                }
                match *step {
                    Step::Hold(_, bytes) => {
                        one.own = bytes;
                        one.share.hold(bytes);
                    }
                    Step::Take(_, frame) => {
                        one.frames.push(frame);
                        one.share.take(&frames[frame]);
                    }
                    Step::GiveBack(_) if !one.frames.is_empty() => {
                        let frame = one.frames.remove(0);
                        one.share.give_back(&frames[frame]);
                    }
                    Step::GiveBack(_) | Step::Pass(_) => {}
                    Step::Progress(_) => {
                        one.since = Instant::now();
                        one.share.progressed();
                    }
                }
            }
        }
        assert_eq!(memory.used(), used(&all, &frames));
        assert!(memory.used() <= MAX);
        let weight_of = |at: usize| all[at].weight(&frames);
        let now_dropped = |at: &usize| here[*at] && all[*at].drop_it.is_cancelled();
        let stays = |at: &usize| !all[*at].drop_it.is_cancelled();
        let lightest_dropped = (0..5).filter(now_dropped).map(weight_of).min();
        let heaviest_left = (0..5).filter(stays).map(weight_of).max();
        if let (Some(dropped), Some(left)) = (lightest_dropped, heaviest_left) {
            assert!(dropped >= left, "{dropped:?} went before {left:?}");
        }
    }
    drop(all);
    assert_eq!(memory.used(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_held_has_a_bound_and_who_holds_most_for_longest_goes_first(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        tokio.block_on(run(&steps));
    }

    #[test]
    fn a_frame_that_takes_the_place_of_one_that_is_still_counted_is_counted_too(
        freed in prop::collection::vec(1usize..1_000, 1..8),
        kept in prop::collection::vec(1usize..1_000, 1..8),
    ) {
        let frame = |bytes: &usize| Arc::new(Frame { command: 19, payload: vec![0; *bytes] });
        let memory = Arc::new(ConnectionMemory::new(usize::MAX));
        let ends = CancellationToken::new();
        let ending = memory.share(PeerId(1), ends.clone());
        let other = memory.share(PeerId(2), CancellationToken::new());
        // Each is freed at once, so that the next one is likely to be made in its place.
        freed.iter().for_each(|bytes| ending.take(&frame(bytes)));
        let freed_bytes: usize = freed.iter().sum();
        prop_assert_eq!(memory.used(), freed_bytes);
        let frames: Vec<Arc<Frame>> = kept.iter().map(frame).collect();
        frames.iter().for_each(|frame| other.take(frame));
        let kept_bytes: usize = kept.iter().sum();
        prop_assert_eq!(memory.used(), freed_bytes + kept_bytes);
        ends.cancel();
        ending.hold(0);
        prop_assert_eq!(memory.used(), kept_bytes);
        frames.iter().for_each(|frame| other.give_back(frame));
        prop_assert_eq!(memory.used(), 0);
    }
}

#[test]
fn the_guarantee_costs_nobody_anything_and_what_is_given_back_is_free() {
    let memory = Arc::new(ConnectionMemory::new(10));
    let token = CancellationToken::new();
    let shares: Vec<Share> =
        (0..1000).map(|peer| memory.share(PeerId(peer), token.clone())).collect();
    for share in &shares {
        share.hold(GUARANTEED_BYTES);
        share.hold(GUARANTEED_BYTES + 10);
        share.hold(0);
    }
    shares[0].hold(GUARANTEED_BYTES + 10);
    drop(shares);
    assert!(!token.is_cancelled());
    assert_eq!(memory.used(), 0);
}
