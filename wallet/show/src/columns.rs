//! Lines that stand below each other: what belongs together begins in one column.

use wire::directory::NAME_BYTES_MAX;

/// Columns of an amount, so that the points of all of them stand below each other: twelve digits,
/// a point and eight more, with a sign and some room before them.
const AMOUNT_COLUMNS: usize = 24;

/// A name and what it stands for; the longest name fits.
pub fn named(name: &str, value: &str) -> String {
    format!("{name:<NAME_BYTES_MAX$}  {value}")
}

/// An amount with its unit, and what it is.
pub fn amount(amount: &str, symbol: &str, what: &str) -> String {
    format!("{amount:>AMOUNT_COLUMNS$} {symbol} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_each_other_whatever_the_name() {
        let long = "x".repeat(NAME_BYTES_MAX);
        for name in ["Bob", &long] {
            assert_eq!(named(name, "9001").find("9001"), Some(NAME_BYTES_MAX + 2));
        }
    }

    #[test]
    fn points_stand_below_each_other_whatever_the_amount() {
        for number in ["0.00000000", "-21000000.00000000", "184467440737.09551615"] {
            let line = amount(number, "LODE", "confirmed");
            assert_eq!(line.find('.'), Some(AMOUNT_COLUMNS - 9));
            assert!(line.ends_with("LODE confirmed"), "{line}");
        }
    }
}
