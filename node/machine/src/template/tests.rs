//! What a block takes and in which order, and that what is mined is valid.

use std::time::Duration;

use chain::block::CommittedBlock;
use chain::hash::{BlockHash, Txid};
use chain::rules::header;
use chain::target::CompactTarget;
use chain::transaction::Transfer;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::mempool::fixture::{Spendable, World, made, pool};
use crate::tests::forge::{grind, spoil};

const MEDIAN: u32 = 1_700_000_000;

fn context(world: &World) -> TemplateContext<'_> {
    TemplateContext {
        network: &world.network,
        previous: BlockHash([3; 32]),
        height: world.height,
        bits: CompactTarget::with_zero_bits(1),
        median_time: MEDIAN,
        wall_s: u64::from(MEDIAN) + 60,
        payout: world.key(1),
        extra_prefix: *b"lode-tst",
        id: TemplateId(7),
    }
}

fn ready(context: &TemplateContext<'_>, mempool: &Mempool) -> Arc<Template> {
    match build(context, mempool) {
        TemplateOutcome::Ready(template) => template,
        other => panic!("{other:?}"),
    }
}

fn template(world: &World, mempool: &Mempool) -> Arc<Template> {
    ready(&context(world), mempool)
}

fn order(template: &Template) -> Vec<Txid> {
    template.transfers.iter().map(|transfer| transfer.txid()).collect()
}

fn admit(world: &World, mempool: &mut Mempool, transfer: &Transfer) {
    world.admit(mempool, transfer, Duration::ZERO).unwrap();
}

fn ground(mut header: Header) -> Header {
    grind(&mut header);
    header
}

/// Searches the nonce, then decodes and connects the block by every rule, signatures too.
fn mine(
    world: &mut World,
    template: &Template,
    extra_nonce: u64,
) -> chain::rules::block::Connection {
    let header = ground(template.header_with_extra_nonce(extra_nonce));
    header::check_alone(&header, &world.network.spec).unwrap();
    let coinbase = template.coinbase_with_extra_nonce(extra_nonce);
    let block = assemble(template, header, coinbase).unwrap();
    let committed = CommittedBlock::decode(header, &block.encode_body()).unwrap();
    assert_eq!(committed.wtxids[1..], template.wtxids);
    world.connect(&committed)
}

