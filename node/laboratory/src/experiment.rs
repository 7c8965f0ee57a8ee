//! `Experiment`: the numbers of a scenario, as its file and the command line say them.

use chain::spec::Retarget;
use serde::Deserialize;
use toml::{Table, Value};

/// Most nodes of a network, those who come later among them.
const NODES_MAX: usize = 1000;

/// Longest virtual time, ten years.
const DURATION_S_MAX: u64 = 3660 * 86_400;

/// Most nodes that die in an experiment, one after the other.
const DEATHS_MAX: u64 = 100_000;

/// Longest way of a message.
const LATENCY_MS_MAX: u64 = 600_000;

/// Most leading zero bits: each block is mined, a second's work for a slow core here.
const BITS_MAX: u32 = 24;

/// Least bits: fewer, and chance can ask for less than one hash.
const BITS_MIN: u32 = 8;

/// Least hashes a virtual second of one node, so that rounding to whole ones says the same.
const HASH_RATE_MIN: u64 = 4;

/// The numbers of a scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Experiment {
    /// Its name.
    pub scenario: String,
    /// Nodes that mine.
    pub nodes: usize,
    /// Virtual seconds.
    pub duration_s: u64,
    /// Seconds between two blocks that the network aims at.
    pub spacing_s: u32,
    /// How difficulty follows the hash rate.
    pub retarget: Retarget,
    /// Leading zero bits of the first targets.
    pub starting_bits: u32,
    /// Each node's part of all hashing; nothing for equal parts.
    pub shares: Vec<u64>,
    /// Who is connected with whom.
    pub topology: Topology,
    /// Links that each node makes in a random network.
    pub links: usize,
    /// One way, at least.
    pub latency_ms: u64,
    /// One way, at most this much more.
    pub jitter_ms: u64,
    /// Messages in a million that break their connection.
    pub loss_per_million: u32,
    /// Seconds that all nodes may take until they agree.
    pub settle_s: u64,
    /// A network in two parts.
    pub partition: Option<Partition>,
    /// Nodes that come and go.
    pub churn: Option<Churn>,
    /// Many who come at once.
    pub crowd: Option<Crowd>,
    /// A hash rate that jumps.
    pub shock: Option<Shock>,
    /// A miner that withholds its blocks.
    pub selfish: Option<Selfish>,
}

/// Who is connected with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Topology {
    /// Everybody with everybody.
    Mesh,
    /// Each with its two neighbors.
    Ring,
    /// Each with some that are drawn.
    Random,
}

/// The first `nodes` lose the others for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partition {
    /// Virtual second at which they do.
    pub from_s: u64,
    /// And at which they can reach them again.
    pub until_s: u64,
    /// How many.
    pub nodes: usize,
}

/// A node dies now and then, and comes back with nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Churn {
    /// Seconds from one death to the next.
    pub every_s: u64,
    /// Seconds until the node comes back.
    pub away_s: u64,
}

/// Nodes that come at once and do not mine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Crowd {
    /// Virtual second at which they come.
    pub at_s: u64,
    /// How many.
    pub nodes: usize,
}

/// Everybody hashes faster, or slower, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shock {
    /// Virtual second at which it begins.
    pub from_s: u64,
    /// And at which it ends.
    pub until_s: u64,
    /// Hundredths of the hash rate before it.
    pub percent: u64,
}

/// A miner that withholds its blocks, beside the nodes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selfish {
    /// Its part of all hashing.
    pub share: f64,
    /// The part of the others' hashing that searches behind its block when it races theirs.
    pub gamma: f64,
    /// Blocks that are found, by whomever: it says how long all goes on.
    pub blocks: u64,
}

/// Why an experiment cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExperimentError {
    /// The text is no scenario.
    #[error("{0}")]
    Malformed(String),
    /// A key that the scenario does not have.
    #[error("{scenario} has no key {key}; it has {known}")]
    UnknownKey {
        /// The scenario.
        scenario: String,
        /// What was set.
        key: String,
        /// The keys that it has.
        known: String,
    },
    /// A number out of bounds.
    #[error("{key} is {got}, {wanted}")]
    OutOfBounds {
        /// The key.
        key: &'static str,
        /// What it was set to.
        got: String,
        /// What it may be.
        wanted: String,
    },
}

