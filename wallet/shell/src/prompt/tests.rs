//! Tests of the shell with lines as a pipe brings them; the prompts of a terminal are tested with
//! the program itself.

use std::io;
use std::rc::Rc;

use rustyline::Context;
use rustyline::completion::Completer;
use rustyline::history::DefaultHistory;
use wallet::accounts::Account;
use wallet::seed::Seed;

use super::input::Completion;
use super::*;
use crate::commands::tests::Rig;

/// Obeys `lines`, of which commands take further ones as answers. The wallet is closed afterwards.
fn obeyed(rig: &Rig, lines: &[&str]) -> Vec<Result<Next, u8>> {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    obeyed_as_they_come(rig, lines.into_iter())
}

fn obeyed_as_they_come(
    rig: &Rig,
    lines: impl Iterator<Item = String> + 'static,
) -> Vec<Result<Next, u8>> {
    let options = rig.options("");
    let mut session = opening::opened(&options, Patience::Seconds).unwrap();
    session.poll(Instant::now());
    let input = Input::Piped(Box::new(lines.map(io::Result::Ok)));
    let (background, events) = Background::start(session);
    let mut shell = Shell { options: &options, background, input };
    let mut results = Vec::new();
    while let Answer::Line(line) = shell.input.ask_command("> ").unwrap() {
        results.push(shell.obey(&line).map_err(|error| error.exit().code()));
    }
    drop(shell);
    // The events end when the session's thread has let go of the wallet.
    events.into_iter().for_each(drop);
    results
}

#[test]
fn every_command_can_be_typed() {
    let rig = Rig::new("");
    let lines =
        ["balance", "history", " receive ", "coins", "contacts", "miners", "help", "", "  "];
    assert!(obeyed(&rig, &lines).iter().all(|result| *result == Ok(Next::Prompt)));
    assert_eq!(obeyed(&rig, &["exit"]), [Ok(Next::Leave)]);
    assert_eq!(obeyed(&rig, &["quit"]), [Ok(Next::Leave)]);
}

#[test]
fn send_asks_for_what_is_left_away_one_by_one() {
    let rig = Rig::new("");
    assert_eq!(obeyed(&rig, &["send", "Bob", "5", "0.1"]), [Ok(Next::Prompt)]);
    assert_eq!(rig.pending(), 1);
    assert_eq!(obeyed(&rig, &["send", "Bob", "5", ""]), [Ok(Next::Prompt)], "Enter is auto");
    assert_eq!(obeyed(&rig, &["send Bob 1", "send Bob 1 0.2"]).len(), 2, "nothing is asked");
    assert_eq!(rig.pending(), 4);
    assert_eq!(obeyed(&rig, &["send Bob 1 --fee 0.2"]), [Ok(Next::Prompt)], "as outside");
    assert_eq!(rig.pending(), 5);
    assert_eq!(obeyed(&rig, &["send", "Bob"]), [Ok(Next::Prompt)], "the input ends");
    assert_eq!(rig.pending(), 5);
}

#[test]
fn a_wrong_answer_is_told_before_the_next_question() {
    let rig = Rig::new("");
    // Whatever follows the wrong answer is a command again.
    assert_eq!(obeyed(&rig, &["send", "Nobody", "balance"]), [Err(3), Ok(Next::Prompt)]);
    assert_eq!(obeyed(&rig, &["send", "Bob", "much", "balance"]), [Err(2), Ok(Next::Prompt)]);
    assert_eq!(obeyed(&rig, &["send", "Bob", "1000", "balance"]), [Err(3), Ok(Next::Prompt)]);
    // An amount that the wallet has leads to the question for the fee.
    assert_eq!(obeyed(&rig, &["send", "Bob", "1", "0.1"]), [Ok(Next::Prompt)]);
}

