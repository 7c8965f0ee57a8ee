//! The drawings of the page, each from the result of a run.

use super::axis::Axis;
use super::chart::Chart;
use super::result::{Run, duration};
use measurement::levels::Level;
use statistics::Interval;

/// Expected attempts up to which the distribution is drawn; one search in 400 takes longer.
const DISTRIBUTION_MAX: f64 = 6.0;

/// Bars of the distribution.
const DISTRIBUTION_BARS: u32 = 24;

/// Hash rate by difficulty, with intervals, below the raw rate.
pub(super) fn hash_rate(run: &Run<'_>) -> String {
    let (levels, raw) = (&run.findings.levels, run.findings.raw_rate / 1e6);
    let top = levels.iter().map(|level| level.rate.interval.high / 1e6).fold(raw, f64::max);
    let top = top.min(2.0 * raw);
    let mut chart = Chart::new(bits_axis(levels), Axis::linear("MH/s", 0.0, top * 1.08));
    chart.level("second dashed", raw);
    let band = |level: &Level| {
        let Interval { low, high } = level.rate.interval;
        (f64::from(level.bits), low / 1e6, high / 1e6)
    };
    chart.band("first", &levels.iter().map(band).collect::<Vec<_>>());
    let point = |level: &Level| (f64::from(level.bits), level.rate.rate / 1e6);
    chart.line("first", &levels.iter().map(point).collect::<Vec<_>>());
    for level in levels {
        let (bits, rate) = point(level);
        let (_, low, high) = band(level);
        chart.whisker("first", bits, low, high);
        let hint = format!("{bits} bits: {rate:.2} MH/s ({low:.2} to {high:.2})");
        chart.dot("first", bits, rate, &hint);
    }
    chart.svg("Hash rate by difficulty with 95 % intervals, and the raw rate")
}

/// Mean attempts as a multiple of the expected ones, with intervals.
pub(super) fn attempts(run: &Run<'_>) -> String {
    let levels = &run.findings.levels;
    let ratios = |level: &Level| level.attempts.times(1.0 / level.expected);
    let reach = |level: &Level| {
        let Interval { low, high } = ratios(level);
        (1.0 - low).max(high - 1.0)
    };
    let reach = levels.iter().map(reach).fold(0.02, f64::max).min(1.0) * 1.05;
    let axis = Axis::linear("mean attempts / expected", 1.0 - reach, 1.0 + reach);
    let mut chart = Chart::new(bits_axis(levels), axis);
    chart.level("second dashed", 1.0);
    for level in levels {
        let (bits, interval) = (f64::from(level.bits), ratios(level));
        let class = if interval.contains(1.0) { "first" } else { "third" };
        chart.whisker(class, bits, interval.low, interval.high);
        let (ratio, Interval { low, high }) = (level.ratio(), interval);
        let hint = format!("{bits} bits: {ratio:.3} ({low:.3} to {high:.3})");
        chart.dot(class, bits, level.ratio(), &hint);
    }
    chart.svg("Mean attempts as a multiple of the expected ones by difficulty, with intervals")
}

