//! Callers that ask for much and read nothing, with a sign of life now and then: everything that
//! the node would tell them waits in its memory.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chain::transaction::TxPosition;
use wire::Message;
use wire::hello::Role;
use wire::peer::PeerMessage;
use wire::wallet::{GetHistory, WalletMessage};

use crate::Attack;
use crate::line::Line;
use crate::target::Target;

/// Connections of each role: as many as a node takes.
const ROLES: [(Role, usize); 2] = [(Role::Peer, 64), (Role::Wallet, 128)];

/// How often each asks, and shows that it lives.
const PAUSE: Duration = Duration::from_secs(1);

/// Questions at once.
const QUESTIONS: u32 = 20;

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for (role, count) in ROLES {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            let mut lines: Vec<Option<Line>> = (0..count).map(|_| None).collect();
            while !attack.is_over() {
                let asked = Instant::now();
                for line in &mut lines {
                    *line = line.take().or_else(|| Line::greet(&attack.target, role).ok());
                    if line.as_mut().is_some_and(|line| ask(&attack.target, line, role).is_err()) {
                        *line = None;
                    }
                    attack.count();
                }
                thread::sleep(PAUSE.saturating_sub(asked.elapsed()));
            }
        });
    }
    Ok(())
}

fn ask(target: &Target, line: &mut Line, role: Role) -> anyhow::Result<()> {
    if role == Role::Peer {
        let blocks = vec![target.network.genesis_hash(); 500];
        line.say(&Message::Peer(PeerMessage::GetBlocks(blocks)))?;
    } else if let Some(rich) = target.network.spec.allocations.first() {
        for request in 0..QUESTIONS {
            let from = TxPosition { height: 0, transaction: 0 };
            let question = GetHistory { request, key: rich.key, from };
            line.say(&Message::Wallet(WalletMessage::GetHistory(question)))?;
        }
    }
    line.say(&Message::Pong(0))
}
