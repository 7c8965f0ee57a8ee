//! What a command found out: text for people, an object for programs.

use std::fmt::Display;

use serde::Serialize;

/// An answer; its [`Display`] is for people.
pub trait Report: Display + Serialize {
    /// The command's name in JSON, as it is typed behind `lode`.
    const COMMAND: &'static str;
}

#[derive(Serialize)]
struct Object<'a, R: Serialize> {
    v: u32,
    command: &'static str,
    #[serde(flatten)]
    report: &'a R,
}

/// The report in one line, as `docs/json.md` describes it.
///
/// # Errors
/// What the report's own serialization says.
pub fn json<R: Report>(report: &R) -> serde_json::Result<String> {
    serde_json::to_string(&Object { v: 1, command: R::COMMAND, report })
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Serialize)]
    struct Weather {
        degrees: i32,
    }

    impl Display for Weather {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} degrees", self.degrees)
        }
    }

    impl Report for Weather {
        const COMMAND: &'static str = "weather";
    }

    #[test]
    fn an_object_says_its_version_and_command_before_what_was_found_out() {
        let told = json(&Weather { degrees: -3 }).unwrap();
        assert_eq!(told, r#"{"v":1,"command":"weather","degrees":-3}"#);
    }
}
