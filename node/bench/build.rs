//! Tells the program which commit it is built from and by which compiler, for the results of its
//! measurements: no commit where there is no repository, and what `LODE_COMMIT` says where that is
//! set.

use std::process::Command;

fn main() {
    println!("cargo::rustc-env=LODE_COMPILER={}", compiler().unwrap_or_default());
    println!("cargo::rerun-if-env-changed=LODE_COMMIT");
    if std::env::var_os("LODE_COMMIT").is_some() {
        return;
    }
    // Every commit and checkout writes a line there.
    if std::path::Path::new("../../.git/logs/HEAD").exists() {
        println!("cargo::rerun-if-changed=../../.git/logs/HEAD");
    }
    let told = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = told.ok().filter(|told| told.status.success()).map(|told| told.stdout);
    let commit = commit.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    println!("cargo::rustc-env=LODE_COMMIT={}", commit.trim());
}

/// The compiler's name for itself: it changes only together with everything that is built.
fn compiler() -> Option<String> {
    let told = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(told.stdout).ok()?.trim().to_owned())
}
