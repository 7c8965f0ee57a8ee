//! The scenarios that the program brings: a file each, in which every key is explained.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::Table;

/// Longest file of a scenario that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A scenario that the program brings.
pub(crate) struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

/// All of them, in the order in which one may want to try them.
pub(crate) const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "calm", text: include_str!("../scenarios/calm.toml") },
    Scenario { name: "partition", text: include_str!("../scenarios/partition.toml") },
    Scenario { name: "churn", text: include_str!("../scenarios/churn.toml") },
    Scenario { name: "flash-crowd", text: include_str!("../scenarios/flash-crowd.toml") },
    Scenario { name: "hash-rate-shock", text: include_str!("../scenarios/hash-rate-shock.toml") },
    Scenario { name: "selfish", text: include_str!("../scenarios/selfish.toml") },
    Scenario { name: "slow-links", text: include_str!("../scenarios/slow-links.toml") },
];

/// Why there is no such scenario.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// None is called so.
    #[error("there is no scenario {name}; there are {known}; a file ends with .toml")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Its file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Its file is none.
    #[error("{path} is no scenario: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl Scenario {
    /// What it is about: the first line of its file.
    pub(crate) fn story(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

/// The scenario of a name.
///
/// # Errors
/// [`ScenarioError::Unknown`].
pub(crate) fn by_name(name: &str) -> Result<&'static Scenario, ScenarioError> {
    SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let known = SCENARIOS.map(|scenario| scenario.name).join(", ");
        ScenarioError::Unknown { name: name.to_owned(), known }
    })
}

/// The keys of a scenario that the program brings, or of a file whose name ends with `.toml`.
///
/// # Errors
/// [`ScenarioError`].
pub(crate) fn load(name: &str) -> Result<Table, ScenarioError> {
    let text = if Path::new(name).extension().is_some_and(|ending| ending == "toml") {
        let unreadable = |source| ScenarioError::Unreadable { path: name.to_owned(), source };
        let mut text = String::new();
        let file = File::open(name).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        text
    } else {
        by_name(name)?.text.to_owned()
    };
    text.parse::<Table>().map_err(|error| ScenarioError::Malformed {
        path: name.to_owned(),
        reason: error.message().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    #[test]
    fn every_scenario_can_be_run_as_it_is_and_explains_every_key() {
        for scenario in &SCENARIOS {
            let experiment = Experiment::read(&load(scenario.name).unwrap()).unwrap();
            assert_eq!(experiment.scenario, scenario.name);
            assert!(scenario.text.starts_with("# ") && scenario.story().ends_with('.'));
            // A comment explains the keys that follow it.
            let mut explained = true;
            for line in scenario.text.lines() {
                let is_key = line.contains(" = ") && !line.starts_with('#');
                assert!(!is_key || explained, "{}: {line} is not explained", scenario.name);
                explained = line.starts_with('#') || (explained && is_key);
            }
        }
    }

    #[test]
    fn an_unknown_name_says_which_there_are() {
        let error = by_name("clam").err().unwrap().to_string();
        assert!(error.contains("clam") && error.contains("calm, partition"), "{error}");
        assert!(matches!(load("none.toml"), Err(ScenarioError::Unreadable { .. })));
    }
}
