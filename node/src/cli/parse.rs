//! Words of the command line to values, with messages that say how to write them.

use std::ops::RangeInclusive;
use std::time::Duration;

use chain::spec::{
    COIN_NAME_BYTES_MAX, COIN_SYMBOL_BYTES_MAX, Retarget, SPACING_S_MAX, ZERO_BITS_MAX,
    is_coin_name, is_coin_symbol,
};
use client::data_directory::check_name;
use client::joining::check_address;
use command::words::duration;
use wire::operator::BlockName;

use super::{Coin, Difficulty, MaxWait};

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

pub(super) fn retarget(text: &str) -> Result<Retarget, String> {
    match text {
        "asert" => Ok(Retarget::Asert),
        "fixed" => Ok(Retarget::Fixed),
        _ => Err("write asert or fixed".to_owned()),
    }
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
                let _ = (difficulty(&text), spacing_s(&text), max_wait(&text), pause(&text));
                let _ = (coin(&text), retarget(&text), node_name(&text), bootstrap(&text));
                let _ = (mining_threads(&text), block_name(&text));
            }
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
        assert_eq!(difficulty_or_auto("5x"), Ok(Difficulty::Bits(20)));
        assert_eq!(difficulty_or_auto("auto"), Ok(Difficulty::Auto));
        for wrong in ["0", "201", "51x", "x", "auto", "-1", "1073741824x"] {
            assert!(difficulty(wrong).is_err(), "{wrong}");
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
