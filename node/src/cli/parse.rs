//! Words of the command line to values, with messages that say how to write them.

use std::ops::RangeInclusive;
use std::time::Duration;

use chain::spec::{
    COIN_NAME_BYTES_MAX, COIN_SYMBOL_BYTES_MAX, Retarget, SPACING_S_MAX, ZERO_BITS_MAX,
    is_coin_name, is_coin_symbol,
};
use client::data_directory::check_name;
use client::joining::check_address;
use engine::Kernel;
use wire::operator::BlockName;

use super::{Coin, Difficulty, MaxWait};

/// Longest time that any flag takes.
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// Most threads of a kind: more than any computer has cores.
const THREADS_MAX: usize = 1024;

/// `20` for leading zero bits, `5x` for hex zeros.
pub(super) fn difficulty(text: &str) -> Result<u32, String> {
    let bits = match text.strip_suffix('x') {
        Some(zeros) => zeros.parse::<u32>().ok().and_then(|zeros| zeros.checked_mul(4)),
        None => text.parse::<u32>().ok(),
    };
    bits.filter(|bits| (1..=ZERO_BITS_MAX).contains(bits)).ok_or_else(|| {
        format!("write leading zero bits like 22 or hex zeros like 5x, up to {ZERO_BITS_MAX} bits")
    })
}

/// `20`, `5x`, or `auto`.
pub(super) fn difficulty_or_auto(text: &str) -> Result<Difficulty, String> {
    match text {
        "auto" => Ok(Difficulty::Auto),
        _ => difficulty(text).map(Difficulty::Bits).map_err(|advice| format!("{advice}; or auto")),
    }
}

/// Most leading zero bits of a benchmark: a day on a fast computer.
const BENCH_BITS_MAX: u32 = 40;

/// `8..24`, both ends included, or `16`.
pub(super) fn bits_range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let bits = |part: &str| part.parse().ok().filter(|bits| (1..=BENCH_BITS_MAX).contains(bits));
    match (bits(from), bits(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(format!("write leading zero bits like 8..24 or 16, from 1 to {BENCH_BITS_MAX}")),
    }
}

pub(super) fn retarget(text: &str) -> Result<Retarget, String> {
    match text {
        "asert" => Ok(Retarget::Asert),
        "fixed" => Ok(Retarget::Fixed),
        _ => Err("write asert or fixed".to_owned()),
    }
}

/// `5s`, `0.3s`, `300ms`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
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

pub(super) fn spacing_s(text: &str) -> Result<u32, String> {
    let time = duration(text)?;
    match u32::try_from(time.as_secs()) {
        Ok(seconds) if (1..=SPACING_S_MAX).contains(&seconds) && time.subsec_nanos() == 0 => {
            Ok(seconds)
        }
        _ => Err("whole seconds from 1s to a day".to_owned()),
    }
}

/// A time that is not zero.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("more than nothing".to_owned()) } else { Ok(time) }
}

/// Longest time that a benchmark adds to a sync: a slow disk takes some tens of milliseconds.
const SYNC_DELAY_MAX: Duration = Duration::from_millis(100);

/// A time by which syncs take longer.
pub(super) fn sync_delay(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > SYNC_DELAY_MAX { Err("100ms at most".to_owned()) } else { Ok(time) }
}

pub(super) fn max_wait(text: &str) -> Result<MaxWait, String> {
    if text == "off" {
        return Ok(None);
    }
    duration(text).map(Some).map_err(|advice| format!("{advice}; or off"))
}

/// `0.3s..2s`.
pub(super) fn pause(text: &str) -> Result<RangeInclusive<Duration>, String> {
    let (from, to) = text.split_once("..").ok_or("write a range like 0.3s..2s")?;
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err("the first time must not be the longer one".to_owned());
    }
    Ok(from..=to)
}

/// `NAME:SYMBOL`, within the spec's bounds.
pub(super) fn coin(text: &str) -> Result<Coin, String> {
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

pub(super) fn kernel(text: &str) -> Result<Kernel, String> {
    Kernel::by_name(text).map_err(|error| error.to_string())
}

pub(super) fn node_name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// `HOST:PORT`, as the wallet takes it, too.
pub(super) fn bootstrap(text: &str) -> Result<String, String> {
    check_address(text).map(|()| text.to_owned())
}

pub(super) fn mining_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| *threads <= THREADS_MAX);
    threads.ok_or_else(|| format!("write a number up to {THREADS_MAX}"))
}

/// A height, or a block's hash.
pub(super) fn block_name(text: &str) -> Result<BlockName, String> {
    if let Ok(height) = text.parse() {
        return Ok(BlockName::Height(height));
    }
    let hash = text.parse().map(BlockName::Hash);
    hash.map_err(|_| "write a height like 12 or a block's 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_word_panics(text in ".{0,12}", number in "[0-9.]{0,24}(ms|s|m|h|x|)") {
            for text in [text, number] {
                let _ = (difficulty(&text), duration(&text), spacing_s(&text), max_wait(&text));
                let _ = (pause(&text), coin(&text), retarget(&text), bits_range(&text));
                let _ = (node_name(&text), bootstrap(&text), mining_threads(&text));
                let _ = (block_name(&text), sync_delay(&text));
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
        assert_eq!(spacing_s("2m"), Ok(120));
        assert!(spacing_s("0s").is_err());
        assert!(spacing_s("1.5s").is_err());
    }

    #[test]
    fn difficulty_is_bits_or_hex_zeros() {
        assert_eq!(difficulty("22"), Ok(22));
        assert_eq!(difficulty("5x"), Ok(20));
        assert_eq!(difficulty("200"), Ok(200));
        assert_eq!(difficulty_or_auto("5x"), Ok(Difficulty::Bits(20)));
        assert_eq!(difficulty_or_auto("auto"), Ok(Difficulty::Auto));
        for wrong in ["0", "201", "51x", "x", "auto", "-1", "1073741824x"] {
            assert!(difficulty(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_of_difficulties_has_both_ends_and_may_be_one() {
        assert_eq!(bits_range("8..24"), Ok(8..=24));
        assert_eq!(bits_range("16"), Ok(16..=16));
        for wrong in ["24..8", "0..8", "8..41", "8..", "..8", "8...9", "x", ""] {
            assert!(bits_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_and_coins_say_what_is_wrong() {
        assert!(pause("2s..1s").is_err());
        assert!(pause("2s").is_err());
        assert_eq!(coin("My coin:MC1").unwrap().name, "My coin");
        for wrong in ["Lode", ":L", "L:", "L:lower", "a\u{e4}:L", "L:TOOLONGSY"] {
            assert!(coin(wrong).is_err(), "{wrong}");
        }
    }
}
