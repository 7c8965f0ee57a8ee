//! Tests of joining that need nobody to ask: addresses, and which network is meant.

use std::time::SystemTime;

use chain::key::OutputKey;
use proptest::prelude::*;
use testkit::test_chain::network;

use super::*;

#[test]
fn a_host_is_a_name_or_an_address_in_brackets() {
    assert_eq!(check_address("[::1]:9000"), Ok(()));
    assert_eq!(check_address("node.example.org:9000"), Ok(()));
}

proptest! {
    #[test]
    fn every_socket_address_may_be_written(ip: std::net::IpAddr, port in 1u16..) {
        let written = SocketAddr::new(ip, port).to_string();
        prop_assert_eq!(check_address(&written), Ok(()));
        prop_assert_eq!(resolve(&written).unwrap(), vec![written.parse().unwrap()]);
    }

    #[test]
    fn no_text_panics(address in ".{0,60}") {
        let _ = check_address(&address);
    }

    /// Without an answer, a network is gone on with only when its bootstrap node is the same.
    #[test]
    fn a_pinned_network_is_meant_by_its_bootstrap_node(
        remembered in prop::collection::vec(0u8..6, 0..4),
        asked in prop::collection::vec(0u8..6, 1..4),
    ) {
        let written = |ports: &[u8]| -> Vec<String> {
            ports.iter().map(|port| format!("host:{}", u32::from(*port) + 1)).collect()
        };
        let pinned = Pinned {
            directory: PathBuf::new(),
            network: network(&[OutputKey([1; 32])]),
            bootstraps: written(&remembered),
            used: SystemTime::UNIX_EPOCH,
        };
        let order = JoinOrder {
            name: "Miner1".to_owned(),
            bootstraps: written(&asked),
            home: PathBuf::new(),
            data_dir: None,
            genesis: None,
        };
        let same = asked.iter().any(|port| remembered.contains(port));
        prop_assert_eq!(is_meant(&order, &pinned), same);
    }
}
