//! Every rule of `tidy` fires: what it must find, and the honest neighbors it must leave alone.

use crate::graph;
use crate::imports;
use crate::rules::*;
use crate::source::code;

fn fires(rule: Rule, path: &str, text: &str, lines: &[usize]) {
    let mut found: Vec<usize> = rule(path, text).into_iter().map(|(line, _)| line).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, lines, "in {path}:\n{text}");
}

/// Runs `rule` over the files of `picture`, each below a line `== path`. It must find the lines
/// with an exclamation mark in the margin of 8 columns, and no other.
fn plant(rule: Rule, picture: &str) {
    for file in picture.split("        == ").skip(1) {
        let (path, lines) = file.split_once('\n').expect("a path ends with its line");
        let marked = lines.lines().zip(1..).filter(|(line, _)| line.starts_with("      ! "));
        let marked: Vec<usize> = marked.map(|(_, at)| at).collect();
        let text: Vec<&str> = lines.lines().map(|line| line.get(8..).unwrap_or("")).collect();
        fires(rule, path, &text.join("\n"), &marked);
    }
}

#[test]
fn a_file_without_a_purpose() {
    let picture = "
        == chain/src/key.rs
      ! use std::fmt;
        == chain/src/key.rs
      ! //!
        //! Keys and signatures.
        == chain/src/key.rs
      ! //! x
        == chain/src/key.rs
        //! Keys and signatures.
        ";
    plant(first_line, picture);
    fires(first_line, "chain/src/key.rs", "", &[1]);
}

#[test]
fn a_name_that_says_nothing() {
    let picture = "
        == node/src/utils.rs
      ! //! Things.
        == chain/src/rules/mod.rs
      ! //! Rules.
        == wallet/tests/common/keys.rs
      ! //! Keys.
        == node/src/model_railway.rs
        //! Trains.
        ";
    plant(file_name, picture);
}

#[test]
fn a_file_of_401_lines() {
    let long = "fn f() {}\n".repeat(401);
    let begins_with_tests = format!("#[cfg(test)]\nmod tests;\n{long}");
    let ends_with_tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    fires(file_length, "node/src/sync.rs", &long, &[401]);
    fires(file_length, "node/src/sync.rs", &begins_with_tests, &[401]);
    fires(file_length, "node/src/sync.rs", &ends_with_tests, &[]);
    let names_tests = format!("{}#[cfg(test)]\nmod tests;\n", &long[10..]);
    fires(file_length, "node/src/sync.rs", &names_tests, &[]);
    fires(file_length, "node/src/sync.rs", &long[10..], &[]);
    fires(file_length, "node/src/sync/tests.rs", &long, &[]);
    fires(file_length, "node/tests/sync.rs", &long, &[]);
    fires(file_length, "benches/sync.rs", &long, &[]);
}

#[test]
fn a_line_of_101_columns() {
    let wide = "é".repeat(98);
    for (line, found) in [
        (format!("// {wide}"), [1].as_slice()),
        (format!("// {}", &wide[2..]), &[]),
        (format!("let text = \"{wide}\";"), &[]),
        (format!("// https://example.org/{wide}"), &[]),
    ] {
        fires(line_width, "chain/src/key.rs", &line, found);
    }
}

#[test]
fn unsafe_code_outside_the_kernels() {
    let picture = "
        == engine/src/search.rs
        // unsafe
        #![deny(unsafe_code)]
      ! unsafe impl Send for Job {}
        == engine/src/kernels.rs
      ! unsafe impl Send for Job {}
        == engine/src/kernel.rs
        unsafe impl Send for Job {}
        == engine/src/kernel/avx2.rs
        unsafe impl Send for Job {}
        ";
    plant(unsafe_code, picture);
}

