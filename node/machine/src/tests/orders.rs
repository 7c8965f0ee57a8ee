//! Orders of arrival: whatever comes first, the node ends at the same coins.

use chain::hash::BlockHash;
use proptest::prelude::*;

use super::forge::Forge;
use super::rig::Rig;

/// A small tree of blocks, some of them greedy: parents by number, zero is genesis.
#[derive(Debug, Clone)]
struct Plan {
    blocks: Vec<(prop::sample::Index, bool)>,
    orders: [Vec<prop::sample::Index>; 2],
}

fn plan() -> impl Strategy<Value = Plan> {
    let block = (any::<prop::sample::Index>(), prop::bool::weighted(0.12));
    let order = || prop::collection::vec(any::<prop::sample::Index>(), 14);
    (prop::collection::vec(block, 1..14), order(), order())
        .prop_map(|(blocks, one, two)| Plan { blocks, orders: [one, two] })
}

/// The blocks of a plan, genesis first, and whether each stands on valid ones only.
fn forge_all(forge: &mut Forge, plan: &Plan) -> Vec<(BlockHash, bool)> {
    let mut made = vec![(forge.genesis(), true)];
    for (at, (parent, greedy)) in plan.blocks.iter().enumerate() {
        let (parent, sound) = made[parent.index(made.len())];
        let payment = forge.payment(u32::try_from(at).unwrap());
        let hash = match greedy {
            true => forge.mine_greedy(parent),
            false => forge.mine(parent, &[payment]),
        };
        made.push((hash, sound && !greedy));
    }
    made
}

fn shuffled(made: &[(BlockHash, bool)], order: &[prop::sample::Index]) -> Vec<BlockHash> {
    let mut left: Vec<BlockHash> = made.iter().skip(1).map(|(hash, _)| *hash).collect();
    order
        .iter()
        .cycle()
        .map_while(|at| (!left.is_empty()).then(|| left.remove(at.index(left.len()))))
        .collect()
}

proptest! {
    #[test]
    fn blocks_in_any_order_lead_to_a_valid_chain_of_most_work(plan in plan()) {
        let mut forge = Forge::new();
        let made = forge_all(&mut forge, &plan);
        let sound = made.iter().filter(|(_, sound)| *sound);
        let best = sound.clone().map(|(hash, _)| forge.height(*hash)).max().unwrap();
        let ends: Vec<BlockHash> =
            sound.map(|(hash, _)| *hash).filter(|hash| forge.height(*hash) == best).collect();
        for order in &plan.orders {
            let mut rig = Rig::new(&forge);
            for hash in shuffled(&made, order) {
                // Whoever sends an invalid block is not heard any more, so everybody sends one.
                let peer = rig.peer();
                rig.sync(peer, &forge, hash);
                let totals = rig.machine.totals();
                prop_assert_eq!(totals, forge.replay(rig.tip()), "coins of the tip's chain");
            }
            prop_assert!(ends.contains(&rig.tip()), "most work among the valid");
            if let [only] = ends[..] {
                prop_assert_eq!(rig.tip(), only);
            }
        }
    }

    #[test]
    fn whole_blocks_in_any_order_of_one_chain_end_at_its_end(
        order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut forge = Forge::new();
        let chain = forge.chain(forge.genesis(), 12);
        let mut rig = Rig::new(&forge);
        let peer = rig.peer();
        rig.show_headers(peer, &forge, &chain);
        for at in order {
            rig.give(peer, forge.bytes(chain[at]));
        }
        prop_assert_eq!(rig.tip(), chain[11]);
        prop_assert_eq!(rig.machine.totals(), forge.replay(chain[11]));
    }
}
