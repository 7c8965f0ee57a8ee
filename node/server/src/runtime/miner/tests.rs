//! The headers of a template, and the thread that follows the latest one.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use chain::amount::Amount;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::VERSION_BASE;
use chain::target::CompactTarget;
use chain::transaction::{Coinbase, Output};
use engine::Meter;
use proptest::prelude::*;

use super::*;
use crate::runtime::lanes::Work;
use crate::runtime::templates::Templates;
use machine::TemplateId;
use testkit::{PATIENCE, poll_until, samples};

pub(in crate::runtime) fn template(id: u64, bits: u32) -> Template {
    let output = Output { amount: Amount(1), key: samples::secret(1).output_key() };
    let mut template = Template {
        id: TemplateId(id),
        height: 1,
        header: Header {
            version: VERSION_BASE,
            previous: BlockHash([u8::try_from(id).unwrap(); 32]),
            merkle_root: MerkleRoot::ZERO,
            time: 1000,
            bits: CompactTarget::with_zero_bits(bits),
            nonce: 0,
        },
        time_max: 1003,
        coinbase: Coinbase { height: 1, extra: [5; 32], outputs: vec![output] },
        siblings: vec![[6; 32]],
        transfers: Vec::new(),
        wtxids: Vec::new(),
    };
    template.transfers.push(Arc::new(chain::transaction::Transaction::Transfer(
        chain::transaction::Transfer { inputs: vec![], outputs: vec![], lock_height: 0 },
    )));
    template.header = template.header_with_extra_nonce(0);
    template
}

/// A miner, and the hand of the machine above it.
struct Rig {
    thread: MiningThread,
    templates: Templates,
    lanes: Arc<Lanes>,
    clock: Clock,
    meter: Arc<Meter>,
    statistics: Arc<MiningStatistics>,
    _tokio: tokio::runtime::Runtime,
}

impl Rig {
    fn start(threads: usize) -> Self {
        let (lanes, clock) = (Arc::new(Lanes::default()), Clock::start());
        let threads = NonZeroUsize::new(threads).unwrap();
        let pool = pool(MiningConfig { threads, kernel: Kernel::portable() }).unwrap();
        let meter = pool.meter();
        let statistics = Arc::new(MiningStatistics::new(Arc::clone(&meter)));
        let templates = Templates::new(BlockHash::ZERO, u32::MAX, Some(Arc::clone(&meter)));
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let own = OwnMiner {
            pool,
            offers: templates.subscribe(),
            statistics: Arc::clone(&statistics),
            watcher: Arc::default(),
            lanes: Arc::clone(&lanes),
            clock,
        };
        let thread = MiningThread::start(own, tokio.handle().clone()).unwrap();
        Self { thread, templates, lanes, clock, meter, statistics, _tokio: tokio }
    }

    fn set(&self, template: Template) {
        self.templates.set(Arc::new(template));
    }

    fn next_mined(&self) -> (TemplateId, Header, Coinbase) {
        match self.lanes.next(None, &self.clock) {
            Work::Own(Event::Mined { template, header, coinbase }) => {
                (template.id, header, coinbase)
            }
            _ => panic!("only the miner speaks here"),
        }
    }

    fn await_hashes_after(&self, before: u64) {
        let moved = || (self.meter.snapshot().total != before).then_some(());
        poll_until("hashes of the new template", PATIENCE, moved);
    }

    /// Whether the thread ends well though a search is going on.
    fn stop(self) -> bool {
        drop(self.templates);
        self.thread.join()
    }
}

/// A space small enough to be searched to its end.
fn small(lease: Lease, counter_max: u32, groups: u32, nonce_max: u32) -> SearchSpace {
    SearchSpace { lease, counter_max, groups, nonce_max, nonces_at_once: 7 }
}

