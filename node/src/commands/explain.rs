//! `lode explain`: a header, block or transaction taken apart, and every rule that needs no chain.

mod rules;
mod show;

use std::fs;
use std::io::{self, Read};

use chain::block::Block;
use chain::encoding::Decode;
use chain::genesis::Network;
use chain::hash::from_hex;
use chain::header::{HEADER_BYTES, Header};
use chain::transaction::Transaction;

use ::show::exit::Exit;
use command::failure::{Failure, UsageError};
use command::print;

use super::network_of;
use crate::cli::ExplainOptions;

/// Most bytes that are read: twice the hex of the largest block.
const INPUT_BYTES_MAX: u64 = 4 * chain::spec::BLOCK_BYTES_MAX as u64;

/// Why bytes cannot be explained.
#[derive(Debug, thiserror::Error)]
#[error(
    "these {bytes} bytes are no header (it has {HEADER_BYTES}), no block ({block}) and no \
     transaction ({transaction})"
)]
pub(super) struct NothingKnown {
    bytes: usize,
    block: chain::encoding::DecodeError,
    transaction: chain::encoding::DecodeError,
}

/// What was given.
enum Subject {
    Header(Header),
    Block(Block),
    Transaction(Transaction),
}

pub(super) fn run(options: &ExplainOptions) -> Result<Exit, Failure> {
    let network = options.spec.as_deref().map(network_of).transpose()?;
    let subject = parse(&read(&options.what)?)?;
    print(&explain(&subject, network.as_ref(), options.json))?;
    Ok(Exit::Ok)
}

fn explain(subject: &Subject, network: Option<&Network>, json: bool) -> String {
    let (mut object, verdicts) = match subject {
        Subject::Header(header) => (show::header(header), rules::of_header(header, network)),
        Subject::Block(block) => (show::block(block, network), rules::of_block(block, network)),
        Subject::Transaction(transaction) => {
            (show::transaction(transaction, network), rules::of_transaction(transaction))
        }
    };
    if json {
        object.set("rules", rules::to_json(&verdicts));
        return format!("{}\n", object.to_json());
    }
    format!("{}{}", object.to_text(), rules::to_text(&verdicts))
}

/// The bytes behind an argument: hex digits in it, in a file, or in standard input; a file and
/// standard input may also hold the bytes themselves.
fn read(what: &str) -> Result<Vec<u8>, Failure> {
    let (bytes, place) = if what == "-" {
        (limited(io::stdin().lock()), "standard input")
    } else if let Some(path) = what.strip_prefix('@') {
        (fs::File::open(path).and_then(limited), path)
    } else {
        let digits: String = what.split_whitespace().collect();
        let advice = "expected hex digits, @FILE or - for standard input";
        return from_hex(&digits).ok_or_else(|| UsageError(advice.to_owned()).into());
    };
    let bytes = bytes.map_err(|error| UsageError(format!("cannot read {place}: {error}")))?;
    let digits: Option<String> =
        std::str::from_utf8(&bytes).ok().map(|text| text.split_whitespace().collect());
    Ok(digits.and_then(|digits| from_hex(&digits)).unwrap_or(bytes))
}

fn limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than any block"));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Subject, NothingKnown> {
    if let Ok(header) = <&[u8; HEADER_BYTES]>::try_from(bytes) {
        return Ok(Subject::Header(Header::from_bytes(header)));
    }
    let block = match Block::decode(bytes) {
        Ok(block) => return Ok(Subject::Block(block)),
        Err(error) => error,
    };
    match Transaction::decode(bytes) {
        Ok(transaction) => Ok(Subject::Transaction(transaction)),
        Err(transaction) => Err(NothingKnown { bytes: bytes.len(), block, transaction }),
    }
}

#[cfg(test)]
mod tests;
