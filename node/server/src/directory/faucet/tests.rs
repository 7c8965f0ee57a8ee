//! Who is paid, how often, and by which bytes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chain::encoding::Decode;
use proptest::prelude::*;

use super::*;
use testkit::samples;

fn secret() -> SecretKey {
    SecretKey::from_bytes([5; 32]).unwrap()
}

/// Who asks: keys are dear to derive, so each is derived once.
static KEYS: LazyLock<Vec<OutputKey>> = LazyLock::new(|| {
    let key = |number: u8| SecretKey::from_bytes([number + 1; 32]).unwrap().output_key();
    (0..100).map(key).collect()
});

/// A network whose genesis pays somebody else first and then the faucet.
fn network(outputs: usize) -> Network {
    let mut spec = samples::network(8).spec;
    spec.allocations.extend(allocations(secret().output_key(), outputs));
    Network::new(spec).unwrap()
}

static THIRTY: LazyLock<Network> = LazyLock::new(|| network(30));

fn faucet(outputs: usize) -> Faucet {
    Faucet::new(&network(outputs), secret(), Vec::new())
}

fn key(number: u16) -> OutputKey {
    KEYS[usize::from(number)]
}

fn at(seconds: u64) -> Now {
    Now { wall_s: 1_000_000 + seconds, monotonic: Duration::from_secs(seconds) }
}

const HERE: &str = "127.0.0.1";

fn ask(faucet: &mut Faucet, seconds: u64, ip: &str, number: u16) -> Verdict {
    faucet.ask(at(seconds), ip.parse().unwrap(), key(number))
}

proptest! {
    #[test]
    fn a_key_is_paid_once_an_output_pays_once_and_no_span_of_time_pays_too_much(
        asks in prop::collection::vec((0u64..4, 0u8..12, 0u16..60), 1..150),
    ) {
        let mut faucet = Faucet::new(&THIRTY, secret(), Vec::new());
        let mut seconds = 0;
        let mut payouts: Vec<(u64, Payout)> = Vec::new();
        for (pause, host, number) in asks {
            seconds += pause;
            let ip = if host == 0 { HERE.to_owned() } else { format!("9.9.9.{host}") };
            let earlier = payouts.iter().find(|(_, payout)| payout.key == key(number));
            match (ask(&mut faucet, seconds, &ip, number), earlier) {
                (Verdict::Answer(FaucetOutcome::Paid { txid, amount }), Some((_, payout))) => {
                    prop_assert_eq!((txid, amount), (payout.txid, PAYS));
                }
                (Verdict::Pay(payout), None) => payouts.push((seconds, payout)),
                (Verdict::Answer(FaucetOutcome::Later { wait_s }), None) => {
                    prop_assert!(wait_s > 0);
                }
                (Verdict::Answer(FaucetOutcome::Empty), None) => {
                    prop_assert_eq!(payouts.len(), 30);
                }
                (verdict, earlier) => panic!("{verdict:?} after {earlier:?}"),
            }
        }
        let outputs: BTreeSet<u32> = payouts.iter().map(|(_, payout)| payout.index).collect();
        prop_assert_eq!(outputs.len(), payouts.len());
        let askers: Vec<IpAddr> = payouts.iter().filter_map(|(_, payout)| payout.asker).collect();
        prop_assert_eq!(askers.iter().collect::<BTreeSet<_>>().len(), askers.len());
        for (start, (first, _)) in payouts.iter().enumerate() {
            for (count, (last, _)) in (1u64..).zip(&payouts[start..]) {
                prop_assert!(count <= 10 + (last - first) / 5);
            }
        }
        // A restart forgets none of it.
        let remembered = payouts.iter().map(|(_, payout)| payout.clone()).collect();
        let mut again = Faucet::new(&THIRTY, secret(), remembered);
        prop_assert_eq!(again.outputs().count(), 30 - payouts.len());
        for (_, payout) in &payouts {
            let verdict = again.ask(at(seconds), HERE.parse().unwrap(), payout.key);
            prop_assert_eq!(verdict, Verdict::Answer(paid(payout)));
        }
        for asker in askers {
            let verdict = again.ask(at(seconds), asker, key(99));
            let waits = matches!(
                verdict,
                Verdict::Answer(FaucetOutcome::Later { .. } | FaucetOutcome::Empty)
            );
            prop_assert!(waits);
        }
    }
}

