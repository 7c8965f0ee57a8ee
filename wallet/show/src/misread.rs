//! A command line that makes no sense, told in one line.

/// What is wrong, and the tip that may follow, out of an error as clap renders it: without the
/// usage that it appends.
pub fn reason_of(rendered: &str) -> String {
    let lines = rendered.lines().map(str::trim);
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_and_the_tip_are_kept_and_the_usage_is_not() {
        let rendered = "error: unexpected argument '--wiat' found\n\n  tip: a similar argument \
                        exists: '--wait'\n\nUsage: lode-wallet <NAME> send\n\nFor more \
                        information, try '--help'.\n";
        let expected =
            "unexpected argument '--wiat' found tip: a similar argument exists: '--wait'";
        assert_eq!(reason_of(rendered), expected);
    }
}
