//! Which file of a crate imports from which, and where that goes round in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::test_module_line;
use crate::source::{bounded, code};

/// The place of a file in its crate: `sync::bodies` is `["sync", "bodies"]`, the root is empty.
type Module = Vec<String>;

/// From a file to those that it imports from.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// What every file of a crate may name without importing from where it stands: the one type whose
/// methods are spread over the files, and what they return.
const EVERYWHERE: [&str; 2] = ["Machine", "MachineError"];

/// Imports that are part of a circle among the files below `folder`, as sentences. A parent may
/// import from its child modules, as it has to name them; tests may import anything.
pub fn circles(sources: &[(String, String)], folder: &str) -> Vec<String> {
    let mut imports = imports(sources, folder);
    // A circle has neither a first nor a last: what imports nothing of the rest, or is imported by
    // nobody of it, is on none.
    loop {
        let left: BTreeSet<Module> = imports.keys().cloned().collect();
        let imported: BTreeSet<Module> = imports.values().flatten().cloned().collect();
        for below in imports.values_mut() {
            below.retain(|module| left.contains(module));
        }
        imports.retain(|module, below| !below.is_empty() && imported.contains(module));
        if imports.len() == left.len() {
            break;
        }
    }
    let all = imports.iter().flat_map(|(from, below)| below.iter().map(move |to| (from, to)));
    all.map(|(from, to)| format!("{folder}: {} imports {}", from.join("::"), to.join("::")))
        .collect()
}

fn imports(sources: &[(String, String)], folder: &str) -> Imports {
    let files: BTreeMap<Module, String> = sources
        .iter()
        .filter_map(|(path, text)| Some((module(path.strip_prefix(folder)?)?, untested(text))))
        .collect();
    let shown = files.get(&Module::new()).map(|root| reexports(root)).unwrap_or_default();
    let of = |(module, code): (&Module, &String)| {
        let below =
            paths(code).into_iter().filter_map(|path| target(module, &path, &files, &shown));
        let below = below.filter(|to| to != module && !to.starts_with(module));
        (module.clone(), below.collect())
    };
    // The root only lists the others.
    files.iter().filter(|(module, _)| !module.is_empty()).map(of).collect()
}

/// The module of a file behind `src`; none for a file of tests.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_prefix('/')?.strip_suffix(".rs")?;
    let parts: Module = path.split('/').map(str::to_owned).collect();
    let is_test = parts.iter().any(|part| part == "tests");
    match path {
        "lib" => Some(Module::new()),
        _ => (!is_test).then_some(parts),
    }
}

/// The code before its tests.
fn untested(text: &str) -> String {
    let lines = test_module_line(text).map_or(usize::MAX, |line| line - 1);
    let kept: Vec<&str> = text.lines().take(lines).collect();
    code(&kept.join("\n"))
}

/// Every path that is imported, or written out from `crate` or `super` on.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in bounded(code, "use") {
        let tree = code[start + "use".len()..].split(';').next().unwrap_or_default();
        let tree: String = tree.split(" as ").collect::<Vec<_>>().join("::");
        found.extend(leaves(&tree.split_whitespace().collect::<String>()));
    }
    let starts = ["crate", "super"].iter().flat_map(|root| bounded(code, root));
    for start in starts.filter(|start| !code[..*start].ends_with("::")) {
        let named = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
        let path = code[start..].split(|letter| !named(letter)).next().unwrap_or_default();
        found.push(path.to_owned());
    }
    let parts = |path: String| {
        let parts = path.split("::").filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    found.into_iter().map(parts).collect()
}

/// The paths of a use tree: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((head, group)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.extend(leaves(&format!("{head}{}", &group[start..at])));
                start = (at + 1).min(group.len());
            }
            _ => {}
        }
    }
    found
}

/// The names that the root of a crate shows, and the modules they come from.
fn reexports(root: &str) -> BTreeMap<String, Module> {
    let shown = paths(root).into_iter().filter(|path| path.first().is_some_and(|it| it != "crate"));
    shown
        .filter_map(|mut path| {
            let name = path.pop()?;
            Some((name, path))
        })
        .collect()
}

/// The file that a path in `module` leads to; none when that is outside of the crate.
fn target(
    module: &Module,
    path: &[String],
    files: &BTreeMap<Module, String>,
    shown: &BTreeMap<String, Module>,
) -> Option<Module> {
    const ROOTS: [&str; 3] = ["crate", "super", "self"];
    if path.iter().any(|part| EVERYWHERE.contains(&part.as_str())) {
        return None;
    }
    let roots = path.iter().take_while(|part| ROOTS.contains(&part.as_str())).count();
    if roots == 0 {
        // A child module, which a parent may name, or another crate.
        return None;
    }
    let (roots, rest) = path.split_at(roots);
    let mut at = module.clone();
    for root in roots {
        match root.as_str() {
            "crate" => at.clear(),
            "super" => _ = at.pop(),
            _ => {}
        }
    }
    at.extend_from_slice(rest);
    while !at.is_empty() && !files.contains_key(&at) {
        at.pop();
    }
    match rest.first() {
        Some(name) if at.is_empty() => {
            shown.get(name).filter(|it| files.contains_key(*it)).cloned()
        }
        _ => Some(at).filter(|at| !at.is_empty()),
    }
}
