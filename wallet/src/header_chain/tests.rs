//! The chain of headers against the rules themselves; its file against cuts, flips and branches.

use std::cmp::Ordering;
use std::fs;

use chain::hash::MerkleRoot;
use chain::header::VERSION_BASE;
use chain::spec::{ChainSpec, Retarget};
use chain::target::CompactTarget;
use proptest::prelude::*;
use testkit::samples;

use super::*;

/// A clock that finds no header of these tests too early.
const LATE: u64 = 4_000_000_000;

fn network(retarget: Retarget) -> Arc<Network> {
    let spec = ChainSpec { starting_bits: 3, easiest_bits: 2, retarget, ..spec() };
    Arc::new(Network::new(spec).unwrap())
}

fn spec() -> ChainSpec {
    ChainSpec { spacing_s: 10, half_life_s: 600, retarget: Retarget::Asert, ..samples::spec() }
}

/// A header behind `end`, `step_s` after the least time that the rules allow.
fn next(end: &ChainEnd, network: &Network, step_s: u32, tag: u8) -> Header {
    let context = end.context(network);
    searched(Header {
        version: VERSION_BASE,
        previous: end.hash,
        merkle_root: MerkleRoot([tag; 32]),
        time: context.median_time + step_s,
        bits: context.expected_bits,
        nonce: 0,
    })
}

fn searched(mut header: Header) -> Header {
    let target = header.bits.expand().unwrap();
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    header
}

/// Headers behind `end` at these distances, with where each of them ends.
fn grown(
    end: &ChainEnd,
    network: &Network,
    steps: &[u32],
    tag: u8,
) -> (Vec<Header>, Vec<ChainEnd>) {
    let (mut headers, mut ends) = (Vec::new(), vec![end.clone()]);
    for step_s in steps {
        let end = ends.last().unwrap();
        let header = next(end, network, *step_s, tag);
        ends.push(end.extended(&header, network).unwrap());
        headers.push(header);
    }
    (headers, ends)
}

/// What a wallet does with the pages of one miner.
fn shown(chain: &mut HeaderChain, pages: &[&[Header]]) -> Result<Option<Branch>, HeaderFault> {
    let mut branch = None;
    for page in pages {
        let judged = chain.judge(branch.take(), &chain.locator(), page, LATE)?;
        assert_eq!(judged.early, None);
        match chain.compare(&judged.branch) {
            Ordering::Greater => chain.adopt(judged.branch),
            _ => branch = Some(judged.branch),
        }
    }
    Ok(branch)
}

fn chain_of(network: &Arc<Network>, headers: &[Header]) -> HeaderChain {
    let mut chain = HeaderChain::new(Arc::clone(network));
    shown(&mut chain, &[headers]).unwrap();
    chain
}

fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![1u32..40, 200u32..400], count)
}

