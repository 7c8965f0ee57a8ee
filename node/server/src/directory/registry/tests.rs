//! Registrations against a plain model, and each limit by itself.

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn register(request: u32, port: u16) -> Register {
    Register { request, name: format!("M{port}"), port }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Registers and lets the call succeed where one is made.
fn list(registry: &mut Registry, now: Duration, from: &str, port: u16) -> RegisterOutcome {
    match registry.register(now, PeerId(1), ip(from), register(1, port)) {
        Step::Answer(answer) => answer.outcome,
        Step::Dial(address) => {
            assert_eq!(address, SocketAddr::new(ip(from).to_canonical(), port));
            registry.dialed(now, address, Ok(())).answers.pop().unwrap().1.outcome
        }
        Step::Wait => panic!("nobody else registers"),
    }
}

fn is_listed(outcome: &RegisterOutcome) -> bool {
    matches!(outcome, RegisterOutcome::Listed { expires_in_s: 35 })
}

#[derive(Debug, Clone)]
enum Act {
    Pass(u64),
    Register {
        host: u8,
        port: u16,
        request: u32,
    },
    /// The oldest call ends, with an answer there or not.
    Dialed(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u64..20).prop_map(Act::Pass),
        (0u8..4, 1u16..6, any::<u32>()).prop_map(|(host, port, request)| Act::Register {
            host,
            port,
            request
        }),
        any::<bool>().prop_map(Act::Dialed),
    ]
}

proptest! {
    #[test]
    fn what_is_listed_was_dialed_back_lately_at_the_address_it_came_from(
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let mut registry = Registry::default();
        let mut now = seconds(0);
        // When each address was last found there, and last registered with success.
        let mut model: BTreeMap<SocketAddr, (Duration, Duration)> = BTreeMap::new();
        let mut calls: Vec<SocketAddr> = Vec::new();
        let mut unanswered: Vec<(PeerId, u32)> = Vec::new();
        for (number, act) in (0u64..).zip(acts) {
            match act {
                Act::Pass(time) => now += seconds(time),
                Act::Register { host, port, request } => {
                    let source = IpAddr::from([9, 9, 9, host]);
                    let address = SocketAddr::new(source, port);
                    let step =
                        registry.register(now, PeerId(number), source, register(request, port));
                    match step {
                        Step::Answer(answer) => {
                            prop_assert_eq!(answer.request, request);
                            if is_listed(&answer.outcome) {
                                let (verified, refreshed) = model.get_mut(&address).unwrap();
                                prop_assert!(now < *verified + REFRESH);
                                *refreshed = now;
                            }
                        }
                        Step::Dial(dialed) => {
                            prop_assert_eq!(dialed, address);
                            prop_assert!(!calls.contains(&address), "one call at a time");
                            calls.push(address);
                            unanswered.push((PeerId(number), request));
                        }
                        Step::Wait => {
                            prop_assert!(calls.contains(&address));
                            unanswered.push((PeerId(number), request));
                        }
                    }
                }
                Act::Dialed(is_there) if !calls.is_empty() => {
                    let address = calls.remove(0);
                    let result = if is_there { Ok(()) } else { Err("refused".to_owned()) };
                    let dialed = registry.dialed(now, address, result);
                    for (peer, answer) in &dialed.answers {
                        let asked = (*peer, answer.request);
                        let at = unanswered.iter().position(|other| *other == asked);
                        prop_assert!(at.is_some(), "an answer without a question");
                        unanswered.remove(at.unwrap());
                        prop_assert_eq!(is_listed(&answer.outcome), is_there);
                    }
                    if is_there {
                        model.insert(address, (now, now));
                    } else {
                        model.remove(&address);
                    }
                }
                Act::Dialed(_) => {}
            }
            let shown: Vec<SocketAddr> =
                registry.miners(now, ip("8.8.8.8")).iter().map(|miner| miner.address).collect();
            let current = model.iter().filter(|(_, (_, refreshed))| now < *refreshed + EXPIRY);
            let expected: Vec<SocketAddr> = current.map(|(address, _)| *address).collect();
            prop_assert_eq!(shown, expected);
            if number % 7 == 0 {
                registry.expire(now);
            }
        }
        for address in calls {
            for (peer, answer) in registry.dialed(now, address, Ok(())).answers {
                unanswered.retain(|other| *other != (peer, answer.request));
            }
        }
        prop_assert!(unanswered.is_empty(), "everybody hears");
    }
}