#[test]
fn unfinished_code_and_a_test_that_is_not_run() {
    let picture = r#"
        == node/src/sync.rs
      ! fn f() { todo!{} }
      ! fn g() { unimplemented!{} }
        // todo! is not code
        let ignored = "todo!";
        "#;
    plant(left_overs, picture);
    let skipped = concat!("#[", "ignore]");
    fires(left_overs, "node/src/sync.rs", skipped, &[1]);
}

#[test]
fn a_property_of_few_cases() {
    let few = concat!("ProptestConfig::with_", "cases(255)");
    let picture = format!(
        "
        == node/tests/devnet.rs
      ! #![proptest_config({few})]
        #![proptest_config(ProptestConfig::with_cases(256))]
        #![proptest_config(ProptestConfig::with_cases(MANY))]
        "
    );
    plant(few_cases, &picture);
}

#[test]
fn a_test_that_sleeps() {
    let picture = "
        == node/tests/devnet.rs
      ! time::sleep(pause).await;
        time::advance(pause);
        thread::spawn(work);
        == node/src/sync/tests.rs
        use std::thread::{
      !     sleep,
        };
      ! while !done() { thread::yield_now(); }
      ! tokio::task::yield_now().await;
      ! use std::thread::{park_timeout, park};
      ! while !done() { std::hint::spin_loop(); }
        let never_yield_now_or_later = 1;
        == chain/testkit/src/test_node.rs
      ! thread::sleep(pause);
        == chain/testkit/src/polling.rs
        thread::sleep(pause);
        == node/src/devnet.rs
        time::sleep(pause).await;
        thread::yield_now();
        #[cfg(test)]
        mod tests {
      !     time::sleep_until(then);
      !     thread::yield_now();
        }
        ";
    plant(sleeping_tests, picture);
}

#[test]
fn a_clock_or_a_file_in_chain() {
    let picture = "
        == chain/src/header.rs
        /// Not the SystemTime.
        struct Instants;
      ! use std::time::SystemTime;
      ! let now = Instant::now();
      ! use std::fs;
      ! use std::{fmt, net::IpAddr};
      ! std::thread::spawn(work);
        == node/src/runtime.rs
        use std::time::Instant;
        ";
    plant(impure_chain, picture);
}

#[test]
fn a_float_or_a_random_order_in_chain() {
    let picture = "
        == chain/src/subsidy.rs
        // f64 rounds
        let f64s = 0xf64;
      ! fn half(x: f64) {}
      ! let x = 1 as f32;
      ! type Coins = HashMap<u8, u8>;
      ! use std::collections::HashSet;
        == node/src/store.rs
        use std::collections::HashMap;
        ";
    plant(unordered_chain, picture);
}

#[test]
fn a_second_door_to_sha2() {
    let picture = "
        == engine/src/midstate.rs
        // what sha2 does
        use crate::sha256;
      ! use sha2::compress256;
        == engine/src/kernel/sha_ni.rs
      ! use sha2::compress256;
        == engine/src/sha256.rs
        use sha2::compress256;
        == chain/src/hash.rs
        use sha2::Digest;
        ";
    plant(sha2_in_engine, picture);
}

#[test]
fn a_second_writer_of_the_database() {
    let picture = "
        == node/machine/src/ledger.rs
        let read = database.begin_read()?;
      ! let write = database.begin_write()?;
      ! fn flush(write: &WriteTransaction) {}
        == node/machine/src/store/tables.rs
        let write = database.begin_write()?;
        == node/machine/src/store.rs
        let write = database.begin_write()?;
        ";
    plant(database_writes, picture);
}

#[test]
fn a_machine_with_a_watch() {
    let picture = "
        == node/machine/src/sync.rs
        use std::time::{Duration, Instant};
      ! let now = Instant::now();
        == node/simulation/src/lib.rs
      ! let now = std::time::SystemTime::now();
        == node/server/src/runtime.rs
        let now = Instant::now();
        ";
    plant(clock_in_machine, picture);
}