/// How the attempts of all levels are spread, against the law.
pub(super) fn distribution(run: &Run<'_>) -> String {
    let step = DISTRIBUTION_MAX / f64::from(DISTRIBUTION_BARS);
    let mut counts = vec![0.0; DISTRIBUTION_BARS as usize];
    let mut total = 0.0_f64;
    for level in &run.measured.searches {
        let expected = statistics::geometric::expected_attempts(level.bits);
        for trial in &level.trials {
            total += 1.0;
            #[expect(clippy::cast_sign_loss, reason = "attempts are not negative")]
            let bar = (trial.attempts as f64 / expected / step) as usize;
            if let Some(count) = counts.get_mut(bar) {
                *count += 1.0;
            }
        }
    }
    let law = |from: f64| (-from).exp() - (-(from + step)).exp();
    let share = |count: f64| 100.0 * count / total.max(1.0);
    let top = counts.iter().map(|count| share(*count)).fold(100.0 * law(0.0), f64::max);
    let x = Axis::linear("attempts / expected attempts", 0.0, DISTRIBUTION_MAX);
    let mut chart = Chart::new(x, Axis::linear("% of searches", 0.0, top * 1.08));
    let mut band = Vec::new();
    for (index, count) in (0..).zip(&counts) {
        let from = f64::from(index) * step;
        let middle = from + step / 2.0;
        let due = law(from);
        let hint = format!(
            "{from:.2} to {:.2}: {:.2} % of the searches, the law says {:.2} %",
            from + step,
            share(*count),
            100.0 * due
        );
        chart.bar("first soft", (middle, step), share(*count), &hint);
        let spread = 1.96 * (due * (1.0 - due) / total.max(1.0)).sqrt();
        band.push((middle, 100.0 * (due - spread).max(0.0), 100.0 * (due + spread)));
    }
    chart.band("second", &band);
    let middles: Vec<(f64, f64)> =
        band.iter().map(|(x, low, high)| (*x, f64::midpoint(*low, *high))).collect();
    chart.line("second", &middles);
    chart.svg("Distribution of the attempts of all searches against the geometric law")
}

/// The distance of each level to the law, and what it may be.
pub(super) fn distance(run: &Run<'_>) -> String {
    let levels = &run.findings.levels;
    let top = levels.iter().map(|level| level.ks.max(level.ks_critical)).fold(0.0, f64::max);
    let axis = Axis::linear("Kolmogorov-Smirnov distance", 0.0, top * 1.1);
    let mut chart = Chart::new(bits_axis(levels), axis);
    for level in levels {
        let class = if level.ks < level.ks_critical { "first soft" } else { "third" };
        let (bits, ks, critical) = (f64::from(level.bits), level.ks, level.ks_critical);
        let hint = format!("{bits} bits: {ks:.3}, at most {critical:.3}");
        chart.bar(class, (bits, 1.0), ks, &hint);
    }
    let critical = |level: &Level| (f64::from(level.bits), level.ks_critical);
    if let [only] = levels.as_slice() {
        chart.level("third dashed", only.ks_critical);
    } else {
        chart.line("third dashed", &levels.iter().map(critical).collect::<Vec<_>>());
    }
    chart.svg("Distance of the attempts to the geometric law by difficulty, and its critical value")
}

/// The time to a block by difficulty.
pub(super) fn time_to_block(run: &Run<'_>) -> String {
    let levels = &run.findings.levels;
    let shortest = levels.iter().map(|level| level.seconds_median).fold(f64::MAX, f64::min);
    let longest = levels.iter().map(|level| level.seconds_p95).fold(0.0, f64::max);
    let axis = Axis::powers_of_ten("time to a block", shortest, longest, power_of_ten);
    let mut chart = Chart::new(bits_axis(levels), axis);
    line_of_times(&mut chart, "third", levels, |level| level.seconds_p95);
    line_of_times(&mut chart, "first", levels, |level| level.seconds_median);
    // The law's median is that of an exponential time.
    let law = |level: &Level| {
        (f64::from(level.bits), std::f64::consts::LN_2 * level.expected / run.findings.raw_rate)
    };
    chart.line("second dashed", &levels.iter().map(law).collect::<Vec<_>>());
    chart.svg("Median and 95th percentile of the time to a block by difficulty")
}

fn line_of_times(chart: &mut Chart, class: &str, levels: &[Level], seconds: fn(&Level) -> f64) {
    let point = |level: &Level| (f64::from(level.bits), seconds(level));
    let points: Vec<(f64, f64)> = levels.iter().map(point).collect();
    chart.line(class, &points);
    for (bits, seconds) in points {
        chart.dot(class, bits, seconds, &format!("{bits} bits: {}", duration(seconds)));
    }
}

