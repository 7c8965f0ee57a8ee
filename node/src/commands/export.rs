//! `lode export`: the chain of a data directory as hex, for programs that share no code with us.

use std::io::{self, BufWriter, Write};

use chain::hash::to_hex;
use client::data_directory::pinned_network;

use crate::cli::ExportOptions;
use command::failure::Failure;
use command::until_nobody_reads;
use machine::replay::BlockIndex;
use machine::store::{Store, StoreError};
use output::progress::OpeningBar;
use show::exit::Exit;

/// Writes the chain that the node had connected last, which is its best valid one.
pub(super) fn run(options: &ExportOptions) -> Result<Exit, Failure> {
    let network = pinned_network(&options.dir)?;
    let bar = OpeningBar::default();
    let store = Store::open_watched(&options.dir, &network, &bar.watcher())?;
    drop(bar);
    let mut output = BufWriter::new(io::stdout().lock());
    for hash in BlockIndex::new(&store).path_to(store.position()) {
        let gone = || StoreError::Damaged { what: format!("block {hash} is missing") };
        let block = store.read_block(&hash)?.ok_or_else(gone)?;
        if let Err(error) = writeln!(output, "{}", to_hex(&block)) {
            until_nobody_reads(Err(error))?;
            return Ok(Exit::Ok);
        }
    }
    until_nobody_reads(output.flush())?;
    Ok(Exit::Ok)
}
