//! `Point`: one experiment with all that the command line says; a sweep makes several.

use chain::hash::{tagged_hash, to_hex};
use toml::Table;

use crate::experiment::{Experiment, ExperimentError, set};

/// Hex digits that tell experiments apart.
const NAME_DIGITS: usize = 16;

/// One experiment of those that are made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// What was set on the command line, the value of a sweep last.
    pub set: Vec<(String, String)>,
    /// Tells it apart from every other: a hash over all its keys and the program's version.
    pub id: String,
    /// Its numbers.
    pub experiment: Experiment,
}

/// The experiments that a scenario makes with these settings: one for each value of the sweep.
///
/// # Errors
/// [`ExperimentError`].
pub(crate) fn points(
    scenario: &Table,
    settings: &[(String, String)],
    sweep: Option<&(String, Vec<String>)>,
) -> Result<Vec<Point>, ExperimentError> {
    let point = |more: Option<(&String, &String)>| {
        let mut keys = scenario.clone();
        let more = more.map(|(key, value)| (key.clone(), value.clone()));
        let set_here: Vec<(String, String)> = settings.iter().cloned().chain(more).collect();
        for (key, value) in &set_here {
            set(&mut keys, key, value)?;
        }
        let experiment = Experiment::read(&keys)?;
        // What another version makes of the same keys is another experiment.
        let text = keys.to_string();
        let parts = [env!("CARGO_PKG_VERSION").as_bytes(), text.as_bytes()];
        let hash = tagged_hash("lode/laboratory/experiment", &parts);
        let mut id = to_hex(&hash);
        id.truncate(NAME_DIGITS);
        Ok(Point { set: set_here, id, experiment })
    };
    match sweep {
        None => Ok(vec![point(None)?]),
        Some((key, values)) => values.iter().map(|value| point(Some((key, value)))).collect(),
    }
}
