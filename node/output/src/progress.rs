//! Bars on standard error, where that is a terminal: of work whose end is known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use machine::store::{OpeningProgress, OpeningStep, OpeningWatcher};

/// Nobody wonders before that what a program is doing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that counts blocks; none when standard error is no terminal.
pub fn of_blocks(blocks: u64, doing: &'static str) -> ProgressBar {
    styled(blocks, doing, "{msg} {wide_bar} {pos}/{len} blocks, {eta} left")
}

fn styled(total: u64, doing: &'static str, template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(doing)
}

/// How far the opening of a store is, a bar a step, for steps that take longer than a second. What
/// is left of it on the screen goes with this value.
pub struct OpeningBar(Arc<Mutex<Shown>>);

struct Shown {
    step: OpeningStep,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Default for OpeningBar {
    /// Shows nothing until the watcher hears of something.
    fn default() -> Self {
        let shown = Shown { step: OpeningStep::ReadBlocks, begun: Instant::now(), bar: None };
        Self(Arc::new(Mutex::new(shown)))
    }
}

impl OpeningBar {
    /// For the store that is opened.
    pub fn watcher(&self) -> OpeningWatcher {
        let shown = Arc::clone(&self.0);
        Arc::new(move |progress| {
            shown.lock().unwrap_or_else(PoisonError::into_inner).hear(progress, Instant::now());
        })
    }
}

impl Drop for OpeningBar {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Shown {
    fn hear(&mut self, progress: OpeningProgress, now: Instant) {
        let OpeningProgress { step, done, total } = progress;
        if step != self.step {
            self.clear();
            (self.step, self.begun) = (step, now);
        }
        if done >= total {
            self.clear();
        } else if now.saturating_duration_since(self.begun) >= PATIENCE {
            self.bar.get_or_insert_with(|| of_step(step, total)).set_position(done);
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn of_step(step: OpeningStep, total: u64) -> ProgressBar {
    let of_bytes = "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left";
    match step {
        OpeningStep::ReadBlocks => styled(total, "reading the block files", of_bytes),
        OpeningStep::CheckDatabase => styled(total, "checking the database", of_bytes),
        OpeningStep::UpdateTables => of_blocks(total, "bringing the database up to date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_from_the_second_on_that_somebody_waits_and_until_its_end() {
        let begun = Instant::now();
        let mut shown = Shown { step: OpeningStep::ReadBlocks, begun, bar: None };
        let mut hear = |step, done, after_ms| {
            let now = begun + Duration::from_millis(after_ms);
            shown.hear(OpeningProgress { step, done, total: 10 }, now);
            shown.bar.as_ref().map(ProgressBar::position)
        };
        assert_eq!(hear(OpeningStep::ReadBlocks, 3, 999), None);
        assert_eq!(hear(OpeningStep::ReadBlocks, 4, 1000), Some(4));
        assert_eq!(hear(OpeningStep::CheckDatabase, 1, 1500), None);
        assert_eq!(hear(OpeningStep::CheckDatabase, 2, 2499), None);
        assert_eq!(hear(OpeningStep::CheckDatabase, 2, 2500), Some(2));
        assert_eq!(hear(OpeningStep::CheckDatabase, 10, 2600), None);
    }
}