proptest! {
    #[test]
    fn takers_of_two_leases_search_every_header_of_theirs_and_none_twice(
        leases in any::<[u32; 2]>(),
        counter_max in 0u32..3,
        groups in 1u32..4,
        nonce_max in 0u32..20,
        nonces_at_once in 1u32..30,
        clock in prop::option::of(prop::collection::vec(990u64..1010, 60)),
    ) {
        prop_assume!(leases[0] != leases[1]);
        let template = template(1, 8);
        let mut seen = HashSet::new();
        for lease in leases.map(Lease) {
            let space = SearchSpace {
                lease, counter_max, groups, nonce_max, nonces_at_once
            };
            let mut headers = HeaderIterator::new(&template, space);
            let mut clock = clock.iter().flatten().copied().chain(std::iter::repeat(0));
            while let Some(part) = headers.next(clock.next().unwrap()) {
                prop_assert!((1000..=1003).contains(&part.header.time));
                let coinbase = template.coinbase_with_extra_nonce(part.extra_nonce);
                prop_assert_eq!(Lease::of(&coinbase), lease);
                prop_assert_eq!(part.header, Header {
                    time: part.header.time,
                    ..template.header_with(&coinbase)
                });
                for nonce in part.nonces {
                    prop_assert!(nonce <= nonce_max);
                    prop_assert!(seen.insert((part.header.to_bytes(), part.group, nonce)));
                }
            }
        }
        if clock.is_none() {
            // A clock behind the template's leaves out no second of it.
            let whole = 2 * 4 * (counter_max + 1) * groups * (nonce_max + 1);
            prop_assert_eq!(seen.len(), whole as usize);
        }
    }
}

#[test]
fn nonces_then_versions_then_time_then_the_extra_nonce_run_out() {
    let template = template(1, 8);
    let lease = Lease(3);
    let space = SearchSpace { nonces_at_once: 6, ..small(lease, 1, 2, 9) };
    let mut headers = HeaderIterator::new(&template, space);
    let steps: Vec<(u64, u32, u32, RangeInclusive<u32>)> = std::iter::from_fn(|| headers.next(0))
        .map(|part| (part.extra_nonce, part.header.time, part.group, part.nonces))
        .collect();
    let under_one_time = |extra_nonce, time| {
        [(0, 0..=5), (0, 6..=9), (1, 0..=5), (1, 6..=9)]
            .map(|(group, nonces)| (extra_nonce, time, group, nonces))
    };
    let expected: Vec<_> = [3 << 32, (3 << 32) + 1]
        .into_iter()
        .flat_map(|extra| (1000..=1003).flat_map(move |time| under_one_time(extra, time)))
        .collect();
    assert_eq!(steps, expected);
}

#[test]
fn a_template_is_solved_once_and_the_next_one_after_it() {
    let rig = Rig::start(2);
    for id in 1..20 {
        let template = template(id, 8);
        rig.set(template.clone());
        let (solved, header, coinbase) = rig.next_mined();
        assert_eq!(solved, template.id);
        assert!(header.bits.expand().unwrap().is_met_by(&header.hash()));
        assert_eq!(Lease::of(&coinbase), Lease::OWN);
        machine::template::assemble(&template, header, coinbase).unwrap();
    }
    assert!(rig.stop());
}

#[test]
fn a_hopeless_search_gives_way_to_a_new_template_and_to_the_end() {
    let rig = Rig::start(1);
    for id in 1..50 {
        let before = rig.meter.snapshot().total;
        rig.set(template(100, 200));
        rig.await_hashes_after(before);
        rig.templates.rest(BlockHash([100; 32]));
        rig.set(template(id, 6));
        assert_eq!(rig.next_mined().0, TemplateId(id));
    }
    rig.set(template(100, 200));
    assert!(rig.stop());
}

#[test]
fn a_template_above_the_limit_waits_until_the_limit_rises() {
    let rig = Rig::start(1);
    let mut at_six = template(1, 1);
    at_six.height = 6;
    rig.templates.limit(5);
    rig.set(at_six.clone());
    rig.set(Template { height: 5, ..template(2, 1) });
    // A search of so easy a template would be over at once.
    assert_eq!(rig.next_mined().0, TemplateId(2));
    rig.set(at_six);
    rig.templates.limit(6);
    assert_eq!(rig.next_mined().0, TemplateId(1));
    assert!(rig.stop());
}

