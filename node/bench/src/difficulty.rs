//! `lode bench difficulty`: attempts and hash rate by difficulty, judged by the geometric law.

mod axis;
mod chart;
mod page;
mod plots;
pub(super) mod result;

use std::fs;
use std::path::Path;

use engine::{Cancel, Miner};
use indicatif::{ProgressBar, ProgressStyle};

use crate::options::BenchDifficultyOptions;
use command::interrupt::Interrupt;
use command::kernel_choice;
use command::print;
use measurement::levels::Findings;
use measurement::rounds::{Measured, Plan};
use measurement::scaling;
use result::{Run, people, programs};
use show::exit::Exit;
use show::streams::note;

pub(super) fn run(options: &BenchDifficultyOptions) -> anyhow::Result<Exit> {
    let kernel = kernel_choice::choose(options.kernel);
    let miner = Miner::new(options.threads.unwrap_or_else(engine::default_threads), kernel)?;
    let plan = Plan { bits: options.bits.clone(), trials: options.trials, seed: options.seed };
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let interrupt = Interrupt::listen_and(move || raised.cancel())?;
    let measured = with_progress(&plan, &miner, &cancel);
    let Some(findings) = Findings::of(&measured) else {
        note("lode: interrupted before the first search was done");
        return Ok(Exit::Interrupted);
    };
    let extended = measured.complete && (options.html.is_some() || options.save.is_some());
    let run = Run {
        plan: &plan,
        kernel: kernel.name(),
        threads: miner.threads(),
        measured: &measured,
        findings: &findings,
        kernels: if extended { scaling::kernels() } else { Vec::new() },
        scaling: if extended { scaling::threads(kernel)? } else { Vec::new() },
    };
    if let Some(path) = &options.save {
        write(path, &format!("{:#}\n", programs(&run)))?;
    }
    if let Some(path) = &options.html {
        write(path, &page::html(&run))?;
    }
    print(&if options.json { format!("{}\n", programs(&run)) } else { people(&run) })?;
    Ok(match () {
        () if interrupt.came() => Exit::Interrupted,
        () if findings.passed() => Exit::Ok,
        () => Exit::Other,
    })
}

/// Shows how far it is and what time is left, in expected attempts.
fn with_progress(plan: &Plan, miner: &Miner, cancel: &Cancel) -> Measured {
    #[expect(clippy::cast_sign_loss, reason = "a number of attempts is not negative")]
    let bar = ProgressBar::new(plan.expected_attempts() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {percent} %, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut done = 0.0;
    let measured = plan.run(miner, cancel, |attempts| {
        done += attempts;
        #[expect(clippy::cast_sign_loss, reason = "a number of attempts is not negative")]
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    measured
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).map_err(|error| {
        anyhow::anyhow!("cannot write {}: {error}; give another file", path.display())
    })
}