#[test]
fn a_payout_is_valid_pays_exactly_a_hundred_coins_and_has_the_same_bytes_each_time() {
    let network = network(2);
    let payouts = [faucet(2), faucet(2)].map(|mut faucet| match ask(&mut faucet, 0, HERE, 7) {
        Verdict::Pay(payout) => payout,
        other => panic!("{other:?}"),
    });
    assert_eq!(payouts[0], payouts[1]);
    let Transaction::Transfer(transfer) = Transaction::decode(&payouts[0].transaction).unwrap()
    else {
        panic!("a transfer pays");
    };
    assert_eq!(transfer.outputs, [Output { amount: Amount(100 * COIN), key: key(7) }]);
    assert_eq!(transfer.txid(), payouts[0].txid);
    let spent = network.genesis.block.transactions[0].outputs()[payouts[0].index as usize];
    assert_eq!(spent.amount, Amount(PAYS.0 + FEE.0));
    let checks =
        chain::transaction::signature_checks(&transfer, &[spent], network.genesis_hash(), 0);
    assert!(checks.iter().all(chain::key::SignatureCheck::is_valid));
}

#[test]
fn an_address_is_paid_once_a_day_in_every_form_and_this_computer_as_often_as_it_asks() {
    let mut faucet = faucet(50);
    assert!(matches!(ask(&mut faucet, 0, "9.9.9.9", 1), Verdict::Pay(_)));
    let later = |wait_s| Verdict::Answer(FaucetOutcome::Later { wait_s });
    assert_eq!(ask(&mut faucet, 60, "::ffff:9.9.9.9", 2), later(86_400 - 60));
    assert!(matches!(ask(&mut faucet, 86_400, "9.9.9.9", 2), Verdict::Pay(_)));
    for number in 10..15 {
        assert!(matches!(ask(&mut faucet, 86_400, "::1", number), Verdict::Pay(_)));
    }
    // A clock that goes back makes nobody wait for longer than a day.
    let back = Now { wall_s: 5, monotonic: Duration::from_secs(100_000) };
    assert_eq!(faucet.ask(back, "9.9.9.9".parse().unwrap(), key(3)), later(86_400));
}

#[test]
fn ten_at_once_then_one_in_five_seconds() {
    let mut faucet = faucet(50);
    let paid = |faucet: &mut Faucet, seconds, numbers: std::ops::Range<u16>| {
        let pays = |number: &u16| matches!(ask(faucet, seconds, HERE, *number), Verdict::Pay(_));
        numbers.filter(pays).count()
    };
    assert_eq!(paid(&mut faucet, 0, 0..20), 10);
    assert_eq!(ask(&mut faucet, 2, HERE, 19), Verdict::Answer(FaucetOutcome::Later { wait_s: 3 }));
    assert_eq!(paid(&mut faucet, 5, 10..20), 1);
    assert_eq!(paid(&mut faucet, 25, 11..20), 4);
}

#[test]
fn an_empty_faucet_a_spent_output_and_a_key_nobody_has_pay_nothing() {
    let empty = Verdict::Answer(FaucetOutcome::Empty);
    assert_eq!(ask(&mut faucet(0), 0, HERE, 1), empty);
    let mut one = faucet(1);
    let output = one.outputs().next().unwrap();
    assert_eq!(one.ask(at(0), HERE.parse().unwrap(), OutputKey([0xff; 32])), empty);
    one.lost(output);
    assert_eq!(ask(&mut one, 0, HERE, 1), empty);
}