#[test]
fn a_path_that_is_gone() {
    let picture = "
        == ARCHITECTURE.md
        `node/tests/tidy.rs`, `node/tests/*.rs`, `node/tests/{a, b}.rs`
        `chain::spec`, `engine / chain`, node/gone.rs
      ! `node/tests/tidy.rs`, `node/gone.rs`
      ! `docs/gone/{a, b}.md`
        ```
        `node/gone.rs`
        ```
        ";
    plant(named_paths, picture);
}

#[test]
fn a_map_of_151_lines() {
    let map = "line\n".repeat(151);
    fires(architecture_length, "ARCHITECTURE.md", &map, &[151]);
    fires(architecture_length, "ARCHITECTURE.md", &map[5..], &[]);
}

#[test]
fn a_path_beside_the_repository() {
    let beside = concat!("shared by all\nsee ..", "/shared/x.md\n");
    fires(outside_paths, "README.md", beside, &[2]);
}

#[test]
fn literals_and_comments_are_no_code() {
    let text = r##"a /* b /* c */ d */ e "f \" g" h r#"i " j"# k '"' l '\'' m 'n: o // p"##;
    let kept = code(text).replace(' ', "");
    assert_eq!(kept, "aehklm'n:o");
    assert_eq!(code("\"one\ntwo\" // three\nfour"), "\n \nfour");
    assert_eq!(code("r#type"), "r#type");
    for unfinished in ["\"abc", "/* abc", "r#\"abc", "'\\", "\"\\"] {
        assert!(code(unfinished).len() < 2, "{unfinished}");
    }
}

#[test]
fn a_drawing_of_other_crates() {
    let drawing = "
        ```
        crate     builds on
        chain
        wire      chain engine      # messages of the machine
                                    # and server
        gone      chain
        ```
        server    wire
        ";
    let drawing: String = drawing.lines().map(|line| format!("{}\n", line.trim())).collect();
    let below = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let built = graph::Graph::from([
        ("chain".to_owned(), below(&[])),
        ("wire".to_owned(), below(&["chain", "machine"])),
        ("server".to_owned(), below(&["wire"])),
    ]);
    let differences = graph::differences(&graph::drawn(&drawing), &built);
    let expected = [
        "the crate `server` is not drawn",
        "`wire` builds on `machine`, which is not drawn",
        "`wire` is drawn on `engine` and does not build on it",
        "there is no crate `gone`",
    ];
    assert_eq!(differences, expected);
}

#[test]
fn files_that_import_in_a_circle() {
    let file = |path: &str, text: &str| (format!("node/machine/src/{path}.rs"), text.to_owned());
    let sources = [
        // The root shows what others import from it.
        file("lib", "mod sync;\npub use peers::{Peer, PeerId};\npub use machine::Machine;"),
        file("peers", "use crate::{Machine, sync::bodies::{self, Body}};"),
        file("sync", "mod bodies;\nuse bodies::Body;\nuse crate::{Machine, PeerId};"),
        file("sync/bodies", "impl super::super::relay::Relay {}\n// use crate::dial;"),
        file("relay", "use super::Peer as Connection;"),
        // On no circle: one imports it, one it imports, and tests do not count.
        file("machine", "use crate::sync::Sync;\nuse crate::MachineError;"),
        file("dial", "#[cfg(test)]\nmod tests {\n    use crate::relay::Relay;\n}"),
        file("sync/tests", "use crate::machine::Rig;"),
    ];
    let circle = |from: &str, to: &str| format!("node/machine/src: {from} imports {to}");
    let expected = [
        circle("peers", "sync::bodies"),
        circle("relay", "peers"),
        circle("sync::bodies", "relay"),
    ];
    assert_eq!(imports::circles(&sources, "node/machine/src"), expected);
    let cut: Vec<_> = sources.into_iter().filter(|(path, _)| !path.contains("relay")).collect();
    assert!(imports::circles(&cut, "node/machine/src").is_empty());
}
