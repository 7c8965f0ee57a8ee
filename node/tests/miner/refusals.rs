//! What a miner refuses: a line or two with what to do, and an exit code of its own.

use testkit::HeldPort;

use crate::processes::{ANYWHERE, Home, Running, until};

/// Ends by itself with `code` and says all of `words` in at most two lines.
fn refused(running: &mut Running, code: i32, words: &[&str]) {
    let ended = running.end();
    let errors = running.errors();
    assert_eq!(ended, code, "{errors}");
    let told: Vec<&str> = errors.lines().filter(|line| line.starts_with("lode: ")).collect();
    assert_eq!(told.len(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word} is not in {errors}");
    }
}

#[test]
fn a_second_node_on_one_directory_and_a_port_in_use_are_refused() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let mut first = home.miner("Miner1", "--threads 0");
    let address = first.address();
    refused(&mut home.miner("Miner1", "--threads 0"), 5, &["in use"]);
    let mut same_port = home.miner_at("Miner2", &address, "--threads 0");
    refused(&mut same_port, 1, &["another port"]);
    assert_eq!(home.ask(&address, "status")["name"], "Miner1", "the first one goes on");
}

#[test]
fn a_spec_that_differs_is_named_by_its_field_and_joined_by_its_genesis() {
    let home = Home::new();
    let bootstrap = home.bootstrap();
    let mut miner = home.miner("Miner1", "--threads 0");
    let genesis = miner.ready()["genesis"].clone();
    miner.kill();
    drop(bootstrap);
    let _other =
        home.bootstrap_in("other", &home.bootstrap_address().to_string(), "--difficulty 9");
    let mut changed = home.miner("Miner1", "--threads 0");
    refused(&mut changed, 7, &["starting_bits is 8 here and 9 there", "--genesis"]);
    let errors = changed.errors();
    let (_, after) = errors.split_once("--genesis ").unwrap();
    let flags = format!("--threads 0 --genesis {}", &after[..64]);
    let mut joined = home.miner("Miner1", &flags);
    assert_ne!(joined.ready()["genesis"], genesis);
    joined.kill();
    let flags = format!("--threads 0 --genesis {}", genesis.as_str().unwrap());
    refused(&mut home.miner("Miner1", &flags), 7, &["--bootstrap"]);
}

#[test]
fn what_a_miner_cannot_be_told_is_refused_with_what_to_do() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let difficulty = home.miner("Miner1", "--difficulty 20");
    refused(&mut { difficulty }, 2, &["the network's difficulty is set at `lode bootstrap`"]);
    let elsewhere = "--payout bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0";
    refused(&mut home.miner("Miner1", elsewhere), 7, &["--payout", "this network"]);
    refused(&mut home.miner("Miner1", "--payout abc"), 2, &["--payout", "checksum"]);
    let mut miner = home.miner("Miner1", "--threads 0");
    let address = miner.address();
    // A miner is no bootstrap node.
    let mut misled = home.miner_of(&address, "Miner2", ANYWHERE, "--threads 0");
    refused(&mut misled, 4, &["is the port right?"]);
    for (arguments, code) in [
        ("miner ../x 9001", 2),
        ("miner Miner1", 2),
        ("miner Miner1 0", 2),
        ("miner Miner1 9001 --listen 127.0.0.1:9001", 2),
        ("miner Miner1 9001 --bootstrap nowhere", 2),
        ("miner Miner1 9001 --max-wait 5", 2),
    ] {
        let (ended, out, err) = home.lode(arguments);
        assert_eq!((ended, out.as_str()), (code, ""), "{arguments}: {err}");
        assert!(err.lines().count() <= 2, "{err}");
    }
    // Whoever only waits ends at once, and has done nothing.
    let nobody = HeldPort::any();
    let waits = home.miner_of(&nobody.address().to_string(), "Miner3", ANYWHERE, "--threads 0");
    until("it waits", || waits.errors().contains("waiting"));
    #[cfg(unix)]
    {
        let mut waits = waits;
        waits.signal("TERM");
        assert_eq!(waits.end(), 0);
    }
}
