//! What people see: accounts and ports first, then a compact line per event, a table at the end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use super::network::BOOTSTRAP;
use super::report::{Line, NodeReady, Ready, Summary};
use server::operator::pass;

/// Transactions that are remembered as shown, so that each appears once and not once a node.
const SHOWN_MAX: usize = 1000;

/// Characters of a hash that are shown: enough to tell blocks apart by eye.
const HASH_SHOWN: usize = 10;

/// How lines become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object a line.
    Json,
    /// For people, with colors or without.
    Text {
        /// Whether escape codes are wanted.
        colors: bool,
    },
}

/// Where lines go.
pub(crate) struct Terminal<W> {
    out: W,
    style: Style,
    shown: VecDeque<String>,
    /// Shows everything that the nodes do; else only what is news to a whole network.
    every_node: bool,
}

#[derive(Clone, Copy)]
enum Color {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Style {
    /// JSON when it is asked for; colors only on a terminal, and never with `NO_COLOR`.
    pub(crate) fn of_stdout(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        Self::Text { colors: io::stdout().is_terminal() && !no_color() }
    }

    /// Text; colors only on a terminal, and never with `NO_COLOR`.
    pub(crate) fn of_stderr() -> Self {
        Self::Text { colors: io::stderr().is_terminal() && !no_color() }
    }
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W, style: Style) -> Self {
        Self { out, style, shown: VecDeque::new(), every_node: false }
    }

    /// The same for a node that is its own process: its blocks and connections are shown, too.
    pub(crate) fn of_one_node(out: W, style: Style) -> Self {
        Self { every_node: true, ..Self::new(out, style) }
    }

    /// Writes one line (the first and the last are several, for people).
    ///
    /// # Errors
    /// Mostly that nobody reads any more.
    pub(crate) fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let text = match self.style {
            Style::Json => line.to_json(),
            Style::Text { .. } => match self.text(line) {
                Some(text) => text,
                None => return Ok(()),
            },
        };
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// The text for people; none for what would only be noise.
    fn text(&mut self, line: &Line<'_>) -> Option<String> {
        let (color, text) = match line {
            Line::Ready(ready) => (Color::Plain, self.welcome(ready)),
            Line::NodeReady(ready) => (Color::Plain, self.node_welcome(ready)),
            Line::Summary(summary) => (Color::Plain, self.farewell(summary)),
            Line::BlockFound { node, hash, height, .. } => {
                (Color::Green, format!("{node:<9} found block {height} {}", short(hash)))
            }
            // One node's view is enough; the bootstrap node is nobody's rival.
            Line::BlockConnected {
                node,
                hash,
                height,
                transactions,
                fees,
                target_zero_bits,
                ..
            } if *node == BOOTSTRAP || self.every_node => {
                let text = format!(
                    "{node:<9} block {height} {} {} payments, fees {}, {target_zero_bits} bits",
                    short(hash),
                    transactions.saturating_sub(1),
                    coins(fees)
                );
                (Color::Cyan, text)
            }
            Line::Reorganized { node, to, height, disconnected, connected, .. } => {
                let text = format!(
                    "{node:<9} reorganized to {height} {}: {disconnected} off, {connected} on",
                    short(to)
                );
                (Color::Yellow, text)
            }
            Line::BlockRefused { node, hash, reason, .. } => {
                (Color::Red, format!("{node:<9} refused block {}: {reason}", short(hash)))
            }
            Line::TxAccepted { node, txid, fee, pending, .. } if self.is_new(txid) => {
                let text =
                    format!("{node:<9} tx {} fee {}, {pending} pending", begun(txid), coins(fee));
                (Color::Dim, text)
            }
            Line::TxRefused { node, txid, reason, .. } => {
                (Color::Red, format!("{node:<9} refused tx {}: {reason}", begun(txid)))
            }
            Line::Missed { node, count } => {
                (Color::Yellow, format!("{node:<9} {count} events were not shown in time"))
            }
            Line::PeerReady { node, address, name, direction, .. } if self.every_node => {
                (Color::Dim, format!("{node:<9} {direction} connection: {name} {address}"))
            }
            Line::PeerLost { node, address, reason, .. } if self.every_node => {
                (Color::Dim, format!("{node:<9} lost {address}: {reason}"))
            }
            Line::BlockConnected { .. }
            | Line::TxAccepted { .. }
            | Line::PeerReady { .. }
            | Line::PeerLost { .. } => return None,
        };
        Some(self.paint(color, &text))
    }

    fn is_new(&mut self, txid: &str) -> bool {
        if self.shown.iter().any(|shown| shown == txid) {
            return false;
        }
        self.shown.push_back(txid.to_owned());
        if self.shown.len() > SHOWN_MAX {
            self.shown.pop_front();
        }
        true
    }

