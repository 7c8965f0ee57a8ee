//! The result as one page to look at: drawings and a table, and nothing from anywhere else.

use std::fmt::Write;

use super::chart::escaped;
use super::plots;
use super::result::{Run, duration, threads};
use crate::computer;
use measurement::levels::Level;

const STYLE: &str = include_str!("page.css");

/// One drawing with its words.
struct Figure<'a> {
    title: &'a str,
    /// What the drawing shows, in a sentence with numbers.
    says: String,
    /// Class of a line and what it stands for.
    key: &'a [(&'a str, &'a str)],
    svg: String,
}

/// The whole page.
pub(super) fn html(run: &Run<'_>) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n");
    page += "<meta charset=\"utf-8\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    let _ =
        writeln!(page, "<title>Lode: hash rate by difficulty</title>\n<style>\n{STYLE}</style>");
    page += "</head>\n<body>\n<main>\n<h1>Hash rate by difficulty</h1>\n";
    let _ = writeln!(page, "<p class=\"from\">{}</p>", escaped(&origin(run)));
    page += &tiles(run);
    page += "<div class=\"plots\">\n";
    for figure in figures(run) {
        page += &figure.html();
    }
    page += "</div>\n";
    page += &table(run);
    page += &footer(run);
    page + "</main>\n</body>\n</html>\n"
}

fn origin(run: &Run<'_>) -> String {
    let plan = run.plan;
    let commit = computer::commit().map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!(
        "{}, kernel {}, {}. {} searches at each of {} difficulties, headers drawn from seed {}. \
         Lode {}{commit}.",
        computer::cpu(),
        run.kernel,
        threads(run.threads),
        plan.trials,
        plan.bits.clone().count(),
        plan.seed,
        env!("CARGO_PKG_VERSION"),
    )
}

fn tiles(run: &Run<'_>) -> String {
    let findings = run.findings;
    let (rate, raw) = (&findings.rate, findings.raw_rate);
    let verdict = if findings.passed() { ("good", "No bias") } else { ("bad", "Biased") };
    let share = 100.0 * rate.rate / raw;
    let tiles = [
        (
            "",
            format!("{:.2} MH/s", rate.rate / 1e6),
            format!(
                "in searches; {:.2} to {:.2}",
                rate.interval.low / 1e6,
                rate.interval.high / 1e6
            ),
        ),
        ("", format!("{share:.0} %"), format!("of the raw rate, {:.2} MH/s", raw / 1e6)),
        (
            verdict.0,
            verdict.1.to_owned(),
            format!("all levels together, p = {:.3}", findings.pooled_p),
        ),
        (
            "",
            format!("{:+.1} %", 100.0 * findings.drift),
            "raw rate, first half to last".to_owned(),
        ),
    ];
    let mut text = String::from("<div class=\"tiles\">\n");
    for (class, value, label) in tiles {
        let _ =
            writeln!(text, "<div class=\"tile {class}\"><b>{value}</b><span>{label}</span></div>");
    }
    text + "</div>\n"
}

fn figures<'a>(run: &Run<'_>) -> Vec<Figure<'a>> {
    let mut figures = vec![hash_rate(run), time_to_block(run), distribution(run), attempts(run)];
    figures.push(distance(run));
    if !run.measured.rounds.is_empty() {
        figures.push(Figure {
            title: "Steadiness",
            says: "Each round has its share of the searches of every level.".to_owned(),
            key: &[("first", "searches"), ("second dashed", "raw rate")],
            svg: plots::rounds(run),
        });
    }
    if let (Some(one), Some(most)) = (run.scaling.first(), run.scaling.last()) {
        let factor = most.rate / one.rate.max(1.0);
        figures.push(Figure {
            title: "More threads",
            says: format!("{} hash {factor:.2} times as fast as one.", threads(most.threads)),
            key: &[("first", "raw rate"), ("second dashed", "one thread's, times the threads")],
            svg: plots::scaling(run),
        });
    }
    let best = run.kernels.iter().max_by(|a, b| a.rate.total_cmp(&b.rate));
    if let Some(best) = best {
        figures.push(Figure {
            title: "Kernels side by side",
            says: format!("{} is the fastest here; {} did the searches.", best.kernel, run.kernel),
            key: &[("first", "used in the searches"), ("ink", "lowest to highest round")],
            svg: plots::kernels(run),
        });
    }
    figures
}

fn hash_rate<'a>(run: &Run<'_>) -> Figure<'a> {
    let of = |level: &Level| {
        let share = 100.0 * level.rate.rate / run.findings.raw_rate;
        format!("{share:.0} % of the raw rate at {} bits", level.bits)
    };
    let levels = &run.findings.levels;
    let says = match levels.as_slice() {
        [first, .., last] => {
            format!("{}, {}: short searches pay for their start.", of(first), of(last))
        }
        [only] => format!("{}.", of(only)),
        [] => String::new(),
    };
    Figure {
        title: "What mining gets",
        says,
        key: &[("first", "in searches, with 95 % interval"), ("second dashed", "raw rate")],
        svg: plots::hash_rate(run),
    }
}

fn time_to_block<'a>(run: &Run<'_>) -> Figure<'a> {
    let of = |level: &Level| {
        format!(
            "At {} bits half of the blocks take more than {}, one in twenty more than {}.",
            level.bits,
            duration(level.seconds_median),
            duration(level.seconds_p95)
        )
    };
    Figure {
        title: "Time to a block",
        says: run.findings.levels.last().map(of).unwrap_or_default(),
        key: &[
            ("first", "median"),
            ("third", "95th percentile"),
            ("second dashed", "median by the law at the raw rate"),
        ],
        svg: plots::time_to_block(run),
    }
}

