//! Tests of the key file: it opens with its passphrase and with nothing else.

use std::fs;

use proptest::prelude::*;
use testkit::test_chain;

use super::*;

/// As little work as Argon2 knows.
const CHEAP: Stretching = Stretching::LEAST;

fn seed(byte: u8) -> Seed {
    Seed::from_entropy([byte; ENTROPY_BYTES])
}

/// `bytes` with its checksum made right again.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(KEY_FILE_BYTES - CHECKSUM_BYTES);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

proptest! {
    #[test]
    fn a_key_opens_with_its_passphrase_and_with_no_other(
        entropy: [u8; ENTROPY_BYTES],
        passphrase in ".{0,40}",
        other in ".{0,40}",
    ) {
        let seed = Seed::from_entropy(entropy);
        let file = KeyFile::seal(&seed, &passphrase, CHEAP).unwrap();
        let file = KeyFile::from_bytes(&file.to_bytes()).unwrap();
        prop_assert_eq!(file.is_protected, !passphrase.is_empty());
        prop_assert_eq!(file.account_key, AccountKey::of(&seed));
        prop_assert_eq!(file.open(&passphrase).unwrap(), seed);
        if other != passphrase {
            let refused = file.open(&other);
            prop_assert!(matches!(refused, Err(KeystoreError::WrongPassphrase)));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_an_error_before_anything_is_opened(
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = KeyFile::seal(&seed(1), "secret", CHEAP).unwrap().to_bytes();
        let mut flipped = bytes.clone();
        flipped[place.index(bytes.len())] ^= 1 << bit;
        prop_assert!(KeyFile::from_bytes(&flipped).is_err());
        prop_assert!(KeyFile::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn whoever_mends_the_checksum_too_still_opens_nothing(
        place in 0..KEY_FILE_BYTES - CHECKSUM_BYTES,
        bit in 0u8..8,
    ) {
        let mut bytes = KeyFile::seal(&seed(1), "secret", CHEAP).unwrap().to_bytes();
        bytes[place] ^= 1 << bit;
        if let Ok(file) = KeyFile::from_bytes(&with_checksum(bytes)) {
            // What Argon2 could be made to spend here is not what is tested.
            prop_assume!(file.stretching.memory_kib <= 65_536);
            prop_assert!(matches!(file.open("secret"), Err(KeystoreError::WrongPassphrase)));
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        prop_assert!(KeyFile::from_bytes(&bytes).is_err());
        let mut long = bytes;
        long.resize(KEY_FILE_BYTES, 0);
        let _ = KeyFile::from_bytes(&with_checksum(long));
    }

    #[test]
    fn absurd_stretching_is_refused_before_memory_is_spent(
        memory_kib in prop_oneof![0u32..2_000_000, any::<u32>()],
        passes in prop_oneof![0u32..32, any::<u32>()],
        lanes in prop_oneof![0u32..32, any::<u32>()],
    ) {
        let mut file = KeyFile::seal(&seed(1), "secret", CHEAP).unwrap();
        file.stretching = Stretching { memory_kib, passes, lanes };
        let fits = memory_kib <= 1024 * 1024 && (1..=16).contains(&passes)
            && (1..=16).contains(&lanes) && memory_kib >= 8 * lanes;
        prop_assert_eq!(KeyFile::from_bytes(&file.to_bytes()).is_ok(), fits);
    }
}

#[test]
fn each_bound_of_the_stretching_holds_by_itself() {
    let most = Stretching { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };
    assert!(most.check().is_ok());
    for beyond in [
        Stretching { memory_kib: most.memory_kib + 1, ..most },
        Stretching { passes: 17, ..most },
        Stretching { lanes: 17, ..most },
        Stretching { memory_kib: u32::MAX, passes: u32::MAX, lanes: u32::MAX },
        Stretching { memory_kib: 7, passes: 1, lanes: 1 },
        Stretching { memory_kib: 8, passes: 0, lanes: 1 },
    ] {
        assert_eq!(beyond.stretch(b"secret", &[0; SALT_BYTES]), Err(StretchingError(beyond)));
    }
}

#[test]
fn the_usual_stretching_opens_what_it_sealed() {
    let file = KeyFile::seal(&seed(3), "correct horse", Stretching::DEFAULT).unwrap();
    assert_eq!(file.open("correct horse").unwrap(), seed(3));
    assert!(matches!(file.open("correct horse "), Err(KeystoreError::WrongPassphrase)));
}

#[test]
fn killed_at_any_step_of_saving_the_old_or_the_new_key_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let old = KeyFile::seal(&seed(1), "old", CHEAP).unwrap();
    let new = KeyFile::seal(&seed(1), "new", CHEAP).unwrap();
    for step in 0..=durable_file::STEPS {
        old.save(&path).unwrap();
        durable_file::replace_and_die(&path, &new.to_bytes(), step);
        let found = KeyFile::load(&path).unwrap();
        let opened = found.open("old").or_else(|_| found.open("new")).unwrap();
        assert_eq!(opened, seed(1), "step {step}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_key() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    KeyFile::seal(&seed(1), "", CHEAP).unwrap().save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    assert!(matches!(KeyFile::load(&path), Err(KeystoreError::Missing { .. })));
    fs::write(&path, "").unwrap();
    assert!(matches!(KeyFile::load(&path), Err(KeystoreError::Damaged { .. })));
    fs::write(&path, vec![7; 100_000]).unwrap();
    assert!(matches!(KeyFile::load(&path), Err(KeystoreError::Damaged { .. })));
    let mut later = KeyFile::seal(&seed(1), "", CHEAP).unwrap().to_bytes();
    later[8] = 2;
    fs::write(&path, with_checksum(later)).unwrap();
    let refused = KeyFile::load(&path);
    assert!(matches!(refused, Err(KeystoreError::LaterVersion { version: 2, .. })));
}

#[test]
fn a_miners_payout_key_is_made_once_and_is_the_wallets_first() {
    let directory = tempfile::tempdir().unwrap();
    let network = test_chain::network(&[]);
    let key = payout_key(directory.path(), &network).unwrap();
    assert_eq!(payout_key(directory.path(), &network).unwrap(), key);
    let wallet = WalletDirectory::open(directory.path()).unwrap();
    let file = KeyFile::load(&wallet.key_file()).unwrap();
    assert!(!file.is_protected);
    assert_eq!(Account::new(&file.open("").unwrap()).receive_key(0), key);
    // The wallet being open changes nothing.
    assert_eq!(payout_key(directory.path(), &network).unwrap(), key);
}

#[test]
fn the_main_network_takes_no_empty_passphrase_and_no_key_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let mut spec = test_chain::network(&[]).spec.clone();
    spec.address_prefix = MAIN_PREFIX.to_owned();
    let main = Network::new(spec).unwrap();
    let unprotected = payout_key(directory.path(), &main);
    assert!(matches!(unprotected, Err(KeystoreError::PassphraseNeeded)));
    let wallet = WalletDirectory::open(directory.path()).unwrap();
    let create = |passphrase: &str, byte| create(&wallet, &main, &seed(byte), passphrase, CHEAP);
    assert!(matches!(create("", 1), Err(KeystoreError::PassphraseNeeded)));
    create("secret", 1).unwrap();
    assert!(matches!(create("secret", 2), Err(KeystoreError::Exists { .. })));
    let key = Account::new(&seed(1)).receive_key(0);
    assert_eq!(payout_key(directory.path(), &main).unwrap(), key);
}

#[test]
fn no_key_is_made_where_a_wallet_was_at_work_or_a_link_leads_to_one() {
    let network = test_chain::network(&[]);
    let directory = tempfile::tempdir().unwrap();
    let files = WalletDirectory::open(directory.path()).unwrap();
    assert!(matches!(load(&files), Err(KeystoreError::Missing { .. })));
    fs::write(files.journal(), "payments").unwrap();
    assert!(matches!(load(&files), Err(KeystoreError::Gone { .. })));
    drop(files);
    let refused = payout_key(directory.path(), &network).unwrap_err().to_string();
    assert!(refused.contains("is gone") && refused.contains("restore"), "{refused}");
    #[cfg(unix)]
    {
        let files = WalletDirectory::open(directory.path()).unwrap();
        std::os::unix::fs::symlink("/nowhere/key", files.key_file()).unwrap();
        let refused = create(&files, &network, &seed(1), "", CHEAP);
        assert!(matches!(refused, Err(KeystoreError::Exists { .. })));
    }
}
