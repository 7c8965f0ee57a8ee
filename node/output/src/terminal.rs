//! What people see: accounts and ports first, then a compact line per event, a table at the end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use server::operator::pass;
use server::runtime::NumberedReport;
use show::amounts::brief;
use show::ids::{begun, short};
use show::style::{Color, Style};

use super::events::Line;
use super::ready::{NodeReady, Ready};
use super::restraint::Restraint;
use super::summary::Summary;

/// Transactions that are remembered as shown, so that each appears once and not once a node.
const SHOWN_MAX: usize = 1000;

/// Where lines go.
pub struct Terminal<W> {
    out: W,
    style: Style,
    shown: VecDeque<String>,
    scope: Scope,
    restraint: Restraint,
}

/// Whose lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of one node: its blocks and connections, too.
    OneNode,
    /// Those of a whole network: people see only what is news to all of it.
    Network {
        /// The node that tells which blocks are connected: one view is enough.
        chain_of: &'static str,
    },
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`.
    pub fn new(out: W, style: Style, scope: Scope) -> Self {
        Self { out, style, shown: VecDeque::new(), scope, restraint: Restraint::default() }
    }

    /// Writes what a node reported. A node of its own is anybody's to talk to: of what strangers
    /// bring about it tells a line of each kind in ten seconds, and how many it left out.
    ///
    /// # Errors
    /// Mostly that nobody reads any more.
    pub fn event(&mut self, node: &str, reported: &NumberedReport) -> io::Result<()> {
        let line = Line::of(node, reported);
        if self.scope == Scope::OneNode {
            let now = reported.now.monotonic;
            self.left_out(node, now)?;
            if let Some((kind, most)) = line.restrained()
                && !self.restraint.admits(kind, most, now)
            {
                return Ok(());
            }
        }
        self.line(&line)
    }

    /// Tells how many lines were left out in all windows that are over at `now`.
    ///
    /// # Errors
    /// Mostly that nobody reads any more.
    pub fn left_out(&mut self, node: &str, now: Duration) -> io::Result<()> {
        let over = self.restraint.over(now).into_iter();
        over.map(|(of, count)| Line::LeftOut { node, of, count })
            .try_for_each(|line| self.line(&line))
    }

    /// Writes one line (the first and the last are several, for people).
    ///
    /// # Errors
    /// Mostly that nobody reads any more.
    pub fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
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
            Line::BlockConnected {
                node,
                hash,
                height,
                transactions,
                fees,
                target_zero_bits,
                ..
            } if self.follows_chain_of(node) => {
                let text = format!(
                    "{node:<9} block {height} {} {} payments, fees {}, {target_zero_bits} bits",
                    short(hash),
                    transactions.saturating_sub(1),
                    brief(fees)
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
                    format!("{node:<9} tx {} fee {}, {pending} pending", begun(txid), brief(fee));
                (Color::Dim, text)
            }
            Line::TxRefused { node, txid, reason, .. } => {
                (Color::Red, format!("{node:<9} refused tx {}: {reason}", begun(txid)))
            }
            Line::LeftOut { node, of, count } => {
                (Color::Dim, format!("{node:<9} left out {count} more lines: {of}"))
            }
            Line::Missed { node, count } => {
                (Color::Yellow, format!("{node:<9} {count} events were not shown in time"))
            }
            Line::PeerReady { node, address, name, direction, .. }
                if self.scope == Scope::OneNode =>
            {
                (Color::Dim, format!("{node:<9} {direction} connection: {name} {address}"))
            }
            Line::PeerLost { node, address, reason, .. } if self.scope == Scope::OneNode => {
                (Color::Dim, format!("{node:<9} lost {address}: {reason}"))
            }
            Line::BlockConnected { .. }
            | Line::TxAccepted { .. }
            | Line::PeerReady { .. }
            | Line::PeerLost { .. } => return None,
        };
        Some(self.style.paint(color, &text))
    }

    fn follows_chain_of(&self, node: &str) -> bool {
        match self.scope {
            Scope::OneNode => true,
            Scope::Network { chain_of } => node == chain_of,
        }
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
            self.style.paint(Color::Bold, &ready.coin),
            ready.difficulty,
            ready.spacing_s,
            ready.kernel,
            ready.genesis
        );
        let _ = writeln!(text, "\n{}", self.style.paint(Color::Bold, "Accounts"));
        for wallet in &ready.wallets {
            let (name, symbol) = (&wallet.name, &ready.symbol);
            let _ = writeln!(text, "  {name:<8} {} {} {symbol}", wallet.address, wallet.balance);
            let _ = writeln!(text, "  {:<8} {}", "", self.style.paint(Color::Dim, &wallet.words));
        }
        let _ = writeln!(text, "\n{}", self.style.paint(Color::Bold, "Nodes"));
        for node in &ready.nodes {
            let threads = match node.threads {
                0 => "does not mine".to_owned(),
                1 => "1 thread".to_owned(),
                threads => format!("{threads} threads"),
            };
            let _ = writeln!(text, "  {:<9} {} {threads}", node.name, node.address);
        }
        let _ = writeln!(text, "\nAsk a node from another terminal, like");
        let place = if ready.kept {
            format!(" --data-dir {}", ready.directory.display())
        } else {
            String::new()
        };
        let _ = writeln!(text, "  lode status{place} --node {}", ready.bootstrap);
        let _ = writeln!(text, "Join it, like");
        let _ = writeln!(text, "  lode wallet Zoe --bootstrap {}", ready.bootstrap);
        let _ = writeln!(text, "  lode miner Extra 9100 --bootstrap {}", ready.bootstrap);
        let _ = write!(text, "\nPress Ctrl-C to stop.");
        if ready.kept {
            let directory = ready.directory.display();
            let _ = writeln!(text, " The chain stays in {directory}; look at it afterwards with");
            if let Some(node) = ready.nodes.first() {
                let _ = writeln!(text, "  lode verify {directory}/{}", node.name);
                let _ = writeln!(text, "  lode export {directory}/{}", node.name);
            }
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
        let name = self.style.paint(Color::Bold, &ready.name);
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
        let which = if ready.is_elsewhere {
            format!("--data-dir {}", ready.directory.display())
        } else {
            format!("--node {}", pass::reachable(ready.address))
        };
        let _ = write!(
            text,
            "data       {}\nasked by   lode status {which} in another terminal\n\
             Press Ctrl-C to stop.",
            ready.directory.display(),
        );
        text
    }

    fn farewell(&self, summary: &Summary) -> String {
        let mut text = format!("\n{}\n", self.style.paint(Color::Bold, "Summary"));
        for node in &summary.nodes {
            let _ = writeln!(
                text,
                "  {:<9} height {} tip {} coins {} supply {}",
                node.name,
                node.height,
                short(&node.tip),
                short(&node.utxo_hash),
                brief(&node.supply)
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
            self.style.paint(Color::Green, "all nodes agree, and every invariant holds")
        } else {
            self.style.paint(Color::Red, "the nodes do not agree, or an invariant is broken")
        };
        let _ = write!(text, "  {verdict}");
        text
    }
}

#[cfg(test)]
mod tests {
    use machine::{Direction, Now, PeerId, Report};

    use super::*;

    /// What a caller brings about who connects, says a payment that is refused, and is thrown out.
    fn call(number: u64) -> [Report; 3] {
        let (peer, address) = (PeerId(number), ([9, 9, 9, 9], 9).into());
        let (name, reason) = ("caller".to_owned(), "a reason of some length".to_owned());
        let txid = chain::hash::Txid([7; 32]);
        [
            Report::PeerReady { peer, address, name, direction: Direction::Inbound },
            Report::TxRefused { txid, reason: reason.clone() },
            Report::PeerLost { peer, address, reason },
        ]
    }

    #[test]
    fn a_flood_of_callers_is_a_line_of_each_kind_and_the_count_of_the_others() {
        for style in [Style::Json, Style::Text { colors: false }] {
            let mut out = Vec::new();
            let mut terminal = Terminal::new(&mut out, style, Scope::OneNode);
            for number in 0..20_000 {
                let now = Now { wall_s: 0, monotonic: Duration::from_millis(number) };
                for report in call(number) {
                    terminal.event("node", &NumberedReport { number, now, report }).unwrap();
                }
            }
            terminal.left_out("node", Duration::MAX).unwrap();
            let out = String::from_utf8(out).unwrap();
            // Twenty seconds: two windows.
            assert_eq!(out.lines().count(), 2 * 3 * 2, "{out}");
            assert_eq!(out.lines().filter(|line| line.contains("9999")).count(), 2 * 3, "{out}");
        }
    }

    fn accepted<'a>(node: &'a str, txid: &str) -> Line<'a> {
        let (txid, fee) = (txid.to_owned(), "0.10000000".to_owned());
        Line::TxAccepted { node, number: 0, txid, fee, bytes: 200, pending: 3 }
    }

    fn shown(style: Style, lines: &[Line<'_>]) -> String {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, style, Scope::Network { chain_of: "bootstrap" });
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
}