fn distribution<'a>(run: &Run<'_>) -> Figure<'a> {
    let searches: usize = run.measured.searches.iter().map(|level| level.trials.len()).sum();
    Figure {
        title: "Luck as it must be",
        says: format!("Attempts of {searches} searches, each measured by what was expected of it."),
        key: &[("first", "searches"), ("second", "the geometric law, with 95 % band")],
        svg: plots::distribution(run),
    }
}

fn attempts<'a>(run: &Run<'_>) -> Figure<'a> {
    let levels = &run.findings.levels;
    let holds = |level: &&Level| level.attempts.times(1.0 / level.expected).contains(1.0);
    let holding = levels.iter().filter(holds).count();
    Figure {
        title: "Attempts against the expectation",
        says: format!(
            "{holding} of {} intervals hold 1; one in twenty misses it by luck.",
            levels.len()
        ),
        key: &[("first", "holds 1"), ("third", "misses 1")],
        svg: plots::attempts(run),
    }
}

fn distance<'a>(run: &Run<'_>) -> Figure<'a> {
    let levels = &run.findings.levels;
    let beyond = levels.iter().filter(|level| level.ks >= level.ks_critical).count();
    let says = match beyond {
        0 => "No level strays from the law further than chance does.".to_owned(),
        1 => "One level strays further than chance does once in a thousand runs.".to_owned(),
        _ => format!("{beyond} levels stray further than chance does once in a thousand runs."),
    };
    Figure {
        title: "Distance to the law",
        says,
        key: &[("first", "distance"), ("third dashed", "critical at 0.1 % over all levels")],
        svg: plots::distance(run),
    }
}

impl Figure<'_> {
    fn html(&self) -> String {
        let mut text = format!(
            "<figure>\n<h2>{}</h2>\n<p class=\"says\">{}</p>\n<div class=\"key\">",
            escaped(self.title),
            escaped(&self.says)
        );
        for (class, meaning) in self.key {
            let _ =
                write!(text, "<span class=\"{class}\"><i class=\"{class}\"></i>{meaning}</span>");
        }
        let _ = writeln!(text, "</div>\n{}\n</figure>", self.svg);
        text
    }
}

fn table(run: &Run<'_>) -> String {
    let columns = [
        "bits",
        "searches",
        "attempts",
        "95 %",
        "expected",
        "ratio",
        "KS",
        "at most",
        "MH/s",
        "95 %",
        "of raw",
        "median",
        "95th percentile",
        "nJ a hash",
    ];
    // Most virtual machines and other systems do not let energy be read.
    let has_energy = run.findings.levels.iter().any(|level| level.nanojoules_per_hash.is_some());
    let shown = columns.len() - usize::from(!has_energy);
    let mut text = String::from("<div class=\"table\">\n<h2>In numbers</h2>\n<table>\n<tr>");
    for column in &columns[..shown] {
        let _ = write!(text, "<th>{column}</th>");
    }
    text += "</tr>\n";
    for level in &run.findings.levels {
        let rate = &level.rate;
        let cells = [
            level.bits.to_string(),
            level.trials.to_string(),
            format!("{:.0}", level.attempts_mean),
            format!("{:.0} to {:.0}", level.attempts.low, level.attempts.high),
            format!("{:.0}", level.expected),
            format!("{:.3}", level.ratio()),
            format!("{:.3}", level.ks),
            format!("{:.3}", level.ks_critical),
            format!("{:.2}", rate.rate / 1e6),
            format!("{:.2} to {:.2}", rate.interval.low / 1e6, rate.interval.high / 1e6),
            format!("{:.0} %", 100.0 * rate.rate / run.findings.raw_rate),
            duration(level.seconds_median),
            duration(level.seconds_p95),
            level.nanojoules_per_hash.map_or_else(String::new, |energy| format!("{energy:.1}")),
        ];
        text += "<tr>";
        for cell in &cells[..shown] {
            let _ = write!(text, "<td>{cell}</td>");
        }
        text += "</tr>\n";
    }
    text + "</table>\n</div>\n"
}

fn footer(run: &Run<'_>) -> String {
    let unfinished = if run.measured.complete {
        ""
    } else {
        "<b>Interrupted: this is what was done until then.</b> "
    };
    format!(
        "<footer>{unfinished}An attempt is one header hashed. Attempts are the position of the first \
         solution, so they depend on the seed alone, neither on threads nor on the kernel. The \
         hash rate is attempts over time, the making of jobs included; the raw rate is that of a \
         search that never ends.</footer>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use engine::{Cancel, Kernel, Miner};

    use super::*;
    use measurement::levels::Findings;
    use measurement::rounds::Plan;
    use measurement::scaling;

    fn page(bits: std::ops::RangeInclusive<u32>, trials: u32) -> String {
        let miner = Miner::new(NonZeroUsize::MIN, Kernel::portable()).unwrap();
        let plan = Plan { bits, trials, seed: 1 };
        let measured = plan.run(&miner, &Cancel::new(), |_| ());
        let findings = Findings::of(&measured).unwrap();
        html(&Run {
            plan: &plan,
            kernel: "portable",
            threads: 1,
            measured: &measured,
            findings: &findings,
            kernels: scaling::kernels(),
            scaling: scaling::threads(Kernel::portable()).unwrap(),
        })
    }

    #[test]
    fn the_page_needs_nothing_but_itself_and_is_small() {
        let page = page(4..=12, 50);
        assert!(page.len() < 500_000, "{} bytes", page.len());
        for outside in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 8);
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
        for wrong in ["NaN", "inf"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn one_search_is_enough_for_a_page() {
        let page = page(5..=5, 1);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
