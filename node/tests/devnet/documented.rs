//! Devnet and the commands that read its directories print no field without its explanation.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json_page::{assert_documented, documented, fields};
use super::program::lode;
use super::run;

#[test]
fn every_field_that_devnet_prints_is_documented() {
    let mut seen = BTreeSet::new();
    for line in &run().lines {
        let event = line["event"].as_str().unwrap();
        assert_eq!(line["v"], 1);
        let heading = format!("### `{event}`");
        let own = documented(&heading);
        for name in fields(line) {
            let general = ["v", "event", "node", "number"].contains(&name.as_str());
            assert!(general || own.contains(name.as_str()), "{name} of {event}");
        }
        seen.insert(event);
    }
    assert!(
        seen.is_superset(&["ready", "block_found", "tx_accepted", "summary"].into()),
        "{seen:?}"
    );
}

#[test]
fn every_field_that_the_other_commands_print_is_documented() {
    let directory = run().node_dir("miner1");
    let (_, exported, _) = lode(&["export", &directory]);
    let block = exported.lines().last().unwrap();
    let object = |arguments: &[&str]| -> Value {
        let (code, out, err) = lode(arguments);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let verified = object(&["verify", &directory, "--json"]);
    assert_documented(&verified, &["## `lode verify --json`"]);
    for what in [block, &block[..160]] {
        let explained = object(&["explain", what, "--json"]);
        assert_documented(&explained, &["## `lode explain --json`"]);
    }
    for arguments in [vec!["version", "--json"], vec!["version", "--verbose", "--json"]] {
        assert_documented(&object(&arguments), &["## `lode version --json`"]);
    }
}
