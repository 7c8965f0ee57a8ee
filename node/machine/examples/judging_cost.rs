//! What a payment costs the machine's thread, its signatures left out: looking up the coins and
//! hashing what is signed, before they are verified and after.
//!
//! One line of JSON with milliseconds, the worst of twenty. `cargo run --release -p lode-machine
//! --example judging_cost -- COINS` lets one payment spend so many coins, which lie in a database
//! below the current folder.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::sha256;
use chain::key::{OutputKey, SecretKey, Signature};
use chain::spec::{Allocation, ChainSpec};
use chain::transaction::{Input, OutPoint, Output, Transaction, Transfer};
use machine::store::Store;
use machine::{Direction, Effect, Event, Machine, MachineConfig, Now, PeerId, Surroundings};
use testkit::samples;
use wire::hello::{Greeting, NetworkIdentity, Role};
use wire::wallet::{Submit, WalletMessage};
use wire::{ByteString, Message};

const COIN: Amount = Amount(1_000_000);
const ROUNDS: u32 = 20;
const WALLET: PeerId = PeerId(1);

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let coins: u32 = env::args().nth(1).ok_or("say how many coins")?.parse()?;
    let network = Arc::new(network(coins)?);
    let home = tempfile::tempdir_in(".")?;
    // Opened twice: the second time all coins are in the database.
    drop(Store::open(home.path(), &network)?);
    let (mut before, mut after, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        let store = Store::open(home.path(), &network)?;
        let mut machine = connected(&network, store)?;
        let payment = payment(&network, coins);
        bytes = payment.encode().len();
        let submit = Submit { request: 1, transaction: ByteString(payment.encode()) };
        let message = Box::new(Message::Wallet(WalletMessage::Submit(submit)));
        let started = Instant::now();
        let effects = machine.handle(now(), Event::Message { peer: WALLET, message })?;
        before = before.max(started.elapsed());
        let id = effects.into_iter().find_map(|effect| match effect {
            Effect::Verify { id, .. } => Some(id),
            _ => None,
        });
        let id = id.ok_or("nothing is to be verified: more coins than a payment may have?")?;
        let started = Instant::now();
        machine.handle(now(), Event::Verified { id, first_invalid: None })?;
        after = after.max(started.elapsed());
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{{\"coins\":{coins},\"bytes\":{bytes},\"before_ms\":{:.3},\"after_ms\":{:.3}}}",
        ms(before),
        ms(after)
    );
    Ok(())
}

fn now() -> Now {
    Now { wall_s: 1_700_000_100, monotonic: Duration::from_secs(1) }
}

/// A machine that a wallet is connected to.
fn connected(network: &Arc<Network>, store: Store) -> Result<Machine, Failure> {
    let config = MachineConfig::new("judge", [7; 32]);
    let surroundings = Surroundings::default();
    let mut machine = Machine::new(config, surroundings, Arc::clone(network), store, now())?;
    let address = SocketAddr::from(([127, 0, 0, 1], 9000));
    let direction = Direction::Inbound;
    machine.handle(now(), Event::Connected { peer: WALLET, address, direction })?;
    let greeting = Greeting {
        network: Some(NetworkIdentity::of(network)),
        role: Role::Wallet,
        nonce: 1,
        name: "wallet".to_owned(),
        listen_port: 0,
    };
    let message = Box::new(Message::Hello(Box::new(greeting.hello(now().wall_s, 0))));
    machine.handle(now(), Event::Message { peer: WALLET, message })?;
    Ok(machine)
}

fn network(coins: u32) -> Result<Network, Failure> {
    let key = |number: u32| -> Result<OutputKey, Failure> {
        Ok(SecretKey::from_bytes(sha256(&number.to_le_bytes()))?.output_key())
    };
    let allocation = |number| Ok::<_, Failure>(Allocation { key: key(number)?, amount: COIN });
    Ok(Network::new(ChainSpec {
        starting_bits: 1,
        easiest_bits: 1,
        allocations: (0..coins).map(allocation).collect::<Result<_, _>>()?,
        ..samples::spec()
    })?)
}

/// Spends all coins of genesis. Nobody looks at its signatures here, so it has none.
fn payment(network: &Network, coins: u32) -> Transaction {
    let txid = network.genesis.txids[0];
    let input = |index| Input { outpoint: OutPoint { txid, index }, signature: Signature([0; 64]) };
    let amount = Amount(COIN.0 * u64::from(coins) - 1_000_000);
    let outputs = vec![Output { amount, key: OutputKey([1; 32]) }];
    Transaction::Transfer(Transfer {
        inputs: (0..coins).map(input).collect(),
        outputs,
        lock_height: 0,
    })
}
