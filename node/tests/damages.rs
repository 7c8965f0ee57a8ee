//! Every file of a bootstrap node and of a wallet is removed, cut or changed before a start:
//! nothing that holds money or a chain is written over, and what is said tells what to do.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "miner/processes.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod processes;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use processes::{ANYWHERE, Home, until};
use serde_json::Value;

/// Nobody listens on the port that is called discard.
const NOBODY: &str = "127.0.0.1:9";

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Removed,
    Cut,
    Changed,
}

/// All files below a folder, by their path from there.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files_below(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.is_file() {
                let name = entry.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// A home with these files, of which one is damaged. What it holds now stands in it.
fn damaged_home(files: &Files, name: &Path, damage: Damage) -> (Home, Option<Vec<u8>>) {
    let home = Home::new();
    for (path, bytes) in files {
        let place = home.folder("lode").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
    }
    let place = home.folder("lode").join(name);
    let mut bytes = files[name].clone();
    let middle = bytes.len() / 2;
    match damage {
        Damage::Removed => {
            fs::remove_file(&place).unwrap();
            return (home, None);
        }
        Damage::Cut => bytes.truncate(middle),
        Damage::Changed => bytes[middle] ^= 0x10,
    }
    fs::write(place, &bytes).unwrap();
    (home, Some(bytes))
}

/// Starts a node and tells it to stop as soon as it is ready. Returns its first line, or its exit
/// code when it refused; and what it said.
fn start(mut command: Command) -> (Result<Value, i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let mut said = String::new();
    if !line.is_empty() {
        // It may have ended already.
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    }
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let code = child.wait().unwrap().code().unwrap();
    let first = if code == 0 { Ok(serde_json::from_str(&line).unwrap()) } else { Err(code) };
    (first, said)
}

/// A key is as it was found, or lies beside it under another name. Of a chain nothing is missing
/// that was not taken away, here or in a copy.
fn assert_nothing_is_lost(files: &Files, name: &Path, found: Option<&Vec<u8>>, home: &Home) {
    let now = files_below(&home.folder("lode"));
    for (path, before) in files {
        let before = if path == name { found } else { Some(before) };
        let Some(before) = before else { continue };
        let is_key = path.ends_with("faucet.key") || path.ends_with("wallet/key");
        let is_kept = now.values().any(|bytes| bytes == before);
        let file = path.file_name().unwrap().to_string_lossy();
        let is_chain = file.starts_with("blocks-") || file == "payments";
        let goes_on = now.get(path).is_some_and(|bytes| bytes.starts_with(before));
        // What was cut off a chain lies beside it.
        let beside = now.iter().filter(|(other, _)| {
            other.to_string_lossy().starts_with(&*path.to_string_lossy()) && *other != path
        });
        let beside: usize = beside.map(|(_, bytes)| bytes.len()).sum();
        let whole = now.get(path).map_or(0, Vec::len) + beside >= before.len();
        assert!(!is_key || is_kept, "{} is written over", path.display());
        assert!(!is_chain || goes_on || whole, "{} has lost something", path.display());
    }
}

#[test]
fn a_bootstrap_node_goes_on_with_its_network_or_says_what_to_do_whatever_file_is_damaged() {
    let (files, genesis) = {
        let home = Home::new();
        let mut bootstrap = home.start("bootstrap --listen 127.0.0.1:0 --difficulty 8 --json");
        let genesis = bootstrap.ready()["genesis"].clone();
        let address = bootstrap.address();
        let mut miner = home.miner_of(&address, "Miner1", ANYWHERE, "--threads 1 --min-txs 0");
        miner.ready();
        until("blocks", || home.ask(&address, "status")["height"].as_u64() >= Some(3));
        home.stop(&address);
        assert_eq!(bootstrap.end(), 0, "{}", bootstrap.errors());
        drop(miner);
        let mut files = files_below(&home.folder("lode"));
        files.retain(|path, _| path.to_string_lossy().contains("/bootstrap/"));
        (files, genesis)
    };
    assert!(files.len() >= 6, "{:?}", files.keys());
    for name in files.keys().filter(|name| !files[*name].is_empty()) {
        for damage in [Damage::Removed, Damage::Cut, Damage::Changed] {
            let case = format!("{} {damage:?}", name.display());
            let (home, found) = damaged_home(&files, name, damage);
            let (first, said) = start(home.command("bootstrap --listen 127.0.0.1:0 --json"));
            let file = name.file_name().unwrap().to_string_lossy();
            match first {
                Ok(ready) => assert_eq!(ready["genesis"], genesis, "{case}: {said}"),
                Err(code) => {
                    assert!([2, 5].contains(&code), "{case}: {code} {said}");
                    let tells = [&*file, "verify", "network"];
                    assert!(tells.iter().any(|part| said.contains(part)), "{case}: {said}");
                }
            }
            // A byte of a page that is in no use may change.
            let is_missed = &*file == "faucet.key"
                || (&*file == "directory.redb" && !matches!(damage, Damage::Changed));
            assert!(!is_missed || said.contains(&*file), "{case}: {said}");
            assert_nothing_is_lost(&files, name, found.as_ref(), &home);
        }
    }
}

