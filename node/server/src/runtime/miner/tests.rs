//! The walk through a template, and the thread that follows the latest one.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use chain::amount::Amount;
use chain::difficulty::CompactTarget;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::VERSION_BASE;
use chain::transaction::{Coinbase, Output};
use proptest::prelude::*;

use super::*;
use crate::runtime::lanes::Work;
use machine::TemplateId;
use testkit::{PATIENCE, poll_until, samples};

fn template(id: u64, bits: u32) -> Template {
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

fn start(threads: usize) -> (MiningThread, Arc<Lanes>, Clock) {
    let (lanes, clock) = (Arc::new(Lanes::default()), Clock::start());
    let threads = NonZeroUsize::new(threads).unwrap();
    let config = MiningConfig { threads, kernel: Kernel::portable() };
    (MiningThread::start(config, Arc::clone(&lanes), clock).unwrap(), lanes, clock)
}

/// Waits until more was hashed than `before`.
fn wait_for_hashes(thread: &MiningThread, before: u64) {
    let moved = || (thread.meter.snapshot().total > before).then_some(());
    poll_until("hashes of the new template", PATIENCE, moved);
}

fn next_mined(lanes: &Lanes, clock: &Clock) -> (TemplateId, Header, u64) {
    match lanes.next(None, clock) {
        Work::Own(Event::Mined { template, header, extra_nonce }) => {
            (template, header, extra_nonce)
        }
        _ => panic!("only the miner speaks here"),
    }
}

proptest! {
    #[test]
    fn no_header_of_a_template_is_searched_twice(
        groups in 1u32..4,
        nonce_max in 0u32..20,
        nonces_at_once in 1u32..30,
        clock in prop::collection::vec(990u64..1010, 60),
    ) {
        let template = template(1, 8);
        let mut walk = Walk::new(&template, Space { groups, nonce_max, nonces_at_once });
        let mut seen = HashSet::new();
        for wall_s in clock {
            let part = walk.next(wall_s).unwrap();
            prop_assert!((1000..=1003).contains(&part.header.time));
            prop_assert_eq!(
                part.header.merkle_root,
                template.header_with_extra_nonce(part.extra_nonce).merkle_root
            );
            for nonce in part.nonces {
                prop_assert!(nonce <= nonce_max);
                prop_assert!(seen.insert((part.header.to_bytes(), part.group, nonce)));
            }
        }
    }
}

#[test]
fn nonces_then_versions_then_time_then_the_extra_nonce_run_out() {
    let template = template(1, 8);
    let mut walk = Walk::new(&template, Space { groups: 2, nonce_max: 9, nonces_at_once: 6 });
    let steps: Vec<(u64, u32, u32, RangeInclusive<u32>)> = (0..17)
        .map(|_| walk.next(0).unwrap())
        .map(|part| (part.extra_nonce, part.header.time, part.group, part.nonces))
        .collect();
    let under_one_time = |extra_nonce, time| {
        [(0, 0..=5), (0, 6..=9), (1, 0..=5), (1, 6..=9)]
            .map(|(group, nonces)| (extra_nonce, time, group, nonces))
    };
    let mut expected: Vec<_> = (1000..=1003).flat_map(|time| under_one_time(0, time)).collect();
    expected.push((1, 1000, 0, 0..=5));
    assert_eq!(steps, expected);
}

#[test]
fn a_template_is_solved_once_and_the_next_one_after_it() {
    let (miner, lanes, clock) = start(2);
    for id in 1..20 {
        let template = Arc::new(template(id, 8));
        miner.slot.set(Arc::clone(&template));
        let (solved, header, extra_nonce) = next_mined(&lanes, &clock);
        assert_eq!(solved, template.id);
        assert!(header.bits.expand().unwrap().is_met_by(&header.hash()));
        assert_eq!(header.previous, template.header.previous);
        assert_eq!(header.merkle_root, template.header_with_extra_nonce(extra_nonce).merkle_root);
        assert_eq!(header.version & !chain::header::VERSION_ROLLING_MASK, VERSION_BASE);
    }
    assert!(miner.stop());
}

#[test]
fn a_hopeless_search_gives_way_to_a_new_template_and_to_the_end() {
    let (miner, lanes, clock) = start(1);
    for id in 1..50 {
        let before = miner.meter.snapshot().total;
        miner.slot.set(Arc::new(template(100, 200)));
        wait_for_hashes(&miner, before);
        miner.slot.rest(BlockHash([100; 32]));
        miner.slot.set(Arc::new(template(id, 6)));
        assert_eq!(next_mined(&lanes, &clock).0, TemplateId(id));
    }
    miner.slot.set(Arc::new(template(100, 200)));
    assert!(miner.stop());
}

#[test]
fn a_template_above_the_limit_waits_until_the_limit_rises() {
    let (thread, lanes, clock) = start(1);
    let mut above = template(1, 1);
    above.height = 6;
    thread.slot.limit(5);
    thread.slot.set(Arc::new(above));
    // The thread has nothing to search: a search of so easy a template would be over at once.
    assert!(thread.slot.lock().template.is_none());
    let mut below = template(2, 1);
    below.height = 5;
    thread.slot.set(Arc::new(below));
    assert_eq!(next_mined(&lanes, &clock).0, TemplateId(2));
    let mut above = template(3, 1);
    above.height = 6;
    thread.slot.set(Arc::new(above));
    assert!(thread.slot.lock().template.is_none());
    thread.slot.limit(6);
    assert_eq!(next_mined(&lanes, &clock).0, TemplateId(3));
    assert!(thread.stop());
}

#[test]
fn a_new_limit_stops_only_the_search_that_it_forbids() {
    let (thread, _lanes, _clock) = start(1);
    thread.slot.set(Arc::new(template(1, 255)));
    let generation = |thread: &MiningThread| thread.slot.lock().generation;
    let searched = generation(&thread);
    thread.slot.limit(1);
    assert_eq!(generation(&thread), searched);
    let cancel = thread.slot.lock().cancel.clone();
    thread.slot.limit(0);
    assert!(cancel.is_cancelled());
    assert!(thread.stop());
}

#[test]
fn a_watcher_hears_of_every_search_in_order_and_the_hashes_add_up() {
    let (thread, lanes, clock) = start(2);
    let (tell, watch) = std::sync::mpsc::sync_channel(100);
    thread.slot.tell_searches(tell);
    let mut hashes = 0;
    for id in 1..20 {
        thread.slot.set(Arc::new(template(id, 8)));
        next_mined(&lanes, &clock);
        let searched = watch.recv().unwrap();
        assert_eq!(searched.previous, BlockHash([u8::try_from(id).unwrap(); 32]));
        assert!(searched.found && searched.hashes > hashes);
        assert!(searched.first_hash.unwrap() <= searched.idle.unwrap());
        hashes = searched.hashes;
    }
    assert_eq!(thread.meter.snapshot().total, hashes);
    drop(watch);
    thread.slot.set(Arc::new(template(20, 8)));
    assert_eq!(next_mined(&lanes, &clock).0, TemplateId(20));
    assert!(thread.stop());
}

/// A hundred changes a second for a minute, without the pauses between them.
#[test]
fn six_thousand_new_tips_never_bring_a_stale_block_and_the_rate_recovers() {
    let (thread, lanes, clock) = start(2);
    let mut mined = 0;
    for change in 0..6000_u64 {
        // Most templates are hopeless; one in a hundred is solved at once.
        let (id, is_easy) = (change % 250 + 1, change % 100 == 99);
        let before = thread.meter.snapshot().total;
        thread.slot.set(Arc::new(template(id, if is_easy { 4 } else { 200 })));
        if is_easy {
            let (solved, header, _) = next_mined(&lanes, &clock);
            assert_eq!(solved, TemplateId(id));
            assert_eq!(header.previous, BlockHash([u8::try_from(id).unwrap(); 32]));
            mined += 1;
        } else if change % 7 == 0 {
            wait_for_hashes(&thread, before);
        }
    }
    assert_eq!(mined, 60);
    // Every worker hashes as if nothing had happened.
    let before = thread.meter.snapshot().per_thread;
    thread.slot.set(Arc::new(template(1, 200)));
    let all_moved = || {
        let now = thread.meter.snapshot().per_thread;
        now.iter().zip(&before).all(|(now, before)| now > before)
    };
    poll_until("every worker hashes", PATIENCE, || all_moved().then_some(()));
    assert!(thread.stop());
}

/// Sets hopeless templates, each after the one before was searched, with `replace` before each.
/// The hashes that are wasted then; none, when that is what is `hoped` for, after many templates.
fn wasted_when_replaced(hoped: bool, replace: impl Fn(&TemplateSlot, u64) -> Template) -> u64 {
    let (thread, _lanes, _clock) = start(1);
    let mut replacements = 0;
    // A worker that is between two batches wastes nothing, so one replacement is not enough.
    while replacements < 20 || hoped && thread.tally.luck().wasted == 0 {
        let template = replace(&thread.slot, replacements);
        let before = thread.meter.snapshot().total;
        thread.slot.set(Arc::new(template));
        wait_for_hashes(&thread, before);
        replacements += 1;
    }
    let luck = thread.tally.luck();
    assert!(luck.wasted < luck.hashes && luck.found == 0, "{luck:?}");
    assert!(thread.stop());
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
    let wasted = wasted_when_replaced(true, |slot, number| {
        slot.rest(BlockHash([8; 32]));
        on(7, number)
    });
    assert!(wasted > 0);
}

#[test]
fn hashes_before_other_transactions_or_a_rest_on_the_same_block_are_not_wasted() {
    assert_eq!(wasted_when_replaced(false, |_, number| on(7, number)), 0);
    let rested = wasted_when_replaced(false, |slot, number| {
        slot.rest(BlockHash([7; 32]));
        on(7, number)
    });
    assert_eq!(rested, 0);
}
