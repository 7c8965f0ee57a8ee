//! How lines become text: as JSON, or for people, with colors where they are wanted.

use std::io::{self, IsTerminal};

/// How lines become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line.
    Json,
    /// For people, with colors or without.
    Text {
        /// Whether escape codes are wanted.
        colors: bool,
    },
}

/// What a line, or a part of it, stands out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// It does not stand out.
    Plain,
    /// A heading.
    Bold,
    /// Of lesser interest.
    Dim,
    /// Something is wrong.
    Red,
    /// Something was achieved.
    Green,
    /// Something is to be noticed.
    Yellow,
    /// The chain moves on.
    Cyan,
}

impl Style {
    /// JSON when it is asked for; colors only on a terminal, and never with `NO_COLOR`.
    pub fn of_stdout(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        Self::Text { colors: io::stdout().is_terminal() && !no_color() }
    }

    /// Text; colors only on a terminal, and never with `NO_COLOR`.
    pub fn of_stderr() -> Self {
        Self::Text { colors: io::stderr().is_terminal() && !no_color() }
    }

    /// The text in `color` where colors are wanted.
    pub fn paint(self, color: Color, text: &str) -> String {
        if self != (Self::Text { colors: true }) {
            return text.to_owned();
        }
        let code = match color {
            Color::Plain => return text.to_owned(),
            Color::Bold => "1",
            Color::Dim => "2",
            Color::Red => "31",
            Color::Green => "32",
            Color::Yellow => "33",
            Color::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_there_when_they_are_wanted() {
        let colored = Style::Text { colors: true };
        assert_eq!(colored.paint(Color::Dim, "tx"), "\u{1b}[2mtx\u{1b}[0m");
        assert_eq!(colored.paint(Color::Plain, "tx"), "tx");
        assert_eq!(Style::Text { colors: false }.paint(Color::Dim, "tx"), "tx");
    }
}
