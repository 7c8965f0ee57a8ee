//! `Shard`: which part of all trials this process makes.

use std::env;

use command::failure::UsageError;

/// The variables of a cluster's job that say which part it is.
struct Cluster {
    /// The number of this part.
    index: &'static str,
    /// The number of the first part; 0 where nothing says so.
    first: &'static str,
    /// From one number to the next; 1 where nothing says so.
    step: &'static str,
    /// How many parts there are.
    count: &'static str,
}

const CLUSTERS: [Cluster; 2] = [
    Cluster {
        index: "SLURM_ARRAY_TASK_ID",
        first: "SLURM_ARRAY_TASK_MIN",
        step: "SLURM_ARRAY_TASK_STEP",
        count: "SLURM_ARRAY_TASK_COUNT",
    },
    // Kubernetes gives an indexed job its number, and not how many there are: the job says that.
    Cluster { index: "JOB_COMPLETION_INDEX", first: "", step: "", count: "JOB_COMPLETIONS" },
];

/// One part of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, counted from 1.
    pub number: usize,
    /// How many there are.
    pub count: usize,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { number: 1, count: 1 };

    /// Whether the trial at this place of all is of this part: every so many.
    pub fn has(self, place: usize) -> bool {
        place % self.count == self.number - 1
    }
}

/// `2/8`.
///
/// # Errors
/// How to write it.
pub fn shard(text: &str) -> Result<Shard, String> {
    let read = |text: &str| text.parse::<usize>().ok();
    let numbers = text.split_once('/').and_then(|(number, count)| read(number).zip(read(count)));
    match numbers {
        Some((number, count)) if 1 <= number && number <= count => Ok(Shard { number, count }),
        _ => Err("write the second of eight parts as 2/8".to_owned()),
    }
}

/// The part that a cluster's job is, and the variable that says so.
///
/// # Errors
/// It is a job of several, and which part of how many does not come out.
pub(crate) fn of_cluster() -> Result<Option<(Shard, &'static str)>, UsageError> {
    let number = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
    let Some(cluster) = CLUSTERS.iter().find(|cluster| env::var_os(cluster.index).is_some()) else {
        return Ok(None);
    };
    let (first, step) = (number(cluster.first).unwrap_or(0), number(cluster.step).unwrap_or(1));
    let place = number(cluster.index).zip(number(cluster.count));
    let shard = place.and_then(|(index, count)| in_cluster(index, first, step, count));
    let Some(shard) = shard else {
        return Err(UsageError(format!(
            "{} is set, and with {} it does not say which part of how many this is; say it with \
             --shard, or --shard 1/1 for all",
            cluster.index, cluster.count,
        )));
    };
    Ok(Some((shard, cluster.index)))
}

fn in_cluster(index: usize, first: usize, step: usize, count: usize) -> Option<Shard> {
    let behind = index.checked_sub(first)?;
    let is_a_step = behind.checked_rem(step)? == 0;
    let number = behind.checked_div(step)?.checked_add(1)?;
    (is_a_step && number <= count).then_some(Shard { number, count })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_trial_is_of_exactly_one_part(count in 1usize..40, place in 0usize..10_000) {
            let parts = (1..=count).filter(|number| Shard { number: *number, count }.has(place));
            prop_assert_eq!(parts.count(), 1);
        }

        #[test]
        fn every_job_of_an_array_is_a_part_of_its_own(
            first in 0usize..50, step in 1usize..9, count in 1usize..40,
        ) {
            for number in 1..=count {
                let index = first + (number - 1) * step;
                let part = in_cluster(index, first, step, count);
                prop_assert_eq!(part, Some(Shard { number, count }));
            }
        }

        #[test]
        fn what_is_written_is_read(count in 1usize..10_000, below in 0usize..10_000) {
            let number = 1 + below % count;
            prop_assert_eq!(shard(&format!("{number}/{count}")), Ok(Shard { number, count }));
        }
    }

    #[test]
    fn nonsense_is_no_part() {
        for text in ["", "1", "0/3", "4/3", "1/0", "/", "a/b", "1/2/3", "-1/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
        assert_eq!((in_cluster(7, 5, 1, 2), in_cluster(4, 5, 1, 2)), (None, None));
        assert_eq!((in_cluster(1, 0, 2, 3), in_cluster(1, 0, 0, 3)), (None, None));
    }
}