/// Raw rate by threads, beside as many times one thread's.
pub(super) fn scaling(run: &Run<'_>) -> String {
    let one = run.scaling.first().map_or(0.0, |raw| raw.rate / 1e6);
    let most = run.scaling.last().map_or(1, |raw| raw.threads) as f64;
    let names = run.scaling.iter().map(|raw| raw.threads.to_string());
    let top = run.scaling.iter().map(|raw| raw.high / 1e6).fold(one * most, f64::max);
    let axis = Axis::linear("MH/s", 0.0, top * 1.12);
    let mut chart = Chart::new(Axis::places("threads", names), axis);
    let mut ideal = Vec::new();
    for (place, raw) in (0..).map(f64::from).zip(&run.scaling) {
        let (threads, rate) = (raw.threads as f64, raw.rate / 1e6);
        chart.bar("first soft", (place, 1.0), rate, &format!("{threads} threads: {rate:.2} MH/s"));
        chart.whisker("first", place, raw.low / 1e6, raw.high / 1e6);
        ideal.push((place, one * threads));
    }
    chart.line("second dashed", &ideal);
    if run.scaling.len() <= 6 {
        for ((place, ideal), raw) in ideal.iter().zip(&run.scaling) {
            let over = ideal.max(raw.high / 1e6);
            chart.mark(*place, over, &format!("{:.1}", raw.rate / 1e6));
        }
    }
    chart.svg("Raw hash rate by threads, and as many times that of one thread")
}

/// The raw rate of every kernel on one thread.
pub(super) fn kernels(run: &Run<'_>) -> String {
    let top = run.kernels.iter().map(|raw| raw.high / 1e6).fold(0.0, f64::max);
    let names = run.kernels.iter().map(|raw| raw.kernel.to_owned());
    let axis = Axis::linear("MH/s on one thread", 0.0, top * 1.15);
    let mut chart = Chart::new(Axis::places("kernel", names), axis);
    for (place, raw) in (0..).map(f64::from).zip(&run.kernels) {
        let (kernel, rate) = (raw.kernel, raw.rate / 1e6);
        let class = if kernel == run.kernel { "first" } else { "first soft" };
        chart.bar(class, (place, 1.0), rate, &format!("{kernel}: {rate:.2} MH/s"));
        chart.whisker("ink", place, raw.low / 1e6, raw.high / 1e6);
        chart.mark(place, raw.high / 1e6, &format!("{rate:.1}"));
    }
    chart.svg("Raw hash rate of every kernel of this CPU on one thread")
}

/// The rates of the rounds, as time went by.
pub(super) fn rounds(run: &Run<'_>) -> String {
    let rounds = &run.measured.rounds;
    let points = |rate: fn(&measurement::rounds::Round) -> f64| -> Vec<(f64, f64)> {
        (1..).map(f64::from).zip(rounds.iter().map(|round| rate(round) / 1e6)).collect()
    };
    let (raw, searches) = (points(|round| round.raw_rate), points(|round| round.rate));
    let top = raw.iter().chain(&searches).map(|(_, rate)| *rate).fold(0.0, f64::max);
    let x = Axis::linear("round", 1.0, rounds.len() as f64);
    let mut chart = Chart::new(x, Axis::linear("MH/s", 0.0, top * 1.08));
    chart.line("second dashed", &raw);
    chart.line("first", &searches);
    for (round, rate) in searches {
        chart.dot("first", round, rate, &format!("round {round}: {rate:.2} MH/s"));
    }
    chart.svg("Hash rate of the rounds in their order")
}

fn bits_axis(levels: &[Level]) -> Axis {
    let low = levels.first().map_or(0, |level| level.bits);
    let high = levels.last().map_or(0, |level| level.bits);
    let (low, high) = (f64::from(low), f64::from(high));
    let mut axis = Axis::linear("leading zero bits", low - 0.5, high + 0.5);
    let every = if high - low > 10.0 { 2.0 } else { 1.0 };
    let places = (0..).map(|n| low + f64::from(n) * every).take_while(|bits| *bits <= high);
    axis.ticks = places.map(|bits| (bits, format!("{bits}"))).collect();
    axis
}

fn power_of_ten(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.9e-3 => format!("{:.0} \u{b5}s", seconds * 1e6),
        _ if seconds < 0.9 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.0} s"),
    }
}
