//! `docs/json.md` against what the program prints: no field is without its explanation.

use std::collections::BTreeSet;

use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/json.md");

/// What stands between back quotes in the section under a heading, up to the next of its level or
/// above.
pub fn documented(heading: &str) -> BTreeSet<&'static str> {
    let level = heading.split(' ').next().unwrap();
    let mut lines = PAGE.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "docs/json.md has no heading {heading:?}");
    let section = lines.take_while(|line| {
        let hashes = line.chars().take_while(|letter| *letter == '#').count();
        hashes == 0 || hashes > level.len()
    });
    let words = section.flat_map(|line| line.split('`').skip(1).step_by(2));
    // A field of a list's entries may be written `entries[].field`.
    words.map(|word| word.rsplit("[].").next().unwrap_or(word)).collect()
}

/// The names of all fields of a value, those of values inside it among them.
pub fn fields(value: &Value) -> BTreeSet<String> {
    let (mut names, mut values) = (BTreeSet::new(), vec![value]);
    while let Some(value) = values.pop() {
        for (name, inner) in value.as_object().into_iter().flatten() {
            names.insert(name.clone());
            values.push(inner);
        }
        values.extend(value.as_array().into_iter().flatten());
    }
    names
}

/// Every field stands under one of the headings, but for those that every object has.
pub fn assert_documented(value: &Value, headings: &[&str]) {
    let mut known: BTreeSet<&str> = ["v", "event", "command"].into();
    known.extend(headings.iter().flat_map(|heading| documented(heading)));
    assert_eq!(value["v"], 1);
    for name in fields(value) {
        assert!(known.contains(name.as_str()), "{name} is not under {headings:?}: {value}");
    }
}
