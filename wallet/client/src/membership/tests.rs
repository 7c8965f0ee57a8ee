//! Tests of memberships with real listeners on loopback: waiting, pins, and networks that differ.

use std::io;
use std::net::TcpListener;
use std::thread;

use testkit::HeldPort;
use testkit::test_chain::{TestChain, network};
use testkit::test_node::start;

use super::*;
use crate::joining::{RETRY_INTERVAL, STRANGE_ROUNDS_MAX};

fn other_network() -> Arc<Network> {
    let mut spec = network(&[]).spec.clone();
    spec.spacing_s = 7;
    Arc::new(Network::new(spec).unwrap())
}

fn bootstrap(network: &Arc<Network>) -> String {
    start(TestChain::new(Arc::clone(network))).0.to_string()
}

/// Another address every time, where nobody listens as long as the tests run.
fn nobody() -> String {
    let held = HeldPort::any();
    let address = held.address().to_string();
    std::mem::forget(held);
    address
}

fn order(home: &Path, bootstraps: &[&str]) -> JoinOrder {
    JoinOrder {
        name: "Miner1".to_owned(),
        bootstraps: bootstraps.iter().map(|address| (*address).to_owned()).collect(),
        home: home.to_owned(),
        data_dir: None,
        genesis: None,
    }
}

/// Joins with some rounds of patience; what was told, and what came of it.
fn try_to_join(order: &JoinOrder) -> (Vec<JoinNews>, Result<Joined, JoinError>) {
    let (mut told, mut rounds) = (Vec::new(), 0);
    let joined = join(order, &mut |news| told.push(news), &mut |_| {
        rounds += 1;
        if rounds < 2 * STRANGE_ROUNDS_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    (told, joined)
}

#[test]
fn the_first_join_pins_the_spec_under_the_networks_name() {
    let home = tempfile::tempdir().unwrap();
    let network = network(&[]);
    let address = bootstrap(&network);
    let (told, joined) = try_to_join(&order(home.path(), &[&address]));
    let joined = joined.unwrap();
    assert_eq!(told, []);
    assert_eq!(joined.network, network);
    assert_eq!(joined.bootstrap, Some(address.parse().unwrap()));
    let digits = &network.genesis_hash().to_string()[..8];
    assert_eq!(joined.directory, home.path().join(format!("lode/dlode-{digits}/Miner1")));
    let pinned = pinned_directory(&joined.directory).unwrap();
    assert_eq!((pinned.network, pinned.bootstraps), (network, vec![address]));
}

#[test]
fn a_host_name_is_resolved_by_the_system() {
    let home = tempfile::tempdir().unwrap();
    let address = bootstrap(&network(&[])).replace("127.0.0.1", "localhost");
    try_to_join(&order(home.path(), &[&address])).1.unwrap();
}

#[test]
fn whoever_comes_before_the_bootstrap_node_says_once_that_it_waits_and_then_joins() {
    let home = tempfile::tempdir().unwrap();
    let network = network(&[]);
    let held = HeldPort::any();
    let address = held.address().to_string();
    let (mut told, mut rounds) = (Vec::new(), 0);
    let joined = join(&order(home.path(), &[&address]), &mut |news| told.push(news), &mut |wait| {
        assert_eq!(wait, RETRY_INTERVAL);
        rounds += 1;
        if rounds == 3 {
            // The bootstrap node starts now, where it was waited for.
            let (behind, _) = start(TestChain::new(Arc::clone(&network)));
            let front = TcpListener::bind(&address).unwrap();
            thread::spawn(move || forward(&front, behind));
        }
        ControlFlow::Continue(())
    });
    assert_eq!(joined.unwrap().network, network);
    assert_eq!(told, [JoinNews::Waiting { bootstraps: address }]);
    assert_eq!(rounds, 3);
}

/// Passes one connection on.
fn forward(front: &TcpListener, behind: SocketAddr) {
    let (near, _) = front.accept().unwrap();
    let far = std::net::TcpStream::connect(behind).unwrap();
    let (mut near_in, mut far_in) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let (mut near_out, mut far_out) = (near, far);
    thread::spawn(move || io::copy(&mut near_in, &mut far_out));
    let _ = io::copy(&mut far_in, &mut near_out);
}

#[test]
fn waiting_ends_when_it_is_enough() {
    let home = tempfile::tempdir().unwrap();
    let (told, joined) = try_to_join(&order(home.path(), &[&nobody()]));
    assert!(matches!(joined, Err(JoinError::Interrupted)));
    assert_eq!(told.len(), 1);
}

#[test]
fn a_directory_of_that_name_without_its_spec_is_told_and_goes_on_when_its_network_answers() {
    let home = tempfile::tempdir().unwrap();
    let network = network(&[]);
    let directory = network_directory(home.path(), &network).join("Miner1");
    make_directory(&directory).unwrap();
    let (told, _) = try_to_join(&order(home.path(), &[&nobody()]));
    assert_eq!(told.len(), 1, "an empty one holds nothing");
    fs::write(directory.join("blocks-00000.dat"), "a chain").unwrap();
    let (told, _) = try_to_join(&order(home.path(), &[&nobody()]));
    assert_eq!(told[0], JoinNews::WithoutSpec { directory: directory.clone() });
    let (node, _) = start(TestChain::new(Arc::clone(&network)));
    let (_, joined) = try_to_join(&order(home.path(), &[&node.to_string()]));
    assert_eq!(joined.unwrap().directory, directory);
    let (told, _) = try_to_join(&order(home.path(), &[&node.to_string()]));
    assert!(told.is_empty(), "{told:?}");
    // One that is damaged is never written over.
    fs::write(directory.join("spec.toml"), "coin_name = 1").unwrap();
    let (told, joined) = try_to_join(&order(home.path(), &[&node.to_string()]));
    assert_eq!(told, [JoinNews::WithoutSpec { directory: directory.clone() }]);
    assert!(matches!(joined, Err(JoinError::Pin(PinError::Spec { .. }))));
    assert_eq!(fs::read_to_string(directory.join("spec.toml")).unwrap(), "coin_name = 1");
}

#[test]
fn what_was_joined_before_goes_on_without_its_bootstrap_node() {
    let home = tempfile::tempdir().unwrap();
    let address = nobody();
    let network = network(&[]);
    let directory = network_directory(home.path(), &network).join("Miner1");
    make_directory(&directory).unwrap();
    pin(&directory, &network).unwrap();
    remember_bootstraps(&directory, std::slice::from_ref(&address)).unwrap();
    let (told, joined) = try_to_join(&order(home.path(), &[&address]));
    let joined = joined.unwrap();
    assert_eq!((&joined.directory, joined.bootstrap), (&directory, None));
    let expected = JoinNews::WithoutBootstrap { bootstraps: address, directory };
    assert_eq!(told, [expected]);
    // Another bootstrap node may be on another network: that one is waited for.
    let (_, joined) = try_to_join(&order(home.path(), &[&nobody()]));
    assert!(matches!(joined, Err(JoinError::Interrupted)));
    // Named by its genesis, or with nobody to ask, the directory will do.
    let named =
        JoinOrder { genesis: Some(network.genesis_hash()), ..order(home.path(), &[&nobody()]) };
    assert!(try_to_join(&named).1.is_ok());
    let (told, joined) = try_to_join(&order(home.path(), &[]));
    assert!(joined.is_ok());
    assert_eq!(told, []);
}

#[test]
fn another_spec_from_the_same_bootstrap_node_is_an_error_that_names_the_field_and_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (network(&[]), other_network());
    let address = bootstrap(&new);
    let directory = network_directory(home.path(), &old).join("Miner1");
    make_directory(&directory).unwrap();
    pin(&directory, &old).unwrap();
    remember_bootstraps(&directory, std::slice::from_ref(&address)).unwrap();
    let (_, joined) = try_to_join(&order(home.path(), &[&address]));
    let error = joined.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("spacing_s is 5 here and 7 there"), "{text}");
    assert!(text.contains(&format!("--genesis {}", new.genesis_hash())), "{text}");
    assert!(matches!(error, JoinError::OtherSpec { .. }));
    // The way out, and from then on both are known.
    let named = JoinOrder { genesis: Some(new.genesis_hash()), ..order(home.path(), &[&address]) };
    let joined = try_to_join(&named).1.unwrap();
    assert_ne!(joined.directory, directory);
    assert_eq!(pinned_directory(&directory).unwrap().network, old);
    let again = try_to_join(&order(home.path(), &[&address])).1.unwrap();
    assert_eq!(again.directory, joined.directory);
}

