//! The rules of this house that no lint knows, read off the source itself.
//!
//! A rule (in `rules`) is a function from a file's path and text to the lines that break it. Each
//! rule is run over the whole tree by a test of its own, and over a planted violation by another
//! one (in `planted`), so that no rule can silently stop firing.

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/planted.rs"]
mod planted;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::*;

#[test]
fn the_tree_is_found_at_all() {
    let paths: Vec<String> = sources().into_iter().map(|(path, _)| path).collect();
    for folder in FOLDERS {
        let prefix = format!("{folder}/");
        assert!(paths.iter().any(|path| path.starts_with(&prefix)), "no source under {prefix}");
    }
    assert!(paths.iter().any(|path| path == "node/tests/tidy.rs"), "tidy must read itself too");
}

#[test]
fn the_first_line_of_every_file_says_what_it_is_for() {
    hold(first_line, "a reader decides by the first line whether this is the file they look for");
}

#[test]
fn no_file_is_named_after_nothing_in_particular() {
    hold(file_name, "a file without a subject has no reason to stop growing; name it for its noun");
}

#[test]
fn no_file_is_longer_than_400_lines_before_its_tests() {
    hold(file_length, "a file this long tells two stories; split it where the second one begins");
}

#[test]
fn no_line_is_wider_than_100_columns() {
    hold(line_width, "rustfmt leaves comments alone, and two files should fit beside each other");
}

#[test]
fn unsafe_code_lives_only_in_the_kernels() {
    hold(
        unsafe_code,
        "one folder is all that must be audited by hand; the rest is proven by rustc",
    );
}

#[test]
fn nothing_is_left_over() {
    hold(left_overs, "what is not finished or not run looks as if it were");
}

#[test]
fn every_property_is_tried_on_256_cases() {
    hold(few_cases, "what happens once in a hundred is what a property is there to find");
}

#[test]
fn no_test_sleeps_or_spins() {
    hold(
        sleeping_tests,
        "a sleep is too short on a busy machine and too long on any other, and a loop that yields \
         takes the core from what it waits for; wait with `testkit::poll_until`",
    );
}

#[test]
fn chain_reads_no_clock_and_touches_nothing_outside() {
    hold(
        impure_chain,
        "time and state come into `chain` as arguments, or two nodes could disagree",
    );
}

#[test]
fn chain_knows_no_float_and_no_random_order() {
    hold(unordered_chain, "rounding and iteration order differ by machine; consensus may not");
}

#[test]
fn sha2_is_named_in_engine_only_where_the_reference_is() {
    hold(sha2_in_engine, "kernels are judged by one reference, so there is one door to it");
}

#[test]
fn only_the_store_writes_the_database() {
    hold(database_writes, "the order of writes that survives a crash is kept in one place");
}

#[test]
fn the_machine_and_the_simulation_are_told_the_time() {
    hold(
        clock_in_machine,
        "a run replays from its seed only if `now` and all input come from outside",
    );
}

#[test]
fn the_architecture_draws_the_crates_as_they_are_built() {
    let differences = graph::differences(&graph::drawn(&read("ARCHITECTURE.md")), &graph::built());
    assert!(differences.is_empty(), "ARCHITECTURE.md:\n  {}", differences.join("\n  "));
}

#[test]
fn files_do_not_import_in_a_circle() {
    let sources = sources();
    let folders = ["chain/src", "chain/wire/src", "node/machine/src"];
    let found: Vec<String> =
        folders.iter().flat_map(|folder| imports::circles(&sources, folder)).collect();
    assert!(
        found.is_empty(),
        "who reads one file of a circle must read all; move what both need below both:\n  {}",
        found.join("\n  ")
    );
}

#[test]
fn every_dependency_is_named_by_the_code_of_its_crate() {
    let unused = graph::unused();
    assert!(unused.is_empty(), "what nobody uses is built for nothing:\n  {}", unused.join("\n  "));
}

#[test]
fn every_path_in_the_architecture_exists() {
    let texts = [("ARCHITECTURE.md".to_owned(), read("ARCHITECTURE.md"))];
    hold_over(&texts, named_paths, "a map that names folders long gone is worse than none");
}

#[test]
fn the_architecture_can_be_read_in_one_sitting() {
    let texts = [("ARCHITECTURE.md".to_owned(), read("ARCHITECTURE.md"))];
    hold_over(&texts, architecture_length, "nobody keeps a long map true");
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut texts = Vec::new();
    collect(&root(), &|_| true, &mut texts);
    hold_over(
        &texts,
        outside_paths,
        "a clone has only what is in it; a path beside it leads nowhere",
    );
}

// ---- running a rule ----------------------------------------------------------------------------

const FOLDERS: [&str; 5] = ["engine", "chain", "node", "wallet", "benches"];

fn hold(rule: Rule, why: &str) {
    hold_over(&sources(), rule, why);
}

fn hold_over(texts: &[(String, String)], rule: Rule, why: &str) {
    let found: Vec<String> = texts
        .iter()
        .flat_map(|(path, text)| {
            rule(path, text).into_iter().map(move |(line, what)| format!("  {path}:{line}: {what}"))
        })
        .collect();
    assert!(found.is_empty(), "{} found; {why}:\n{}", found.len(), found.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate stands in the workspace").into()
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"));
    text.expect("the workspace has this file")
}

/// Every Rust file of the crates.
fn sources() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &|path| path.ends_with(".rs"), &mut texts);
    }
    texts
}

/// Reads all text files under `folder` that are `wanted`; skips git's folder and all build output.
fn collect(folder: &Path, wanted: &dyn Fn(&str) -> bool, texts: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).expect("a folder of the workspace can be listed");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root()).expect("every path is under the root");
        let name = name.to_string_lossy().replace('\\', "/");
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            let built = path.ends_with("target") || path.join("CACHEDIR.TAG").exists();
            if !built && !path.ends_with(".git") {
                collect(&path, wanted, texts);
            }
        } else if wanted(&name)
            && let Ok(text) = fs::read_to_string(&path)
        {
            texts.push((name, text));
        }
    }
}
