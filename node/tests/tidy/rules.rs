//! The rules of `tidy`: each takes a path from the root of the workspace and the text there.

use crate::root;
use crate::source::{Finding, Kind, code, crate_mentions, mentions, path_mentions, without};

/// From a path relative to the root of the workspace, and the text there, to what breaks the rule.
pub type Rule = fn(&str, &str) -> Vec<Finding>;

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
fn test_module_line(text: &str) -> Option<usize> {
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

pub fn sleeping_tests(path: &str, text: &str) -> Vec<Finding> {
    let tests_from =
        if is_test_file(path) { 1 } else { test_module_line(text).unwrap_or(usize::MAX) };
    let code = code(text);
    let mut found = Vec::new();
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

pub fn strangers(path: &str, text: &str) -> Vec<Finding> {
    if path.starts_with("engine/") {
        crate_mentions(&code(text), "chain")
    } else if path.starts_with("chain/") {
        crate_mentions(&code(text), "engine")
    } else {
        Vec::new()
    }
}

pub fn wallet_in_node(path: &str, text: &str) -> Vec<Finding> {
    const MAY: [&str; 5] = [
        "node/src/commands",
        "node/src/devnet",
        "node/src/directory/faucet.rs",
        "node/src/main.rs",
        "node/src/lib.rs",
    ];
    if !path.starts_with("node/src/") || MAY.iter().any(|prefix| path.starts_with(prefix)) {
        return Vec::new();
    }
    let code = code(text);
    ["wallet", "shell"].iter().flat_map(|name| crate_mentions(&code, name)).collect()
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
    const MAY: [&str; 2] = ["node/src/store", "node/src/directory/database.rs"];
    if !path.starts_with("node/src/") || MAY.iter().any(|prefix| path.starts_with(prefix)) {
        return Vec::new();
    }
    mentions(&code(text), &["WriteTransaction", "begin_write"])
}

pub fn clock_in_machine(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("node/src/machine") && !path.starts_with("node/src/simulation") {
        return Vec::new();
    }
    mentions(&code(text), &["tokio", "Instant::now", "SystemTime::now"])
}

pub fn simulation_inside(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with("node/src/simulation") {
        return Vec::new();
    }
    let code = code(text);
    let inside = ["ledger", "mempool", "relay", "sync"];
    inside.iter().flat_map(|child| path_mentions(&code, "machine", child)).collect()
}

// ---- rules about manifests and documents -------------------------------------------------------

pub fn dependencies(path: &str, text: &str) -> Vec<Finding> {
    let forbidden: &[&str] = match path {
        "engine/Cargo.toml" => &["chain", "wallet", "node", "benches", "tokio", "redb"],
        "chain/Cargo.toml" => &["engine", "wallet", "node", "benches", "tokio", "redb", "rayon"],
        "chain/testkit/Cargo.toml" => &["client", "wallet", "shell", "node", "benches"],
        "wallet/Cargo.toml" => &[
            "engine",
            "shell",
            "show",
            "node",
            "benches",
            "tokio",
            "redb",
            "rayon",
            "clap",
            "rustyline",
            "rpassword",
            "rustix",
        ],
        "wallet/client/Cargo.toml" => &[
            "engine", "wallet", "shell", "show", "node", "benches", "tokio", "redb", "rayon",
            "clap",
        ],
        "wallet/shell/Cargo.toml" => &["engine", "node", "benches", "tokio", "redb", "rayon"],
        "wallet/show/Cargo.toml" => {
            &["engine", "client", "wallet", "shell", "node", "benches", "tokio", "redb", "rayon"]
        }
        "node/Cargo.toml" => &["benches"],
        _ => &[],
    };
    let mut found = Vec::new();
    let mut among_dependencies = false;
    let mut for_tests = false;
    for (line, at) in text.lines().zip(1..) {
        if line.starts_with('[') {
            among_dependencies = line.ends_with("dependencies]");
            for_tests = line.contains("dev-dependencies");
        }
        let table = line.split_once("dependencies.").map(|(_, name)| name.trim_end_matches(']'));
        let key = table.or_else(|| line.split(['.', '=', ' ']).next()).unwrap_or_default();
        let name = key.strip_prefix("lode-").unwrap_or(key);
        let is_out_of_place = name == "testkit" && !for_tests;
        if (among_dependencies || table.is_some()) && (forbidden.contains(&name) || is_out_of_place)
        {
            found.push((at, format!("depends on `{name}`")));
        }
    }
    found
}

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
