//! `lode version`: this program, this CPU, and the kernels that can hash on it.

use std::fmt::Write;

use engine::{Kernel, Trial};
use serde_json::{Value, json};

use crate::cli::VersionOptions;
use command::failure::Failure;
use command::print;
use show::exit::Exit;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(options: &VersionOptions) -> Result<Exit, Failure> {
    let text = match (options.verbose, options.json) {
        (false, false) => format!("lode {VERSION}\n"),
        (false, true) => format!("{}\n", json!({"v": 1, "command": "version", "lode": VERSION})),
        (true, false) => people(Kernel::trials(), Kernel::best()),
        (true, true) => format!("{}\n", programs(Kernel::trials(), Kernel::best())),
    };
    print(&text)?;
    Ok(Exit::Ok)
}

fn people(trials: &[Trial], chosen: Kernel) -> String {
    let mut text = format!("lode {VERSION}\n");
    let features = engine::cpu_features();
    let features =
        if features.is_empty() { "none that a kernel uses".to_owned() } else { features.join(" ") };
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<17}{value}").expect("writing to a String cannot fail");
    };
    line("cpu", &format!("{} {features}", std::env::consts::ARCH));
    line("threads", &format!("{} for mining unless told otherwise", engine::default_threads()));
    for trial in trials {
        let name = format!("kernel {}", trial.kernel.name());
        line(&name, &verdict(trial));
    }
    line("chosen", &format!("{}: {}", chosen.name(), reason(trials, chosen)));
    text
}

fn verdict(trial: &Trial) -> String {
    match &trial.rate {
        Ok(rate) => format!("{}.{:02} MH/s on one thread", rate / 1_000_000, rate / 10_000 % 100),
        Err(error) => error.to_string(),
    }
}

fn reason(trials: &[Trial], chosen: Kernel) -> String {
    let passed = trials.iter().filter(|trial| trial.rate.is_ok()).count();
    match passed {
        0 | 1 => format!("the only one of {} that passed its self-test", trials.len()),
        _ if trials.iter().any(|trial| trial.kernel == chosen && trial.rate.is_ok()) => {
            format!("the fastest of {passed} in a trial just now")
        }
        _ => "no other passed its self-test".to_owned(),
    }
}

fn programs(trials: &[Trial], chosen: Kernel) -> Value {
    let kernel = |trial: &Trial| {
        json!({
            "name": trial.kernel.name(),
            "hashes_per_s": trial.rate.as_ref().ok(),
            "refused": trial.rate.as_ref().err().map(ToString::to_string),
        })
    };
    json!({
        "v": 1,
        "command": "version",
        "lode": VERSION,
        "arch": std::env::consts::ARCH,
        "cpu_features": engine::cpu_features(),
        "threads": engine::default_threads().get(),
        "kernels": trials.iter().map(kernel).collect::<Vec<_>>(),
        "chosen": chosen.name(),
        "reason": reason(trials, chosen),
    })
}
