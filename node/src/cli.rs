//! The command line: what may be typed, with bounds. What it does stands in [`crate::commands`].

use std::net::SocketAddr;
use std::path::PathBuf;

use bench::BenchCommand;
use chain::hash::{BlockHash, Txid};
use chain::spec::Retarget;
use clap::{Args, Parser, Subcommand};
use client::joining::DEFAULT_BOOTSTRAP;
use command::words::{
    Coin, MIN_TXS_DEFAULT, MaxWait, coin, difficulty, kernel, max_wait, retarget, spacing_s,
};
use devnet::DevnetOptions;
use engine::Kernel;
use laboratory::SimulateOptions;
use wire::operator::BlockName;

use crate::commands::WalletOptions;

mod parse;

use parse::{block_name, bootstrap, mining_threads, node_name};

/// A small proof-of-work network that you can hold in your hand.
#[derive(Debug, Parser)]
#[command(name = "lode", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What to do; without it, the start help.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands of `lode`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole network on this computer: nodes, miners and wallets that pay each other
    Devnet(Box<DevnetOptions>),
    /// Make a network, or go on with one: hand out its spec, keep its directory, pay newcomers
    Bootstrap(Box<BootstrapOptions>),
    /// Join a network as a node that mines
    Miner(Box<MinerOptions>),
    /// Pay, be paid and look, in a shell or with single commands
    Wallet(Box<WalletOptions>),
    /// Show how a running node is
    Status(AskOptions),
    /// Show who is connected to a running node
    Peers(AskOptions),
    /// Show what is pending at a running node, highest fee first
    Mempool(AskOptions),
    /// Show the last blocks of a running node's chain
    Chain(ChainOptions),
    /// Show a block of a running node
    Block(BlockOptions),
    /// Show a transaction, pending or confirmed
    Tx(TxOptions),
    /// Show the miners that a running node is connected with
    Miners(AskOptions),
    /// Let a running node flush and end
    Stop(AskOptions),
    /// Check every block of a data directory from genesis on, with all rules and signatures
    Verify(VerifyOptions),
    /// Write the chain of a data directory, one block of hex a line, genesis first
    Export(ExportOptions),
    /// Take a header, block or transaction apart and judge it by every rule that needs no chain
    Explain(ExplainOptions),
    /// Make experiments on whole networks in virtual time, a thousand times as fast as real
    Simulate(Box<SimulateOptions>),
    /// Measure this computer
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Show the version, and with --verbose the CPU's features and the mining kernels
    Version(VersionOptions),
}

/// What `lode bootstrap` is told.
#[derive(Debug, Clone, Args)]
pub struct BootstrapOptions {
    /// Where it listens
    #[arg(long, value_name = "ADDR:PORT", default_value = DEFAULT_BOOTSTRAP)]
    pub listen: SocketAddr,
    /// Leading zero bits of a block's hash, or hex zeros as in 5x [default: 22]
    #[arg(long, value_name = "BITS|HEXx", value_parser = difficulty)]
    pub difficulty: Option<u32>,
    /// Time between blocks that difficulty aims at, in whole seconds [default: 10s]
    #[arg(long = "spacing", value_name = "TIME", value_parser = spacing_s)]
    pub spacing_s: Option<u32>,
    /// How difficulty follows the hash rate: asert or fixed [default: asert]
    #[arg(long, value_name = "HOW", value_parser = retarget)]
    pub retarget: Option<Retarget>,
    /// Name and symbol of the coin [default: Lode:LODE]
    #[arg(long, value_name = "NAME:SYMBOL", value_parser = coin)]
    pub coin: Option<Coin>,
    /// Take the network's numbers from this file
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["difficulty", "retarget", "spacing_s", "coin"])]
    pub spec: Option<PathBuf>,
    /// Keep its data here [default: in the platform's place for data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What `lode miner` is told.
