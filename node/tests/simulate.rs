//! `lode simulate`, as it is used: what it prints, how it ends, and how it goes on after a kill.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testkit::{PATIENCE, poll_until};

/// A few minutes of three nodes: a moment of work.
const SMALL: &str = "--set duration_s=180 --set nodes=3 --set starting_bits=8 --set spacing_s=5";

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lode"));
    command.arg("simulate").args(arguments.split_whitespace());
    for variable in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"] {
        command.env_remove(variable);
    }
    command
}

fn simulate(arguments: &str) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The objects that it printed, without the time that they took.
fn objects(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let object = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        object["wall_s"] = Value::Null;
        object
    };
    lines.lines().map(object).collect()
}

#[test]
fn what_it_shows_can_be_edited_and_run() {
    let list = text(&simulate("--list").stdout);
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"partition") && names.len() >= 6, "{list}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    fs::write(&path, simulate("--show calm").stdout).unwrap();
    let from_file = objects(&simulate(&format!("{} {SMALL} --json", path.display())));
    assert_eq!(from_file, objects(&simulate(&format!("calm {SMALL} --json"))));
    let [seed, result] = &from_file[..] else { panic!("{from_file:?}") };
    assert_eq!((&seed["event"], &result["event"]), (&"seed".into(), &"result".into()));
    assert!(seed["blocks"].as_u64().unwrap() > 5, "{seed}");
    assert_eq!(result["theory"]["spacing_s"]["value"], 5.0);
    assert_eq!(result["violations"], 0);
}

#[test]
fn every_scenario_runs_without_a_violation_and_every_field_is_explained() {
    let own = [
        ("calm", ""),
        ("partition", "--set partition.from_s=20 --set partition.until_s=100"),
        ("churn", "--set churn.every_s=20 --set churn.away_s=15"),
        ("flash-crowd", "--set crowd.at_s=100 --set crowd.nodes=4"),
        ("hash-rate-shock", "--set shock.from_s=60 --set shock.until_s=120"),
        ("selfish", "--set blocks=60 --set nodes=2"),
        ("slow-links", "--set latency_ms=900"),
    ];
    assert_eq!(text(&simulate("--list").stdout).lines().count(), own.len());
    for (scenario, settings) in own {
        let small = SMALL.replace("--set duration_s=180", "");
        let small = if scenario == "selfish" { &*small } else { SMALL };
        let run = format!("{scenario} {small} {settings} --seeds 1..2 --json");
        for mut object in objects(&simulate(&run)) {
            // Their names are keys of the scenario.
            if let Some(flags) = object.get_mut("flags") {
                assert!(flags["nodes"] == "3" || flags["nodes"] == "2");
                *flags = Value::Null;
            }
            json_page::assert_documented(&object, &["## `lode simulate --json`"]);
            let violations = &object["violations"];
            assert!(*violations == 0 || *violations == Value::Array(Vec::new()), "{object}");
        }
    }
}

#[test]
fn who_withholds_blocks_gains_what_theory_says() {
    // Of 3000 blocks one standard deviation is a hundredth.
    let run = "selfish --set blocks=3000 --set starting_bits=12 --json";
    for (settings, wanted) in [("share=0.40", 0.4837), ("share=0.20", 0.1303)] {
        let objects = objects(&simulate(&format!("{run} --set {settings}")));
        let result = objects.last().unwrap();
        let (got, theory) = (&result["measured"]["revenue"], &result["theory"]["revenue"]["value"]);
        assert!((theory.as_f64().unwrap() - wanted).abs() < 0.006, "{theory}");
        assert!((got["value"].as_f64().unwrap() - wanted).abs() < 0.05, "{got}");
        assert_eq!(result["violations"], 0);
    }
}

