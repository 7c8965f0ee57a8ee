//! The end of a chain against a model that walks the whole chain for every answer.

use proptest::prelude::*;

use super::*;
use crate::hash::MerkleRoot;
use crate::header::VERSION_BASE;
use crate::retarget::{Pace, asert};
use crate::samples;
use crate::spec::ChainSpec;
use crate::target::CompactTarget;

fn network() -> Network {
    let spec = ChainSpec { starting_bits: 3, easiest_bits: 2, spacing_s: 10, ..samples::spec() };
    Network::new(spec).unwrap()
}

/// A header behind `end` with the work that its bits demand.
fn next(end: &ChainEnd, bits: CompactTarget, time: u32) -> Header {
    searched(Header {
        version: VERSION_BASE,
        previous: end.hash,
        merkle_root: MerkleRoot([5; 32]),
        time,
        bits,
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

/// What `chain`, genesis first, demands of its next header.
fn demands(chain: &[Header], spec: &ChainSpec) -> HeaderContext {
    let last = chain.len() - 1;
    let easiest = spec.easiest_target().to_compact();
    let anchor = match (1..chain.len()).rfind(|at| chain[*at].bits == easiest) {
        Some(at) => Anchor {
            height: at as u64,
            parent_time: i64::from(chain[at - 1].time),
            target: spec.easiest_target(),
        },
        None => Anchor::genesis(spec),
    };
    let mut times: Vec<u32> = chain.iter().rev().take(11).map(|header| header.time).collect();
    times.sort_unstable();
    HeaderContext {
        expected_bits: asert(&anchor, last as u64, chain[last].time.into(), &Pace::of(spec)),
        median_time: times[times.len() / 2],
    }
}

proptest! {
    #[test]
    fn the_end_of_any_chain_is_what_a_walk_of_the_whole_chain_finds(
        steps in prop::collection::vec(prop_oneof![1u32..40, 200u32..400], 1..40),
    ) {
        let network = network();
        let mut chain = vec![network.genesis.block.header];
        let mut end = ChainEnd::genesis(&network);
        for step_s in steps {
            let context = demands(&chain, &network.spec);
            prop_assert_eq!(end.context(&network), context);
            let header = next(&end, context.expected_bits, context.median_time + step_s);
            end = end.extended(&header, &network).unwrap();
            chain.push(header);
            prop_assert_eq!(end.hash, header.hash());
            prop_assert_eq!(end.height as usize, chain.len() - 1);
            prop_assert_eq!(end.times.last(), Some(&header.time));
            let work = chain.iter().map(|header| header.bits.expand().unwrap().work()).sum();
            prop_assert_eq!(end.work, work);
        }
    }
}

#[test]
fn a_header_that_breaks_a_rule_extends_nothing() {
    let network = network();
    let genesis = ChainEnd::genesis(&network);
    let bits = genesis.context(&network).expected_bits;
    let time = network.spec.genesis_time + 10;
    let good = next(&genesis, bits, time);
    let end = genesis.extended(&good, &network).unwrap();
    let broken = |header: Header| genesis.extended(&header, &network).unwrap_err();
    // It stands behind genesis, not behind itself.
    let parent = genesis.hash;
    assert_eq!(end.extended(&good, &network), Err(RuleError::InvalidParent { parent }));
    assert_eq!(broken(Header { version: 1, ..good }), RuleError::Version { got: 1 });
    let harder = CompactTarget(bits.0 - 1);
    let expected = RuleError::BitsUnexpected { got: harder, expected: bits };
    assert_eq!(broken(next(&genesis, harder, time)), expected);
    let median = network.spec.genesis_time;
    let expected = RuleError::TimeTooOld { got: median, median };
    assert_eq!(broken(next(&genesis, bits, median)), expected);
}