#[test]
fn what_fails_is_told_and_the_shell_goes_on() {
    let rig = Rig::new("");
    let lines = [
        "pay Bob 5",
        "send Nobody 1",
        "send Bob 1000",
        "send Bob much",
        "send Bob 1 lots",
        "send Bob 1 0.1 more",
        "contacts remove Eve",
        "contacts drop Eve",
        "balance now",
        "balance",
    ];
    let codes = [2, 3, 3, 2, 2, 2, 3, 2, 2].map(Err);
    let expected: Vec<_> = codes.into_iter().chain([Ok(Next::Prompt)]).collect();
    assert_eq!(obeyed(&rig, &lines), expected);
    assert_eq!(rig.pending(), 0);
}

#[test]
fn no_line_of_a_pipe_is_a_yes_to_a_look_alike() {
    let rig = Rig::new("");
    rig.register("B0b", &Seed::from_entropy([6; 16]));
    let lines = ["send Bob 1", "send B0b 1", "yes", "send B0b 1 --yes", "send B0b 1"];
    let expected = [Ok(Next::Prompt), Err(3), Err(2), Ok(Next::Prompt), Ok(Next::Prompt)];
    assert_eq!(obeyed(&rig, &lines), expected);
    assert_eq!(rig.pending(), 3);
}

#[test]
fn what_a_miner_refused_is_the_same_payment_when_it_is_typed_again() {
    let rig = Rig::new("");
    rig.miner.lock().unwrap().refuses = Some("it is full".to_owned());
    assert_eq!(obeyed(&rig, &["send Bob 5", "send Bob 5"]), [Err(3), Err(3)]);
    rig.miner.lock().unwrap().refuses = None;
    assert_eq!(obeyed(&rig, &["send Bob 5"]), [Ok(Next::Prompt)]);
    assert_eq!(rig.pending(), 1, "it was ordered three times, and made once");
    assert_eq!(obeyed(&rig, &["send Bob 5", "send Bob 5"]).len(), 2);
    assert_eq!(rig.pending(), 3, "what was told is finished, in one process, too");
}

#[test]
fn whoever_was_looked_for_first_is_paid_whatever_the_directory_says_later() {
    let rig = Rc::new(Rig::new(""));
    let asked = Seed::from_entropy([6; 16]);
    rig.register("B0b", &asked);
    let directory = Rc::clone(&rig);
    let lines = ["send Bob 1", "send B0b --yes", "1", "0.1"].into_iter().inspect(move |line| {
        if *line == "1" {
            directory.register("B0b", &Seed::from_entropy([5; 16]));
        }
    });
    let results = obeyed_as_they_come(&rig, lines.map(str::to_owned));
    assert_eq!(results, [Ok(Next::Prompt), Ok(Next::Prompt)]);
    let session = opening::opened(&rig.options(""), Patience::Seconds).unwrap();
    let pinned = session.contacts().get("B0b").map(|known| known.key);
    assert_eq!(pinned, Some(Account::new(&asked).receive_key(0)));
}

#[test]
fn a_protected_wallet_is_unlocked_when_it_first_pays() {
    let rig = Rig::new("secret");
    assert_eq!(obeyed(&rig, &["balance", "send Bob 1", "send Bob 1"]).len(), 3);
    assert_eq!(rig.pending(), 2);
}

#[test]
fn commands_are_completed_first_and_names_behind_them() {
    let completion = Completion { names: vec!["Bob".to_owned(), "Bert".to_owned()] };
    let history = DefaultHistory::new();
    let complete =
        |line: &str| completion.complete(line, line.len(), &Context::new(&history)).unwrap();
    assert_eq!(complete("se"), (0, vec!["send".to_owned()]));
    assert_eq!(complete("send b"), (5, vec!["Bob".to_owned(), "Bert".to_owned()]));
    assert_eq!(complete("send \u{e4}"), (5, vec![]));
    assert_eq!(completion.complete("\u{e4}", 1, &Context::new(&history)).unwrap().1, [""; 0]);
}
