//! The crates and what each builds on: as cargo sees them, and as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::root;
use crate::source::{Kind, bounded, without};

/// From the name of a crate to the crates of this workspace that its code builds on; tests aside.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// The block of ARCHITECTURE.md that begins with the line `crate builds on`: a crate a line, then
/// what it builds on, then a remark behind `#`.
pub fn drawn(text: &str) -> Graph {
    let lines = text.lines().skip_while(|line| !begins_the_drawing(line)).skip(1);
    lines
        .take_while(|line| !line.starts_with("```"))
        .filter_map(|line| {
            let names = line.split_once('#').map_or(line, |(names, _remark)| names);
            let mut names = names.split_whitespace().map(str::to_owned);
            Some((names.next()?, names.collect()))
        })
        .collect()
}

fn begins_the_drawing(line: &str) -> bool {
    line.split_whitespace().eq(["crate", "builds", "on"])
}

/// What the manifests say.
pub fn built() -> Graph {
    let packages = packages();
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|package| (name(package), library(package))).collect();
    let below = |package: &Value| {
        let dependencies = dependencies(package).filter(|it| it["kind"].is_null());
        dependencies.filter_map(|it| names.get(name(it))).map(|&it| it.to_owned()).collect()
    };
    packages.iter().map(|package| (library(package).to_owned(), below(package))).collect()
}

/// Where the two differ, as sentences.
pub fn differences(drawn: &Graph, built: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (crate_name, below) in built {
        match drawn.get(crate_name) {
            None => found.push(format!("the crate `{crate_name}` is not drawn")),
            Some(shown) => {
                found.extend(
                    below
                        .difference(shown)
                        .map(|it| format!("`{crate_name}` builds on `{it}`, which is not drawn")),
                );
                found.extend(shown.difference(below).map(|it| {
                    format!("`{crate_name}` is drawn on `{it}` and does not build on it")
                }));
            }
        }
    }
    let gone = drawn.keys().filter(|it| !built.contains_key(*it));
    found.extend(gone.map(|it| format!("there is no crate `{it}`")));
    found
}

/// Dependencies that no file of their crate names, and versions that no manifest asks for.
pub fn unused() -> Vec<String> {
    let mut found = Vec::new();
    let packages = packages();
    let folders: BTreeSet<&Path> = packages.iter().map(folder).collect();
    for package in &packages {
        let mut code = String::new();
        read_crate(folder(package), &folders, &mut code);
        let names = dependencies(package)
            .map(|it| it["rename"].as_str().unwrap_or_else(|| name(it)).replace('-', "_"));
        let unnamed = names.filter(|it| bounded(&code, it).is_empty()).collect::<BTreeSet<_>>();
        found.extend(unnamed.iter().map(|it| format!("{} never names `{it}`", name(package))));
    }
    let asked: BTreeSet<&str> = packages.iter().flat_map(dependencies).map(name).collect();
    let versions = versions();
    let unasked = versions.iter().filter(|(_, package)| !asked.contains(package.as_str()));
    found.extend(unasked.map(|(key, _)| format!("no manifest asks for `{key}`")));
    found
}

/// What the workspace fixes a version of: the key and the package behind it.
fn versions() -> Vec<(String, String)> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has one");
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let table = manifest["workspace"]["dependencies"].as_table().expect("a table");
    let package = |key: &String, value: &toml::Value| {
        let renamed = value.get("package").and_then(toml::Value::as_str);
        (key.clone(), renamed.unwrap_or(key).to_owned())
    };
    table.iter().map(|(key, value)| package(key, value)).collect()
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs this test, so it can be run");
    let answer: Value = serde_json::from_slice(&asked.stdout).expect("cargo prints JSON");
    answer["packages"].as_array().expect("a list of packages").clone()
}

fn name(of: &Value) -> &str {
    of["name"].as_str().expect("packages and dependencies have names")
}

/// The name by which others import a package, or by which one that is no library is run.
fn library(package: &Value) -> &str {
    let targets = package["targets"].as_array().expect("a list of targets");
    let of_kind = |kind: &str| targets.iter().find(|target| target["kind"][0] == kind);
    of_kind("lib").or_else(|| of_kind("bin")).map_or_else(|| name(package), name)
}

fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"].as_array().expect("a list of dependencies").iter()
}

fn folder(package: &Value) -> &Path {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a manifest stands in a folder")
}

/// Appends the code below `folder`, but not of other crates that lie in it.
fn read_crate(folder: &Path, crates: &BTreeSet<&Path>, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of a crate can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() && !crates.contains(path.as_path()) && !path.ends_with("target") {
            read_crate(&path, crates, text);
        } else if path.extension().is_some_and(|it| it == "rs") {
            // An attribute may name a crate in a literal: `serde(with = "...")`.
            let source = fs::read_to_string(&path).expect("source is text");
            text.push_str(&without(&source, &[Kind::Comment]));
        }
    }
}
