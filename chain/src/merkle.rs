//! Merkle trees over wtxids: roots, and proofs that one transaction is among them.
//!
//! Nodes are SHA-256d of their two children; an odd last node is promoted, never duplicated, so no
//! two lists of transactions share a root (a node could only pass for a leaf if a transaction had
//! 64 bytes). The leftmost path pairs exactly as in Bitcoin.

use crate::hash::{MerkleRoot, Wtxid, sha256d};

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut children = [0; 64];
    children[..32].copy_from_slice(left);
    children[32..].copy_from_slice(right);
    sha256d(&children)
}

fn level_above(level: &[[u8; 32]]) -> Vec<[u8; 32]> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => parent(left, right),
            odd => odd[0],
        })
        .collect()
}

/// The root over `leaves` in their order; `None` for an empty list.
pub fn root(leaves: &[Wtxid]) -> Option<MerkleRoot> {
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    while level.len() > 1 {
        level = level_above(&level);
    }
    level.first().copied().map(MerkleRoot)
}

/// The siblings on the way from leaf `index` up to the root, lowest first (levels where the node is
/// promoted have none); `None` when there is no such leaf.
pub fn proof(leaves: &[Wtxid], index: usize) -> Option<Vec<[u8; 32]>> {
    if index >= leaves.len() {
        return None;
    }
    let mut siblings = Vec::new();
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    let mut position = index;
    while level.len() > 1 {
        siblings.extend(level.get(position ^ 1));
        level = level_above(&level);
        position /= 2;
    }
    Some(siblings)
}

/// The root that `siblings` prove for `leaf` at `index` of `count` leaves; `None` when the number
/// of siblings does not fit that place. The caller compares with the header's root.
pub fn proven_root(
    leaf: Wtxid,
    index: u32,
    count: u32,
    siblings: &[[u8; 32]],
) -> Option<MerkleRoot> {
    if index >= count {
        return None;
    }
    let (mut node, mut position, mut width) = (leaf.0, index, count);
    let mut rest = siblings.iter();
    while width > 1 {
        if position % 2 == 1 {
            node = parent(rest.next()?, &node);
        } else if position + 1 < width {
            node = parent(&node, rest.next()?);
        }
        position /= 2;
        width = width.div_ceil(2);
    }
    rest.next().is_none().then_some(MerkleRoot(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_leaf_has_a_proof_and_no_other_leaf_passes(
            leaves in prop::collection::vec(any::<[u8; 32]>(), 1..40),
            index in any::<prop::sample::Index>(),
            flip in 0usize..256,
        ) {
            let leaves: Vec<Wtxid> = leaves.into_iter().map(Wtxid).collect();
            let index = index.index(leaves.len());
            let siblings = proof(&leaves, index).unwrap();
            let (at, count) = (index as u32, leaves.len() as u32);
            prop_assert_eq!(proven_root(leaves[index], at, count, &siblings), root(&leaves));
            let mut other = leaves[index];
            other.0[flip / 8] ^= 1 << (flip % 8);
            prop_assert_ne!(proven_root(other, at, count, &siblings), root(&leaves));
            let mut longer = siblings.clone();
            longer.push([0; 32]);
            prop_assert_eq!(proven_root(leaves[index], at, count, &longer), None);
        }

        #[test]
        fn repeating_the_last_leaf_changes_the_root(
            leaves in prop::collection::vec(any::<[u8; 32]>(), 1..40),
        ) {
            let leaves: Vec<Wtxid> = leaves.into_iter().map(Wtxid).collect();
            let mut longer = leaves.clone();
            longer.extend(leaves.last().copied());
            prop_assert_ne!(root(&leaves), root(&longer));
        }
    }

    /// The tree again, from the top: the left half is the largest full tree.
    fn root_from_above(leaves: &[Wtxid]) -> [u8; 32] {
        match leaves {
            [leaf] => leaf.0,
            _ => {
                let left = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(left);
                parent(&root_from_above(left), &root_from_above(right))
            }
        }
    }

    fn numbered(count: u8) -> Vec<Wtxid> {
        (0..count).map(|number| Wtxid([number; 32])).collect()
    }

    #[test]
    fn every_shape_of_tree_equals_the_definition_from_above() {
        for count in 1..=130 {
            let leaves = numbered(count);
            assert_eq!(root(&leaves), Some(MerkleRoot(root_from_above(&leaves))));
        }
    }

    #[test]
    fn a_proof_holds_at_its_own_place_only() {
        for count in 1..=17u8 {
            let leaves = numbered(count);
            let root = root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let siblings = proof(&leaves, index).unwrap();
                let holds: Vec<u32> = (0..32)
                    .filter(|at| proven_root(*leaf, *at, u32::from(count), &siblings) == root)
                    .collect();
                assert_eq!(holds, [u32::try_from(index).unwrap()], "of {count}");
            }
        }
    }

    /// The tree of Bitcoin's block 100,000, whose four transactions are a full tree.
    #[test]
    fn a_full_tree_is_bitcoins() {
        let leaves = [
            "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
            "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
            "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
            "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
        ]
        .map(|text| text.parse().unwrap());
        let root = root(&leaves).unwrap().to_string();
        assert_eq!(root, "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766");
    }

    #[test]
    fn an_impossible_place_proves_nothing() {
        let leaf = Wtxid([1; 32]);
        assert_eq!(proven_root(leaf, 0, 0, &[]), None);
        assert_eq!(proven_root(leaf, 1, 1, &[]), None);
        assert_eq!(proven_root(leaf, u32::MAX, u32::MAX, &[]), None);
        assert_eq!(proven_root(leaf, u32::MAX - 1, u32::MAX, &[[0; 32]; 40]), None);
        assert_eq!(proven_root(leaf, 0, 1, &[]), Some(MerkleRoot(leaf.0)));
    }

    #[test]
    fn an_empty_list_has_no_root() {
        assert_eq!(root(&[]), None);
        assert_eq!(proof(&[], 0), None);
    }
}
