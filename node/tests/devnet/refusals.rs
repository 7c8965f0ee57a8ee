//! What is refused: in one or two lines that say what to do, and with the exit code that fits.

use std::fs;
use std::path::Path;

use super::program::{Running, alone, lode};
use super::run;

/// Runs a devnet that must be refused, and returns what it says.
fn refused(arguments: &str, code: i32) -> String {
    let words: Vec<&str> = ["devnet"].into_iter().chain(arguments.split_whitespace()).collect();
    let (got, out, err) = lode(&words);
    assert_eq!((got, out.as_str()), (code, ""), "{arguments}: {err}");
    let lines = err.lines().count();
    assert!((1..=2).contains(&lines), "{arguments}: {err}");
    assert!(!err.contains("Error {") && !err.contains("panicked"), "{err}");
    err
}

fn spec_with(directory: &Path, from: &str, to: &str) -> String {
    let good = fs::read_to_string(Path::new(&run().node_dir("miner1")).join("spec.toml")).unwrap();
    assert!(good.contains(from), "{good}");
    let path = directory.join("bad.toml");
    fs::write(&path, good.replacen(from, to, 1)).unwrap();
    path.display().to_string()
}

#[test]
fn a_flag_that_contradicts_a_kept_network_is_named() {
    let kept = run().directory.path().join("net");
    let with = |flags: &str| refused(&format!("--data-dir {} {flags}", kept.display()), 2);
    for (flags, field) in [
        ("--seed 7 --difficulty 9", "starting_bits 20, not 9"),
        ("--seed 7 --spacing 7s", "spacing_s 5, not 7"),
        ("--seed 7 --retarget fixed", "retarget asert, not fixed"),
        ("--seed 7 --coin Gold:AU", "coin_name Lode, not Gold"),
        ("--seed 7 --wallets 6", "--wallets"),
        ("--seed 9", "--seed"),
    ] {
        let said = with(flags);
        assert!(said.contains(field), "{flags}: {said}");
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let flags = format!("--no-traffic --data-dir {}", directory.path().display());
    let mut first = Running::start(&format!("devnet --json --difficulty 40 {flags}"));
    assert_eq!(first.line().unwrap()["event"], "ready");
    let said = refused(&flags, 5);
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn a_bad_field_of_a_spec_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (from, to, field) in [
        ("spacing_s = 5", "spacing_s = 0", "spacing_s"),
        ("maturity = 10", "maturity = \"ten\"", "maturity"),
        ("maturity = 10", "ripeness = 10", "ripeness"),
        ("subsidy = \"50.00000000\"", "subsidy = \"1000000000\"", "subsidy"),
        ("coin_symbol = \"LODE\"", "coin_symbol = \"lode\"", "coin_symbol"),
    ] {
        let path = spec_with(directory.path(), from, to);
        let said = refused(&format!("--spec {path}"), 2);
        assert!(said.contains(field), "{said}");
    }
    let said = refused("--spec /nowhere/spec.toml", 2);
    assert!(said.contains("/nowhere/spec.toml"), "{said}");
}

#[test]
fn a_kept_spec_that_was_damaged_is_never_used() {
    let directory = tempfile::tempdir().unwrap();
    let bad = spec_with(directory.path(), "spacing_s = 5", "spacing_s = 0");
    fs::rename(bad, directory.path().join("spec.toml")).unwrap();
    let said = refused(&format!("--data-dir {}", directory.path().display()), 5);
    assert!(said.contains("spacing_s"), "{said}");
}

#[test]
fn numbers_that_make_no_network_are_refused() {
    let said = refused("--wallets 1", 2);
    assert!(said.contains("--wallets"), "{said}");
    for arguments in
        ["--miners 0", "--until-height 0", "--pause 2s..1s", "--no-traffic --pause 1s..2s"]
    {
        let words: Vec<&str> = ["devnet"].into_iter().chain(arguments.split_whitespace()).collect();
        let (code, out, err) = lode(&words);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        let first = err.lines().next().unwrap();
        assert!(first.contains(arguments.split_whitespace().next().unwrap()), "{err}");
    }
}

#[test]
fn a_wrong_flag_is_named_in_two_lines() {
    for (flags, told) in [
        ("--minersx 2", "'--minersx' found"),
        ("--miners 0", "0 is not in 1..=16"),
        ("--difficulty 300", "up to 200 bits"),
        ("--pause 3s..1s", "must not be the longer one"),
        ("--kernel abacus", "this CPU has: portable"),
        ("--until-height 0", "0 is not in"),
        ("--no-traffic --pause 1s..2s", "cannot be used with"),
    ] {
        let said = refused(flags, 2);
        assert!(said.contains(told) && said.contains("--help"), "{flags}: {said}");
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(&format!("--listen {address}"), 1);
    assert!(said.contains(&address) && said.contains("choose another port"), "{said}");
}
