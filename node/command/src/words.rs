//! Words of a command line to values that many commands take, with messages that say how to write
//! them.

use std::time::Duration;

use chain::spec::{
    COIN_NAME_BYTES_MAX, COIN_SYMBOL_BYTES_MAX, Retarget, SPACING_S_MAX, ZERO_BITS_MAX,
    is_coin_name, is_coin_symbol,
};
use engine::Kernel;

/// Pending transactions that make a block worth mining, where nobody says another number and
/// wallets make some.
pub const MIN_TXS_DEFAULT: usize = 4;

/// Name and symbol of a coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// As in [`chain::spec::ChainSpec::coin_name`].
    pub name: String,
    /// As in [`chain::spec::ChainSpec::coin_symbol`].
    pub symbol: String,
}

/// `None` for `off`. (A name of its own, as clap takes a plain `Option` for a flag that may be left
/// out.)
pub type MaxWait = Option<Duration>;

/// Longest time that any flag takes.
const TIME_MAX: Duration = Duration::from_secs(86_400);

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

/// The name of a kernel that can hash on this computer.
///
/// # Errors
/// There is none of that name here.
pub fn kernel(text: &str) -> Result<Kernel, String> {
    Kernel::by_name(text).map_err(|error| error.to_string())
}

/// `20` for leading zero bits, `5x` for hex zeros.
///
/// # Errors
/// How to write it.
pub fn difficulty(text: &str) -> Result<u32, String> {
    let bits = match text.strip_suffix('x') {
        Some(zeros) => zeros.parse::<u32>().ok().and_then(|zeros| zeros.checked_mul(4)),
        None => text.parse::<u32>().ok(),
    };
    bits.filter(|bits| (1..=ZERO_BITS_MAX).contains(bits)).ok_or_else(|| {
        format!("write leading zero bits like 22 or hex zeros like 5x, up to {ZERO_BITS_MAX} bits")
    })
}

/// `asert` or `fixed`.
///
/// # Errors
/// How to write it.
pub fn retarget(text: &str) -> Result<Retarget, String> {
    match text {
        "asert" => Ok(Retarget::Asert),
        "fixed" => Ok(Retarget::Fixed),
        _ => Err("write asert or fixed".to_owned()),
    }
}

/// Whole seconds between blocks.
///
/// # Errors
/// How to write it.
pub fn spacing_s(text: &str) -> Result<u32, String> {
    let time = duration(text)?;
    match u32::try_from(time.as_secs()) {
        Ok(seconds) if (1..=SPACING_S_MAX).contains(&seconds) && time.subsec_nanos() == 0 => {
            Ok(seconds)
        }
        _ => Err("whole seconds from 1s to a day".to_owned()),
    }
}

/// A time, or `off`.
///
/// # Errors
/// How to write it.
pub fn max_wait(text: &str) -> Result<MaxWait, String> {
    if text == "off" {
        return Ok(None);
    }
    duration(text).map(Some).map_err(|advice| format!("{advice}; or off"))
}

/// `NAME:SYMBOL`, within the spec's bounds.
///
/// # Errors
/// How to write it.
pub fn coin(text: &str) -> Result<Coin, String> {
    let (name, symbol) = text.split_once(':').ok_or("write NAME:SYMBOL like Lode:LODE")?;
    if !is_coin_name(name) {
        return Err(format!(
            "a name has 1 to {COIN_NAME_BYTES_MAX} letters, digits, spaces or dashes"
        ));
    }
    if !is_coin_symbol(symbol) {
        return Err(format!("a symbol has 1 to {COIN_SYMBOL_BYTES_MAX} capitals or digits"));
    }
    Ok(Coin { name: name.to_owned(), symbol: symbol.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
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

    #[test]
    fn a_spacing_is_whole_seconds() {
        assert_eq!(spacing_s("2m"), Ok(120));
        assert!(spacing_s("0s").is_err());
        assert!(spacing_s("1.5s").is_err());
    }

    #[test]
    fn difficulty_is_bits_or_hex_zeros() {
        assert_eq!(difficulty("22"), Ok(22));
        assert_eq!(difficulty("5x"), Ok(20));
        assert_eq!(difficulty("200"), Ok(200));
        for wrong in ["0", "201", "51x", "x", "auto", "-1", "1073741824x"] {
            assert!(difficulty(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn coins_say_what_is_wrong() {
        assert_eq!(coin("My coin:MC1").unwrap().name, "My coin");
        for wrong in ["Lode", ":L", "L:", "L:lower", "a\u{e4}:L", "L:TOOLONGSY"] {
            assert!(coin(wrong).is_err(), "{wrong}");
        }
    }
}
