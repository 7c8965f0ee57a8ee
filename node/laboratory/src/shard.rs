//! `Shard`: which part of all trials this process makes.

use std::env;

/// The variables of a cluster's job that say which part it is: first the number, then where they
/// begin, then how many there are.
const CLUSTERS: [(&str, &str, &str); 2] = [
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
    // Kubernetes gives an indexed job its number, counted from zero, and not how many there are.
    ("JOB_COMPLETION_INDEX", "", "JOB_COMPLETIONS"),
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
pub(crate) fn of_cluster() -> Option<(Shard, &'static str)> {
    let number = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
    CLUSTERS.iter().find_map(|(index, first, count)| {
        let shard = in_cluster(number(index)?, number(first).unwrap_or(0), number(count)?)?;
        Some((shard, *index))
    })
}

fn in_cluster(index: usize, first: usize, count: usize) -> Option<Shard> {
    let number = index.checked_sub(first)?.checked_add(1)?;
    (number <= count).then_some(Shard { number, count })
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
        assert_eq!(in_cluster(5, 5, 2), Some(Shard { number: 1, count: 2 }));
        assert_eq!((in_cluster(7, 5, 2), in_cluster(4, 5, 2)), (None, None));
    }
}