proptest! {
    #[test]
    fn a_chain_read_in_any_pages_ends_where_the_rules_say_and_can_be_left_at_any_height(
        steps in steps(1..40),
        page in 1usize..9,
    ) {
        let network = network(Retarget::Asert);
        let (headers, ends) = grown(&ChainEnd::genesis(&network), &network, &steps, 1);
        let mut chain = HeaderChain::new(Arc::clone(&network));
        shown(&mut chain, &headers.chunks(page).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(&chain.end, ends.last().unwrap());
        for (height, end) in (0u32..).zip(&ends) {
            prop_assert_eq!(&chain.end_at(height as usize), end);
            let block = ChainTip { hash: end.hash, height };
            prop_assert!(chain.contains(block));
            let elsewhere = ChainTip { height: height + 1, ..block };
            prop_assert!(!chain.contains(elsewhere));
        }
        let locator = chain.locator();
        prop_assert!(locator.iter().all(|block| chain.contains(*block)));
        prop_assert_eq!(locator[0], chain.tip());
        prop_assert_eq!(locator.last().unwrap().height, 0);
        // What is shown again, from wherever, changes nothing.
        shown(&mut chain, &headers.chunks(page).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(&chain.end, ends.last().unwrap());
        let restored = HeaderChain::restored(Arc::clone(&network), chain.headers.clone());
        prop_assert_eq!(&restored.end, &chain.end);
    }

    #[test]
    fn of_two_branches_the_one_of_more_work_is_the_chain_whichever_is_shown_first(
        shared in steps(0..20),
        one in steps(0..20),
        two in steps(0..20),
        page in 1usize..9,
    ) {
        let network = network(Retarget::Asert);
        let (stem, ends) = grown(&ChainEnd::genesis(&network), &network, &shared, 1);
        let branch = |steps: &[u32], tag| {
            let (headers, ends) = grown(ends.last().unwrap(), &network, steps, tag);
            ([stem.clone(), headers].concat(), ends.last().unwrap().clone())
        };
        let branches = [branch(&one, 2), branch(&two, 3)];
        let [(_, first), (_, second)] = &branches;
        for order in [[0, 1], [1, 0]] {
            let mut chain = chain_of(&network, &branches[order[0]].0);
            // A miner begins behind the first block of the locator that it has.
            let others = &branches[order[1]].0;
            let has = |block: &&ChainTip| {
                let before = block.height.checked_sub(1);
                before.is_none_or(|at| {
                    others.get(at as usize).is_some_and(|header| header.hash() == block.hash)
                })
            };
            let from = chain.locator().iter().find(has).unwrap().height as usize;
            let pages: Vec<&[Header]> = others[from..].chunks(page).collect();
            shown(&mut chain, &pages).unwrap();
            let expected = match first.work.cmp(&second.work) {
                Ordering::Greater => first,
                Ordering::Less => second,
                Ordering::Equal => &branches[order[0]].1,
            };
            prop_assert_eq!(&chain.end, expected);
            prop_assert_eq!(chain.end_at(stem.len()), ends.last().unwrap().clone());
        }
    }

    #[test]
    fn no_branch_of_more_work_is_fed_on_the_way_unless_it_is_so_much_longer(
        shared in steps(0..12),
        known in steps(0..20),
        other in steps(1..60),
        spare in 0usize..20,
    ) {
        let network = network(Retarget::Asert);
        let (stem, ends) = grown(&ChainEnd::genesis(&network), &network, &shared, 1);
        let fork = ends.last().unwrap();
        let (known, _) = grown(fork, &network, &known, 2);
        let chain = chain_of(&network, &[stem, known.clone()].concat());
        let (other, ends) = grown(fork, &network, &other, 3);
        let most = known.len() + spare;
        for (count, end) in ends.iter().enumerate() {
            let headers = other[..count].to_vec();
            let branch = Branch { fork: fork.height, headers, end: end.clone() };
            let is_heavier = end.work > chain.end.work;
            let is_fed = !is_heavier && count > most;
            prop_assert_eq!(chain.is_fed(&branch, spare), is_fed);
        }
    }

    #[test]
    fn a_file_gives_back_the_chain_and_of_a_damaged_one_the_part_before_the_damage(
        shared in steps(0..12),
        lost in steps(0..6),
        more in steps(8..20),
        portion in 1usize..6,
        cut in any::<prop::sample::Index>(),
        flip in prop::option::of(0u32..8),
    ) {
        let network = network(Retarget::Fixed);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("headers");
        let (stem, ends) = grown(&ChainEnd::genesis(&network), &network, &shared, 1);
        let (lost, _) = grown(ends.last().unwrap(), &network, &lost, 2);
        let (more, _) = grown(ends.last().unwrap(), &network, &more, 3);
        {
            let Opened { mut file, mut chain, damaged_behind } =
                HeaderFile::open(&path, &network).unwrap();
            prop_assert_eq!(damaged_behind, None);
            for page in [stem.clone(), lost].concat().chunks(portion).chain([&more[..]]) {
                shown(&mut chain, &[page]).unwrap();
                file.keep(&mut chain).unwrap();
            }
        }
        let all = [stem, more].concat();
        let whole = chain_of(&network, &all);
        let Opened { chain, damaged_behind, .. } = HeaderFile::open(&path, &network).unwrap();
        prop_assert_eq!((&chain.end, damaged_behind), (&whole.end, None));
        let mut bytes = fs::read(&path).unwrap();
        let at = cut.index(bytes.len());
        match flip {
            Some(bit) => bytes[at] ^= 1 << bit,
            None => bytes.truncate(at),
        }
        fs::write(&path, &bytes).unwrap();
        let Opened { mut file, mut chain, .. } = HeaderFile::open(&path, &network).unwrap();
        let height = chain.tip().height as usize;
        prop_assert_eq!(&chain.headers[1..], &all[..height], "what is left is the beginning");
        prop_assert!(flip.is_none() || height < all.len(), "a flipped bit is noticed");
        shown(&mut chain, &[&all[height..]]).unwrap();
        file.keep(&mut chain).unwrap();
        let Opened { chain, damaged_behind, .. } = HeaderFile::open(&path, &network).unwrap();
        prop_assert_eq!((&chain.end, damaged_behind), (&whole.end, None));
    }

    #[test]
    fn no_file_panics(bytes: Vec<u8>) {
        let network = network(Retarget::Fixed);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("headers");
        fs::write(&path, &bytes).unwrap();
        let opened = HeaderFile::open(&path, &network).unwrap();
        prop_assert_eq!(opened.chain.tip().height, 0);
        prop_assert_eq!(opened.damaged_behind, (!bytes.is_empty()).then_some(0));
    }
}

#[test]
fn what_breaks_a_rule_is_named_and_what_came_before_it_stays() {
    let network = network(Retarget::Asert);
    let (headers, ends) = grown(&ChainEnd::genesis(&network), &network, &[10; 12], 1);
    let chain = chain_of(&network, &headers);
    let tip = ends.last().unwrap();
    let good = next(tip, &network, 10, 1);
    let fault = |header: Header| {
        let judged = chain.judge(None, &chain.locator(), &[header], LATE);
        judged.unwrap_err()
    };
    let rule = |header: Header| match fault(header) {
        HeaderFault::Rule { height: 13, rule } => rule,
        other => panic!("{other}"),
    };
    let harder = CompactTarget(good.bits.0 - 1);
    let expected = RuleError::BitsUnexpected { got: harder, expected: good.bits };
    assert_eq!(rule(searched(Header { bits: harder, ..good })), expected);
    let median = tip.context(&network).median_time;
    let old = searched(Header { time: median, ..good });
    assert_eq!(rule(old), RuleError::TimeTooOld { got: median, median });
    let mut lazy = good;
    while good.bits.expand().unwrap().is_met_by(&lazy.hash()) {
        lazy.nonce += 1;
    }
    assert!(matches!(rule(lazy), RuleError::Work { .. }));
    let previous = BlockHash([7; 32]);
    assert_eq!(fault(Header { previous, ..good }), HeaderFault::Unlinked { previous });
}

#[test]
fn a_header_from_the_future_is_not_taken_and_nobody_is_to_blame() {
    let network = network(Retarget::Asert);
    let (headers, _) = grown(&ChainEnd::genesis(&network), &network, &[10, 10_000], 1);
    let chain = HeaderChain::new(Arc::clone(&network));
    let limit_s = u64::from(network.spec.future_limit_s());
    let from_s = u64::from(headers[1].time) - limit_s;
    let judged = chain.judge(None, &chain.locator(), &headers, from_s - 1).unwrap();
    assert_eq!(judged.branch.headers.len(), 1);
    assert_eq!(judged.early.map(|early| early.valid_from_s), Some(from_s));
    let judged = chain.judge(None, &chain.locator(), &headers, from_s).unwrap();
    assert_eq!((judged.branch.headers.len(), judged.early), (2, None));
}

#[test]
fn a_light_branch_is_kept_so_long_and_no_longer() {
    // Few blocks that come fast have more work than very many that come slowly.
    let spec = ChainSpec { starting_bits: 1, easiest_bits: 1, half_life_s: 240, ..spec() };
    let network = Arc::new(Network::new(spec).unwrap());
    let genesis = ChainEnd::genesis(&network);
    let (known, _) = grown(&genesis, &network, &[1; 280], 1);
    let chain = chain_of(&network, &known);
    let most = LIGHT_HEADERS_MAX + known.len();
    let (light, _) = grown(&genesis, &network, &vec![200; most + 1], 2);
    let judged = |count: usize| chain.judge(None, &chain.locator(), &light[..count], LATE);
    assert_eq!(chain.compare(&judged(most).unwrap().branch), Ordering::Less);
    assert_eq!(judged(most + 1).unwrap_err(), HeaderFault::Light);
}

#[test]
fn a_branch_of_more_work_is_taken_however_far_back_it_begins() {
    let spec = ChainSpec { starting_bits: 1, easiest_bits: 1, ..samples::spec() };
    let network = Arc::new(Network::new(spec).unwrap());
    let genesis = ChainEnd::genesis(&network);
    let steps = vec![1; LIGHT_HEADERS_MAX + 3000];
    let (known, _) = grown(&genesis, &network, &steps[1..], 1);
    let (other, ends) = grown(&genesis, &network, &steps, 2);
    let mut chain = chain_of(&network, &known);
    let pages: Vec<&[Header]> = other.chunks(2000).collect();
    shown(&mut chain, &pages).unwrap();
    assert_eq!(&chain.end, ends.last().unwrap());
}
