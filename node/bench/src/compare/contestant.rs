//! A program that takes part in a comparison: runs the bench of a round and reads its rate.

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use engine::Kernel;
use serde_json::Value;

use crate::options::{BenchClock, BenchCompareOptions};
use command::failure::UsageError;
use command::kernel_choice;
use statistics::quantile;

/// Time of one search, about: short enough that some are not disturbed on a busy computer.
const SEARCH_S: f64 = 0.012;

/// Searches of one round.
const TRIALS: u32 = 20;

/// The share of a round's searches that were no faster than what counts. Whatever disturbs a search
/// makes it slower, never faster, so the fast ones tell how fast the program is.
const COUNTED_PERCENT: usize = 90;

/// Most that is read of what a program prints: a result is a few thousand bytes.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// A program with the arguments that come before `bench`.
pub(super) struct Contestant {
    /// As people know it.
    pub name: String,
    program: String,
    arguments: Vec<String>,
}

/// The same for all contestants of a round.
pub(super) struct Task {
    arguments: Vec<String>,
    clock: BenchClock,
}

impl Task {
    /// Searches that take a fraction of a second here.
    pub(super) fn new(options: &BenchCompareOptions) -> Self {
        let kernel = kernel_choice::choose(options.kernel);
        let trial = Kernel::trials().iter().find(|trial| trial.kernel == kernel);
        let rate = trial.and_then(|trial| trial.rate.as_ref().ok()).copied().unwrap_or(1_000_000);
        let attempts = rate as f64 * options.threads.get() as f64 * SEARCH_S;
        let bits = attempts.max(2.0).log2().round();
        let mut arguments: Vec<String> =
            ["bench", "difficulty", "--json"].map(str::to_owned).to_vec();
        let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        flag("bits", format!("{bits}"));
        flag("trials", TRIALS.to_string());
        flag("threads", options.threads.to_string());
        flag("kernel", kernel.name().to_owned());
        Self { arguments, clock: options.clock }
    }
}

impl Contestant {
    /// The program that is running.
    pub(super) fn this_program() -> anyhow::Result<Self> {
        let path = std::env::current_exe().context("cannot find this program's own file")?;
        Ok(Self {
            name: "this program".to_owned(),
            program: path.display().to_string(),
            arguments: Vec::new(),
        })
    }

    /// The words of `command`, separated by spaces.
    ///
    /// # Errors
    /// [`UsageError`] when there is none.
    pub(super) fn of_command(command: &str) -> Result<Self, UsageError> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = words.next().ok_or_else(|| {
            UsageError("--against: give the other program, such as ./lode-before".to_owned())
        })?;
        Ok(Self { name: command.to_owned(), program, arguments: words.collect() })
    }

    /// Attempts per second in one round.
    ///
    /// # Errors
    /// When the program cannot be run, fails, or prints something else than a result.
    pub(super) fn measure(&self, task: &Task, round: u32) -> anyhow::Result<f64> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args(&task.arguments)
            .args(["--seed", &round.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}; give its path", self.name))?;
        let mut text = String::new();
        let read = match child.stdout.take() {
            Some(out) => out.take(OUTPUT_BYTES_MAX).read_to_string(&mut text),
            None => Ok(0),
        };
        let status = child.wait()?;
        let result: Result<Value, _> = serde_json::from_str(&text);
        match (read, result) {
            (Ok(_), Ok(result)) => rate(&result, task.clock).with_context(|| {
                format!("{} does not tell its rate by this --clock; try the other one", self.name)
            }),
            _ => {
                bail!("{} printed no result ({status}); run its bench difficulty alone", self.name)
            }
        }
    }
}

/// The rate of the undisturbed rounds of a result, each of which has one search.
fn rate(result: &Value, clock: BenchClock) -> Option<f64> {
    let field = match clock {
        BenchClock::Wall => "mhs",
        BenchClock::Processor => "processor_mhs",
    };
    let rounds = result["rounds"].as_array()?;
    let rates: Vec<f64> =
        rounds.iter().map(|round| round[field].as_f64()).collect::<Option<_>>()?;
    Some(quantile(&rates, COUNTED_PERCENT)).filter(|rate| *rate > 0.0)
}