#[derive(Debug, Clone, Args)]
pub struct MinerOptions {
    /// Its name, like Miner1
    #[arg(value_parser = node_name)]
    pub name: String,
    /// Where it listens on this computer's own address, like 9001
    #[arg(required_unless_present = "listen", conflicts_with = "listen")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Where it listens instead, also for other computers
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// The bootstrap node, also several times
    #[arg(help = format!("The bootstrap node, also several times [default: {DEFAULT_BOOTSTRAP}]"))]
    #[arg(long, value_name = "HOST:PORT", env = "LODE_BOOTSTRAP", value_delimiter = ',')]
    #[arg(value_parser = bootstrap)]
    pub bootstrap: Vec<String>,
    /// A node to stay connected with, also several times; then no bootstrap node is needed
    #[arg(long, value_name = "HOST:PORT", value_parser = bootstrap)]
    pub peer: Vec<String>,
    /// Mining threads; 0 relays and never mines [default: the physical cores less one]
    #[arg(long, value_name = "COUNT", value_parser = mining_threads)]
    pub threads: Option<usize>,
    /// Mine once this many transactions are pending; 0 mines always
    #[arg(long, value_name = "COUNT", default_value_t = MIN_TXS_DEFAULT)]
    pub min_txs: usize,
    /// Mine earlier when a transaction has waited this long; off waits for ever
    #[arg(long, value_name = "TIME|off", default_value = "30s", value_parser = max_wait)]
    pub max_wait: MaxWait,
    /// Who is paid for its blocks [default: the wallet of the same name]
    #[arg(long, value_name = "ADDRESS")]
    pub payout: Option<String>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// Join no network but the one that begins with this block
    #[arg(long, value_name = "HASH")]
    pub genesis: Option<BlockHash>,
    /// Keep its data here [default: in the platform's place for data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Here only to say where it belongs
    #[arg(long, hide = true)]
    pub difficulty: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Which node is asked, and how its answer is shown.
#[derive(Debug, Clone, Args)]
pub struct AskOptions {
    /// The node, by its address [default: the only one that runs here]
    #[arg(long, value_name = "ADDR:PORT")]
    pub node: Option<SocketAddr>,
    /// The node, by its data directory, or the devnet, by that of all its nodes
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode chain` is told.
#[derive(Debug, Clone, Args)]
pub struct ChainOptions {
    /// How many blocks
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Which node.
    #[command(flatten)]
    pub ask: AskOptions,
}

/// What `lode block` is told.
#[derive(Debug, Clone, Args)]
pub struct BlockOptions {
    /// A height or a hash
    #[arg(value_name = "HEIGHT|HASH", value_parser = block_name)]
    pub block: BlockName,
    /// Which node.
    #[command(flatten)]
    pub ask: AskOptions,
}

/// What `lode tx` is told.
#[derive(Debug, Clone, Args)]
pub struct TxOptions {
    /// The transaction
    pub txid: Txid,
    /// Which node.
    #[command(flatten)]
    pub ask: AskOptions,
}

/// What `lode verify` is told.
#[derive(Debug, Clone, Args)]
pub struct VerifyOptions {
    /// A node's data directory
    pub dir: PathBuf,
    /// Rebuild everything but the blocks first
    #[arg(long)]
    pub reindex: bool,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode export` is told.
#[derive(Debug, Clone, Args)]
pub struct ExportOptions {
    /// A node's data directory
    pub dir: PathBuf,
}

/// What `lode explain` is told.
#[derive(Debug, Clone, Args)]
pub struct ExplainOptions {
    /// A header, block or transaction: hex digits, @FILE with them (or with the bytes), or - for
    /// standard input
    #[arg(value_name = "HEX|@FILE|-")]
    pub what: String,
    /// The network whose rules to judge by
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode version` is told.
#[derive(Debug, Clone, Args)]
pub struct VersionOptions {
    /// Show the CPU's features and measure the kernels
    #[arg(long)]
    pub verbose: bool,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;
    use devnet::Difficulty;
    use proptest::prelude::*;

    use super::*;

    fn devnet(arguments: &str) -> Result<DevnetOptions, String> {
        let words = ["lode", "devnet"].into_iter().chain(arguments.split_whitespace());
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Some(Command::Devnet(options)) => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Puts a word wherever a command or one below it takes one. Returns how often that was.
    fn put_everywhere(command: &clap::Command, word: &str) -> usize {
        let takers = command.get_arguments().filter(|taker| taker.get_action().takes_values());
        let here = takers.map(|taker| {
            let flag = taker.get_long().map(|name| format!("--{name}=")).unwrap_or_default();
            let line = [command.get_name().to_owned(), flag + word];
            // What it means is all the same.
            let _ = command.clone().try_get_matches_from(line);
        });
        let here = here.count();
        here + command.get_subcommands().map(|below| put_everywhere(below, word)).sum::<usize>()
    }

    proptest! {
        #[test]
        fn no_word_panics(text in ".{0,12}", number in "[0-9.]{0,24}(ms|s|m|h|x|)") {
            let command = Cli::command();
            for word in [text, number] {
                let places = put_everywhere(&command, &word);
                prop_assert!(places > 60, "{places}");
            }
        }
    }

    #[test]
    fn devnet_needs_no_flag_at_all() {
        let options = devnet("").unwrap();
        assert_eq!(options.miners, 3);
        assert_eq!(options.max_wait, Some(Duration::from_secs(10)));
        assert_eq!(options.pause, Duration::from_millis(300)..=Duration::from_secs(2));
        assert_eq!((options.difficulty, options.min_txs, options.seed), (None, None, 1));
    }

    #[test]
    fn devnet_takes_all_its_flags() {
        let options = devnet(
            "--miners 2 --wallets 4 --difficulty 5x --retarget fixed --spacing 2s --min-txs 0 \
             --max-wait off --pause 100ms..1s --coin Gold:AU --seed 9 --data-dir d \
             --until-height 7 --threads 2 --kernel portable --json",
        )
        .unwrap();
        assert_eq!(options.difficulty, Some(Difficulty::Bits(20)));
        let auto = devnet("--difficulty auto").unwrap();
        assert_eq!(auto.difficulty, Some(Difficulty::Auto));
        assert_eq!(options.retarget, Some(Retarget::Fixed));
        assert_eq!(options.spacing_s, Some(2));
        assert_eq!(options.max_wait, None);
        assert_eq!(options.coin.unwrap().symbol, "AU");
        assert_eq!(options.kernel, Some(Kernel::portable()));
        assert_eq!(options.until_height, Some(7));
    }

    #[test]
    fn flags_that_contradict_each_other_or_are_out_of_bounds_are_refused() {
        for arguments in [
            "--no-traffic --pause 1s..2s",
            "--spec f --difficulty 20",
            "--spec f --spacing 5s",
            "--miners 0",
            "--miners 17",
            "--wallets 65",
            "--until-height 0",
            "--threads 0",
            "--difficulty automatic",
        ] {
            assert!(devnet(arguments).is_err(), "{arguments}");
        }
    }

    fn miner(arguments: &str) -> Result<MinerOptions, String> {
        let words = ["lode", "miner"].into_iter().chain(arguments.split_whitespace());
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Some(Command::Miner(options)) => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_miner_needs_a_name_and_a_port_alone() {
        let options = miner("Miner1 9001").unwrap();
        assert_eq!(
            (options.name.as_str(), options.port, options.listen),
            ("Miner1", Some(9001), None)
        );
        assert_eq!((options.min_txs, options.max_wait), (4, Some(Duration::from_secs(30))));
        assert_eq!((options.threads, options.payout, options.genesis), (None, None, None));
    }

    #[test]
    fn a_miner_takes_all_its_flags() {
        let hash = "ab".repeat(32);
        let options = miner(&format!(
            "Extra --listen 0.0.0.0:9100 --bootstrap a:1 --bootstrap b:2,c:3 --peer d:4 --threads 0 \
             --min-txs 0 --max-wait off --payout x --kernel portable --genesis {hash} --data-dir d \
             --json"
        ))
        .unwrap();
        assert_eq!(options.bootstrap, ["a:1", "b:2", "c:3"]);
        assert_eq!((options.peer.as_slice(), options.threads), (&["d:4".to_owned()][..], Some(0)));
        assert_eq!((options.min_txs, options.max_wait), (0, None));
        assert_eq!(options.genesis.unwrap().to_string(), hash);
    }

    #[test]
    fn what_a_miner_or_a_question_cannot_mean_is_refused() {
        for arguments in [
            "Miner1",
            "9001",
            "Miner1 0",
            "Miner1 65536",
            "Miner1 9001 --listen 127.0.0.1:9001",
            "a/b 9001",
            "Miner1 9001 --threads 1025",
            "Miner1 9001 --bootstrap 9000",
            "Miner1 9001 --genesis 12",
        ] {
            assert!(miner(arguments).is_err(), "{arguments}");
        }
        for arguments in
            ["status --node 9001", "block", "block -1", "block xyz", "tx 12", "chain --count 0"]
        {
            let words = ["lode"].into_iter().chain(arguments.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{arguments}");
        }
    }
}