proptest! {
    #[test]
    fn the_template_takes_the_highest_fee_first_and_the_earlier_arrival_among_equals(
        arrivals in prop::collection::vec(1_000u64..1_006, 1..24)
            .prop_map(|fees| fees.into_iter().enumerate().collect::<Vec<_>>())
            .prop_shuffle(),
    ) {
        let mut world = World::new(arrivals.len());
        let mut mempool = pool();
        let mut expected = Vec::new();
        for (at, (funds, fee)) in arrivals.iter().enumerate() {
            let payment = world.payment(&[world.funds(*funds as u32)], 2, *fee);
            admit(&world, &mut mempool, &payment);
            expected.push((std::cmp::Reverse(*fee), at, payment.txid()));
        }
        expected.sort();
        let expected: Vec<Txid> = expected.into_iter().map(|(_, _, txid)| txid).collect();
        let template = template(&world, &mempool);
        prop_assert_eq!(order(&template), expected);
        mine(&mut world, &template, 0);
    }

    #[test]
    fn every_template_is_a_valid_block_also_across_reorganizations(
        steps in prop::collection::vec(
            (0u8..8, any::<[Index; 2]>(), 1usize..4, 1_000u64..9_000),
            1..16,
        ),
        room in 10_000u32..13_000,
        extra_nonce in any::<u64>(),
    ) {
        let mut world = World::with_spec(8, |spec| spec.block_bytes_max = room);
        let mut mempool = pool();
        let mut blocks = Vec::new();
        for (step, from, outputs, fee) in &steps {
            match step {
                0 => {
                    let template = template(&world, &mempool);
                    let connection = mine(&mut world, &template, extra_nonce);
                    let block = world_block(&template);
                    mempool.remove_confirmed(&block);
                    blocks.push((connection, template));
                }
                1 => {
                    let Some((connection, template)) = blocks.pop() else { continue };
                    world.disconnect(&connection);
                    for transfer in &template.transfers {
                        let Transaction::Transfer(transfer) = &**transfer else { continue };
                        let _ = world.admit(&mut mempool, transfer, Duration::ZERO);
                    }
                    let coin = |outpoint: &_| world.coin(outpoint);
                    mempool.retain_valid(&world.network, world.height, coin).unwrap();
                }
                _ => {
                    let open = spendable(&world, &mempool);
                    let mut spent: Vec<Spendable> =
                        from.iter().map(|index| open[index.index(open.len())]).collect();
                    spent.dedup();
                    if spent.iter().map(|(_, output)| output.amount.0).sum::<u64>() > *fee + 10 {
                        let payment = world.payment(&spent, *outputs * 8, *fee);
                        let _ = world.admit(&mut mempool, &payment, Duration::ZERO);
                    }
                }
            }
            let template = template(&world, &mempool);
            let connection = mine(&mut world, &template, extra_nonce);
            prop_assert_eq!(connection.burned, Amount::ZERO);
            world.disconnect(&connection);
        }
    }

    #[test]
    fn a_block_of_many_extra_nonces_is_one_block_each(nonces in any::<[u64; 2]>(), txs in 0u32..9) {
        prop_assume!(nonces[0] != nonces[1]);
        let mut world = World::new(9);
        let mut mempool = pool();
        for index in 0..txs {
            admit(&world, &mut mempool, &world.payment(&[world.funds(index)], 1, 1_000));
        }
        let template = template(&world, &mempool);
        let coinbases = nonces.map(|nonce| template.coinbase_with_extra_nonce(nonce));
        let [header, other] = nonces.map(|nonce| template.header_with_extra_nonce(nonce));
        prop_assert_ne!(header.merkle_root, other.merkle_root);
        let header = ground(header);
        let [first, second] = coinbases;
        let block = assemble(&template, header, first).unwrap();
        prop_assert_eq!(block.merkle_root(), Some(header.merkle_root));
        prop_assert_eq!(assemble(&template, header, second), Err(SolutionError::MerkleRoot));
        mine(&mut world, &template, nonces[1]);
    }

    #[test]
    fn whatever_may_be_rolled_makes_a_valid_block_and_nothing_else_may_change(
        (nonce, rolled, later_s) in (any::<u64>(), any::<u32>(), 0u32..1000),
        (rest, key, txs) in (any::<[u8; 16]>(), 2usize..9, 0u32..5),
        (fixed_bit, at) in (any::<Index>(), 0usize..8),
    ) {
        let mut world = World::new(5);
        let mut mempool = pool();
        for index in 0..txs {
            admit(&world, &mut mempool, &world.payment(&[world.funds(index)], 1, 1_000));
        }
        let template = template(&world, &mempool);
        let mut coinbase = template.coinbase_with_extra_nonce(nonce);
        coinbase.extra[EXTRA_NONCE_RANGE.end..].copy_from_slice(&rest);
        coinbase.outputs[0].key = world.key(key);
        let mut header = template.header_with(&coinbase);
        header.version |= rolled & VERSION_ROLLING_MASK;
        header.time = (header.time + later_s).min(template.time_max);
        let header = ground(header);
        let block = assemble(&template, header, coinbase.clone()).unwrap();
        world.connect(&CommittedBlock::decode(header, &block.encode_body()).unwrap());

        let refused = |header, coinbase: &Coinbase| {
            assemble(&template, header, coinbase.clone()).unwrap_err()
        };
        let previous = BlockHash([4; 32]);
        prop_assert_eq!(refused(Header { previous, ..header }, &coinbase), SolutionError::Previous);
        let bits = CompactTarget::with_zero_bits(2);
        let error = refused(Header { bits, ..header }, &coinbase);
        prop_assert_eq!(error, SolutionError::Bits { got: bits, expected: header.bits });
        let fixed: Vec<u32> =
            (0..32).map(|bit| 1 << bit).filter(|bit| bit & VERSION_ROLLING_MASK == 0).collect();
        let got = header.version ^ fixed[fixed_bit.index(fixed.len())];
        let error = refused(Header { version: got, ..header }, &coinbase);
        prop_assert_eq!(error, SolutionError::Version { got });
        for time in [template.header.time - 1, template.time_max + 1] {
            let error = refused(Header { time, ..header }, &coinbase);
            let (min, max) = (template.header.time, template.time_max);
            prop_assert_eq!(error, SolutionError::Time { got: time, min, max });
        }
        let mut header_without_work = header;
        spoil(&mut header_without_work);
        prop_assert_eq!(refused(header_without_work, &coinbase), SolutionError::Work);

        let changed = |change: &dyn Fn(&mut Coinbase)| {
            let mut other = coinbase.clone();
            change(&mut other);
            // The header of the changed coinbase, so that only the coinbase is to blame.
            let header = Header { merkle_root: template.merkle_root_with(&other), ..header };
            refused(header, &other)
        };
        let height = changed(&|coinbase| coinbase.height += 1);
        let (got, expected) = (template.height + 1, template.height);
        prop_assert_eq!(height, SolutionError::Height { got, expected });
        prop_assert_eq!(changed(&|coinbase| coinbase.extra[at] ^= 1), SolutionError::Prefix);
        let amount = changed(&|coinbase| coinbase.outputs[0].amount.0 -= 1);
        prop_assert_eq!(amount, SolutionError::Outputs);
        let more = changed(&|coinbase| coinbase.outputs.push(coinbase.outputs[0]));
        prop_assert_eq!(more, SolutionError::Outputs);
        prop_assert_eq!(changed(&|coinbase| coinbase.outputs.clear()), SolutionError::Outputs);
    }

    #[test]
    fn extra_nonces_of_two_leases_never_meet(leases: [u32; 2], counters: [u32; 2]) {
        let world = World::new(1);
        let template = template(&world, &pool());
        let nonces = [0, 1].map(|at| Lease(leases[at]).extra_nonce(counters[at]));
        let are_same = leases[0] == leases[1] && counters[0] == counters[1];
        prop_assert_eq!(nonces[0] == nonces[1], are_same);
        for (nonce, lease) in nonces.into_iter().zip(leases) {
            prop_assert_eq!(Lease::of(&template.coinbase_with_extra_nonce(nonce)), Lease(lease));
        }
    }

    #[test]
    fn a_template_is_as_full_as_greed_makes_it_and_never_fuller(
        payments in prop::collection::vec((1usize..40, 1u64..50), 1..40),
    ) {
        let mut world = World::with_spec(40, |spec| spec.block_bytes_max = 10_000);
        let mut mempool = pool();
        let mut expected = Vec::new();
        for (index, (outputs, rate)) in (0u32..).zip(&payments) {
            let bytes = 107 + 40 * *outputs as u64;
            let payment = world.payment(&[world.funds(index)], *outputs, rate * bytes);
            admit(&world, &mut mempool, &payment);
            expected.push((std::cmp::Reverse(*rate), index, payment));
        }
        expected.sort_by_key(|(rate, index, _)| (*rate, *index));
        let mut bytes = 80 + 1 + 78;
        expected.retain(|(_, _, payment)| {
            let fits = bytes + payment.encoded_bytes() <= 10_000;
            bytes += if fits { payment.encoded_bytes() } else { 0 };
            fits
        });
        let template = template(&world, &mempool);
        let expected: Vec<Txid> = expected.iter().map(|(_, _, payment)| payment.txid()).collect();
        prop_assert_eq!(order(&template), expected);
        let header = ground(template.header);
        let body = assemble(&template, header, template.coinbase.clone()).unwrap().encode_body();
        prop_assert_eq!(80 + body.len(), bytes);
        mine(&mut world, &template, 0);
    }
}