#[test]
fn parts_make_the_lines_of_the_whole_and_every_thread_count_the_same() {
    let sweep = format!("calm {SMALL} --sweep latency_ms=20,300 --seeds 1..3 --json");
    let seeds_of = |arguments: &str| -> Vec<Value> {
        let all = objects(&simulate(arguments));
        all.into_iter().filter(|object| object["event"] == "seed").collect()
    };
    let whole = seeds_of(&format!("{sweep} --threads 1"));
    assert_eq!(whole.len(), 6);
    assert_eq!(seeds_of(&format!("{sweep} --threads 2")), whole);
    let mut parts = Vec::new();
    for part in 1..=2 {
        parts.extend(seeds_of(&format!("{sweep} --shard {part}/2")));
    }
    let by_place = |object: &Value| (object["experiment"].to_string(), object["seed"].as_u64());
    parts.sort_by_key(by_place);
    let mut sorted = whole.clone();
    sorted.sort_by_key(by_place);
    assert_eq!(parts, sorted);
    // A cluster's job says the same, and it is told that it was heard.
    let job = command(&sweep)
        .env("SLURM_ARRAY_TASK_ID", "7")
        .env("SLURM_ARRAY_TASK_MIN", "7")
        .env("SLURM_ARRAY_TASK_COUNT", "2")
        .output()
        .unwrap();
    assert!(text(&job.stderr).contains("part 1 of 2"), "{}", text(&job.stderr));
    let unplaced = command(&sweep).env("JOB_COMPLETION_INDEX", "0").output().unwrap();
    assert_eq!(unplaced.status.code(), Some(2), "{}", text(&unplaced.stderr));
    assert_eq!(seeds_of(&format!("{sweep} --shard 1/2")).len(), 3);
    assert_eq!(objects(&job).iter().filter(|object| object["event"] == "seed").count(), 3);
}

#[test]
fn a_run_that_was_killed_goes_on_with_no_seed_twice_and_none_missing() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("record");
    let run = format!("calm {SMALL} --seeds 1..30 --json");
    let resumed = format!("{run} --resume {}", record.display());
    let mut killed = command(&resumed).stdout(Stdio::null()).spawn().unwrap();
    let lines = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    poll_until("a few trials", PATIENCE, || (lines(&record) >= 3).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    // What a kill in the middle of a line would leave.
    let mut left = fs::read(&record).unwrap();
    left.truncate(left.len() - 20);
    fs::write(&record, &left).unwrap();
    let whole = objects(&simulate(&run));
    assert_eq!(objects(&simulate(&resumed)), whole);
    assert_eq!(lines(&record), 30);
    let seed = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seed"].as_u64();
    let mut kept: Vec<Option<u64>> =
        fs::read_to_string(&record).unwrap().lines().map(seed).collect();
    kept.sort_unstable();
    assert_eq!(kept, (1..=30).map(Some).collect::<Vec<_>>());
}

#[test]
fn what_must_not_be_ends_with_1_and_says_how_to_see_it_again() {
    let arguments = "calm --nodes 3 --set spacing_s=1 --set jitter_ms=0 --set latency_ms=2000 \
                     --set duration_s=60 --set settle_s=1 --set retarget=fixed";
    let output = simulate(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let again = said.lines().find_map(|line| line.split_once("see it again: lode simulate "));
    let again = again.unwrap().1.replace('\'', "");
    let output = simulate(&again);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), said));
}

#[test]
fn what_cannot_be_is_said_in_a_line_with_what_could() {
    for (arguments, said) in [
        ("clam", "calm, partition"),
        ("calm --set node=3", "it has duration_s"),
        ("calm --set nodes=0", "it may be 1 to 1000"),
        ("calm --set nodes=many", "nodes"),
        ("calm --set starting_bits=12 --spacing 600", "starting_bits"),
        ("calm --seeds 3..1", "from the lower to the higher"),
        ("calm --sweep latency_ms", "KEY=A,B,C"),
        ("calm --shard 0/2", "2/8"),
        ("selfish --set gamma=0.3", "with 2 equal nodes 0.5"),
        ("selfish --hours 5", "blocks says"),
        ("none.toml", "none.toml"),
        ("--show clam", "calm, partition"),
    ] {
        let output = simulate(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
        assert!(error.contains(said), "{arguments}: {error}");
        assert!(output.stdout.is_empty());
    }
}
