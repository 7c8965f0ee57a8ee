//! Words of a command line to values that many commands take, with messages that say how to write
//! them.

use std::time::Duration;

use engine::Kernel;

/// Longest time that any flag takes.
pub const TIME_MAX: Duration = Duration::from_secs(86_400);

/// `5s`, `0.3s`, `300ms`, `2m`, `1h`.
///
/// # Errors
/// How to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let malformed = || "write a time like 5s, 0.3s, 300ms, 2m or 1h".to_owned();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(malformed)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(malformed()),
    };
    let ms = thousandths(number)
        .and_then(|thousandths| thousandths.checked_mul(unit_ms))
        .filter(|product| product % 1000 == 0)
        .ok_or_else(malformed)?;
    let time = Duration::from_millis(ms / 1000);
    if time > TIME_MAX {
        return Err("a day at most".to_owned());
    }
    Ok(time)
}

/// A decimal number with at most three digits behind the point, times a thousand.
fn thousandths(number: &str) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// A time that is not zero.
///
/// # Errors
/// How to write it.
pub fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("more than nothing".to_owned()) } else { Ok(time) }
}

/// The name of a kernel that can hash on this computer.
///
/// # Errors
/// There is none of that name here.
pub fn kernel(text: &str) -> Result<Kernel, String> {
    Kernel::by_name(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_word_panics(text in ".{0,12}", number in "[0-9.]{0,24}(ms|s|m|h|x|)") {
            for text in [text, number] {
                let _ = (duration(&text), interval(&text), kernel(&text));
            }
        }

        #[test]
        fn every_number_of_milliseconds_up_to_a_day_can_be_written(ms in 0u64..=86_400_000) {
            let time = Duration::from_millis(ms);
            prop_assert_eq!(duration(&format!("{ms}ms")), Ok(time));
            prop_assert_eq!(duration(&format!("{}.{:03}s", ms / 1000, ms % 1000)), Ok(time));
        }
    }

    #[test]
    fn times_have_a_unit_and_a_bound() {
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("24h"), Ok(TIME_MAX));
        for wrong in ["5", "s", "", "1d", "-1s", "1.s", ".5s", "0.0001s", "0.5ms", "25h", "5 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