#[test]
fn a_demanded_genesis_is_looked_for_among_all_bootstrap_nodes() {
    let home = tempfile::tempdir().unwrap();
    let (wanted, other) = (network(&[]), other_network());
    let (right, wrong) = (bootstrap(&wanted), bootstrap(&other));
    let genesis = Some(wanted.genesis_hash());
    let among = JoinOrder { genesis, ..order(home.path(), &[&wrong, &nobody(), &right]) };
    assert_eq!(try_to_join(&among).1.unwrap().network, wanted);
    let nowhere = JoinOrder { genesis, ..order(home.path(), &[&wrong]) };
    assert!(matches!(
        try_to_join(&nowhere).1,
        Err(JoinError::OtherGenesis { got, .. }) if got == other.genesis_hash()
    ));
}

#[test]
fn a_directory_that_is_named_is_taken_as_it_is_and_keeps_its_network() {
    let home = tempfile::tempdir().unwrap();
    let (ours, other) = (network(&[]), other_network());
    let data_dir = Some(home.path().join("mine"));
    let address = bootstrap(&ours);
    let first = JoinOrder { data_dir: data_dir.clone(), ..order(home.path(), &[&address]) };
    assert_eq!(Some(try_to_join(&first).1.unwrap().directory), data_dir);
    let alone = JoinOrder { data_dir: data_dir.clone(), ..order(home.path(), &[&nobody()]) };
    assert_eq!(try_to_join(&alone).1.unwrap().network, ours);
    let address = bootstrap(&other);
    let second = JoinOrder { data_dir, ..order(home.path(), &[&address]) };
    assert!(matches!(try_to_join(&second).1, Err(JoinError::Pin(PinError::OtherNetwork { .. }))));
}

#[test]
fn what_is_no_bootstrap_node_is_given_up_after_some_rounds() {
    let home = tempfile::tempdir().unwrap();
    let address = testkit::test_node::serve(drop).to_string();
    let (told, joined) = try_to_join(&order(home.path(), &[&address]));
    let error = joined.unwrap_err();
    assert!(matches!(error, JoinError::NoBootstrapNode { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(told.len(), 1);
}

#[test]
fn names_and_addresses_that_are_none_are_refused_before_anybody_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let bad_name = JoinOrder { name: "../x".to_owned(), ..order(home.path(), &[]) };
    assert!(matches!(try_to_join(&bad_name).1, Err(JoinError::Name(_))));
    for wrong in ["", "9000", "host", "host:", ":9000", "host:0", "host:70000", "a b:1", "::1:9"] {
        let bad_address = order(home.path(), &[wrong]);
        assert!(matches!(try_to_join(&bad_address).1, Err(JoinError::Address { .. })), "{wrong}");
    }
    let nothing = order(home.path(), &[]);
    assert!(matches!(try_to_join(&nothing).1, Err(JoinError::NothingPinned { .. })));
}