/// Changes one key of a scenario: `latency_ms`, or `partition.from_s` for one of a part.
///
/// # Errors
/// [`ExperimentError::UnknownKey`].
pub(crate) fn set(scenario: &mut Table, key: &str, value: &str) -> Result<(), ExperimentError> {
    let known = keys(scenario);
    // A key of a part may be said without the part where only one part has it.
    let of_parts: Vec<&String> =
        known.iter().filter(|one| one.ends_with(&format!(".{key}"))).collect();
    let exact = known.iter().find(|one| *one == key);
    let meant = exact.or(if let [only] = of_parts[..] { Some(only) } else { None });
    let Some(key) = meant else {
        let name = scenario.get("scenario").and_then(Value::as_str).unwrap_or("the scenario");
        return Err(ExperimentError::UnknownKey {
            scenario: name.to_owned(),
            key: key.to_owned(),
            known: known.join(", "),
        });
    };
    if key == "duration_s" && scenario.contains_key("selfish") {
        let wanted = "here blocks says how long all goes on".to_owned();
        return Err(out_of_bounds("duration_s", value.to_owned(), wanted));
    }
    let (table, key) = match key.rsplit_once('.') {
        Some((part, key)) => (scenario.get_mut(part).and_then(Value::as_table_mut), key),
        None => (Some(scenario), key.as_str()),
    };
    if let Some(table) = table {
        table.insert(key.to_owned(), read_value(value));
    }
    Ok(())
}

/// A number, a list or a quoted text as TOML writes it; anything else is a text that nobody quoted.
fn read_value(text: &str) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok();
    let read = read.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Every key that may be set; those of a part behind its name.
fn keys(scenario: &Table) -> Vec<String> {
    let of_entry = |(key, value): (&String, &Value)| match value {
        Value::Table(part) => part.keys().map(|inner| format!("{key}.{inner}")).collect(),
        _ if key == "scenario" => Vec::new(),
        _ => vec![key.clone()],
    };
    scenario.iter().flat_map(of_entry).collect()
}

impl Experiment {
    /// Reads a scenario and looks whether it can be.
    ///
    /// # Errors
    /// [`ExperimentError`] names the key that is wrong.
    pub(crate) fn read(scenario: &Table) -> Result<Self, ExperimentError> {
        let mut experiment: Self = scenario
            .clone()
            .try_into()
            .map_err(|error| ExperimentError::Malformed(one_line(&error.to_string())))?;
        if let Some(selfish) = &experiment.selfish {
            experiment.duration_s = selfish.blocks.saturating_mul(u64::from(experiment.spacing_s));
        }
        experiment.check()?;
        Ok(experiment)
    }

    /// Nodes that come later among them.
    pub(crate) fn all_nodes(&self) -> usize {
        self.nodes.saturating_add(self.crowd.as_ref().map_or(0, |crowd| crowd.nodes))
    }

    /// Hashes a virtual second of each node that mines; with those of a miner that withholds they
    /// find a block in the spacing.
    pub(crate) fn hash_rates(&self) -> Vec<u64> {
        let equal = vec![1; self.nodes];
        let shares = if self.shares.is_empty() { &equal } else { &self.shares };
        let sum = shares.iter().map(|share| u128::from(*share)).sum::<u128>().max(1);
        let all = u128::from(self.all_hashes() - self.selfish_hashes());
        let rate = |share: &u64| u64::try_from(all * u128::from(*share) / sum).unwrap_or(u64::MAX);
        shares.iter().map(rate).collect()
    }

    /// Hashes a virtual second of the miner that withholds.
    #[expect(clippy::cast_sign_loss, reason = "a share is not negative")]
    pub(crate) fn selfish_hashes(&self) -> u64 {
        let share = self.selfish.as_ref().map_or(0.0, |selfish| selfish.share.clamp(0.0, 1.0));
        (self.all_hashes() as f64 * share).round() as u64
    }