#[test]
fn a_watcher_hears_of_every_search_in_order_and_the_hashes_add_up() {
    let rig = Rig::start(2);
    let watch = rig.thread.watcher.watch();
    let mut hashes = 0;
    for id in 1..20 {
        rig.set(template(id, 8));
        rig.next_mined();
        let search = watch.recv().unwrap();
        assert_eq!(search.previous, BlockHash([u8::try_from(id).unwrap(); 32]));
        assert!(search.found && search.hashes > hashes);
        assert!(search.first_hash.unwrap() <= search.idle.unwrap());
        hashes = search.hashes;
    }
    assert_eq!(rig.meter.snapshot().total, hashes);
    drop(watch);
    rig.set(template(20, 8));
    assert_eq!(rig.next_mined().0, TemplateId(20));
    assert!(rig.stop());
}

/// A hundred changes a second for a minute, without the pauses between them.
#[test]
fn six_thousand_new_tips_never_bring_a_stale_block_and_the_rate_recovers() {
    let rig = Rig::start(2);
    let mut mined = 0;
    for change in 0..6000_u64 {
        // Most templates are hopeless; one in a hundred is solved at once.
        let (id, is_easy) = (change % 250 + 1, change % 100 == 99);
        let before = rig.meter.snapshot().total;
        rig.set(template(id, if is_easy { 4 } else { 200 }));
        if is_easy {
            let (solved, header, _) = rig.next_mined();
            assert_eq!(solved, TemplateId(id));
            assert_eq!(header.previous, BlockHash([u8::try_from(id).unwrap(); 32]));
            mined += 1;
        } else if change % 7 == 0 {
            rig.await_hashes_after(before);
        }
    }
    assert_eq!(mined, 60);
    // Every worker hashes as if nothing had happened.
    let before = rig.meter.snapshot().per_thread;
    rig.set(template(1, 200));
    let all_moved = || {
        let now = rig.meter.snapshot().per_thread;
        now.iter().zip(&before).all(|(now, before)| now > before)
    };
    poll_until("every worker hashes", PATIENCE, || all_moved().then_some(()));
    assert!(rig.stop());
}

/// Sets hopeless templates, each after the one before was searched, with `replace` before each.
/// The hashes that are wasted then; none, when that is what is `hoped` for, after many templates.
fn wasted_when_replaced(hoped: bool, replace: impl Fn(&Templates, u64) -> Template) -> u64 {
    let rig = Rig::start(1);
    let mut replacements = 0;
    // A worker that is between two batches wastes nothing, so one replacement is not enough.
    while replacements < 20 || hoped && rig.statistics.luck().wasted == 0 {
        let template = replace(&rig.templates, replacements);
        let before = rig.meter.snapshot().total;
        rig.set(template);
        rig.await_hashes_after(before);
        replacements += 1;
    }
    let luck = rig.statistics.luck();
    assert!(luck.wasted < luck.hashes && luck.found == 0, "{luck:?}");
    assert!(rig.stop());
    luck.wasted
}

/// A template on the block that `previous` stands for, with transactions of its own.
fn on(previous: u64, transactions: u64) -> Template {
    Template { id: TemplateId(transactions), ..template(previous, 200) }
}

#[test]
fn hashes_after_a_peers_block_are_wasted() {
    let wasted = wasted_when_replaced(true, |_, number| on(number % 2, number));
    assert!(wasted > 0);
}

#[test]
fn hashes_are_wasted_when_the_miner_rests_after_a_peers_block() {
    let wasted = wasted_when_replaced(true, |templates, number| {
        templates.rest(BlockHash([8; 32]));
        on(7, number)
    });
    assert!(wasted > 0);
}

#[test]
fn hashes_before_other_transactions_or_a_rest_on_the_same_block_are_not_wasted() {
    assert_eq!(wasted_when_replaced(false, |_, number| on(7, number)), 0);
    let rested = wasted_when_replaced(false, |templates, number| {
        templates.rest(BlockHash([7; 32]));
        on(7, number)
    });
    assert_eq!(rested, 0);
}
