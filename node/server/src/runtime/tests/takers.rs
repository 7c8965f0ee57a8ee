//! Takers: who searches a node's templates besides its own pool.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use chain::block::CommittedBlock;
use chain::header::Header;
use chain::transaction::Transaction;
use engine::{Job, Kernel, Outcome};
use machine::template::Lease;
use testkit::{PATIENCE, poll_until};

use super::nodes::{config, policy};
use super::*;

/// The chain is this long at the end; so many blocks of eight bits are found in a moment.
const BLOCKS: u32 = 60;

/// What a taker did: its lease and the headers whose first nonces it tried.
struct Took {
    lease: Lease,
    tried: Vec<Header>,
}

/// Searches whatever is the latest, nonce by nonce under extra nonces of its lease, until `stop`.
fn take(node: &Node, stop: &AtomicBool) -> Took {
    let lease = node.leases.take().unwrap();
    let (mut offers, handle) = (node.templates().unwrap(), node.handle.clone());
    let mut took = Took { lease: *lease, tried: Vec::new() };
    while !stop.load(Ordering::Relaxed) {
        let offer = offers.borrow_and_update().clone();
        let Some(template) = offer.template else {
            poll_until("another offer", PATIENCE, || {
                (stop.load(Ordering::Relaxed) || offers.has_changed().unwrap_or(true)).then_some(())
            });
            continue;
        };
        let target = template.header.bits.expand().unwrap();
        let target = engine::Target::from_le_bytes(target.to_le_bytes());
        for counter in 0.. {
            if stop.load(Ordering::Relaxed) || offers.has_changed().unwrap_or(true) {
                break;
            }
            let coinbase = template.coinbase_with_extra_nonce(lease.extra_nonce(counter));
            let header = template.header_with(&coinbase);
            let job = Job::new(&header.to_bytes(), target).with_nonces(0..=15);
            let outcome = engine::search_alone(Kernel::portable(), &job, &offer.replaced);
            took.tried.push(header);
            if let Outcome::Found(solution) = outcome {
                let header = Header::from_bytes(&solution.header);
                handle.submit_solution(Arc::clone(&template), header, coinbase).unwrap();
                // Until the node has heard of it.
                poll_until("a template on it", PATIENCE, || {
                    (stop.load(Ordering::Relaxed) || offers.has_changed().unwrap_or(true))
                        .then_some(())
                });
            }
        }
    }
    took
}

/// Lets two takers mine on `node` until it has its blocks; what they did, and whose blocks it has.
fn mine_together(node: &mut Node) -> ([Took; 2], Vec<Lease>) {
    let stop = AtomicBool::new(false);
    let mut reports = node.reports.resubscribe();
    let node = &*node;
    let took = std::thread::scope(|scope| {
        let takers = [0, 1].map(|_| scope.spawn(|| take(node, &stop)));
        while !matches!(
            reports.blocking_recv().map(|told| told.report),
            Ok(Report::BlockConnected { height: BLOCKS, .. })
        ) {}
        stop.store(true, Ordering::Relaxed);
        takers.map(|taker| taker.join().unwrap())
    });
    let chain = node.handle.ask_blocking(|machine| {
        let ledger = machine.ledger();
        let block = |height| {
            let id = ledger.at_height(height).unwrap();
            ledger.block(&machine.tree().entry(id).hash).unwrap()
        };
        (1..=BLOCKS).map(block).collect::<Vec<Arc<CommittedBlock>>>()
    });
    let finder = |block: &Arc<CommittedBlock>| match &block.block.transactions[0] {
        Transaction::Coinbase(coinbase) => Lease::of(coinbase),
        Transaction::Transfer(_) => unreachable!("a block begins with its coinbase"),
    };
    (took, chain.unwrap().iter().map(finder).collect())
}

#[test]
fn two_takers_of_a_node_without_a_pool_find_its_blocks_and_try_no_header_twice() {
    let mut config = config();
    config.machine.mining = Some(policy());
    let mut node = Node::start(config).unwrap();
    assert_eq!(node.mining(), None);
    let (took, finders) = mine_together(&mut node);
    let mut tried = HashSet::new();
    for Took { lease, tried: headers } in &took {
        assert!(finders.contains(lease), "{lease:?} found none of {finders:?}");
        for header in headers {
            assert!(tried.insert(header.to_bytes()), "tried twice");
        }
    }
    let leases: Vec<Lease> = took.iter().map(|took| took.lease).collect();
    assert!(finders.iter().all(|finder| leases.contains(finder)));
    node.stop().unwrap();
}

#[test]
fn takers_and_the_own_pool_mine_on_one_node_each_with_a_lease_of_its_own() {
    let mut config = config();
    config.machine.mining = Some(policy());
    config.mining = Some(MiningConfig { threads: NonZeroUsize::MIN, kernel: Kernel::portable() });
    let mut node = Node::start(config).unwrap();
    let (took, finders) = mine_together(&mut node);
    let held = [Lease::OWN, took[0].lease, took[1].lease];
    assert!(finders.iter().all(|finder| held.contains(finder)), "{finders:?}");
    assert!(took[0].lease != took[1].lease && !took.iter().any(|took| took.lease == Lease::OWN));
    node.stop().unwrap();
}
