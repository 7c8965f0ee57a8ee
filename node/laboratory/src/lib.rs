//! The laboratory: experiments on whole networks in virtual time.
//!
//! A scenario is a file of numbers; with a seed it becomes a world of the same nodes that run on
//! sockets, and all that happens there follows from both. Many seeds make a measurement, with an
//! interval, and beside it stands what theory says.

mod campaign;
mod experiment;
mod findings;
mod options;
mod points;
mod record;
mod scenarios;
mod shard;
mod sightings;
mod staging;
mod theory;
mod told;
mod trial;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::thread;

use command::failure::{EndsProgram, Failure, UsageError};
use command::interrupt::Interrupt;
use command::print;
use indicatif::{ProgressBar, ProgressStyle};
use show::exit::Exit;
use show::streams::note;

use campaign::{CampaignError, Ending, Job, News};
use experiment::ExperimentError;
use points::{Point, points};
use record::{Line, Record, RecordError};
use scenarios::{SCENARIOS, ScenarioError, by_name, load};
use shard::{Shard, of_cluster};
use trial::Trial;

pub use options::SimulateOptions;

impl EndsProgram for ScenarioError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl EndsProgram for ExperimentError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl EndsProgram for RecordError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

/// Makes the experiments that were asked for, and prints what came of them.
///
/// # Errors
/// [`Failure`]: what was asked for cannot be. Whatever nodes do wrong is a result, and the exit
/// code 1.
pub fn run(options: &SimulateOptions) -> Result<Exit, Failure> {
    if options.list {
        let line =
            |scenario: &scenarios::Scenario| format!("{:<17}{}\n", scenario.name, scenario.story());
        print(&SCENARIOS.iter().map(line).collect::<String>())?;
        return Ok(Exit::Ok);
    }
    if let Some(name) = &options.show {
        print(by_name(name)?.text)?;
        return Ok(Exit::Ok);
    }
    let table = load(options.scenario.as_deref().unwrap_or_default())?;
    let points = points(&table, &settings(options), options.sweep.as_ref())?;
    let seeds = options.seeds.clone().unwrap_or(options.seed..=options.seed);
    let jobs = jobs(points.len(), &seeds, shard_of(options)?);
    Laboratory { options, points, jobs, seeds }.run()
}

/// The flags that stand for a key, and then `--set`.
fn settings(options: &SimulateOptions) -> Vec<(String, String)> {
    let flags = [
        ("nodes", options.nodes.map(|nodes| nodes.to_string())),
        ("duration_s", options.hours.map(|hours| (hours * 3600).to_string())),
        ("spacing_s", options.spacing.map(|spacing| spacing.to_string())),
    ];
    let set = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    set.chain(options.settings.iter().cloned()).collect()
}

fn shard_of(options: &SimulateOptions) -> Result<Shard, UsageError> {
    if let Some(shard) = options.shard {
        return Ok(shard);
    }
    let Some((shard, variable)) = of_cluster()? else { return Ok(Shard::WHOLE) };
    note(&format!("part {} of {}, as {variable} says", shard.number, shard.count));
    Ok(shard)
}

/// All seeds of the first experiment, then of the next one; of them those of one part.
fn jobs(points: usize, seeds: &RangeInclusive<u64>, shard: Shard) -> Vec<Job> {
    let all = (0..points).flat_map(|point| seeds.clone().map(move |seed| Job { point, seed }));
    all.enumerate().filter(|(place, _)| shard.has(*place)).map(|(_, job)| job).collect()
}

/// All that is to be done.
struct Laboratory<'a> {
    options: &'a SimulateOptions,
    points: Vec<Point>,
    jobs: Vec<Job>,
    seeds: RangeInclusive<u64>,
}

impl Laboratory<'_> {
    fn run(&self) -> Result<Exit, Failure> {
        let interrupt = Interrupt::listen()?;
        let (mut record, known) = self.open_record()?;
        let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.options.threads.unwrap_or(processors).get();
        let bar = progress(self.jobs.len() as u64);
        let mut trials: Vec<Vec<Trial>> = vec![Vec::new(); self.points.len()];
        let mut broken = 0;
        let ended =
            campaign::run(&self.points, &self.jobs, known, threads, &interrupt, |job, news| {
                let point = &self.points[job.point];
                match news {
                    News::Made(trial) => {
                        if let Some(record) = &mut record {
                            record.add(&line(point, trial)?)?;
                        }
                    }
                    News::Next(trial) => {
                        self.tell(point, trial, &bar)?;
                        broken += trial.violations.len();
                        trials[job.point].push(trial.clone());
                        bar.inc(1);
                    }
                }
                Ok::<(), Failure>(())
            });
        bar.finish_and_clear();
        let ending = ended.map_err(|error| match error {
            CampaignError::Trial(error) => Failure { text: error.to_string(), exit: Exit::Usage },
            CampaignError::Tell(failure) => failure,
        })?;
        for (point, trials) in self.points.iter().zip(&trials).filter(|(_, all)| !all.is_empty()) {
            let trials: Vec<&Trial> = trials.iter().collect();
            let found = findings::sum_up(&point.experiment, &trials);
            print(&if self.options.json {
                let seeds = format!("{}..{}", self.seeds.start(), self.seeds.end());
                format!("{}\n", told::result(point, &seeds, &found, ending))
            } else {
                told::text(point, &found)
            })?;
        }
        Ok(match ending {
            Ending::Interrupted => Exit::Interrupted,
            Ending::Whole if broken > 0 => Exit::Other,
            Ending::Whole => Exit::Ok,
        })
    }

    /// The record that was asked for, and what stands in it by the place of its job.
    fn open_record(&self) -> Result<(Option<Record>, BTreeMap<usize, Trial>), Failure> {
        let Some(path) = &self.options.resume else {
            return Ok((None, BTreeMap::new()));
        };
        let (record, lines) = Record::open(path)?;
        let places: BTreeMap<(&str, u64), usize> = (0..)
            .zip(&self.jobs)
            .map(|(place, job)| ((self.points[job.point].id.as_str(), job.seed), place))
            .collect();
        let place = |line: &Line| places.get(&(line.experiment.as_str(), line.trial.seed)).copied();
        // A trial of another part or of another experiment may stand there too; it is left alone.
        let known = lines.into_iter().filter_map(|line| Some((place(&line)?, line.trial)));
        Ok((Some(record), known.collect()))
    }

    /// Tells of one trial.
    fn tell(&self, point: &Point, trial: &Trial, bar: &ProgressBar) -> Result<(), Failure> {
        if self.options.json {
            print(&format!("{}\n", line(point, trial)?))?;
        }
        if !trial.violations.is_empty() {
            bar.suspend(|| note(&told::violation(self.options, point, trial)));
        }
        Ok(())
    }
}

/// A trial as a line of the output and of the record.
fn line(point: &Point, trial: &Trial) -> Result<String, Failure> {
    serde_json::to_string(&told::line(point, trial))
        .map_err(|error| Failure { text: error.to_string(), exit: Exit::Other })
}

/// A bar on standard error, of a terminal alone.
fn progress(trials: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} trial {pos} of {len}, {eta} left");
    ProgressBar::new(trials).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
