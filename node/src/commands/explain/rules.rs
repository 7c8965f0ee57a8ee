//! Every rule that can be judged without a chain, and its verdict.

use std::fmt::Write;

use chain::block::{Block, CommittedBlock};
use chain::genesis::Network;
use chain::header::{Header, VERSION_BASE, VERSION_ROLLING_MASK};
use chain::rules::block::check_alone as check_block;
use chain::rules::transaction::{check_alone as check_transfer, check_outputs};
use chain::rules::{InvalidBlock, RuleError};
use chain::transaction::Transaction;
use serde_json::{Value, json};

/// A rule and what came of it.
pub(super) struct Verdict {
    rule: &'static str,
    finding: Finding,
}

/// What came of a rule.
enum Finding {
    Holds,
    Broken(String),
    /// It cannot be judged from these bytes alone.
    Open(&'static str),
}

/// What is missing without `--spec`.
const NEEDS_SPEC: &str = "needs the network: give --spec FILE";

/// Finding of a check of [`chain::rules`].
fn finding<T, E: ToString>(checked: Result<T, E>) -> Finding {
    match checked {
        Ok(_) => Finding::Holds,
        Err(error) => Finding::Broken(error.to_string()),
    }
}

fn verdict(rule: &'static str, finding: Finding) -> Verdict {
    Verdict { rule, finding }
}

fn open(rule: &'static str, why: &'static str) -> Verdict {
    verdict(rule, Finding::Open(why))
}

/// The rules of a header alone, one by one.
pub(super) fn of_header(header: &Header, network: Option<&Network>) -> Vec<Verdict> {
    if network.is_some_and(|network| network.genesis_hash() == header.hash()) {
        return vec![verdict("genesis, valid by its hash", Finding::Holds)];
    }
    let version_fits = header.version & !VERSION_ROLLING_MASK == VERSION_BASE;
    let version =
        if version_fits { Ok(()) } else { Err(RuleError::Version { got: header.version }) };
    let bits = header.bits;
    let target = bits.expand().map_err(|reason| RuleError::BitsMalformed { got: bits, reason });
    let easiest = network.map(|network| network.spec.easiest_target());
    let floor = match (&target, easiest) {
        (Ok(target), Some(easiest)) if *target > easiest => {
            finding::<(), _>(Err(RuleError::BitsTooEasy {
                got: bits,
                easiest: easiest.to_compact(),
            }))
        }
        (Ok(_), Some(_)) => Finding::Holds,
        (Err(_), _) => Finding::Open("needs a target"),
        (_, None) => Finding::Open(NEEDS_SPEC),
    };
    let hash = header.hash();
    let work = match &target {
        Ok(target) if target.is_met_by(&hash) => Finding::Holds,
        Ok(_) => Finding::Broken(RuleError::Work { hash, bits }.to_string()),
        Err(_) => Finding::Open("needs a target"),
    };
    vec![
        verdict("version outside the rolling bits", finding(version)),
        verdict("bits are a target", finding(target)),
        verdict("target not above the easiest", floor),
        verdict("hash meets the target", work),
        open("bits that the retarget asks for", "needs the chain"),
        open("time after the median", "needs the chain"),
    ]
}

/// The rules of a block alone: its header's, its body's, its transactions'.
pub(super) fn of_block(block: &Block, network: Option<&Network>) -> Vec<Verdict> {
    let mut verdicts = of_header(&block.header, network);
    let committed = CommittedBlock::decode(block.header, &block.encode_body());
    let is_genesis = network.is_some_and(|network| network.genesis_hash() == block.header.hash());
    let alone = match (&committed, network) {
        (Ok(_), Some(_)) if is_genesis => Finding::Holds,
        (Ok(committed), Some(network)) => {
            // The only height that it claims is its coinbase's.
            finding(check_block(committed, claimed_height(block), network))
        }
        (Ok(_), None) => finding(check_transactions(block)),
        (Err(_), _) => Finding::Open("needs the right body"),
    };
    verdicts.push(verdict("merkle root of the body", finding(committed)));
    verdicts.push(verdict("the transactions alone", alone));
    if network.is_none() {
        verdicts.push(open("size of the block", NEEDS_SPEC));
    }
    verdicts
        .push(open("height, coins spent, fees, coinbase's claim, signatures", "needs the chain"));
    verdicts
}

fn claimed_height(block: &Block) -> u32 {
    match block.transactions.first() {
        Some(Transaction::Coinbase(coinbase)) => coinbase.height,
        _ => 0,
    }
}

/// What [`check_block`] judges, but for the size that only the spec bounds.
fn check_transactions(block: &Block) -> Result<(), InvalidBlock> {
    for (position, transaction) in (0u32..).zip(&block.transactions) {
        let checked = match transaction {
            Transaction::Coinbase(coinbase) if position == 0 => {
                check_outputs(&coinbase.outputs).map(|_| ())
            }
            Transaction::Coinbase(_) => Err(RuleError::CoinbaseMisplaced),
            Transaction::Transfer(_) if position == 0 => Err(RuleError::CoinbaseMissing),
            Transaction::Transfer(transfer) => check_transfer(transfer),
        };
        checked.map_err(|rule| InvalidBlock::of_transaction(rule, position))?;
    }
    Ok(())
}

/// The rules of a transaction alone.
pub(super) fn of_transaction(transaction: &Transaction) -> Vec<Verdict> {
    match transaction {
        Transaction::Coinbase(coinbase) => vec![
            verdict("outputs", finding(check_outputs(&coinbase.outputs))),
            open("height and claim", "needs its block and the chain"),
        ],
        Transaction::Transfer(transfer) => vec![
            verdict("inputs and outputs", finding(check_transfer(transfer))),
            open("coins spent, fee, maturity, lock, signatures", "needs the chain"),
        ],
    }
}

/// The verdicts for people.
pub(super) fn to_text(verdicts: &[Verdict]) -> String {
    let mut text = "rules\n".to_owned();
    for Verdict { rule, finding } in verdicts {
        let line = match finding {
            Finding::Holds => format!("  holds   {rule}"),
            Finding::Broken(reason) => format!("  BROKEN  {rule}: {reason}"),
            Finding::Open(why) => format!("  open    {rule}: {why}"),
        };
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    }
    text
}

/// The verdicts for programs.
pub(super) fn to_json(verdicts: &[Verdict]) -> Value {
    let of = |Verdict { rule, finding }: &Verdict| match finding {
        Finding::Holds => json!({"rule": rule, "verdict": "holds"}),
        Finding::Broken(reason) => json!({"rule": rule, "verdict": "broken", "reason": reason}),
        Finding::Open(why) => json!({"rule": rule, "verdict": "open", "reason": why}),
    };
    verdicts.iter().map(of).collect()
}
