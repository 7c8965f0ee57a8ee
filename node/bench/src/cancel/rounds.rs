//! Rounds with clients and rounds with burners in their place, in turn.

use indicatif::ProgressBar;
use serde_json::{Value, json};

use statistics::quantile;

use super::beside::Beside;
use super::node::{Found, Plan};

/// What the rounds of one kind have shown, one entry a round.
#[derive(Default)]
struct Side {
    hash_p50: Vec<f64>,
    hash_p99: Vec<f64>,
    idle_p50: Vec<f64>,
    idle_p99: Vec<f64>,
    /// Processor seconds a second that all but the mining threads took.
    used: Vec<f64>,
}

/// What all rounds have shown.
pub(super) struct Rounds {
    clients: Side,
    burners: Side,
    answers_per_s: Vec<f64>,
}

/// Takes turns; also returns what the rounds with clients have found, all together.
pub(super) fn run(
    plan: &Plan<'_>,
    clients: u32,
    bar: &ProgressBar,
) -> anyhow::Result<(Found, Rounds)> {
    let count = plan.options.rounds;
    let blocks = (plan.blocks / count / 2).max(1);
    let mut all = Found::default();
    let (mut asking, mut burning) = (Side::default(), Side::default());
    let mut answers_per_s = Vec::new();
    for _ in 0..count {
        let beside = Beside::new(clients, None);
        let found = plan.measure_all(blocks, Some(&beside), bar)?;
        anyhow::ensure!(beside.answers() > 0, "the clients got no answer; please report this");
        answers_per_s.push(beside.answers() as f64 / beside.seconds().max(1e-9));
        asking.add(&found, &beside);
        all.add(found);
        let beside = Beside::new(clients, Some(beside.used()));
        let found = plan.measure_all(blocks, Some(&beside), bar)?;
        burning.add(&found, &beside);
    }
    Ok((all, Rounds { clients: asking, burners: burning, answers_per_s }))
}

impl Side {
    fn add(&mut self, found: &Found, beside: &Beside) {
        let us = |times: &[std::time::Duration]| -> Vec<f64> {
            times.iter().map(|time| time.as_secs_f64() * 1e6).collect()
        };
        let (hash, idle) = (us(&found.to_hash), us(&found.to_idle));
        self.hash_p50.push(quantile(&hash, 50));
        self.hash_p99.push(quantile(&hash, 99));
        self.idle_p50.push(quantile(&idle, 50));
        self.idle_p99.push(quantile(&idle, 99));
        self.used.push(beside.used());
    }

    /// The medians of what stands in all rounds.
    fn to_json(&self) -> Value {
        json!({
            "block_to_hash_p50": tenth(&self.hash_p50),
            "block_to_hash_p99": tenth(&self.hash_p99),
            "block_to_idle_p50": tenth(&self.idle_p50),
            "block_to_idle_p99": tenth(&self.idle_p99),
            "cores_used": (quantile(&self.used, 50) * 1e3).round() / 1e3,
        })
    }
}

/// The median with one digit behind the point.
fn tenth(values: &[f64]) -> f64 {
    (quantile(values, 50) * 10.0).round() / 10.0
}

impl Rounds {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "rounds": self.answers_per_s.len(),
            "asking_us": self.clients.to_json(),
            "burning_us": self.burners.to_json(),
            "answers_per_s": tenth(&self.answers_per_s),
        })
    }

    pub(super) fn to_text(&self) -> String {
        let row = |what: &str, side: fn(&Side) -> &Vec<f64>| {
            let (asking, burning) =
                (quantile(side(&self.clients), 50), quantile(side(&self.burners), 50));
            format!(
                "{what:<46} {asking:>9.1} {burning:>9.1} {:>+8.1} %\n",
                (asking / burning - 1.0) * 100.0
            )
        };
        format!("\n{:<46} {:>9} {:>9} {:>10}\n", "microseconds", "asking", "burning", "more")
            + &row("to the next hash, median", |side| &side.hash_p50)
            + &row("to the next hash, 99 %", |side| &side.hash_p99)
            + &row("to the last worker idle, median", |side| &side.idle_p50)
            + &row("to the last worker idle, 99 %", |side| &side.idle_p99)
            + &format!(
                "{:.0} answers a second; {:.2} and {:.2} cores beside the mining threads; medians \
                 of {} rounds\n",
                quantile(&self.answers_per_s, 50),
                quantile(&self.clients.used, 50),
                quantile(&self.burners.used, 50),
                self.answers_per_s.len(),
            )
    }
}