/// The template's block as the pool sees it when it is connected.
fn world_block(template: &Template) -> chain::block::CommittedBlock {
    let header = ground(template.header);
    let block = assemble(template, header, template.coinbase.clone()).unwrap();
    CommittedBlock::decode(header, &block.encode_body()).unwrap()
}

/// Confirmed coins and pending outputs, spent by pending ones or not.
fn spendable(world: &World, mempool: &Mempool) -> Vec<Spendable> {
    let confirmed = world.coins.iter().map(|(outpoint, coin)| (*outpoint, coin.output));
    let mut open: Vec<Spendable> = confirmed.collect();
    for pending in mempool.iter_by_arrival() {
        if let Transaction::Transfer(transfer) = &*pending.transaction {
            open.extend(made(transfer));
        }
    }
    open
}

#[test]
fn an_empty_pool_makes_a_block_of_one_coinbase_with_the_subsidy() {
    let mut world = World::new(1);
    let template = template(&world, &pool());
    assert!(template.transfers.is_empty() && template.siblings.is_empty());
    assert_eq!(template.coinbase.outputs[0].amount, world.network.spec.subsidy);
    assert_eq!(template.coinbase.outputs[0].key, world.key(1));
    assert_eq!(&template.coinbase.extra[..8], b"lode-tst");
    assert_eq!(template.header.nonce, 0);
    mine(&mut world, &template, u64::MAX);
}

