//! `lode bench compare`: which of two is faster, or that nobody can tell.

mod contestant;
mod saved;

use serde_json::{Value, json};

use super::progress;
use crate::options::{BenchClock, BenchCompareOptions};
use command::failure::UsageError;
use command::interrupt::Interrupt;
use command::print;
use contestant::{Contestant, Task};
use saved::Saved;
use show::exit::Exit;
use show::streams::note;
use statistics::comparison::{ROUNDS_MIN, Ratio, Verdict, paired, unpaired};

/// More rounds than the least number, as a factor, that are made for the sake of precision.
const ROUNDS_FACTOR_MAX: u32 = 10;

/// What was compared, and what came of it.
struct Comparison {
    first: String,
    second: String,
    rounds: usize,
    clock: BenchClock,
    /// `None` when there are too few rounds.
    ratio: Option<Ratio>,
    /// What limits the result, as sentences.
    remarks: Vec<String>,
    interrupted: bool,
}

pub(super) fn run(options: &BenchCompareOptions) -> anyhow::Result<Exit> {
    let comparison = match (&options.against, options.files.as_slice()) {
        (Some(command), _) => against(options, command)?,
        (None, [first, second]) => of_files(options, &Saved::read(first)?, &Saved::read(second)?)?,
        (None, _) => return Err(UsageError("give two files, or --against".to_owned()).into()),
    };
    let text =
        if options.json { format!("{}\n", comparison.programs()) } else { comparison.people() };
    print(&text)?;
    Ok(if comparison.interrupted { Exit::Interrupted } else { Exit::Ok })
}

/// This program and another one in turns, so that whatever disturbs disturbs both.
fn against(options: &BenchCompareOptions, command: &str) -> anyhow::Result<Comparison> {
    let interrupt = Interrupt::listen()?;
    let (this, other) = (Contestant::this_program()?, Contestant::of_command(command)?);
    let task = Task::new(options);
    let rounds_max = options.rounds.saturating_mul(ROUNDS_FACTOR_MAX);
    let rounds_max = options.rounds_max.unwrap_or(rounds_max).max(options.rounds);
    let bar = progress(options.rounds, "round");
    let (mut rounds, mut ratio) = (Vec::new(), None);
    for round in 0..rounds_max {
        // There and back: a drift of the clock rate favors nobody.
        let measured = if round % 2 == 0 {
            this.measure(&task, round).and_then(|first| Ok((first, other.measure(&task, round)?)))
        } else {
            other.measure(&task, round).and_then(|second| Ok((this.measure(&task, round)?, second)))
        };
        if interrupt.came() {
            break;
        }
        rounds.push(measured?);
        bar.inc(1);
        ratio = paired(&rounds);
        if round + 1 >= options.rounds {
            if ratio.is_none_or(|ratio| ratio.is_precise()) {
                break;
            }
            bar.set_length(u64::from(round) + 2);
        }
    }
    bar.finish_and_clear();
    Ok(Comparison {
        first: this.name,
        second: other.name,
        rounds: rounds.len(),
        clock: options.clock,
        ratio,
        remarks: Vec::new(),
        interrupted: interrupt.came(),
    })
}

fn of_files(
    options: &BenchCompareOptions,
    first: &Saved,
    second: &Saved,
) -> anyhow::Result<Comparison> {
    if let Some(field) = first.other_work(second) {
        let problem = format!(
            "the results are of different work: {field} differs; give both runs the same --{field}"
        );
        return Err(UsageError(problem).into());
    }
    let (clock, a, b) = match options.clock {
        BenchClock::Processor => match (first.processor_rates(), second.processor_rates()) {
            (Some(a), Some(b)) => (BenchClock::Processor, a, b),
            _ => {
                note("no processor time in both results; comparing by time as it passed");
                (BenchClock::Wall, first.rates.clone(), second.rates.clone())
            }
        },
        BenchClock::Wall => (BenchClock::Wall, first.rates.clone(), second.rates.clone()),
    };
    let mut remarks = first.differences(second);
    remarks
        .push("The two ran at different times; `--against` lets programs take turns.".to_owned());
    Ok(Comparison {
        first: first.name.clone(),
        second: second.name.clone(),
        rounds: a.len().min(b.len()),
        clock,
        ratio: unpaired(&a, &b),
        remarks,
        interrupted: false,
    })
}

impl Comparison {
    fn verdict(&self) -> Verdict {
        self.ratio.map_or(Verdict::CannotTell, |ratio| ratio.verdict())
    }

    fn clock_name(&self) -> &'static str {
        match self.clock {
            BenchClock::Processor => "processor",
            BenchClock::Wall => "wall",
        }
    }

    fn programs(&self) -> Value {
        let verdict = match self.verdict() {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Tie => "tie",
            Verdict::CannotTell => "cannot_tell",
        };
        json!({
            "v": 1,
            "command": "bench compare",
            "first": self.first,
            "second": self.second,
            "verdict": verdict,
            "ratio": self.ratio.map(|ratio| ratio.ratio),
            "ratio_low": self.ratio.map(|ratio| ratio.interval.low),
            "ratio_high": self.ratio.map(|ratio| ratio.interval.high),
            "p": self.ratio.map(|ratio| ratio.p),
            "rounds": self.rounds,
            "clock": self.clock_name(),
            "remarks": self.remarks,
        })
    }

    fn people(&self) -> String {
        let Some(ratio) = self.ratio else {
            return format!(
                "cannot tell: {} rounds, it takes {ROUNDS_MIN} at least\n",
                self.rounds
            );
        };
        let verdict = match self.verdict() {
            Verdict::Faster => format!("{} is faster than {}", self.first, self.second),
            Verdict::Slower => format!("{} is slower than {}", self.first, self.second),
            Verdict::Tie => format!("tie: {} and {} are equally fast", self.first, self.second),
            Verdict::CannotTell => {
                "cannot tell: more rounds or a quieter computer would".to_owned()
            }
        };
        let mut text = format!(
            "{verdict}\n{:.3} times as fast ({:.3} to {:.3} with 99 %), p = {:.2e}, {} rounds, \
             {} time\n",
            ratio.ratio,
            ratio.interval.low,
            ratio.interval.high,
            ratio.p,
            self.rounds,
            self.clock_name(),
        );
        for remark in &self.remarks {
            text += &format!("{remark}\n");
        }
        text
    }
}