    /// Hashes a virtual second of all.
    fn all_hashes(&self) -> u64 {
        (1 << self.starting_bits.min(BITS_MAX)) / u64::from(self.spacing_s.max(1))
    }

    fn check(&self) -> Result<(), ExperimentError> {
        let end = self.duration_s;
        within("nodes", self.nodes, 1, NODES_MAX)?;
        within("nodes with the crowd", self.all_nodes(), 1, NODES_MAX)?;
        within("duration_s", self.duration_s, 1, DURATION_S_MAX)?;
        within("starting_bits", self.starting_bits, BITS_MIN, BITS_MAX)?;
        within("links", self.links, 1, NODES_MAX)?;
        within("latency_ms", self.latency_ms, 0, LATENCY_MS_MAX)?;
        within("jitter_ms", self.jitter_ms, 0, LATENCY_MS_MAX)?;
        within("loss_per_million", self.loss_per_million, 0, 1_000_000)?;
        within("settle_s", self.settle_s, 1, DURATION_S_MAX)?;
        if !self.shares.is_empty() && self.shares.len() != self.nodes {
            let wanted = format!("there are {} nodes", self.nodes);
            return Err(out_of_bounds("shares", format!("of {} nodes", self.shares.len()), wanted));
        }
        let weakest =
            self.hash_rates().into_iter().zip(1..).find(|(rate, _)| *rate < HASH_RATE_MIN);
        if let Some((rate, node)) = weakest {
            let got =
                format!("{}, so that node {node} makes {rate} hashes a second", self.starting_bits);
            return Err(out_of_bounds("starting_bits", got, "take more".to_owned()));
        }
        if let Some(partition) = &self.partition {
            within("partition.nodes", partition.nodes, 1, self.nodes)?;
            within("partition.until_s", partition.until_s, 0, end)?;
            within("partition.from_s", partition.from_s, 0, partition.until_s)?;
        }
        if let Some(churn) = &self.churn {
            within("churn.every_s", churn.every_s, (end / DEATHS_MAX).max(1), end)?;
            within("churn.away_s", churn.away_s, 1, end)?;
        }
        if let Some(crowd) = &self.crowd {
            within("crowd.at_s", crowd.at_s, 0, end)?;
        }
        if let Some(selfish) = &self.selfish {
            within("selfish.share", selfish.share, 0.01, 0.49)?;
            within("selfish.blocks", selfish.blocks, 1, 100_000_000)?;
            let most = 1.0 - 1.0 / self.nodes as f64;
            // Links decide who hears what first, not a draw: all others, or nobody.
            let rates = self.hash_rates();
            let is_equal = rates.iter().all(|rate| Some(rate) == rates.first());
            let is_most = is_equal && (selfish.gamma - most).abs() <= 1e-9;
            if selfish.gamma != 0.0 && !is_most {
                let wanted = format!("it may be 0, or with {} equal nodes {most}", self.nodes);
                return Err(out_of_bounds("selfish.gamma", selfish.gamma.to_string(), wanted));
            }
        }
        if let Some(shock) = &self.shock {
            within("shock.until_s", shock.until_s, 0, end)?;
            within("shock.from_s", shock.from_s, 0, shock.until_s)?;
            within("shock.percent", shock.percent, 1, 100_000)?;
        }
        Ok(())
    }
}

fn within<T: PartialOrd + ToString>(
    key: &'static str,
    got: T,
    least: T,
    most: T,
) -> Result<(), ExperimentError> {
    if least <= got && got <= most {
        return Ok(());
    }
    let wanted = format!("it may be {} to {}", least.to_string(), most.to_string());
    Err(out_of_bounds(key, got.to_string(), wanted))
}

fn out_of_bounds(key: &'static str, got: String, wanted: String) -> ExperimentError {
    ExperimentError::OutOfBounds { key, got, wanted }
}

/// What the reader of TOML says, without the picture of the place.
fn one_line(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['|', '^']));
    let told = lines.filter(|line| !line.contains(" | ")).map(str::trim);
    told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