#[test]
fn two_templates_of_the_same_transactions_share_no_header() {
    let world = World::new(1);
    let first = context(&world);
    let second = TemplateContext { id: TemplateId(8), ..first };
    let [first, second] = [first, second].map(|context| ready(&context, &pool()));
    assert_ne!(first.header.merkle_root, second.header.merkle_root);
}

#[test]
fn parents_come_before_children_and_a_child_pays_for_its_parent() {
    let mut world = World::new(3);
    let mut mempool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 200);
    let child = world.payment(&made(&parent), 1, 9_000);
    let middle = world.payment(&[world.funds(1)], 1, 4_000);
    let best = world.payment(&[world.funds(2)], 1, 5_000);
    for payment in [&parent, &middle, &child, &best] {
        admit(&world, &mut mempool, payment);
    }
    let template = template(&world, &mempool);
    let expected: Vec<Txid> = [&best, &parent, &child, &middle].map(Transfer::txid).into();
    assert_eq!(order(&template), expected);
    let fees = template.coinbase.outputs[0].amount.0 - world.network.spec.subsidy.0;
    assert_eq!(fees, 200 + 9_000 + 4_000 + 5_000);
    mine(&mut world, &template, 0);
}

#[test]
fn a_package_that_does_not_fit_leaves_its_room_to_others() {
    let mut world = World::with_spec(3, |spec| spec.block_bytes_max = 10_000);
    let mut mempool = pool();
    let parent = world.payment(&[world.funds(0)], 200, 20_000);
    let child = world.payment(&made(&parent)[..1], 60, 1_000_000);
    let small = world.payment(&[world.funds(1)], 1, 200);
    for payment in [&parent, &child, &small] {
        admit(&world, &mut mempool, payment);
    }
    let template = template(&world, &mempool);
    assert_eq!(order(&template), [parent.txid(), small.txid()]);
    mine(&mut world, &template, 0);
}

