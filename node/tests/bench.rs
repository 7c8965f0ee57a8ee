//! `lode bench` as its users see it: what it prints, what it writes, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;

use std::process::{Command, Stdio};
use std::time::Duration;

use json_page::assert_documented;
use serde_json::Value;

fn lode(arguments: &str) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_lode");
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn object(arguments: &str) -> Value {
    let (_, out, err) = lode(arguments);
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments}: {out}{err}"))
}

/// Every field of `value` stands under the heading of its command.
fn assert_explained(value: &Value) {
    let heading = format!("## `lode {} --json`", value["command"].as_str().unwrap());
    assert_documented(value, &[&heading]);
}

/// What no computer may change.
fn attempts(result: &Value) -> Vec<(Value, Value, Value)> {
    let of = |level: &Value| {
        (level["bits"].clone(), level["attempts_mean"].clone(), level["ks"].clone())
    };
    result["levels"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn one_seed_needs_the_same_attempts_on_any_number_of_threads() {
    let bench = "bench difficulty --bits 6..11 --trials 40 --json";
    let one = object(&format!("{bench} --threads 1"));
    assert_explained(&one);
    assert_eq!((&one["v"], &one["complete"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(one["passed"], one["pooled_p"].as_f64().unwrap() >= 0.001);
    assert_eq!(one["levels"].as_array().unwrap().len(), 6);
    assert_eq!(
        attempts(&one),
        attempts(&object(&format!("{bench} --threads 2 --kernel portable")))
    );
    assert_ne!(attempts(&one), attempts(&object(&format!("{bench} --threads 1 --seed 2"))));
    for level in one["levels"].as_array().unwrap() {
        let of = |field: &str| level[field].as_f64().unwrap();
        assert!(of("attempts_low") < of("attempts_mean"), "{level}");
        assert!(of("attempts_mean") < of("attempts_high"), "{level}");
        assert!(of("time_ms_median") <= of("time_ms_p95"), "{level}");
        assert_eq!(of("expected"), 2_f64.powf(of("bits")));
    }
}

#[test]
fn the_page_and_the_saved_result_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (page, saved) = (folder.path().join("page.html"), folder.path().join("a.json"));
    let (code, out, err) = lode(&format!(
        "bench difficulty --bits 4..8 --trials 30 --html {} --save {}",
        page.display(),
        saved.display()
    ));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("no bias"), "{out}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.len() < 500_000);
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_explained(&saved);
    assert!(!saved["kernels"].as_array().unwrap().is_empty());
    let (code, _, err) = lode("bench difficulty --bits 4 --trials 1 --html /nowhere/page.html");
    assert_eq!(code, 1);
    assert!(err.contains("give another file"), "{err}");
}

#[test]
fn two_saved_results_are_compared_and_different_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (name, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        let bench = format!("bench difficulty --bits 8..9 --trials 20 --seed {seed}");
        let (code, _, err) = lode(&format!("{bench} --save {}", file(name)));
        assert_eq!(code, 0, "{err}");
    }
    let compared = object(&format!("bench compare {} {} --json", file("a"), file("b")));
    assert_explained(&compared);
    assert_eq!(compared["rounds"], 20);
    let verdicts = ["faster", "slower", "tie", "cannot_tell"];
    assert!(verdicts.contains(&compared["verdict"].as_str().unwrap()), "{compared}");
    let (code, _, err) = lode(&format!("bench compare {} {}", file("a"), file("c")));
    assert_eq!((code, err.contains("--seed")), (2, true), "{err}");
    let (code, _, err) = lode(&format!("bench compare {} /nowhere", file("a")));
    assert_eq!((code, err.contains("--save")), (2, true), "{err}");
}

#[test]
fn a_program_takes_turns_with_another_one_and_what_is_no_program_is_named() {
    let program = env!("CARGO_BIN_EXE_lode");
    let compare =
        format!("bench compare --rounds 10 --rounds-max 10 --kernel portable --against {program}");
    let compare = format!("{compare} --json");
    let compared = object(&compare);
    assert_explained(&compared);
    assert_eq!(compared["rounds"], 10);
    let of = |field: &str| compared[field].as_f64().unwrap();
    assert!(of("ratio_low") < of("ratio_high") && (0.0..=1.0).contains(&of("p")), "{compared}");
    let (code, _, err) = lode("bench compare --against /no/such/program");
    assert_eq!((code, err.contains("cannot run")), (1, true), "{err}");
    assert_eq!(lode("bench compare").0, 2);
}

#[test]
fn a_pace_is_turned_into_a_difficulty_and_a_check_is_judged_by_its_interval() {
    let (code, out, err) = lode("bench calibrate --interval 1ms --check 50 --json");
    let calibrated: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_explained(&calibrated);
    let of = |field: &str| calibrated[field].as_f64().unwrap();
    assert!((of("expected") / (of("mhs") * 1e3) - 1.0).abs() < 0.01, "{calibrated}");
    assert!(of("mean_ms_low") < 1.0 && 1.0 < of("mean_ms_high"), "{calibrated}");
    assert!((of("bits") - of("difficulty")).abs() <= 0.51, "{calibrated}");
    // One mean in twenty lies outside, and more while the computer is busy.
    let mean = of("checked_mean_ms");
    let inside = of("mean_ms_low") <= mean && mean <= of("mean_ms_high");
    assert_eq!(calibrated["checked"], inside, "{calibrated}");
    assert_eq!(code, i32::from(!inside), "{calibrated}");
    assert_eq!(calibrated["target"].as_str().unwrap().len(), 64);
    assert_eq!(lode("bench calibrate --interval 0s").0, 2);
}

#[test]
fn a_node_is_timed_from_a_block_to_the_next_hash_in_memory_and_on_a_slow_disk() {
    for store in ["", "--store disk --sync-delay 2ms"] {
        let bench = format!("bench cancel --node --count 6 --kernel portable --threads 1 {store}");
        let timed = object(&format!("{bench} --json"));
        assert_documented(&timed, &["## `lode bench cancel --node --json`"]);
        let of = |field: &str| timed[field].as_u64().unwrap();
        let to_hash = &timed["block_to_hash_us"];
        let known = to_hash["n"].as_u64().unwrap();
        assert_eq!(known + of("lost"), of("blocks"), "{timed}");
        assert_eq!((of("blocks"), &to_hash["left_out"]), (6, &timed["lost"]), "{timed}");
        let us = |times: &Value| times["p50"].as_f64().unwrap();
        assert!(us(to_hash) > 0.0 && us(to_hash) <= to_hash["max"].as_f64().unwrap(), "{timed}");
        let parts = us(&timed["block_to_idle_us"]) + us(&timed["idle_to_hash_us"]);
        assert!(parts > 0.0 && timed["nodes"].as_u64().unwrap() >= 1, "{timed}");
        assert_eq!(timed["store"], if store.is_empty() { "memory" } else { "disk" });
        assert_eq!(timed["sync_delay_ms"], if store.is_empty() { 0.0 } else { 2.0 });
    }
}

#[test]
fn a_node_is_timed_beside_clients_and_beside_as_much_work_without_them() {
    let bench =
        "bench cancel --node --count 8 --kernel portable --threads 1 --clients 4 --rounds 2";
    let timed = object(&format!("{bench} --json"));
    assert_documented(&timed, &["## `lode bench cancel --node --json`"]);
    let beside = &timed["beside"];
    assert_eq!((&timed["clients"], &beside["rounds"]), (&Value::from(4), &Value::from(2)));
    assert!(beside["answers_per_s"].as_f64().unwrap() > 0.0, "{timed}");
    for kind in ["asking_us", "burning_us"] {
        let of = |field: &str| beside[kind][field].as_f64().unwrap();
        assert!(of("block_to_idle_p50") > 0.0, "{timed}");
        assert!(of("block_to_idle_p50") <= of("block_to_hash_p99"), "{timed}");
    }
}

#[test]
fn an_empty_node_catches_up_with_a_chain_and_every_sync_can_be_made_slow() {
    let empty = object("bench catch-up --blocks 12 --json");
    assert_explained(&empty);
    let zero = Value::from(0);
    assert_eq!((&empty["ratio"], &empty["signatures"]), (&Value::Null, &zero), "{empty}");
    let paid = object("bench catch-up --blocks 6 --txs 3 --store disk --sync-delay 5ms --json");
    assert_explained(&paid);
    assert_eq!((&paid["signatures"], &paid["store"]), (&Value::from(18), &Value::from("disk")));
    let of = |field: &str| paid[field].as_f64().unwrap();
    let shared = of("bare_signature_seconds") / of("cores");
    assert!((of("ratio") * shared / of("seconds") - 1.0).abs() < 0.01, "{paid}");
    assert!(of("verify_seconds") > 0.0 && of("seconds") >= 0.005, "{paid}");
}

#[test]
fn nothing_is_gone_that_a_node_told_before_it_was_killed() {
    let killed = object("bench kill --rounds 10 --sync-delay 10ms --json");
    assert_explained(&killed);
    let none: &[Value] = &[];
    assert_eq!(killed["lost"].as_array().unwrap(), none, "{killed}");
    let of = |field: &str| killed[field].as_u64().unwrap();
    assert_eq!((of("rounds"), &killed["sync_delay_ms"]), (10, &Value::from(10.0)), "{killed}");
    for hearer in ["peer", "wallet", "operator", "log"] {
        assert!(
            killed["told"][hearer].as_u64().unwrap() > 0,
            "{hearer} was told nothing: {killed}"
        );
    }
    assert!(of("caught_up") > 0 && of("killed_starting") < 10, "{killed}");
}

#[test]
fn what_the_node_benches_cannot_do_is_said_in_two_lines() {
    for wrong in [
        "bench catch-up",
        "bench catch-up --blocks 0",
        "bench catch-up --blocks 100001",
        "bench catch-up --blocks 1 --txs 2001",
        "bench catch-up --blocks 100000 --txs 2000",
        "bench catch-up --blocks 1 --sync-delay 2s",
        "bench catch-up --blocks 1 --store tape",
        "bench cancel --node --sync-delay soon",
        "bench cancel --store disk",
        "bench cancel --clients 4",
        "bench cancel --node --clients 17",
        "bench cancel --node --rounds 5",
        "bench kill --rounds 0",
        "bench kill --sync-delay 101ms",
    ] {
        let (code, out, err) = lode(wrong);
        assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 2), "{wrong}: {err}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_catching_up_and_leaves_no_directory_behind() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_lode"))
        .args("bench catch-up --blocks 5000 --store disk --sync-delay 100ms".split(' '))
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    testkit::poll_until("a node that begins to catch up", 2 * testkit::PATIENCE, || {
        (entries() > 0).then_some(())
    });
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), entries()), (Some(130), 0), "{err}");
    assert!(err.contains("interrupted") && output.stdout.is_empty(), "{err}");
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_prints_what_is_done_so_far() {
    let program = env!("CARGO_BIN_EXE_lode");
    // The first searches take no time, the last ones far longer than this test.
    let child = Command::new(program)
        .args("bench difficulty --bits 4..40 --trials 40 --kernel portable --json".split(' '))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    // It has made its first searches when it has run for a second.
    testkit::poll_until("a second of the bench", testkit::PATIENCE, || {
        (ran_for(&id) >= Duration::from_secs(1)).then_some(())
    });
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["complete"], false);
    assert!(result["levels"][0]["trials"].as_u64().unwrap() >= 2, "{result}");
    assert!(result["raw_mhs"].as_f64().unwrap() > 0.0, "{result}");
}

/// Processor time of all threads of a process so far.
#[cfg(target_os = "linux")]
fn ran_for(id: &str) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let stat = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(threads.map(stat).sum())
}
