//! `docs/json.md` against what the program prints: no field is without its explanation.

use std::collections::BTreeSet;

use serde_json::Value;

use super::program::lode;
use super::run;

const DOCS: &str = include_str!("../../../docs/json.md");

/// What stands between back quotes in the section under a heading, up to the next of its level or
/// above.
fn documented(heading: &str) -> BTreeSet<&'static str> {
    let level = heading.split(' ').next().unwrap();
    let mut lines = DOCS.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "docs/json.md has no heading {heading:?}");
    let section = lines.take_while(|line| {
        let hashes = line.chars().take_while(|letter| *letter == '#').count();
        hashes == 0 || hashes > level.len()
    });
    section.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The names of all fields of a value, those of values inside it among them.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                names.insert(name.clone());
                fields(inner, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| fields(inner, names)),
        _ => {}
    }
}

fn assert_documented(value: &Value, headings: &[&str]) {
    let mut known: BTreeSet<&str> = ["v", "event", "command"].into();
    known.extend(headings.iter().flat_map(|heading| documented(heading)));
    let mut names = BTreeSet::new();
    fields(value, &mut names);
    for name in names {
        assert!(known.contains(name.as_str()), "{name} is not under {headings:?}: {value}");
    }
}

#[test]
fn every_field_that_devnet_prints_is_documented() {
    let mut seen = BTreeSet::new();
    for line in &run().lines {
        let event = line["event"].as_str().unwrap();
        assert_eq!(line["v"], 1);
        let heading = format!("### `{event}`");
        let own = documented(&heading);
        let mut names = BTreeSet::new();
        fields(line, &mut names);
        for name in names {
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
