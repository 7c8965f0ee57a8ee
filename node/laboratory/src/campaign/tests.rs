//! Tests of `campaign`, on short networks.

use super::*;
use crate::points::points;
use crate::scenarios::load;

/// A few minutes of a small network, twice with another delay.
fn small(settings: &[(&str, &str)]) -> Vec<Point> {
    let own = [("duration_s", "240"), ("nodes", "3"), ("starting_bits", "8"), ("spacing_s", "5")];
    let settings: Vec<(String, String)> = own
        .iter()
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let sweep = ("latency_ms".to_owned(), vec!["20".to_owned(), "400".to_owned()]);
    points(&load("calm").unwrap(), &settings, Some(&sweep)).unwrap()
}

fn jobs() -> Vec<Job> {
    (0..2).flat_map(|point| (1..=3).map(move |seed| Job { point, seed })).collect()
}

/// All trials in the order in which they were told, without the time that they took.
fn made(
    points: &[Point],
    jobs: &[Job],
    known: BTreeMap<usize, Trial>,
    threads: usize,
) -> Vec<(Job, Trial, bool)> {
    let (mut made_now, mut told) = (Vec::new(), Vec::new());
    let ended = run(points, jobs, known, threads, &Interrupt::default(), |job, news| {
        match news {
            News::Made(_) => made_now.push(job),
            News::Next(trial) => {
                let trial = Trial { wall_s: 0.0, ..trial.clone() };
                told.push((job, trial, made_now.contains(&job)));
            }
        }
        Ok::<(), ()>(())
    });
    assert!(matches!(ended, Ok(Ending::Whole)));
    told
}

#[test]
fn one_thread_two_threads_parts_and_a_record_give_the_same_trials_in_the_same_order() {
    let (points, jobs) = (small(&[]), jobs());
    let whole = made(&points, &jobs, BTreeMap::new(), 1);
    assert_eq!(whole.iter().map(|(job, _, _)| *job).collect::<Vec<_>>(), jobs);
    assert!(whole.iter().all(|(_, trial, is_new)| *is_new && trial.violations.is_empty()));
    let traces = |of: &[(Job, Trial, bool)]| -> Vec<Trial> {
        of.iter().map(|(_, trial, _)| trial.clone()).collect()
    };
    let all = traces(&whole);
    // Seeds differ, and so do delays.
    let different: std::collections::BTreeSet<_> = all.iter().map(|one| &one.trace_hash).collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(traces(&made(&points, &jobs, BTreeMap::new(), 2)), all);
    let (odd, even): (Vec<Job>, Vec<Job>) = (
        jobs.iter().step_by(2).copied().collect(),
        jobs.iter().skip(1).step_by(2).copied().collect(),
    );
    let odd = traces(&made(&points, &odd, BTreeMap::new(), 2));
    let even = traces(&made(&points, &even, BTreeMap::new(), 2));
    let joined: Vec<Trial> = odd.into_iter().zip(even).flat_map(|(one, two)| [one, two]).collect();
    assert_eq!(joined, all);
    let known = BTreeMap::from([(1, all[1].clone()), (4, all[4].clone())]);
    let resumed = made(&points, &jobs, known, 2);
    assert_eq!(traces(&resumed), all);
    let new: Vec<bool> = resumed.iter().map(|(_, _, is_new)| *is_new).collect();
    assert_eq!(new, [true, false, true, true, false, true]);
}

#[test]
fn nodes_that_do_not_agree_in_time_are_a_violation() {
    // Whatever is found is four seconds on its way, and a block comes every second.
    let points = small(&[("settle_s", "1"), ("jitter_ms", "0"), ("spacing_s", "1")]);
    let mut slow = points[1].clone();
    slow.experiment.latency_ms = 4000;
    let told = made(&[slow], &[Job { point: 0, seed: 1 }], BTreeMap::new(), 1);
    let violations = &told[0].1.violations;
    assert!(violations[0].contains("do not agree"), "{violations:?}");
}

#[test]
fn numbers_that_no_network_may_have_end_it() {
    let mut points = small(&[]);
    points[0].experiment.spacing_s = u32::MAX;
    points[0].experiment.starting_bits = 34;
    let job = [Job { point: 0, seed: 1 }];
    let ended =
        run(&points, &job, BTreeMap::new(), 1, &Interrupt::default(), |_, _| Ok::<(), ()>(()));
    assert!(matches!(ended, Err(CampaignError::Trial(TrialError::Spec(_)))));
}
