//! Tests of a wallet's command line.

use clap::CommandFactory;

use super::*;

fn parse(arguments: &str) -> Result<WalletOptions, String> {
    let words = ["lode-wallet"].into_iter().chain(arguments.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.options).map_err(|error| error.to_string())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_name_alone_opens_the_shell_at_the_usual_bootstrap_node() {
    let options = parse("Adam").unwrap();
    assert!(options.command.is_none() && !options.auto && !options.json);
    assert_eq!(options.name, "Adam");
    if std::env::var_os("LODE_BOOTSTRAP").is_none() {
        assert_eq!(options.bootstraps, [DEFAULT_BOOTSTRAP]);
    }
}

#[test]
fn flags_may_stand_before_and_behind_the_command() {
    for arguments in [
        "--json --bootstrap h:1 Adam send Bob 5 --fee 0.1",
        "Adam send Bob 5 --fee 0.1 --json --bootstrap h:1",
    ] {
        let options = parse(arguments).unwrap();
        assert!(options.json);
        assert_eq!(options.bootstraps, ["h:1"]);
        let Some(WalletCommand::Send(order)) = options.command else { panic!("{arguments}") };
        assert_eq!(order.receiver, "Bob");
        assert_eq!(order.amount, Amount(500_000_000));
        assert_eq!(order.fee, FeeChoice::Fixed(Amount(10_000_000)));
    }
}

#[test]
fn hashes_are_written_as_they_are_shown() {
    let shown = format!("{}01", "00".repeat(31));
    let options = parse(&format!("Adam wait {shown} --genesis {shown}")).unwrap();
    let Some(WalletCommand::Wait(order)) = options.command else { panic!("{shown}") };
    assert_eq!(order.txid.unwrap().to_string(), shown);
    assert_eq!(options.genesis.unwrap().to_string(), shown);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [
        "",
        "two/words",
        "Adam pay Bob 5",
        "Adam send Bob",
        "Adam send Bob 5 --fee much",
        "Adam --bootstrap nowhere",
        "Adam wait xyz",
        "Adam wait --confirmations 0",
        "Adam contacts add Bob",
        "Adam --genesis 12",
    ] {
        assert!(parse(arguments).is_err(), "{arguments}");
    }
    assert_eq!(fee("AUTO"), Ok(FeeChoice::Auto));
}
