//! What docs/protocol.md shows is what is sent.

use super::super::hello::Hello;
use super::*;
use chain::encoding::Encode;
use chain::hash::to_hex;
use chain::spec::ChainSpec;

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

/// The hello of the page's worked example.
pub(super) fn hello() -> Message {
    Message::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: Some(NetworkIdentity::of(&samples::network())),
        nonce: 0x0123_4567_89ab_cdef,
        listen_port: 9001,
        wall_s: 1_700_000_123,
        height: 300,
        name: "Miner1".to_owned(),
    }))
}

/// The first block of the page that begins with `fence`.
fn shown(fence: &str) -> &'static str {
    let (_, behind) = PROTOCOL.split_once(&format!("```{fence}\n")).unwrap();
    behind.split_once("```").unwrap().0
}

/// Hex digits of a block of the page, without what stands behind a `#`.
fn shown_hex(fence: &str) -> String {
    let digits = |line: &'static str| line.split('#').next().unwrap().split_whitespace();
    shown(fence).lines().flat_map(digits).collect()
}

#[test]
fn the_hello_of_the_page_is_the_one_that_is_sent() {
    assert_eq!(ChainSpec::from_toml(shown("toml")), Ok(samples::spec()));
    assert_eq!(shown_hex("hello"), to_hex(&hello().to_frame().to_bytes()));
}

#[test]
fn the_genesis_of_the_page_is_the_specs() {
    let network = samples::network();
    assert_eq!(shown_hex("genesis"), to_hex(&network.genesis.block.encode()));
    assert!(PROTOCOL.contains(&network.genesis_hash().to_string()));
    assert!(PROTOCOL.contains(&network.spec_hash.to_string()));
}

#[test]
fn the_page_lists_every_command_with_its_limit() {
    let (_, messages) = PROTOCOL.split_once("## 5. Messages").unwrap();
    for command in all_commands() {
        let max = Message::payload_bytes_max(command);
        let row = messages
            .lines()
            .find(|line| line.starts_with(&format!("| {command} |")))
            .unwrap_or_else(|| panic!("command {command} is not listed"));
        assert!(row.ends_with(&format!("| {max} |")), "{row} should say {max}");
    }
}
