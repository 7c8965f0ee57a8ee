//! Tests of the places of data: pins, names, and what is remembered beside a spec.

use std::fs::{self, File};
use std::time::Duration;

use chain::key::OutputKey;
use proptest::prelude::*;
use testkit::test_chain::network;

use super::*;

fn other_network() -> Arc<Network> {
    network(&[OutputKey([9; 32])])
}

/// The directory of `name` on `network` under `home`, pinned.
fn pinned(home: &Path, network: &Network, name: &str) -> PathBuf {
    let directory = network_directory(home, network).join(name);
    fs::create_dir_all(&directory).unwrap();
    pin(&directory, network).unwrap();
    directory
}

#[test]
fn a_directory_is_pinned_once_and_refuses_another_network() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (network(&[]), other_network());
    assert!(matches!(pinned_network(directory.path()), Err(PinError::Missing { .. })));
    pin(directory.path(), &ours).unwrap();
    pin(directory.path(), &ours).unwrap();
    assert_eq!(pinned_network(directory.path()).unwrap(), *ours);
    assert!(matches!(
        pin(directory.path(), &other),
        Err(PinError::OtherNetwork { got, .. }) if got == ours.genesis_hash()
    ));
}

#[test]
fn a_spec_that_was_tampered_with_is_never_used() {
    let directory = tempfile::tempdir().unwrap();
    let network = network(&[]);
    pin(directory.path(), &network).unwrap();
    let path = directory.path().join(SPEC_FILE);
    fs::write(&path, "coin_name = 1").unwrap();
    assert!(matches!(pin(directory.path(), &network), Err(PinError::Spec { .. })));
    let long = File::create(&path).unwrap();
    long.set_len(SPEC_FILE_BYTES_MAX + 1).unwrap();
    assert!(matches!(pin(directory.path(), &network), Err(PinError::Io { .. })));
}

#[test]
fn the_directories_of_a_name_come_last_used_first_and_with_their_bootstrap_nodes() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (network(&[]), other_network());
    let first = pinned(home.path(), &one, "Miner1");
    let second = pinned(home.path(), &two, "Miner1");
    pinned(home.path(), &one, "Miner2");
    remember_bootstraps(&first, &["a:1".to_owned(), "b:2".to_owned()]).unwrap();
    remember_bootstraps(&second, &["c:3".to_owned()]).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(1000);
    let file = File::options().write(true).open(second.join(BOOTSTRAPS_FILE)).unwrap();
    file.set_modified(long_ago).unwrap();
    let found = directories_of(home.path(), "Miner1");
    let directories: Vec<_> = found.iter().map(|pinned| pinned.directory.clone()).collect();
    assert_eq!(directories, [first.clone(), second.clone()]);
    assert_eq!(found[1].network, two);
    remember_bootstraps(&second, &["d:4".to_owned(), "c:3".to_owned()]).unwrap();
    let found = directories_of(home.path(), "Miner1");
    assert_eq!(found[0].directory, second);
    assert_eq!(found[0].bootstraps, ["d:4", "c:3"]);
    assert_eq!(directories_of(home.path(), "Nobody").len(), 0);
}

#[test]
fn a_damaged_list_of_bootstrap_nodes_is_an_empty_one_and_a_long_one_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let directory = pinned(home.path(), &network(&[]), "Miner1");
    fs::write(directory.join(BOOTSTRAPS_FILE), "{").unwrap();
    assert_eq!(pinned_directory(&directory).unwrap().bootstraps.len(), 0);
    let many: Vec<String> = (0..100).map(|port| format!("host:{port}")).collect();
    remember_bootstraps(&directory, &many).unwrap();
    assert_eq!(pinned_directory(&directory).unwrap().bootstraps, many[..BOOTSTRAPS_MAX]);
}

proptest! {
    #[test]
    fn a_name_stays_one_step_below_its_network(name in ".{0,40}") {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        let expected = (1..=32).contains(&name.len()) && name.chars().all(allowed);
        prop_assert_eq!(check_name(&name).is_ok(), expected);
        if expected {
            let path = Path::new("home").join(&name);
            prop_assert_eq!(path.components().count(), 2);
            prop_assert_eq!(path.parent(), Some(Path::new("home")));
        }
    }
}