#[test]
fn a_block_is_filled_to_its_last_byte_and_not_beyond() {
    // Header, count, coinbase; two transfers of 107 bytes and 245 outputs together.
    let full = 80 + 1 + 78 + 2 * 107 + 245 * 40;
    for (bytes_max, taken) in [(full, 2), (full - 1, 1)] {
        let mut world = World::with_spec(2, |spec| spec.block_bytes_max = bytes_max);
        let mut mempool = pool();
        admit(&world, &mut mempool, &world.payment(&[world.funds(0)], 145, 900_000));
        admit(&world, &mut mempool, &world.payment(&[world.funds(1)], 100, 100_000));
        let template = template(&world, &mempool);
        assert_eq!(template.transfers.len(), taken);
        mine(&mut world, &template, 0);
    }
}

#[test]
fn what_is_locked_or_immature_at_the_height_is_left_out_with_its_children() {
    let mut world = World::new(3);
    let mut mempool = pool();
    world.height = 9;
    let outputs = world.payment(&[world.funds(0)], 1, 5_000).outputs;
    let locked = world.transfer(&[world.funds(0)], outputs, 9);
    let child = world.payment(&made(&locked), 1, 5_000);
    let free = world.payment(&[world.funds(1)], 1, 1_000);
    for payment in [&locked, &child, &free] {
        admit(&world, &mut mempool, payment);
    }
    let below = TemplateContext { height: 8, ..context(&world) };
    assert_eq!(order(&ready(&below, &mempool)), [free.txid()]);
    let at = template(&world, &mempool);
    assert_eq!(order(&at), [locked.txid(), child.txid(), free.txid()]);
    mine(&mut world, &at, 0);
}

#[test]
fn a_template_waits_while_the_chain_is_ahead_of_the_clock() {
    let world = World::new(1);
    let limit_s = u64::from(world.network.spec.future_limit_s());
    let at = |wall_s| build(&TemplateContext { wall_s, ..context(&world) }, &pool());
    let first_s = u64::from(MEDIAN) + 1 - limit_s;
    for early in [0, first_s - 1] {
        let TemplateOutcome::WaitUntil { wall_s } = at(early) else { panic!("too early") };
        assert_eq!(wall_s, first_s);
    }
    let TemplateOutcome::Ready(template) = at(first_s) else { panic!("in time") };
    assert_eq!((template.header.time, template.time_max), (MEDIAN + 1, MEDIAN + 1));
    let TemplateOutcome::Ready(template) = at(u64::from(MEDIAN) + 100) else { panic!("in time") };
    assert_eq!(template.header.time, MEDIAN + 100);
    assert_eq!(u64::from(template.time_max), u64::from(MEDIAN) + 100 + limit_s);
}

#[test]
fn no_clock_and_no_median_make_a_template_panic() {
    let world = World::new(1);
    for wall_s in [0, u64::from(u32::MAX) - 1, u64::from(u32::MAX) + 9, u64::MAX] {
        for median_time in [0, MEDIAN, u32::MAX - 1, u32::MAX] {
            let context = TemplateContext { wall_s, median_time, ..context(&world) };
            match build(&context, &pool()) {
                TemplateOutcome::Ready(template) => {
                    assert!(template.header.time > median_time);
                    assert!(template.time_max >= template.header.time);
                }
                TemplateOutcome::WaitUntil { wall_s: until } => {
                    assert!(until > wall_s || wall_s == u64::MAX);
                }
                TemplateOutcome::NothingToClaim => panic!("there is a subsidy"),
            }
        }
    }
}

#[test]
fn a_chain_without_subsidy_waits_for_fees() {
    let mut world = World::with_spec(1, |spec| spec.subsidy = Amount::ZERO);
    let mut mempool = pool();
    assert!(matches!(build(&context(&world), &mempool), TemplateOutcome::NothingToClaim));
    admit(&world, &mut mempool, &world.payment(&[world.funds(0)], 1, 1_000));
    let template = template(&world, &mempool);
    assert_eq!(template.coinbase.outputs[0].amount, Amount(1_000));
    mine(&mut world, &template, 0);
}