#[test]
fn a_wallet_goes_on_with_its_key_or_says_what_to_do_whatever_file_is_damaged() {
    let (files, address) = {
        let home = Home::new();
        let mut bootstrap = home.bootstrap();
        let _miner = home.miner("Miner1", "--threads 0");
        bootstrap.ready();
        let at = home.bootstrap_address();
        let wallet = |words: &str| home.lode(&format!("wallet Adam {words} --bootstrap {at}"));
        let (code, address, said) = wallet("receive");
        assert_eq!(code, 0, "{said}");
        assert_eq!(wallet(&format!("contacts add Bob {}", address.trim())).0, 0);
        let mut files = files_below(&home.folder("lode"));
        files.retain(|path, _| path.to_string_lossy().contains("/Adam/"));
        (files, address)
    };
    assert!(files.len() >= 6, "{:?}", files.keys());
    for name in files.keys().filter(|name| !files[*name].is_empty()) {
        for damage in [Damage::Removed, Damage::Cut, Damage::Changed] {
            let case = format!("{} {damage:?}", name.display());
            let (home, found) = damaged_home(&files, name, damage);
            let place = home.data_of("Adam");
            let (code, out, said) = home.lode(&format!(
                "wallet Adam contacts --bootstrap {NOBODY} --data-dir {}",
                place.display()
            ));
            let file = name.file_name().unwrap().to_string_lossy();
            let is_known = code == 0 && (out.contains(address.trim()) || &*file == "contacts.json");
            let is_told = [4, 5].contains(&code)
                && [&*file, "lode bootstrap", "network"].iter().any(|part| said.contains(part));
            assert!(is_known || is_told, "{case}: {code} {out} {said}");
            let is_missed = ["key", "payments"].contains(&&*file);
            assert!(!is_missed || said.contains(&*file), "{case}: {said}");
            assert_nothing_is_lost(&files, name, found.as_ref(), &home);
        }
    }
}

/// What a kill leaves between the faucet's key and the spec: nobody was told of a network.
#[test]
fn a_faucet_key_without_a_network_is_moved_aside_and_what_was_being_written_is_removed() {
    let home = Home::new();
    let folder = home.folder("network");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("faucet.key"), "0".repeat(63) + "1\n").unwrap();
    fs::write(folder.join("spec.toml.new"), "half").unwrap();
    fs::write(folder.join("bootstraps.json.new"), "half").unwrap();
    fs::write(folder.join("operator.json.new"), "half").unwrap();
    fs::write(folder.join("letter.new"), "of somebody").unwrap();
    let place = folder.display();
    let (first, said) =
        start(home.command(&format!("bootstrap --listen 127.0.0.1:0 --data-dir {place} --json")));
    assert!(first.is_ok(), "{said}");
    assert_eq!(fs::read_to_string(folder.join("faucet.key.old1")).unwrap().len(), 65);
    for name in ["faucet.key.old1", "bootstraps.json.new"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let left: Vec<PathBuf> = files_below(&folder).into_keys().collect();
    let new: Vec<&PathBuf> =
        left.iter().filter(|path| path.extension().is_some_and(|end| end == "new")).collect();
    assert_eq!(new, [Path::new("letter.new")], "what nobody of ours writes is left alone");
}
