//! The rules of `tidy`: each takes a path from the root of the workspace and the text there.

use crate::root;
use crate::source::{Finding, Kind, code, mentions, path_mentions, without};

/// From a path relative to the root of the workspace, and the text there, to what breaks the rule.
pub type Rule = fn(&str, &str) -> Vec<Finding>;

/// Cases that a property is tried on at least: what proptest does when it is told nothing.
const CASES_MIN: u32 = 256;

// ---- rules about files -------------------------------------------------------------------------

pub fn first_line(_path: &str, text: &str) -> Vec<Finding> {
    let first = text.lines().next().unwrap_or_default();
    let words = first.strip_prefix("//!").map_or(0, |rest| rest.split_whitespace().count());
    if words < 3 {
        return vec![(1, format!("begins with {first:?}, not with `//!` and a description"))];
    }
    Vec::new()
}

pub fn file_name(path: &str, _text: &str) -> Vec<Finding> {
    const BANNED: [&str; 17] = [
        "utils", "util", "common", "types", "helpers", "misc", "core", "base", "model", "models",
        "service", "services", "manager", "managers", "handler", "handlers", "mod",
    ];
    path.split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .filter(|part| BANNED.contains(part))
        .map(|part| (1, format!("the name `{part}` says nothing")))
        .collect()
}

pub fn file_length(path: &str, text: &str) -> Vec<Finding> {
    const LINES_MAX: usize = 400;
    let lines = test_module_line(text).map_or(text.lines().count(), |line| line - 1);
    if is_test_file(path) || path.starts_with("benches/") || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![(LINES_MAX + 1, format!("{lines} lines before its tests"))]
}

pub fn line_width(_path: &str, text: &str) -> Vec<Finding> {
    const COLUMNS_MAX: usize = 100;
    let visible = without(text, &[Kind::Literal]);
    let wide = |line: &str| line.chars().count() > COLUMNS_MAX && !line.contains("://");
    let numbered = visible.lines().zip(1..).filter(|(line, _)| wide(line));
    numbered.map(|(line, at)| (at, format!("{} columns", line.chars().count()))).collect()
}

/// A test file: all of it is test code, and it may be as long as the cases are many.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The line of `#[cfg(test)]` before the test module that closes a file; a `mod tests;` that stands
/// among the code ends nothing.
pub fn test_module_line(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let at = (1..lines.len()).find(|&at| {
        let closes = lines[at].ends_with('{') || at + 1 == lines.len();
        lines[at - 1] == "#[cfg(test)]" && lines[at].starts_with("mod ") && closes
    })?;
    Some(at)
}

// ---- rules about code --------------------------------------------------------------------------

pub fn unsafe_code(path: &str, text: &str) -> Vec<Finding> {
    if path.starts_with("engine/src/kernel.rs") || path.starts_with("engine/src/kernel/") {
        return Vec::new();
    }
    mentions(&code(text), &["unsafe"])
}

pub fn left_overs(_path: &str, text: &str) -> Vec<Finding> {
    mentions(&code(text), &["todo!", "unimplemented!", concat!("#[", "ignore")])
}

/// A property that is tried on fewer cases than proptest tries by itself.
pub fn few_cases(_path: &str, text: &str) -> Vec<Finding> {
    let lines = (1..).zip(text.lines());
    let few = lines.filter(|(_, line)| {
        let count = line.split("with_cases(").nth(1).and_then(|rest| rest.split(')').next());
        count.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count < CASES_MIN)
    });
    few.map(|(line, text)| (line, text.trim().to_owned())).collect()
}

/// Neither a sleep, nor what sleeps or burns a core in its stead.
pub fn sleeping_tests(path: &str, text: &str) -> Vec<Finding> {
    // The one place that tests wait in, and the rest of what only tests build on.
    let is_helper =
        path.starts_with("chain/testkit/src/") && path != "chain/testkit/src/polling.rs";
    let is_test = is_test_file(path) || is_helper;
    let tests_from = if is_test { 1 } else { test_module_line(text).unwrap_or(usize::MAX) };
    let code = code(text);
    let mut found = mentions(&code, &["yield_now", "park_timeout", "park_timeout_ms", "spin_loop"]);
    for parent in ["thread", "time"] {
        for child in ["sleep", "sleep_ms", "sleep_until"] {
            found.extend(path_mentions(&code, parent, child));
        }
    }
    found.retain(|(line, _)| *line >= tests_from);
    found
}

pub fn impure_chain(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("chain/src/") {
        return Vec::new();
    }
    let code = code(text);
    let mut found = mentions(&code, &["SystemTime", "Instant"]);
    for child in ["fs", "net", "thread"] {
        found.extend(path_mentions(&code, "std", child));
    }
    found
}

pub fn unordered_chain(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("chain/src/") {
        return Vec::new();
    }
    mentions(&code(text), &["f32", "f64", "HashMap", "HashSet"])
}

pub fn sha2_in_engine(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("engine/")
        || path == "engine/src/sha256.rs"
        || path.starts_with("engine/src/sha256/")
    {
        return Vec::new();
    }
    mentions(&code(text), &["sha2"])
}

pub fn database_writes(path: &str, text: &str) -> Vec<Finding> {
    // The chain's database and the directory's are two files that do not know each other.
    const MAY: [&str; 2] = ["node/machine/src/store", "node/server/src/directory/database.rs"];
    if !path.starts_with("node/") || MAY.iter().any(|prefix| path.starts_with(prefix)) {
        return Vec::new();
    }
    mentions(&code(text), &["WriteTransaction", "begin_write"])
}

pub fn clock_in_machine(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("node/machine/src/") && !path.starts_with("node/simulation/src/") {
        return Vec::new();
    }
    mentions(&code(text), &["Instant::now", "SystemTime::now"])
}

// ---- rules about manifests and documents -------------------------------------------------------

/// Paths into the repository that stand in backticks. What follows a `*`, `{` or `<` is a pattern,
/// of which the folder must exist.
pub fn named_paths(_path: &str, text: &str) -> Vec<Finding> {
    const STARTS: [&str; 7] =
        ["engine/", "chain/", "node/", "wallet/", "benches/", "docs/", ".ci/"];
    let mut found = Vec::new();
    let mut fenced = false;
    for (line, at) in text.lines().zip(1..) {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for named in line.split('`').skip(1).step_by(2) {
            let plain = named.split(['*', '{', '<']).next().unwrap_or_default();
            let whole = plain.len() == named.len();
            let path = if whole { plain } else { plain.rsplit_once('/').map_or("", |(it, _)| it) };
            let into = STARTS.iter().any(|start| named.starts_with(start)) && !plain.contains(' ');
            if into && !root().join(path).exists() {
                found.push((at, format!("`{named}` does not exist")));
            }
        }
    }
    found
}

pub fn architecture_length(_path: &str, text: &str) -> Vec<Finding> {
    const LINES_MAX: usize = 150;
    let lines = text.lines().count();
    if lines > LINES_MAX {
        return vec![(LINES_MAX + 1, format!("{lines} lines of at most {LINES_MAX}"))];
    }
    Vec::new()
}

pub fn outside_paths(_path: &str, text: &str) -> Vec<Finding> {
    mentions(text, &[concat!("..", "/shared")])
}
