//! What was measured: the computer and the program, so that two results can be told apart.

use std::fs;

use serde_json::{Value, json};

/// The computer and the program as JSON: `docs/json.md` explains the fields.
pub fn description() -> Value {
    json!({
        "cpu": cpu(),
        "arch": std::env::consts::ARCH,
        "os": std::env::consts::OS,
        "cores": num_cpus::get_physical(),
        "cpu_features": engine::cpu_features(),
        "lode": env!("CARGO_PKG_VERSION"),
        "commit": commit(),
        "compiler": env!("LODE_COMPILER"),
        "optimized": !cfg!(debug_assertions),
    })
}

/// The commit that this program was built from, where the build was told.
pub fn commit() -> Option<&'static str> {
    option_env!("LODE_COMMIT").filter(|commit| !commit.is_empty())
}

/// The CPU's name for itself, where the system tells it; else its architecture.
pub fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
