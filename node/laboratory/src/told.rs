//! What came of an experiment, as lines for people and as objects for programs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use show::columns::{pairs, table};

use crate::campaign::Ending;
use crate::findings::{Findings, Measured};
use crate::options::SimulateOptions;
use crate::points::Point;
use crate::record::Line;
use crate::trial::Trial;

/// Version of the objects.
const VERSION: u32 = 1;

/// The line of one seed.
pub(crate) fn line(point: &Point, trial: &Trial) -> Line {
    Line {
        v: VERSION,
        event: "seed".to_owned(),
        scenario: point.experiment.scenario.clone(),
        experiment: point.id.clone(),
        set: point.set.clone(),
        trial: trial.clone(),
    }
}

/// The object at the end of an experiment.
pub(crate) fn result(point: &Point, seeds: &str, found: &Findings, ending: Ending) -> Value {
    let measured: Map<String, Value> =
        found.measured.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "v": VERSION,
        "event": "result",
        "scenario": point.experiment.scenario,
        "experiment": point.id,
        "version": env!("CARGO_PKG_VERSION"),
        "flags": point.set.iter().cloned().collect::<BTreeMap<String, String>>(),
        "seeds": seeds,
        "trials": found.trials,
        "complete": ending == Ending::Whole,
        "violations": found.violations,
        "trace_hash": found.trace_hash,
        "virtual_s": found.virtual_s,
        "wall_s": found.wall_s,
        "measured": measured,
        "theory": found.theory,
    })
}

/// The same for people.
pub(crate) fn text(point: &Point, found: &Findings) -> String {
    let mut title = point.experiment.scenario.clone();
    for (key, value) in &point.set {
        title += &format!("  {key}={value}");
    }
    let (wall_s, speed) = (found.wall_s, found.virtual_s / found.wall_s.max(1e-9));
    let mut out = format!("{title}\n");
    out += &pairs(&[
        ("trials", found.trials.to_string()),
        ("virtual time", hours(found.virtual_s)),
        ("took", format!("{wall_s:.1} s of a thread, {speed:.0} x as fast as real time")),
        ("violations", violations(found.violations)),
        ("trace hash", found.trace_hash.clone()),
    ]);
    out += &table(
        ["measured", "value", "low", "high", "theory"],
        found.measured.iter().map(|(name, measured)| {
            let Measured { value, low, high } = *measured;
            let theory = found.theory.get(name).map(|expected| number(expected.value));
            let theory = theory.unwrap_or_else(|| "-".to_owned());
            [(*name).to_owned(), number(value), number(low), number(high), theory]
        }),
    );
    for (name, expected) in &found.theory {
        out += &format!("{name}: {}\n", expected.source);
    }
    out
}

/// That a seed broke what must hold, and how to see it again.
pub(crate) fn violation(options: &SimulateOptions, point: &Point, trial: &Trial) -> String {
    let scenario = options.scenario.as_deref().unwrap_or_default();
    let mut again = format!("lode simulate {scenario} --seed {}", trial.seed);
    for (key, value) in &point.set {
        again += &format!(" --set '{key}={value}'");
    }
    let what = trial.violations.join("; ");
    format!("lode: seed {}: {what}\n      see it again: {again}", trial.seed)
}

fn violations(count: usize) -> String {
    if count == 0 { "none".to_owned() } else { count.to_string() }
}

fn hours(seconds: f64) -> String {
    if seconds < 7200.0 {
        format!("{:.0} minutes", seconds / 60.0)
    } else {
        format!("{:.1} hours", seconds / 3600.0)
    }
}

/// Four digits behind the point where they matter.
fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
