//! A result that `lode bench difficulty --save` wrote.

use std::fs;
use std::path::Path;

use serde_json::Value;

use command::failure::UsageError;

/// Most bytes of a file that is read: the result of a thousand rounds is far below.
const FILE_BYTES_MAX: u64 = 1 << 24;

/// What is compared of a result.
pub(super) struct Saved {
    /// The file's name.
    pub name: String,
    /// Attempts per second of each round, in millions, by time as it passes.
    pub rates: Vec<f64>,
    result: Value,
}

impl Saved {
    /// Reads a file.
    ///
    /// # Errors
    /// [`UsageError`] names the file and what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, UsageError> {
        let name = path.display().to_string();
        let wrong = |problem: &str| {
            UsageError(format!("{name}: {problem}; write one with bench difficulty --save"))
        };
        let length = fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(wrong("far too long for a result"));
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        let result: Value = serde_json::from_str(&text).map_err(|_| wrong("no result"))?;
        if result["command"] != "bench difficulty" || result["v"] != 1 {
            return Err(wrong("no result of bench difficulty"));
        }
        let rates = rates(&result, "mhs").ok_or_else(|| wrong("a round has no rate"))?;
        Ok(Self { name, rates, result })
    }

    /// The rates by the time that the program had a processor; `None` when it is not known.
    pub(super) fn processor_rates(&self) -> Option<Vec<f64>> {
        rates(&self.result, "processor_mhs")
    }

    /// What makes the work of two results different: its flag.
    pub(super) fn other_work(&self, other: &Self) -> Option<&'static str> {
        let fields =
            [("bits_low", "bits"), ("bits_high", "bits"), ("trials", "trials"), ("seed", "seed")];
        let differs = |field: &str| self.result[field] != other.result[field];
        fields.into_iter().find(|(field, _)| differs(field)).map(|(_, flag)| flag)
    }

    /// In what else two results differ, as sentences.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let (here, there) = (&self.result, &other.result);
        let mut lines = Vec::new();
        let mut tell = |name: &str, here: &Value, there: &Value| {
            if here != there {
                lines.push(format!("{name}: {} and {}.", plain(here), plain(there)));
            }
        };
        for field in ["kernel", "threads"] {
            tell(field, &here[field], &there[field]);
        }
        for field in ["cpu", "os", "lode", "commit", "optimized"] {
            tell(field, &here["computer"][field], &there["computer"][field]);
        }
        lines
    }
}

/// The rates of the rounds; `None` when one has none.
fn rates(result: &Value, field: &str) -> Option<Vec<f64>> {
    result["rounds"].as_array()?.iter().map(|round| round[field].as_f64()).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
