//! The result of a run, for programs and for people.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::computer;
use measurement::levels::{Findings, Level};
use measurement::rounds::{Measured, Plan, Round};
use measurement::scaling::Raw;

/// A run with everything that is told of it.
pub(super) struct Run<'a> {
    pub plan: &'a Plan,
    pub kernel: &'static str,
    pub threads: usize,
    pub measured: &'a Measured,
    pub findings: &'a Findings,
    /// Every kernel on one thread; empty when nobody asked.
    pub kernels: Vec<Raw>,
    /// The kernel on more and more threads; empty when nobody asked.
    pub scaling: Vec<Raw>,
}

/// Million attempts per second.
pub(crate) fn mhs(rate: f64) -> f64 {
    (rate / 10.0).round() / 100_000.0
}

pub(super) fn programs(run: &Run<'_>) -> Value {
    let (plan, findings) = (run.plan, run.findings);
    let round = |round: &Round| {
        json!({
            "mhs": mhs(round.rate),
            "processor_mhs": round.processor_rate.map(mhs),
            "raw_mhs": mhs(round.raw_rate),
        })
    };
    let raw = |raw: &Raw| {
        json!({
            "name": raw.kernel,
            "threads": raw.threads,
            "mhs": mhs(raw.rate),
            "mhs_low": mhs(raw.low),
            "mhs_high": mhs(raw.high),
        })
    };
    json!({
        "v": 1,
        "command": "bench difficulty",
        "bits_low": plan.bits.start(),
        "bits_high": plan.bits.end(),
        "trials": plan.trials,
        "seed": plan.seed,
        "kernel": run.kernel,
        "threads": run.threads,
        "complete": run.measured.complete,
        "levels": findings.levels.iter().map(|level| of_level(level, findings)).collect::<Vec<_>>(),
        "pooled_p": findings.pooled_p,
        "passed": findings.passed(),
        "mhs": mhs(findings.rate.rate),
        "mhs_low": mhs(findings.rate.interval.low),
        "mhs_high": mhs(findings.rate.interval.high),
        "raw_mhs": mhs(findings.raw_rate),
        "drift": thousandths(findings.drift),
        "rounds": run.measured.rounds.iter().map(round).collect::<Vec<_>>(),
        "kernels": run.kernels.iter().map(raw).collect::<Vec<_>>(),
        "scaling": run.scaling.iter().map(raw).collect::<Vec<_>>(),
        "computer": computer::description(),
    })
}

fn of_level(level: &Level, findings: &Findings) -> Value {
    json!({
        "bits": level.bits,
        "trials": level.trials,
        "attempts_mean": level.attempts_mean,
        "attempts_low": level.attempts.low,
        "attempts_high": level.attempts.high,
        "expected": level.expected,
        "ratio": level.ratio(),
        "ks": level.ks,
        "ks_critical": level.ks_critical,
        "mhs": mhs(level.rate.rate),
        "mhs_low": mhs(level.rate.interval.low),
        "mhs_high": mhs(level.rate.interval.high),
        "share_of_raw": thousandths(level.rate.rate / findings.raw_rate),
        "time_ms_median": microseconds_as_ms(level.seconds_median),
        "time_ms_p95": microseconds_as_ms(level.seconds_p95),
        "seconds": level.seconds,
        "nj_per_hash": level.nanojoules_per_hash,
    })
}

pub(super) fn people(run: &Run<'_>) -> String {
    let findings = run.findings;
    let mut text = String::from(
        "bits trials  attempts to expected (95 %)     KS (at most)     MH/s of raw   median      \
         p95\n",
    );
    for level in &findings.levels {
        let interval = level.attempts.times(1.0 / level.expected);
        let _ = writeln!(
            text,
            "{:>4} {:>6}     {:>6.3} ({:.3} to {:.3})  {:.3}   ({:.3})  {:>7.2}  {:>3.0} % {:>8} {:>8}",
            level.bits,
            level.trials,
            level.ratio(),
            interval.low,
            interval.high,
            level.ks,
            level.ks_critical,
            level.rate.rate / 1e6,
            100.0 * level.rate.rate / findings.raw_rate,
            duration(level.seconds_median),
            duration(level.seconds_p95),
        );
    }
    let _ = writeln!(
        text,
        "{} on {}: {:.2} MH/s in searches ({:.2} to {:.2}), {:.2} MH/s raw, drift {:+.1} %.",
        run.kernel,
        threads(run.threads),
        findings.rate.rate / 1e6,
        findings.rate.interval.low / 1e6,
        findings.rate.interval.high / 1e6,
        findings.raw_rate / 1e6,
        100.0 * findings.drift,
    );
    let joules: Vec<f64> =
        findings.levels.iter().filter_map(|level| level.nanojoules_per_hash).collect();
    if let Some(last) = joules.last() {
        let _ =
            writeln!(text, "{last:.1} nJ a hash at the highest difficulty, the whole CPU counted.");
    }
    let verdict = if findings.passed() {
        "the searches show no bias"
    } else {
        "THE SEARCHES ARE BIASED: the attempts are not those of the law"
    };
    let _ = writeln!(text, "All levels together: p = {:.3}, {verdict}.", findings.pooled_p);
    if !run.measured.complete {
        text += "Interrupted: this is what was done so far.\n";
    }
    text
}

pub(crate) fn threads(count: usize) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

/// Seconds in the unit that shows three digits.
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        _ if seconds < 1e-3 => (seconds * 1e6, "us"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ if seconds < 120.0 => (seconds, "s"),
        _ => (seconds / 60.0, "min"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

fn thousandths(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

fn microseconds_as_ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_show_about_three_digits_in_a_fitting_unit() {
        let shown = [0.000_000_5, 0.0123, 1.5, 45.0, 600.0].map(duration);
        assert_eq!(shown, ["0.50 us", "12.3 ms", "1.50 s", "45.0 s", "10.0 min"]);
    }
}