#[test]
fn a_refresh_within_ten_seconds_needs_no_call_and_a_later_one_does() {
    let mut registry = Registry::default();
    list(&mut registry, seconds(0), "9.9.9.9", 1);
    let step = |registry: &mut Registry, now| {
        registry.register(now, PeerId(1), ip("::ffff:9.9.9.9"), register(1, 1))
    };
    assert!(matches!(step(&mut registry, seconds(9)), Step::Answer(_)));
    // The list of 9 s after would have ended at 44 s; nobody answered again meanwhile.
    assert!(matches!(step(&mut registry, seconds(10)), Step::Dial(_)));
    assert_eq!(registry.miners(seconds(43), ip("8.8.8.8")).len(), 1);
    assert_eq!(registry.miners(seconds(44), ip("8.8.8.8")).len(), 0);
    let address = "9.9.9.9:1".parse().unwrap();
    assert_eq!(registry.next_expiry(), Some(seconds(44)));
    assert_eq!(registry.expire(seconds(44)), [MinerEntry { name: "M1".to_owned(), address }]);
    assert_eq!(registry.next_expiry(), None);
}

#[test]
fn whoever_does_not_answer_any_more_leaves_the_list_at_once() {
    let mut registry = Registry::default();
    list(&mut registry, seconds(0), "9.9.9.9", 1);
    registry.register(seconds(20), PeerId(1), ip("9.9.9.9"), register(1, 1));
    let dialed =
        registry.dialed(seconds(20), "9.9.9.9:1".parse().unwrap(), Err("refused".to_owned()));
    let RegisterOutcome::Unreachable { reason } = &dialed.answers[0].1.outcome else {
        panic!("{dialed:?}");
    };
    assert!(reason.contains("9.9.9.9:1") && reason.contains("refused"), "{reason}");
    assert!(registry.miners(seconds(20), ip("8.8.8.8")).is_empty());
}

#[test]
fn the_list_has_256_places_eight_of_one_address_and_loopback_as_many_as_it_likes() {
    let mut registry = Registry::default();
    let tries = 1..=20;
    let listed = tries.filter(|port| is_listed(&list(&mut registry, seconds(0), "9.9.9.9", *port)));
    assert_eq!(listed.count(), PER_ADDRESS_MAX);
    let listed =
        (1..=300).filter(|port| is_listed(&list(&mut registry, seconds(0), "127.0.0.1", *port)));
    assert_eq!(listed.count(), MINERS_MAX - PER_ADDRESS_MAX);
    assert_eq!(list(&mut registry, seconds(0), "9.9.9.10", 1), RegisterOutcome::Busy);
    assert!(is_listed(&list(&mut registry, seconds(5), "9.9.9.9", 3)), "who is in may stay");
    assert_eq!(registry.miners(seconds(5), ip("::ffff:127.0.0.1")).len(), MINERS_MAX);
    assert_eq!(registry.miners(seconds(5), ip("8.8.8.8")).len(), PER_ADDRESS_MAX);
}

#[test]
fn calls_are_bounded_in_all_and_for_one_address() {
    let mut registry = Registry::default();
    let mut dials = |from: &str, ports: std::ops::RangeInclusive<u16>| {
        let step = |port| registry.register(seconds(0), PeerId(1), ip(from), register(1, port));
        ports.map(step).filter(|step| matches!(step, Step::Dial(_))).count()
    };
    assert_eq!(dials("9.9.9.9", 1..=20), DIALS_PER_ADDRESS_MAX);
    assert_eq!(dials("127.0.0.1", 1..=300), DIALS_MAX - DIALS_PER_ADDRESS_MAX);
    assert_eq!(dials("9.9.9.10", 1..=1), 0);
}

#[test]
fn a_miner_of_the_same_process_is_listed_for_ever_and_is_not_dialed() {
    let mut registry = Registry::default();
    let miner = MinerEntry { name: "m".to_owned(), address: "127.0.0.1:5".parse().unwrap() };
    registry.fix(miner.clone());
    assert!(is_listed(&list(&mut registry, seconds(100), "127.0.0.1", 5)));
    assert!(registry.expire(seconds(1_000_000)).is_empty());
    assert_eq!(registry.miners(seconds(1_000_000), ip("127.0.0.1")), [miner]);
}

#[test]
fn nobody_is_listed_with_port_zero() {
    let outcome = list(&mut Registry::default(), seconds(0), "127.0.0.1", 0);
    assert!(matches!(outcome, RegisterOutcome::Unreachable { .. }));
}
