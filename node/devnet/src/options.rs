//! What `lode devnet` may be told.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use chain::spec::Retarget;
use clap::Args;
use command::words::{
    Coin, MIN_TXS_DEFAULT, MaxWait, coin, difficulty, duration, kernel, max_wait, retarget,
    spacing_s,
};
use engine::Kernel;

/// Where the difficulty of a new network starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difficulty {
    /// At so many leading zero bits.
    Bits(u32),
    /// At what this computer needs for the network's spacing.
    Auto,
}

/// What `lode devnet` is told.
#[derive(Debug, Clone, Args)]
pub struct DevnetOptions {
    /// Nodes that mine
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub miners: u32,
    /// Wallets that genesis pays [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub wallets: Option<u32>,
    /// Leading zero bits of a block's hash, hex zeros as in 5x, or auto for what this computer can
    /// do (genesis is then another one on every computer) [default: 22]
    #[arg(long, value_name = "BITS|HEXx|auto", value_parser = difficulty_or_auto)]
    pub difficulty: Option<Difficulty>,
    /// How difficulty follows the hash rate: asert or fixed [default: asert]
    #[arg(long, value_name = "HOW", value_parser = retarget)]
    pub retarget: Option<Retarget>,
    /// Time between blocks that difficulty aims at, in whole seconds [default: 5s]
    #[arg(long = "spacing", value_name = "TIME", value_parser = spacing_s)]
    pub spacing_s: Option<u32>,
    /// Mine once this many transactions are pending; 0 mines always
    #[arg(help = format!("Mine once this many transactions are pending; 0 mines always \
                          [default: {MIN_TXS_DEFAULT}]"))]
    #[arg(long, value_name = "COUNT")]
    pub min_txs: Option<usize>,
    /// Mine earlier when a transaction has waited this long; off waits for ever
    #[arg(long, value_name = "TIME|off", default_value = "10s", value_parser = max_wait)]
    pub max_wait: MaxWait,
    /// Between two payments of one wallet
    #[arg(long, value_name = "TIME..TIME", default_value = "0.3s..2s", value_parser = pause)]
    pub pause: RangeInclusive<Duration>,
    /// No payments; the miners mine all the time
    #[arg(long, conflicts_with = "pause")]
    pub no_traffic: bool,
    /// Name and symbol of the coin [default: Lode:LODE]
    #[arg(long, value_name = "NAME:SYMBOL", value_parser = coin)]
    pub coin: Option<Coin>,
    /// Take the network's numbers from this file
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["difficulty", "retarget", "spacing_s", "coin"])]
    pub spec: Option<PathBuf>,
    /// Makes accounts and genesis: the same seed gives the same ones
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the nodes' data here [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the bootstrap node listens; the miners take free ports
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// End once every node has the same block at this height
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u32).range(1..))]
    pub until_height: Option<u32>,
    /// Mining threads of all miners together [default: the physical cores less one]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `20`, `5x`, or `auto`.
fn difficulty_or_auto(text: &str) -> Result<Difficulty, String> {
    match text {
        "auto" => Ok(Difficulty::Auto),
        _ => difficulty(text).map(Difficulty::Bits).map_err(|advice| format!("{advice}; or auto")),
    }
}

/// `0.3s..2s`.
fn pause(text: &str) -> Result<RangeInclusive<Duration>, String> {
    let (from, to) = text.split_once("..").ok_or("write a range like 0.3s..2s")?;
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err("the first time must not be the longer one".to_owned());
    }
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difficulty_may_be_left_to_this_computer() {
        assert_eq!(difficulty_or_auto("5x"), Ok(Difficulty::Bits(20)));
        assert_eq!(difficulty_or_auto("auto"), Ok(Difficulty::Auto));
        assert!(difficulty_or_auto("automatic").is_err());
    }

    #[test]
    fn a_pause_has_two_ends_the_shorter_first() {
        assert_eq!(pause("1s..2s"), Ok(Duration::from_secs(1)..=Duration::from_secs(2)));
        assert!(pause("2s..1s").is_err());
        assert!(pause("2s").is_err());
    }
}
