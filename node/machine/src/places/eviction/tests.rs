//! Any crowd: who is useful stays, and who holds most gives way to who has least.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn candidate(id: u64, group: u8, since: u64) -> Candidate {
    Candidate {
        id: PeerId(id),
        owner: Owner::of(IpAddr::from([9, group, 9, 9])),
        since: seconds(since),
        lowest_ping: None,
        last_block: None,
        last_transaction: None,
        last_asked: seconds(since),
        awaits_answer: false,
    }
}

/// A crowd of up to 64 in a few groups, of any use.
fn crowd() -> impl Strategy<Value = Vec<Candidate>> {
    let time = || prop::option::of(0u64..1_000);
    let one = (0u8..20, 0u64..1_000, time(), time(), time());
    prop::collection::vec(one, 0..=64).prop_map(|crowd| {
        let numbered = (1..).zip(crowd);
        numbered
            .map(|(id, (group, since, ping, block, transaction))| Candidate {
                lowest_ping: ping.map(seconds),
                last_block: block.map(seconds),
                last_transaction: transaction.map(seconds),
                ..candidate(id, group, since)
            })
            .collect()
    })
}

/// How many of the crowd have a better rank than `than`.
fn better<R: Ord>(
    crowd: &[Candidate],
    than: &Candidate,
    rank: impl Fn(&Candidate) -> Option<R>,
) -> Option<usize> {
    let own = (rank(than)?, than.id);
    Some(crowd.iter().filter(|one| rank(one).is_some_and(|rank| (rank, one.id) < own)).count())
}

proptest! {
    #[test]
    fn nobody_useful_gives_way_and_the_choice_is_always_the_same(
        crowd in crowd(),
        salt in any::<u64>(),
    ) {
        let evicted = node_to_evict(crowd.clone(), salt);
        let mut reversed = crowd.clone();
        reversed.reverse();
        prop_assert_eq!(node_to_evict(reversed, salt), evicted);
        let kept = GROUPS_KEPT + PINGS_KEPT + TRANSACTIONS_KEPT + BLOCKS_KEPT;
        prop_assert!(evicted.is_some() || crowd.len() <= kept);
        let Some(one) = crowd.iter().find(|one| Some(one.id) == evicted) else {
            return Ok(());
        };
        let is_good = |better: Option<usize>, kept| better.is_some_and(|better| better < kept);
        let latest = |time: Option<Duration>| time.map(std::cmp::Reverse);
        prop_assert!(!is_good(better(&crowd, one, |one| one.lowest_ping), PINGS_KEPT));
        prop_assert!(!is_good(better(&crowd, one, |one| latest(one.last_block)), BLOCKS_KEPT));
        let by_transaction = better(&crowd, one, |one| latest(one.last_transaction));
        prop_assert!(!is_good(by_transaction, TRANSACTIONS_KEPT));
        let long = crowd.len().saturating_sub(kept) / 2;
        prop_assert!(!is_good(better(&crowd, one, |one| Some(one.since)), long));
    }

    #[test]
    fn an_attacker_with_all_places_and_few_groups_makes_room_and_never_gets_it_back(
        groups in 2u8..12,
        honest in 1u64..4,
        waves in prop::collection::vec(0u8..12, 1..60),
        salt in any::<u64>(),
    ) {
        let mut crowd: Vec<Candidate> =
            (0..64).map(|id| candidate(id, (id % u64::from(groups)) as u8, id)).collect();
        let honest_ids: Vec<PeerId> = (1000..1000 + honest).map(PeerId).collect();
        for (number, id) in (100u8..).zip(&honest_ids) {
            let evicted = node_to_evict(crowd.clone(), salt);
            prop_assert!(evicted.is_some() && !honest_ids.contains(&evicted.unwrap()));
            crowd.retain(|one| Some(one.id) != evicted);
            crowd.push(candidate(id.0, number, 100));
        }
        for (number, group) in (0..).zip(waves) {
            let evicted = node_to_evict(crowd.clone(), salt);
            prop_assert!(evicted.is_some() && !honest_ids.contains(&evicted.unwrap()));
            crowd.retain(|one| Some(one.id) != evicted);
            crowd.push(candidate(2000 + number, group % groups, 200 + number));
        }
    }

    #[test]
    fn of_those_without_a_hello_the_oldest_of_whoever_has_most_gives_way_and_never_the_youngest(
        owners in prop::collection::vec(any::<u8>(), 2..300),
        groups in 1u8..=255,
    ) {
        let handshakes: Vec<Candidate> =
            (1..).zip(owners).map(|(id, owner)| candidate(id, owner % groups, id)).collect();
        let count = |owner| handshakes.iter().filter(|one| one.owner == owner).count();
        let most = handshakes.iter().map(|one| count(one.owner)).max();
        let oldest = handshakes.iter().find(|one| Some(count(one.owner)) == most).map(|one| one.id);
        prop_assert_eq!(handshake_to_evict(handshakes.clone()), oldest);
        prop_assert!(oldest != handshakes.last().map(|one| one.id));
    }

    #[test]
    fn a_client_gives_way_to_who_has_fewer_and_idle_ones_first(
        clients in prop::collection::vec((any::<u8>(), 0u64..=20, any::<bool>()), 1..60),
        owners in 1u8..60,
        newcomer in 0u8..62,
    ) {
        let now = seconds(20);
        let clients: Vec<Candidate> = (1..)
            .zip(clients)
            .map(|(id, (group, asked, awaits_answer))| Candidate {
                last_asked: seconds(asked),
                awaits_answer,
                ..candidate(id, group % owners, id)
            })
            .collect();
        let newcomer = Owner::of(IpAddr::from([9, newcomer, 9, 9]));
        let count = |owner| clients.iter().filter(|one| one.owner == owner).count();
        let most = clients.iter().map(|one| count(one.owner)).max().unwrap_or_default();
        let own = count(newcomer);
        let is_idle =
            |one: &Candidate| !one.awaits_answer && one.last_asked + IDLE_AFTER <= now;
        // Of its own it takes turns with, of others it takes from who has most.
        let of_largest = |one: &&Candidate| {
            count(one.owner) == most && (own < most || one.owner == newcomer)
        };
        let idle: Vec<&Candidate> =
            clients.iter().filter(of_largest).filter(|one| is_idle(one)).collect();
        let evicted = client_to_evict(&clients, newcomer, now);
        prop_assert_eq!(evicted.is_some(), own == most || most > own + 1 || !idle.is_empty());
        let Some(one) = clients.iter().find(|one| Some(one.id) == evicted) else {
            return Ok(());
        };
        prop_assert!(of_largest(&one));
        let youngest = idle.iter().map(|one| (one.since, one.id)).max();
        prop_assert!(youngest.is_none() || youngest == Some((one.since, one.id)));
    }
}
