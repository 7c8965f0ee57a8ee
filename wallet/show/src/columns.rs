//! Lines that stand below each other: what belongs together begins in one column.

use std::fmt::{Display, Write as _};

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

/// `-` for nothing.
pub fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// That a list of `len` is longer than the `shown` first of it.
pub fn left_out(len: usize, shown: usize) -> String {
    match len.saturating_sub(shown) {
        0 => String::new(),
        left => format!("and {left} more; --json shows them\n"),
    }
}

/// A line for each name and its value; the values begin in one column.
pub fn pairs(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    lines.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "{name:<width$}{}", harmless(value));
        out
    })
}

/// Columns as wide as their widest cell; numbers stand to the right.
pub fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| harmless(&cell))).collect();
    let is_number = |cell: &String| {
        cell == "-" || cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let columns: [(usize, bool); N] = std::array::from_fn(|at| {
        let cells = || rows.iter().map(|row| &row[at]);
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        (width.max(heads[at].len()), !rows.is_empty() && cells().all(is_number))
    });
    let line = |row: [&str; N]| {
        let cells = row.iter().zip(&columns).map(|(cell, (width, right))| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let shown = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    line(heads) + &shown.collect::<String>()
}

/// A name from outside cannot move the cursor.
fn harmless(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn numbers_stand_to_the_right_and_what_is_not_one_to_the_left() {
        let rows = [["7".to_owned(), "a".to_owned()], ["10".to_owned(), "bb".to_owned()]];
        let told = table(["HEIGHT", "NAME"], rows.into_iter());
        assert_eq!(told, "HEIGHT  NAME\n     7  a\n    10  bb\n");
        assert_eq!(
            pairs(&[("tip", "0f".to_owned()), ("height", or_dash(None::<u32>))]),
            "tip     0f\nheight  -\n"
        );
    }

    proptest! {
        #[test]
        fn no_cell_moves_the_cursor_or_leaves_its_line(
            cells in prop::collection::vec(["\\PC{0,9}", "[\\x00-\\x1f\\x7f-\\u{9f}a-z]{0,9}"], 0..6),
        ) {
            let told = table(["ONE", "OTHER"], cells.iter().cloned());
            prop_assert_eq!(told.lines().count(), 1 + cells.len());
            prop_assert!(told.chars().all(|letter| letter == '\n' || !letter.is_control()));
        }
    }
}