    fn welcome(&self, ready: &Ready) -> String {
        let mut text = format!(
            "{} devnet: {} bits, aims at a block every {} s, kernel {}\ngenesis {}\n",
            self.paint(Color::Bold, &ready.coin),
            ready.difficulty,
            ready.spacing_s,
            ready.kernel,
            ready.genesis
        );
        let _ = writeln!(text, "\n{}", self.paint(Color::Bold, "Accounts"));
        for wallet in &ready.wallets {
            let (name, symbol) = (&wallet.name, &ready.symbol);
            let _ = writeln!(text, "  {name:<8} {} {} {symbol}", wallet.address, wallet.balance);
            let _ = writeln!(text, "  {:<8} {}", "", self.paint(Color::Dim, &wallet.words));
        }
        let _ = writeln!(text, "\n{}", self.paint(Color::Bold, "Nodes"));
        for node in &ready.nodes {
            let threads = match node.threads {
                0 => "does not mine".to_owned(),
                1 => "1 thread".to_owned(),
                threads => format!("{threads} threads"),
            };
            let _ = writeln!(text, "  {:<9} {} {threads}", node.name, node.address);
        }
        let _ = writeln!(text, "\nAsk a node from another terminal, like");
        let _ = writeln!(text, "  lode status --node {}", ready.bootstrap);
        let _ = writeln!(text, "Join it, like");
        let _ = writeln!(text, "  lode wallet Zoe --bootstrap {}", ready.bootstrap);
        let _ = writeln!(text, "  lode miner Extra 9100 --bootstrap {}", ready.bootstrap);
        let _ = write!(text, "\nPress Ctrl-C to stop.");
        if ready.kept {
            let directory = ready.directory.display();
            let _ = writeln!(text, " The chain stays in {directory}; look at it afterwards with");
            let _ = writeln!(text, "  lode verify {directory}/{BOOTSTRAP}");
            let _ = writeln!(text, "  lode export {directory}/{BOOTSTRAP}");
        } else {
            let _ = writeln!(text, " The chain is gone then; --data-dir DIR keeps it.");
        }
        text
    }

    fn node_welcome(&self, ready: &NodeReady) -> String {
        let mining = match (ready.threads, ready.kernel) {
            (1, Some(kernel)) => format!("mines with 1 thread, kernel {kernel}"),
            (threads @ 2.., Some(kernel)) => {
                format!("mines with {threads} threads, kernel {kernel}")
            }
            _ => "does not mine".to_owned(),
        };
        let name = self.paint(Color::Bold, &ready.name);
        let (role, coin, bits, spacing_s) =
            (ready.role, &ready.coin, ready.difficulty, ready.spacing_s);
        let mut text = format!(
            "{name} ({role}) on {coin}: {bits} bits at the start, aims at a block every {spacing_s} s\n\
             genesis    {}\nlistens    {}, at height {}\nmining     {mining}\n",
            ready.genesis, ready.address, ready.height
        );
        if let Some(payout) = &ready.payout {
            let _ = writeln!(text, "paid to    {payout}");
        }
        let _ = write!(
            text,
            "data       {}\nasked by   lode status --node {} in another terminal\n\
             Press Ctrl-C to stop.",
            ready.directory.display(),
            pass::reachable(ready.address)
        );
        text
    }

    fn farewell(&self, summary: &Summary) -> String {
        let mut text = format!("\n{}\n", self.paint(Color::Bold, "Summary"));
        for node in &summary.nodes {
            let _ = writeln!(
                text,
                "  {:<9} height {} tip {} coins {} supply {}",
                node.name,
                node.height,
                short(&node.tip),
                short(&node.utxo_hash),
                coins(&node.supply)
            );
        }
        let _ = writeln!(
            text,
            "  {} blocks, {} transactions, {} hashes at {}/s, {} s",
            summary.blocks,
            summary.transactions,
            summary.hashes,
            summary.hash_rate,
            summary.seconds
        );
        let _ = writeln!(text, "  {}", summary.luck.text());
        let verdict = if summary.agreed && summary.invariants.hold() {
            self.paint(Color::Green, "all nodes agree, and every invariant holds")
        } else {
            self.paint(Color::Red, "the nodes do not agree, or an invariant is broken")
        };
        let _ = write!(text, "  {verdict}");
        text
    }

    fn paint(&self, color: Color, text: &str) -> String {
        if self.style != (Style::Text { colors: true }) {
            return text.to_owned();
        }
        let code = match color {
            Color::Plain => return text.to_owned(),
            Color::Bold => "1",
            Color::Dim => "2",
            Color::Red => "31",
            Color::Green => "32",
            Color::Yellow => "33",
            Color::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The beginning of a txid, as every other command shows it.
fn begun(txid: &str) -> &str {
    txid.get(..HASH_SHOWN).unwrap_or(txid)
}

/// A part of a block's hash. Work makes hashes begin with zeros, so those tell nothing.
fn short(hash: &str) -> &str {
    let digits = hash.trim_start_matches('0');
    digits.get(..HASH_SHOWN).unwrap_or(digits)
}

/// An amount without the zeros at its end.
fn coins(amount: &str) -> &str {
    amount.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted<'a>(node: &'a str, txid: &str) -> Line<'a> {
        let (txid, fee) = (txid.to_owned(), "0.10000000".to_owned());
        Line::TxAccepted { node, number: 0, txid, fee, bytes: 200, pending: 3 }
    }

    fn shown(style: Style, lines: &[Line<'_>]) -> String {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, style);
        lines.iter().for_each(|line| terminal.line(line).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_see_a_transaction_once_and_programs_once_for_each_node() {
        let lines = [accepted("miner1", "aa"), accepted("miner2", "aa"), accepted("miner2", "bb")];
        let people = shown(Style::Text { colors: false }, &lines);
        assert_eq!(
            people,
            "miner1    tx aa fee 0.1, 3 pending\nminer2    tx bb fee 0.1, 3 pending\n"
        );
        assert_eq!(shown(Style::Json, &lines).lines().count(), 3);
    }

    #[test]
    fn colors_are_there_when_they_are_wanted() {
        let lines = [accepted("miner1", "aa")];
        let colored = shown(Style::Text { colors: true }, &lines);
        assert!(
            colored.starts_with("\u{1b}[2m") && colored.ends_with("\u{1b}[0m\n"),
            "{colored:?}"
        );
    }

    #[test]
    fn amounts_lose_the_zeros_behind_the_point_alone() {
        assert_eq!(coins("100.00000000"), "100");
        assert_eq!(coins("0.00010000"), "0.0001");
        assert_eq!(coins("0.00000000"), "0");
    }
}
